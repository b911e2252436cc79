/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter-answers: what this host answers to its arbiters, and what it says of
 * them; and the arbiters themselves, as arbiter-client.c and this have them.
 * For nobody else.
 */
#ifndef RCACHED_AGENT_ARBITER_ANSWERS_H
#define RCACHED_AGENT_ARBITER_ANSWERS_H

#include "common/control-conn.h"
#include "common/control-dial.h"
#include "rcached/agent/arbiter-client.h"

typedef struct Arbiter {
    ArbiterClients *clients;
    unsigned index;
    char *address;
    ControlDial *dial;
    ControlConn *frames;
    uint64_t connection;        /* number of this one */
    uint64_t features;          /* of its HELLO_ACK */
    unsigned version;           /* the same */
    bool greeted;
    guint timer;                /* of the next attempt, or heartbeat */
    unsigned pause_ms;          /* before the next attempt */
    unsigned period_ms;
    uint64_t seq;
    uint64_t beats;
    uint64_t pings, pongs;      /* of this connection */
    char host[RCACHE_NAME_MAX];
    char *error;
    bool said;                  /* this error has been logged */
} Arbiter;

/*
 * Outlives its arbiters as long as one that asked is unanswered: @alive says
 * whether they are still there.
 */
struct ArbiterClients {
    unsigned refs;
    bool alive;
    ArbiterConfig config;
    char *host, *provider;
    const ArbiterOps *ops;
    void *opaque;
    Arbiter *arbiter;
    unsigned nr_arbiters;
    uint64_t connections;
    LeaseRequests *requests;
    WhereRequests *wheres;
};

struct ArbiterAsked {
    ArbiterClients *clients;
    unsigned index;
    uint64_t connection;
    uint64_t tag;
};

/** arbiter_send_bytes() - whole frames, which it takes; false: that failed, and
 * the connection ends */
bool arbiter_send_bytes(ControlConn *frames, GByteArray *bytes);

/** arbiter_asked_new() - @a asks something under this tag */
ArbiterAsked *arbiter_asked_new(Arbiter *a, uint64_t tag);

/** arbiter_clients_unref() - one that asked has been answered */
void arbiter_clients_unref(ArbiterClients *clients);

#endif
