/* SPDX-License-Identifier: GPL-2.0-or-later */
/* grants: requests and grants on their way.  See grants.h. */
#include "arbiter/grants.h"

#include <string.h>

#include "common/wire-control.h"

/* Bytes, at the least, on a host that is busy: 256 MiB a second. */
#define ALLOCATED_PER_MS    (256u << 10)
#define ALLOCATE_MS_MAX     (5u * 60 * 1000)    /* however much it is */
#define ROUNDS_MAX          4u  /* of asking others */

/* ----------------------------------------------------------------- queues */

static LeaseParty *party_get(Grants *grants, const char *name)
{
    LeaseParty *party = g_hash_table_lookup(grants->parties, name);

    if (!party) {
        party = g_new0(LeaseParty, 1);
        wire_text_copy(party->name, sizeof(party->name), name);
        g_hash_table_insert(grants->parties, party->name, party);
    }
    return party;
}

static void party_put(Grants *grants, LeaseParty *party)
{
    if (!party->asks.length && !party->given.length && !party->taken.length) {
        g_hash_table_remove(grants->parties, party->name);
    }
}

static void push(GQueue *queue, GList *link, void *data)
{
    link->data = data;
    g_queue_push_tail_link(queue, link);
}

static void grant_unlink(Grants *grants, Grant *grant)
{
    g_queue_unlink(&grant->giver->given, &grant->given);
    party_put(grants, grant->giver);
    g_queue_unlink(&grant->taker->taken, &grant->taken);
    party_put(grants, grant->taker);
}

static void grant_remove(Grants *grants, Grant *grant)
{
    grant_unlink(grants, grant);
    g_hash_table_remove(grants->grants, &grant->wire.lease);
}

/* One grant more, or less, is waited for. */
static void ask_wait(Grants *grants, LeaseAsk *ask, int more)
{
    bool was_done = !ask->waiting;

    ask->waiting += more;
    if (was_done && ask->waiting) {
        g_queue_unlink(&grants->done, &ask->done);
    } else if (!was_done && !ask->waiting) {
        push(&grants->done, &ask->done, ask);
    }
}

/* It is not waited for any more, if it was. */
static void grant_settle(Grants *grants, Grant *grant, GrantState state)
{
    if (grant->state == GRANT_ASKED && grant->ask) {
        ask_wait(grants, grant->ask, -1);
    }
    grant->state = state;
}

static void ask_free(LeaseAsk *ask)
{
    g_ptr_array_unref(ask->grants);
    g_free(ask);
}

void grants_init(Grants *grants, const GrantsConfig *config)
{
    *grants = (Grants) { .config = *config };
    grants->grants = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                           g_free);
    grants->parties = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                            g_free);
}

void grants_deinit(Grants *grants)
{
    GList *link;

    while ((link = g_queue_pop_head_link(&grants->asks))) {
        ask_free(link->data);
    }
    g_clear_pointer(&grants->grants, g_hash_table_unref);
    g_clear_pointer(&grants->parties, g_hash_table_unref);
}

/* --------------------------------------------------------------- requests */

/* The first reason is the one that is told. */
static void let_down(LeaseAsk *ask, const char *provider, const char *why)
{
    ask->let_down = true;
    if (!*ask->text) {
        g_snprintf(ask->text, sizeof(ask->text), "%s: %s", provider, why);
    }
}

/* A provider allocates what it grants before it answers. */
static uint64_t answer_ms(const Grants *grants, uint64_t bytes)
{
    return grants->config.answer_ms + MIN(bytes / ALLOCATED_PER_MS,
                                          ALLOCATE_MS_MAX);
}

LeaseAsk *grants_ask_new(Grants *grants, const char *requester, uint64_t tag,
                         const WireLeaseRequest *wire, uint64_t now)
{
    LeaseParty *party = party_get(grants, requester);
    LeaseAsk *ask;

    if (party->asks.length >= grants->config.asks_max) {
        party_put(grants, party);
        return NULL;
    }
    ask = g_new0(LeaseAsk, 1);
    ask->party = party;
    wire_text_copy(ask->requester, sizeof(ask->requester), requester);
    ask->tag = tag;
    ask->wire = *wire;
    ask->grants = g_ptr_array_new();
    ask->asked_ms = now;
    ask->deadline_ms = now + answer_ms(grants, 0);
    grants->due_ms = grants->asks.length
                         ? MIN(grants->due_ms, ask->deadline_ms)
                         : ask->deadline_ms;
    push(&grants->asks, &ask->all, ask);
    push(&party->asks, &ask->of_party, ask);
    push(&grants->done, &ask->done, ask);
    return ask;
}

Grant *grants_add(Grants *grants, LeaseAsk *ask, const char *provider,
                  const char *address, uint64_t bytes, uint64_t id,
                  const uint8_t *token, uint64_t now)
{
    Grant *grant;

    if (g_hash_table_contains(grants->grants, &id)) {
        return NULL;
    }
    grant = g_new0(Grant, 1);
    grant->wire = (WireGrant) {
        .lease = id, .epoch = 1, .claim_ms = grants->config.claim_ms,
        .bytes = bytes, .incarnation = ask->wire.incarnation,
    };
    memcpy(grant->wire.token, token, RCACHE_TOKEN_LEN);
    memcpy(grant->wire.vm, ask->wire.vm, RCACHE_UUID_LEN);
    wire_text_copy(grant->wire.name, sizeof(grant->wire.name),
                   ask->wire.name);
    wire_text_copy(grant->wire.host, sizeof(grant->wire.host),
                   ask->requester);
    wire_text_copy(grant->provider, sizeof(grant->provider), provider);
    wire_text_copy(grant->address, sizeof(grant->address), address);
    /* It may take as long as that to answer, and counts from then. */
    grant->until_ms = now + answer_ms(grants, bytes) +
                      grants->config.claim_ms;
    grant->ask = ask;
    grant->giver = party_get(grants, provider);
    grant->taker = ask->party;
    push(&grant->giver->given, &grant->given, grant);
    push(&grant->taker->taken, &grant->taken, grant);
    g_ptr_array_add(ask->grants, grant);
    ask_wait(grants, ask, 1);
    /* What was asked for may be anything; this provider has room for it. */
    ask->deadline_ms = MAX(ask->deadline_ms,
                           ask->asked_ms + answer_ms(grants, bytes));
    g_hash_table_insert(grants->grants, &grant->wire.lease, grant);
    return grant;
}

bool grant_is_pending(const Grant *grant)
{
    return grant->state != GRANT_REFUSED && !grant->listed;
}

/* It goes once neither a request nor the pending bytes need it. */
static bool grant_unused(const Grant *grant, uint64_t now)
{
    return !grant->ask && (!grant_is_pending(grant) || now >= grant->until_ms);
}

bool grants_ack(Grants *grants, const char *provider, const WireGrantAck *ack,
                uint64_t now)
{
    Grant *grant = g_hash_table_lookup(grants->grants, &ack->lease);

    if (!grant || strcmp(grant->provider, provider) ||
        (grant->state != GRANT_ASKED && grant->state != GRANT_LOST)) {
        return false;
    }
    /* Much more than was asked is as good as nothing. */
    if (ack->status || !ack->bytes || ack->bytes / 2 > grant->wire.bytes) {
        grant_settle(grants, grant, GRANT_REFUSED);
        if (grant->ask) {
            let_down(grant->ask, provider,
                     *ack->text ? ack->text
                     : ack->status ? wire_status_name(ack->status)
                                   : "granted nothing");
        }
    } else {
        grant->less = ack->bytes < grant->wire.bytes;
        if (grant->ask && grant->less) {
            let_down(grant->ask, provider, "granted less than was asked");
        }
        grant->wire.bytes = ack->bytes;
        grant->ttl_ms = ack->ttl_ms;
        grant->until_ms = now + grants->config.claim_ms;
        /* Too late for the reply: nobody will claim it. */
        grant_settle(grants, grant,
                     grant->ask ? GRANT_GRANTED : GRANT_LOST);
    }
    if (grant_unused(grant, now)) {
        grant_remove(grants, grant);
    }
    return true;
}

const WireGrant *grants_find(const Grants *grants, const char *provider,
                             uint64_t lease)
{
    const Grant *grant = g_hash_table_lookup(grants->grants, &lease);

    return grant && !strcmp(grant->provider, provider) ? &grant->wire : NULL;
}

void grants_listed(Grants *grants, const char *provider, uint64_t lease)
{
    Grant *grant = g_hash_table_lookup(grants->grants, &lease);

    if (grant && !strcmp(grant->provider, provider)) {
        grant->listed = true;
        if (!grant->ask) {
            grant_remove(grants, grant);
        }
    }
}

static void stop_waiting(Grants *grants, const char *provider,
                         const char *why)
{
    LeaseParty *party = g_hash_table_lookup(grants->parties, provider);

    for (GList *at = party ? party->given.head : NULL; at; at = at->next) {
        Grant *grant = at->data;

        if (grant->state == GRANT_ASKED) {
            grant_settle(grants, grant, GRANT_LOST);
            if (grant->ask) {
                let_down(grant->ask, provider, why);
            }
        }
    }
}

void grants_provider_lost(Grants *grants, const char *provider)
{
    stop_waiting(grants, provider, "the connection was lost");
}

void grants_provider_silent(Grants *grants, const char *provider)
{
    stop_waiting(grants, provider, "does not answer");
}

void grants_provider_rebooted(Grants *grants, const char *provider)
{
    LeaseParty *party = g_hash_table_lookup(grants->parties, provider);
    GList *at = party ? party->given.head : NULL;

    while (at) {
        Grant *grant = at->data;

        at = at->next;          /* the party may go with the last one */
        grant_settle(grants, grant, GRANT_REFUSED);
        if (grant->ask) {
            let_down(grant->ask, provider, "has booted again");
        } else {
            grant_remove(grants, grant);
        }
    }
}

void grants_requester_lost(Grants *grants, const char *requester)
{
    LeaseParty *party;

    while ((party = g_hash_table_lookup(grants->parties, requester)) &&
           party->asks.head) {
        grants_ask_free(grants, party->asks.head->data);
    }
}

LeaseAsk *grants_next_done(Grants *grants, uint64_t now)
{
    uint64_t due_ms = UINT64_MAX;

    if (grants->done.head) {
        return grants->done.head->data;
    }
    if (now < grants->due_ms) {
        return NULL;
    }
    for (GList *at = grants->asks.head; at; at = at->next) {
        LeaseAsk *ask = at->data;

        if (now >= ask->deadline_ms) {
            return ask;
        }
        due_ms = MIN(due_ms, ask->deadline_ms);
    }
    grants->due_ms = due_ms;
    return NULL;
}

uint64_t grants_wanted(const LeaseAsk *ask)
{
    uint64_t bytes;

    return __builtin_mul_overflow(ask->wire.bytes, MAX(ask->wire.copies, 1u),
                                  &bytes) ? UINT64_MAX : bytes;
}

uint64_t grants_lacking(const LeaseAsk *ask, uint64_t now, unsigned *parts)
{
    uint64_t have = 0, wanted = grants_wanted(ask);
    unsigned granted = 0;

    if (!ask->let_down || ask->rounds >= ROUNDS_MAX ||
        now >= ask->deadline_ms) {
        return 0;
    }
    for (guint i = 0; i < ask->grants->len; i++) {
        const Grant *grant = ask->grants->pdata[i];

        if (grant->state == GRANT_GRANTED) {
            granted++;
            if (__builtin_add_overflow(have, grant->wire.bytes, &have)) {
                return 0;
            }
        }
    }
    *parts = WIRE_GRANTS_MAX - MIN(granted, WIRE_GRANTS_MAX);
    return *parts && have < wanted ? wanted - have : 0;
}

bool grant_gave_all(const Grant *grant)
{
    return !grant->less && (grant->state == GRANT_ASKED ||
                            grant->state == GRANT_GRANTED);
}

void grants_round(LeaseAsk *ask)
{
    ask->rounds++;
    ask->let_down = false;
}

static void reply_grant(WireLeaseReply *out, const Grant *grant)
{
    WireLeaseGrant *g = &out->grant[out->nr_grants++];

    g->lease = grant->wire.lease;
    g->epoch = grant->wire.epoch;
    g->ttl_ms = grant->ttl_ms;
    g->bytes = grant->wire.bytes;
    memcpy(g->token, grant->wire.token, RCACHE_TOKEN_LEN);
    wire_text_copy(g->host, sizeof(g->host), grant->provider);
    wire_text_copy(g->address, sizeof(g->address), grant->address);
    out->bytes += g->bytes;
}

void grants_reply(const LeaseAsk *ask, WireLeaseReply *out)
{
    uint64_t wanted = grants_wanted(ask);
    const char *late = NULL;

    memset(out, 0, sizeof(*out));
    for (guint i = 0; i < ask->grants->len; i++) {
        const Grant *grant = ask->grants->pdata[i];

        if (grant->state == GRANT_GRANTED) {
            /* A yes after all may come when others have been asked. */
            if (out->nr_grants < WIRE_GRANTS_MAX) {
                reply_grant(out, grant);
            }
        } else if (grant->state == GRANT_ASKED) {
            late = grant->provider;
        }
    }
    if (!out->nr_grants) {
        out->status = ask->status ? ask->status : RCACHE_E_NO_ROOM;
    }
    if (out->bytes >= wanted) {
        return;
    }
    if (*ask->text) {
        wire_text_copy(out->text, sizeof(out->text), ask->text);
    } else if (late) {
        g_snprintf(out->text, sizeof(out->text), "%s did not answer in time",
                   late);
    } else {
        g_snprintf(out->text, sizeof(out->text), "the providers granted %"
                   G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " MiB",
                   out->bytes >> 20, wanted >> 20);
    }
}

void grants_ask_free(Grants *grants, LeaseAsk *ask)
{
    for (guint i = 0; i < ask->grants->len; i++) {
        Grant *grant = ask->grants->pdata[i];

        if (grant->state == GRANT_ASKED) {
            grant_settle(grants, grant, GRANT_LOST);
        }
        grant->ask = NULL;
        if (!grant_is_pending(grant)) {
            grant_remove(grants, grant);
        }
    }
    g_queue_unlink(&grants->done, &ask->done);
    g_queue_unlink(&grants->asks, &ask->all);
    g_queue_unlink(&ask->party->asks, &ask->of_party);
    party_put(grants, ask->party);
    ask_free(ask);
}

void grants_expire(Grants *grants, uint64_t now)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, grants->grants);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (grant_unused(value, now)) {
            grant_unlink(grants, value);
            g_hash_table_iter_remove(&iter);
        }
    }
}

void grants_each_pending(const Grants *grants, GrantsEach *each, void *opaque)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, grants->grants);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (grant_is_pending(value)) {
            each(value, opaque);
        }
    }
}

static void each_of(const GQueue *grants, GrantsEach *each, void *opaque)
{
    for (const GList *at = grants->head; at; at = at->next) {
        if (grant_is_pending(at->data)) {
            each(at->data, opaque);
        }
    }
}

void grants_each_given(const Grants *grants, const char *provider,
                       GrantsEach *each, void *opaque)
{
    const LeaseParty *party = g_hash_table_lookup(grants->parties, provider);

    if (party) {
        each_of(&party->given, each, opaque);
    }
}

void grants_each_taken(const Grants *grants, const char *requester,
                       GrantsEach *each, void *opaque)
{
    const LeaseParty *party = g_hash_table_lookup(grants->parties,
                                                  requester);

    if (party) {
        each_of(&party->taken, each, opaque);
    }
}
