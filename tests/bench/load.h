/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load: the hosts that arbiter-load plays, and what they say.
 *
 * load-host.c is one host: its connection, its guests and leases, its
 * answers.  arbiter-load.c is all of them in time: whose beat is due, who
 * asks, who connects again.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire-beat.h"
#include "common/wire.h"

#define LOAD_LEASES_MAX 64u

typedef enum LoadState {
    LOAD_DOWN,                  /* connects again at .due_ns */
    LOAD_CONNECTING,
    LOAD_HELLO,                 /* said; its answer has not come */
    LOAD_UP
} LoadState;

typedef struct LoadHost {
    unsigned index;
    LoadState state;
    int fd;
    uint64_t due_ns;
    uint64_t pause_ms;          /* until it tries again, as rcached's */
    uint64_t seq;
    unsigned turn;              /* the lease that makes room for a new one */
    uint64_t offered;
    WireBeatLease *lease;
    GByteArray *in;             /* not yet a whole frame; NULL: nothing */
    GByteArray *out;            /* not yet sent; NULL: nothing */
} LoadHost;

typedef struct Load {
    /* What is asked for. */
    unsigned port, hosts, guests, leases;
    bool bare;                  /* no HELLO: the other side is the floor */
    uint64_t period_ns, ask_ns;
    /* Who there is. */
    int epoll;
    LoadHost *host;
    unsigned up, down;          /* of the states of these names */
    /* What has happened since the last command. */
    uint64_t beats, blocked, asked, answered, refused, partial, grants;
    uint64_t late_ns;           /* the latest beat of all */
    GArray *took_ns;            /* uint64_t, of each answer */
    GArray *sent_ns;            /* uint64_t, of each request; 0: answered */
    uint64_t tags;              /* of requests before the last command */
} Load;

/** load_host_init() - make up a host, by its number */
void load_host_init(Load *load, LoadHost *h, unsigned index);

/** load_host_connect() - start to */
void load_host_connect(Load *load, LoadHost *h);

/** load_host_event() - its socket has something, of epoll's */
void load_host_event(Load *load, LoadHost *h, uint32_t events);

/** load_host_beat() - send a heartbeat */
void load_host_beat(Load *load, LoadHost *h);

/**
 * load_host_ask() - ask for memory for one of its guests
 * @due_ns: when it wanted to, from when its wait counts
 */
void load_host_ask(Load *load, LoadHost *h, uint64_t due_ns);

#endif
