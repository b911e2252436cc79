/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grants: requests that wait for their providers, and grants that no
 * heartbeat has listed yet.  Pure: time is an argument, in milliseconds.
 *
 * A request (LeaseAsk) has a grant at each provider chosen.  It is done when
 * each of them has answered, or is lost, or at its deadline; the owner then
 * takes it (grants_next_done()), and either asks other providers for what
 * some have refused (grants_lacking()) or replies and frees it.
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
#ifndef ARBITER_GRANTS_H
#define ARBITER_GRANTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire-control.h"
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

typedef struct GrantsConfig {
    uint64_t answer_ms;         /* a provider has so long to answer, beside */
                                /* what it needs to allocate the memory */
    uint64_t claim_ms;          /* and a requester to claim */
    unsigned asks_max;          /* of one host at a time */
} GrantsConfig;

typedef struct Grants {
    GrantsConfig config;
    GQueue asks;                /* of LeaseAsk, owned, the oldest first */
    GQueue done;                /* of LeaseAsk: with nobody to wait for */
    uint64_t due_ms;            /* no request is late before that */
    GHashTable *grants;         /* lease id -> Grant, owned */
    GHashTable *parties;        /* name -> LeaseParty, owned */
} Grants;

void grants_init(Grants *grants, const GrantsConfig *config);
void grants_deinit(Grants *grants);

/**
 * grants_ask_new() - a host asks
 *
 * Return: the request, or NULL: that host has too many waiting
 */
LeaseAsk *grants_ask_new(Grants *grants, const char *requester, uint64_t tag,
                         const WireLeaseRequest *wire, uint64_t now);

/**
 * grants_add() - ask one provider for a part of it
 * @id: random, not 0
 *
 * Return: the grant; .wire is what to send.  NULL if the id is taken
 */
Grant *grants_add(Grants *grants, LeaseAsk *ask, const char *provider,
                  const char *address, uint64_t bytes, uint64_t id,
                  const uint8_t *token, uint64_t now);

/**
 * grants_ack() - a provider has answered
 *
 * Return: false if it is no grant of this provider's that waits for it
 */
bool grants_ack(Grants *grants, const char *provider, const WireGrantAck *ack,
                uint64_t now);

/** grants_find() - what was granted there under this id and is not forgotten
 * yet, or NULL */
const WireGrant *grants_find(const Grants *grants, const char *provider,
                             uint64_t lease);

/** grants_listed() - a heartbeat of @provider has this lease */
void grants_listed(Grants *grants, const char *provider, uint64_t lease);

/** grants_provider_lost() - it is not connected; do not wait for it */
void grants_provider_lost(Grants *grants, const char *provider);

/**
 * grants_provider_silent() - it is connected, and nothing is heard of it
 *
 * Others are asked instead.  A yes that comes later counts all the same.
 */
void grants_provider_silent(Grants *grants, const char *provider);

/** grants_provider_rebooted() - what it has granted ended with its boot */
void grants_provider_rebooted(Grants *grants, const char *provider);

/** grants_requester_lost() - nobody waits for these replies */
void grants_requester_lost(Grants *grants, const char *requester);

/** grants_next_done() - a request that can be replied to now, or NULL */
LeaseAsk *grants_next_done(Grants *grants, uint64_t now);

/**
 * grants_lacking() - what its providers have refused of a request
 * @parts: how many further grants there is room for in the reply
 *
 * Return: bytes to ask other providers for; 0 if none have refused since
 * grants_round(), or too many, or there is no time left
 */
uint64_t grants_lacking(const LeaseAsk *ask, uint64_t now, unsigned *parts);

/** grant_gave_all() - did its provider, or may it still? */
bool grant_gave_all(const Grant *grant);

/** grants_round() - others are asked for what is lacking */
void grants_round(LeaseAsk *ask);

/** grants_wanted() - bytes that were asked for, of all copies */
uint64_t grants_wanted(const LeaseAsk *ask);

/** grants_reply() - the reply to it */
void grants_reply(const LeaseAsk *ask, WireLeaseReply *out);

/** grants_ask_free() - it has been replied to */
void grants_ask_free(Grants *grants, LeaseAsk *ask);

/** grants_expire() - forget grants that their providers have dropped */
void grants_expire(Grants *grants, uint64_t now);

/** grant_is_pending() - does this one count as gone? */
bool grant_is_pending(const Grant *grant);

typedef void GrantsEach(const Grant *grant, void *opaque);

/** grants_each_pending() - call @each for all grants that count as gone */
void grants_each_pending(const Grants *grants, GrantsEach *each, void *opaque);

/** grants_each_given() - the same, for those of one provider */
void grants_each_given(const Grants *grants, const char *provider,
                       GrantsEach *each, void *opaque);

/** grants_each_taken() - the same, for those of one requester */
void grants_each_taken(const Grants *grants, const char *requester,
                       GrantsEach *each, void *opaque);

#endif
