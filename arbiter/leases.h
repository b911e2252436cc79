/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leases: requests that wait for their providers, and grants that no
 * heartbeat has listed yet.  Pure: time is an argument, in milliseconds.
 *
 * A request (LeaseAsk) has a grant at each provider chosen.  It is done when
 * each of them has answered, or is lost, or at its deadline; the owner then
 * takes it (leases_next_done()), and either asks other providers for what
 * some have refused (leases_lacking()) or replies and frees it.
 *
 * A grant counts as gone from what its provider offers until a heartbeat of
 * that provider lists the lease, from when the provider's own figures count
 * it; or until it has been refused; or until the provider must have dropped
 * it because nobody claimed it.  It so outlives the request: a provider that
 * answers late has its memory counted all the same.
 *
 * Both are also kept by the names of who is concerned, and requests that are
 * done in a queue of their own: after a failure every host may ask at once,
 * and nothing here walks over the requests of others.
 *
 *     ASKED -> GRANTED -> (listed: removed)
 *       |   \-> REFUSED -> (removed with the request)
 *       \-----> LOST: the reply went without it
 */
#ifndef ARBITER_LEASES_H
#define ARBITER_LEASES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

typedef enum GrantState {
    GRANT_ASKED,
    GRANT_GRANTED,
    GRANT_REFUSED,
    GRANT_LOST
} GrantState;

typedef struct LeaseAsk LeaseAsk;

/* What there is of one name. */
typedef struct LeaseParty {
    char name[RCACHE_NAME_MAX];
    GQueue asks;                /* of LeaseAsk: of this requester */
    GQueue given;               /* of Grant: by this provider */
    GQueue taken;               /* of Grant: for this requester */
} LeaseParty;

typedef struct Grant {
    GrantState state;
    WireGrant wire;             /* .bytes: asked for; then what was granted */
    char provider[RCACHE_NAME_MAX];
    char address[RCACHE_NAME_MAX];
    uint32_t ttl_ms;            /* from the provider */
    uint64_t until_ms;          /* the provider has dropped it by then */
    bool listed;                /* by a heartbeat */
    bool less;                  /* granted, but not all that was asked */
    LeaseAsk *ask;              /* NULL once replied */
    LeaseParty *giver, *taker;
    GList given, taken;         /* links */
} Grant;

struct LeaseAsk {
    char requester[RCACHE_NAME_MAX];
    uint64_t tag;               /* of the request */
    WireLeaseRequest wire;
    GPtrArray *grants;          /* of Grant, not owned */
    unsigned waiting;           /* of them, GRANT_ASKED */
    LeaseParty *party;
    GList all, of_party, done;  /* links; .done while none is waiting */
    uint64_t asked_ms;
    uint64_t deadline_ms;       /* by the largest grant */
    bool let_down;              /* a provider gave less, and nobody else was */
                                /* asked since */
    unsigned rounds;            /* times that others were asked */
    uint16_t status;            /* why nothing was asked of anybody, or 0 */
    char text[192];             /* why it will be less than asked, or "" */
};

typedef struct LeasesConfig {
    uint64_t answer_ms;         /* a provider has so long to answer, beside */
                                /* what it needs to allocate the memory */
    uint64_t claim_ms;          /* and a requester to claim */
    unsigned asks_max;          /* of one host at a time */
} LeasesConfig;

typedef struct Leases {
    LeasesConfig config;
    GQueue asks;                /* of LeaseAsk, owned, the oldest first */
    GQueue done;                /* of LeaseAsk: with nobody to wait for */
    uint64_t due_ms;            /* no request is late before that */
    GHashTable *grants;         /* lease id -> Grant, owned */
    GHashTable *parties;        /* name -> LeaseParty, owned */
} Leases;

void leases_init(Leases *leases, const LeasesConfig *config);
void leases_deinit(Leases *leases);

/**
 * leases_ask_new() - a host asks
 *
 * Return: the request, or NULL: that host has too many waiting
 */
LeaseAsk *leases_ask_new(Leases *leases, const char *requester, uint64_t tag,
                         const WireLeaseRequest *wire, uint64_t now);

/**
 * leases_grant_new() - ask one provider for a part of it
 * @id: random, not 0
 *
 * Return: the grant; .wire is what to send.  NULL if the id is taken
 */
Grant *leases_grant_new(Leases *leases, LeaseAsk *ask, const char *provider,
                        const char *address, uint64_t bytes, uint64_t id,
                        const uint8_t *token, uint64_t now);

/**
 * leases_ack() - a provider has answered
 *
 * Return: false if it is no grant of this provider's that waits for it
 */
bool leases_ack(Leases *leases, const char *provider,
                const WireGrantAck *ack, uint64_t now);

/** leases_listed() - a heartbeat of @provider has this lease */
void leases_listed(Leases *leases, const char *provider, uint64_t lease);

/** leases_provider_lost() - it is not connected; do not wait for it */
void leases_provider_lost(Leases *leases, const char *provider);

/** leases_provider_rebooted() - what it has granted ended with its boot */
void leases_provider_rebooted(Leases *leases, const char *provider);

/** leases_requester_lost() - nobody waits for these replies */
void leases_requester_lost(Leases *leases, const char *requester);

/** leases_next_done() - a request that can be replied to now, or NULL */
LeaseAsk *leases_next_done(Leases *leases, uint64_t now);

/**
 * leases_lacking() - what its providers have refused of a request
 * @parts: how many further grants there is room for in the reply
 *
 * Return: bytes to ask other providers for; 0 if none have refused since
 * leases_round(), or too many, or there is no time left
 */
uint64_t leases_lacking(const LeaseAsk *ask, uint64_t now, unsigned *parts);

/** leases_gave_all() - did its provider, or may it still? */
bool leases_gave_all(const Grant *grant);

/** leases_round() - others are asked for what is lacking */
void leases_round(LeaseAsk *ask);

/** leases_reply() - the reply to it */
void leases_reply(const LeaseAsk *ask, WireLeaseReply *out);

/** leases_ask_free() - it has been replied to */
void leases_ask_free(Leases *leases, LeaseAsk *ask);

/** leases_expire() - forget grants that their providers have dropped */
void leases_expire(Leases *leases, uint64_t now);

/** leases_grant_pending() - does this one count as gone? */
bool leases_grant_pending(const Grant *grant);

typedef void LeasesEach(const Grant *grant, void *opaque);

/** leases_each_pending() - call @each for all grants that count as gone */
void leases_each_pending(const Leases *leases, LeasesEach *each,
                         void *opaque);

/** leases_each_given() - the same, for those of one provider */
void leases_each_given(const Leases *leases, const char *provider,
                       LeasesEach *each, void *opaque);

/** leases_each_taken() - the same, for those of one requester */
void leases_each_taken(const Leases *leases, const char *requester,
                       LeasesEach *each, void *opaque);

#endif
