/* SPDX-License-Identifier: GPL-2.0-or-later */
/* push-internal: what push.c (its life) and push-pages.c share. */
#ifndef RCACHED_PROVIDER_PUSH_INTERNAL_H
#define RCACHED_PROVIDER_PUSH_INTERNAL_H

#include "common/data-conn.h"
#include "common/wire-move.h"
#include "rcached/provider/peer.h"
#include "rcached/provider/spill-xfer.h"
#include "rcached/provider/store.h"

#define PUSH_READS      4u      /* PUTs with pages of the spill file */

typedef enum PushState {
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
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t incarnation;
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

/** push_head() - of a frame to the new provider */
WireHead push_head(const Push *push, uint8_t type);

/** push_end() - MOVE is answered with @status; @why: for the log */
void push_end(Push *push, enum RcacheStatus status, const char *why);

/** push_free() - now, or when the last read of the spill file is done */
void push_free(Push *push);

#endif
