/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daemon-fixture: a whole rcached in the test's own process, arbiters that do
 * as they are told, and the admin socket.  Pagers are fake-pager's.
 */
#ifndef TESTS_DAEMON_FIXTURE_H
#define TESTS_DAEMON_FIXTURE_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "common/control-conn.h"
#include "common/listener.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "common/wire.h"
#include "rcached/host-admin.h"
#include "rcached/rcached.h"
#include "tests/unit/fake-pager.h"

/* An arbiter: answers HELLO, remembers what it is told. */
typedef struct FakeArbiter {
    Listener *listener;
    ControlConn *frames; /* the last connection, or NULL */
    GSocketConnection *hung_conn;
    /* How it behaves. */
    unsigned heartbeat_ms;      /* that it names; 0 to begin with */
    uint16_t refuse;            /* HELLO is answered with this status */
    uint64_t features;          /* that it has; LABELS: its grants have some */
    bool mute;                  /* lease requests are not answered */
    uint16_t reply_status;      /* how they are answered */
    bool hung;                  /* HELLO is acknowledged, nothing follows */
    bool late;                  /* answer a request when told to, by
                                 * fake_arbiter_reply() */
    /* What it has seen. */
    unsigned hellos, beats, requests, acks, closed;
    WireHello hello;
    WireBeatHost host;          /* of the last heartbeat, and so the next */
    unsigned nr_troubles;
    WireBeatTrouble trouble;    /* the last one */
    int64_t terms;              /* their sum */
    unsigned nr_guests, nr_held, nr_leases, nr_delays, nr_curves;
    WireDelays delays;
    WireCurve curve;
    WireBeatGuest guest;
    WireBeatLease held, lease;
    uint64_t last_seq;
    WireLeaseRequest request;
    uint64_t request_tag;
    WireGrantAck ack;
    char reason[200];           /* why the last connection ended */
} FakeArbiter;

typedef struct Daemon {
    char *folder;
    Options *options;
    Rcached *rcached;
} Daemon;

/** fake_arbiter_init() - listen on loopback */
void fake_arbiter_init(FakeArbiter *a);
void fake_arbiter_deinit(FakeArbiter *a);
/** fake_arbiter_reply() - answer the last request as .reply_status says */
void fake_arbiter_reply(FakeArbiter *a);
/** fake_arbiter_grant() - send a GRANT */
void fake_arbiter_grant(FakeArbiter *a, uint64_t lease, uint64_t bytes);

/**
 * daemon_start() - with a folder, a port and a memory of its own
 * @more: further options, NULL ends them
 */
void daemon_start(Daemon *d, const char *const *more);

/** daemon_stop() - end it, check that it left no socket, kill its pagers */
void daemon_stop(Daemon *d);

/** daemon_vm() - a VM connects; the pager has answered it */
int daemon_vm(Daemon *d, uint8_t uuid, const char *name);

/** daemon_vm_event() - the text of the next EVENT from the fake pager */
char *daemon_vm_event(int fd);

/** daemon_ask() - run a command; NULL with @errp set if it fails */
JsonNode *daemon_ask(Daemon *d, const char *command, JsonObject *args,
                     GError **errp);

/** daemon_ask_object() - the same, for one that returns an object */
JsonObject *daemon_ask_object(Daemon *d, const char *command);

/** daemon_first() - the first object of the list that a command returns,
 * NULL if the list is empty */
JsonObject *daemon_first(Daemon *d, const char *command);

#endif
