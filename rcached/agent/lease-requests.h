/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease-requests: requests for leases, on their way from arbiter to arbiter.
 *
 * A request goes to one arbiter that is connected; when that does not answer
 * in time, says no or is lost, the next one is asked, each once.  An arbiter
 * may take as long as its providers to answer a request, but it answers a PING
 * at once.  One goes with each request: if that is not answered soon, the
 * arbiter is dead, though its connection has not ended, or stands still.  When
 * nobody is left the caller gets the last answer.  The arbiter that last said
 * yes is asked first.
 *
 * It knows arbiters by their index only; the owner sends.
 */
#ifndef RCACHED_AGENT_LEASE_REQUESTS_H
#define RCACHED_AGENT_LEASE_REQUESTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire-control.h"

typedef struct LeaseRequests LeaseRequests;

/* The reply is the caller's only while it is called. */
typedef void LeaseRequestReply(const WireLeaseReply *reply, void *opaque);

typedef struct LeaseRequestsOps {
    /* Can arbiter @i be asked now? */
    bool (*ready)(unsigned i, void *opaque);
    /* Ask arbiter @i, and send a PING.  If that fails, lease_requests_lost()
     * says so later.  Return: the PING's number. */
    uint64_t (*send)(unsigned i, uint64_t tag, const WireLeaseRequest *what,
                     void *opaque);
    /* How long arbiter @i may take to answer a PING, in ms. */
    unsigned (*patience)(unsigned i, void *opaque);
    /* Has it answered that PING? */
    bool (*lives)(unsigned i, uint64_t ping, void *opaque);
    /* What arbiter @i is called. */
    const char *(*name)(unsigned i, void *opaque);
    /* Why no arbiter can be asked at all, into @text of @size bytes. */
    void (*nobody)(char *text, size_t size, void *opaque);
} LeaseRequestsOps;

/**
 * lease_requests_new() - no requests yet
 * @n: how many arbiters there are
 * @answer_ms: an arbiter may take to answer, beside the time in which
 *             providers allocate what is asked for
 */
LeaseRequests *lease_requests_new(unsigned n, unsigned answer_ms,
                                  const LeaseRequestsOps *ops, void *opaque);

/** lease_requests_free() - all that are under way are answered with BUSY */
void lease_requests_free(LeaseRequests *requests);

/**
 * lease_requests_add() - ask the arbiters
 * @request: copied
 * @reply: called once, never from within this function
 */
void lease_requests_add(LeaseRequests *requests,
                        const WireLeaseRequest *request,
                        LeaseRequestReply *reply, void *opaque);

/**
 * lease_requests_answered() - arbiter @i has answered
 * @tag: that it was asked with
 *
 * Return: false if nothing waits for that answer any more
 */
bool lease_requests_answered(LeaseRequests *requests, unsigned i,
                             uint64_t tag, const WireLeaseReply *reply);

/** lease_requests_lost() - the connection to arbiter @i has ended: @why */
void lease_requests_lost(LeaseRequests *requests, unsigned i,
                         const char *why);

#endif
