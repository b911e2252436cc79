/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * where-requests: questions to the arbiters where a provider is (WHERE).
 *
 * All arbiters that are connected are asked at once, and the first that knows
 * it is believed: a provider may have reached only one of them.  Where nobody
 * says anything, what was said last of that host holds, so that slabs move
 * while all arbiters are away.  It knows arbiters by their index only; the
 * owner sends.
 */
#ifndef RCACHED_AGENT_WHERE_REQUESTS_H
#define RCACHED_AGENT_WHERE_REQUESTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire-control.h"

typedef struct WhereRequests WhereRequests;

/* The answer is the caller's only while it is called.  RCACHE_E_REFUSED: none
 * knows of it; RCACHE_E_BUSY: nobody has said, now or before. */
typedef void WhereReply(const WireWhere *found, void *opaque);

typedef struct WhereRequestsOps {
    /* Can arbiter @i be asked now? */
    bool (*ready)(unsigned i, void *opaque);
    /* Does it know the question?  An older one does not. */
    bool (*knows)(unsigned i, void *opaque);
    /* Ask it.  If that fails, where_requests_lost() says so later. */
    void (*send)(unsigned i, uint64_t tag, const WireWhere *what,
                 void *opaque);
} WhereRequestsOps;

/** where_requests_new() - no questions yet, to @n arbiters */
WhereRequests *where_requests_new(unsigned n, const WhereRequestsOps *ops,
                                  void *opaque);

/** where_requests_free() - all that are under way are answered with BUSY */
void where_requests_free(WhereRequests *requests);

/**
 * where_requests_add() - ask
 * @what: .host, or .address of one whose host is not known
 * @reply: called once, never from within this function
 *
 * Where only older arbiters are connected, the answer is what was asked.
 */
void where_requests_add(WhereRequests *requests, const WireWhere *what,
                        WhereReply *reply, void *opaque);

/** where_requests_answered() - arbiter @i has answered what had @tag */
void where_requests_answered(WhereRequests *requests, unsigned i,
                             uint64_t tag, const WireWhere *found);

/** where_requests_lost() - the connection to arbiter @i has ended */
void where_requests_lost(WhereRequests *requests, unsigned i);

#endif
