/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * push: a slab of ours goes to another provider, from the connection on.  Only
 * push-begin.c, which has what is before, and push-pages.c include this.
 */
#ifndef RCACHED_PROVIDER_PUSH_H
#define RCACHED_PROVIDER_PUSH_H

#include "common/data-conn.h"
#include "common/wire-move.h"
#include "rcached/provider/peer.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/spill-xfer.h"
#include "rcached/provider/spill.h"

#define PUSH_READS      4u      /* PUTs not yet answered that are read from
                                 * the spill file */

typedef enum PushState {
    PUSH_ASKING,                /* an arbiter, where the new provider is */
    PUSH_CONNECTING,
    PUSH_GREETING,
    PUSH_OPENING,
    PUSH_SENDING,
    PUSH_ENDING,
    PUSH_OVER
} PushState;

struct Push;

/* Pages that come from the spill file: read, sent, and then answered. */
typedef struct PushRead {
    struct Push *push;
    bool used;
    bool reading;
    uint32_t first;
    unsigned n;
    uint8_t *buf;
    SpillSeal seals[RCACHE_BATCH_PAGES];
    SpillXfer xfer;
} PushRead;

typedef struct Push {
    Server *server;
    GList link;                 /* of server->pushes */
    Peer *peer;                 /* who asked, or NULL: has left */
    WireHead head;              /* of its MOVE */
    WireMove move;
    SessionOwner owner;         /* of the lease */
    uint64_t ticket;            /* of what is asked in PUSH_ASKING */
    bool opened;                /* the connection has been */
    char why[160];              /* it was given up before that */
    char host[RCACHE_NAME_MAX]; /* of the new provider; "": not known */
    PushState state;
    enum RcacheStatus status;   /* to answer with */
    DataConn conn;
    StoreLease *lease;          /* in use */
    Slab *slab;                 /* in use */
    uint64_t *bits;             /* what was stored */
    uint32_t at;                /* next page to look at */
    unsigned out;               /* PUTs not yet answered, or being read; */
    unsigned plain;             /* of them, those from memory */
    bool closed;                /* and freed when nothing is being read */
    PushRead *reads[PUSH_READS];    /* NULL: not needed so far */
    WireMoved sent;
    uint64_t progress;          /* ms */
} Push;

/* What a push does with its connection. */
extern const DataConnOps push_conn_ops;

/** push_head() - of a frame to the new provider */
WireHead push_head(const Push *push, uint8_t type);

/** push_end() - it is over: answer its MOVE with @status when the connection
 * is quiet, or from push_sweep() */
void push_end(Push *push, enum RcacheStatus status, const char *why);

/** push_answer() - answer its MOVE; @reason: for the log */
void push_answer(Push *push, const char *reason);

/** push_free() - now, or when the last read of the spill file is done; its
 * connection is closed, or was never opened */
void push_free(Push *push);

#endif
