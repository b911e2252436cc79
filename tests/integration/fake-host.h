/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-host: hosts that speak to a real arbiter and do as they are told, and
 * the arbiter's process.
 */
#ifndef TESTS_FAKE_HOST_H
#define TESTS_FAKE_HOST_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "common/control-conn.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "common/wire.h"

#define FAKE_LEASES     16u

/* ------------------------------------------------------------ the arbiter */

typedef struct ArbiterProcess {
    char *folder;               /* for its socket and its configuration */
    char *socket;
    char *listen;               /* where it listens, once it runs */
    unsigned heartbeat_ms;
    GSubprocess *process;
} ArbiterProcess;

/**
 * arbiter_start() - start it and wait until it answers
 *
 * The first time on any port, later on the same one.  The program is named
 * by the environment variable ARBITER.
 */
void arbiter_start(ArbiterProcess *a, unsigned heartbeat_ms);

/** arbiter_stop() - SIGTERM; checks exit status 0 and that nothing is left */
void arbiter_stop(ArbiterProcess *a);

/** arbiter_kill() - SIGKILL; the socket's file stays behind */
void arbiter_kill(ArbiterProcess *a);

/** arbiter_ask() - one command of its admin socket; never NULL */
JsonNode *arbiter_ask(ArbiterProcess *a, const char *command);

/** arbiter_text() - the same as text, without what changes with time */
char *arbiter_text(ArbiterProcess *a, const char *command);

/** arbiter_host() - one of "hosts", or NULL; unref it */
JsonObject *arbiter_host(ArbiterProcess *a, const char *name);

/* ------------------------------------------------------------------ hosts */

typedef enum FakeAnswer {
    FAKE_YES,
    FAKE_NO,
    FAKE_SILENT,
    FAKE_LEAVES                 /* closes instead of answering */
} FakeAnswer;

typedef struct FakeHost {
    /* What it is and does. */
    const char *name;
    uint8_t boot_id[RCACHE_UUID_LEN];
    uint64_t offered;
    bool rude;                  /* a heartbeat comes before HELLO */
    bool beats;                 /* sends heartbeats */
    bool vm;                    /* has a VM, of the name "vm" */
    bool holds;                 /* that holds what .reply granted */
    uint32_t copies;            /* that the VM wants; 0 is 1 */
    const char *label;          /* NULL: "rack1" */
    FakeAnswer answer;          /* to grants */
    WireBeatTrouble trouble;    /* of its VM with a provider; no host: none */
    /* Leases it has given, and how many of them its heartbeats list. */
    WireBeatLease lease[FAKE_LEASES];
    unsigned nr_leases, nr_listed;
    /* What has happened. */
    bool dialed;
    ControlConn *frames;        /* NULL: not connected */
    bool welcome;               /* HELLO_ACK came with status 0 */
    WireHelloAck ack;
    uint16_t ack_status;
    char reason[256];           /* why the connection ended */
    uint64_t seq, beats_sent;
    WireGrant grant;            /* the last one */
    unsigned grants;
    uint64_t withdrawn;         /* the last lease that was withdrawn */
    uint64_t features;          /* of its HELLO */
    WireLeaseReply reply;       /* the last one */
    uint64_t reply_tag;
    unsigned replies;
    uint64_t granted;           /* bytes, in all of them */
    guint timer;
} FakeHost;

/** fake_host_init() - a host that lends @offered bytes, in slabs of 64 MiB */
void fake_host_init(FakeHost *h, const char *name, uint64_t offered);
void fake_host_deinit(FakeHost *h);

/** fake_host_connect() - connect and say HELLO; does not wait */
void fake_host_connect(FakeHost *h, ArbiterProcess *a);

/** fake_host_join() - the same, and wait until a heartbeat was taken */
void fake_host_join(FakeHost *h, ArbiterProcess *a);

/** fake_host_request() - ask for a lease for its VM */
void fake_host_request(FakeHost *h, uint64_t tag, uint64_t bytes,
                       uint32_t copies);

/** fake_host_ask() - the same, for anything */
void fake_host_ask(FakeHost *h, uint64_t tag, const WireLeaseRequest *request);

/** fake_host_frame() - a heartbeat as it would send it now */
GByteArray *fake_host_frame(FakeHost *h);

/**
 * fake_wait() - run the main loop until @done, half a minute at most
 *
 * @done is not looked at again once it has been true: it may not stay so.
 */
#define fake_wait(done) \
    do { \
        gint64 until_ = g_get_monotonic_time() + 30 * G_USEC_PER_SEC; \
        bool done_; \
        while (!(done_ = (done)) && g_get_monotonic_time() < until_) { \
            fake_spin(5); \
        } \
        ck_assert_msg(done_, "not within half a minute: %s", #done); \
    } while (0)

/** fake_spin() - run the main loop for so long */
void fake_spin(unsigned ms);

#endif
