/* SPDX-License-Identifier: GPL-2.0-or-later */
/* leases: requests and grants on their way.  See leases.h. */
#include "arbiter/leases.h"

#include <string.h>

/* Bytes, at the least, on a host that is busy: 256 MiB a second. */
#define ALLOCATED_PER_MS    (256u << 10)
#define ROUNDS_MAX          4u  /* of asking others */

static void ask_free(void *opaque)
{
    LeaseAsk *ask = opaque;

    g_ptr_array_unref(ask->grants);
    g_free(ask);
}

void leases_init(Leases *leases, const LeasesConfig *config)
{
    leases->config = *config;
    leases->asks = NULL;
    leases->grants = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                           g_free);
}

void leases_deinit(Leases *leases)
{
    g_list_free_full(g_steal_pointer(&leases->asks), ask_free);
    g_clear_pointer(&leases->grants, g_hash_table_unref);
}

/* The first reason is the one that is told. */
static void let_down(LeaseAsk *ask, const char *provider, const char *why)
{
    ask->let_down = true;
    if (!*ask->text) {
        g_snprintf(ask->text, sizeof(ask->text), "%s: %s", provider, why);
    }
}

static unsigned asks_of(const Leases *leases, const char *requester)
{
    unsigned n = 0;

    for (GList *at = leases->asks; at; at = at->next) {
        LeaseAsk *ask = at->data;

        n += !strcmp(ask->requester, requester);
    }
    return n;
}

/* A provider allocates what it grants before it answers. */
static uint64_t answer_ms(const Leases *leases, uint64_t bytes)
{
    return leases->config.answer_ms + bytes / ALLOCATED_PER_MS;
}

LeaseAsk *leases_ask_new(Leases *leases, const char *requester, uint64_t tag,
                         const WireLeaseRequest *wire, uint64_t now)
{
    LeaseAsk *ask;

    if (asks_of(leases, requester) >= leases->config.asks_max) {
        return NULL;
    }
    ask = g_new0(LeaseAsk, 1);
    wire_text_copy(ask->requester, sizeof(ask->requester), requester);
    ask->tag = tag;
    ask->wire = *wire;
    ask->grants = g_ptr_array_new();
    ask->deadline_ms = now + answer_ms(leases, wire->bytes);
    leases->asks = g_list_append(leases->asks, ask);
    return ask;
}

Grant *leases_grant_new(Leases *leases, LeaseAsk *ask, const char *provider,
                        const char *address, uint64_t bytes, uint64_t id,
                        const uint8_t *token, uint64_t now)
{
    Grant *grant;

    if (g_hash_table_contains(leases->grants, &id)) {
        return NULL;
    }
    grant = g_new0(Grant, 1);
    grant->wire = (WireGrant) {
        .lease = id, .epoch = 1, .claim_ms = leases->config.claim_ms,
        .bytes = bytes,
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
    grant->until_ms = now + answer_ms(leases, bytes) +
                      leases->config.claim_ms;
    grant->ask = ask;
    g_ptr_array_add(ask->grants, grant);
    g_hash_table_insert(leases->grants, &grant->wire.lease, grant);
    return grant;
}

bool leases_grant_pending(const Grant *grant)
{
    return grant->state != GRANT_REFUSED && !grant->listed;
}

/* It goes once neither a request nor the pending bytes need it. */
static bool grant_unused(const Grant *grant, uint64_t now)
{
    return !grant->ask &&
           (!leases_grant_pending(grant) || now >= grant->until_ms);
}

bool leases_ack(Leases *leases, const char *provider,
                const WireGrantAck *ack, uint64_t now)
{
    Grant *grant = g_hash_table_lookup(leases->grants, &ack->lease);

    if (!grant || strcmp(grant->provider, provider) ||
        (grant->state != GRANT_ASKED && grant->state != GRANT_LOST)) {
        return false;
    }
    /* Much more than was asked is as good as nothing. */
    if (ack->status || !ack->bytes || ack->bytes / 2 > grant->wire.bytes) {
        grant->state = GRANT_REFUSED;
        if (grant->ask) {
            let_down(grant->ask, provider,
                     *ack->text ? ack->text
                     : ack->status ? wire_status_name(ack->status)
                                   : "it grants nothing");
        }
    } else {
        grant->less = ack->bytes < grant->wire.bytes;
        if (grant->ask && grant->less) {
            let_down(grant->ask, provider, "it granted less");
        }
        grant->wire.bytes = ack->bytes;
        grant->ttl_ms = ack->ttl_ms;
        grant->until_ms = now + leases->config.claim_ms;
        /* Too late for the reply: nobody will claim it. */
        grant->state = grant->ask ? GRANT_GRANTED : GRANT_LOST;
    }
    if (grant_unused(grant, now)) {
        g_hash_table_remove(leases->grants, &ack->lease);
    }
    return true;
}

void leases_listed(Leases *leases, const char *provider, uint64_t lease)
{
    Grant *grant = g_hash_table_lookup(leases->grants, &lease);

    if (grant && !strcmp(grant->provider, provider)) {
        grant->listed = true;
        if (!grant->ask) {
            g_hash_table_remove(leases->grants, &lease);
        }
    }
}

void leases_provider_lost(Leases *leases, const char *provider)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, leases->grants);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Grant *grant = value;

        if (grant->state == GRANT_ASKED &&
            !strcmp(grant->provider, provider)) {
            grant->state = GRANT_LOST;
            if (grant->ask) {
                let_down(grant->ask, provider, "the connection was lost");
            }
        }
    }
}

void leases_requester_lost(Leases *leases, const char *requester)
{
    GList *at = leases->asks;

    while (at) {
        LeaseAsk *ask = at->data;

        at = at->next;
        if (!strcmp(ask->requester, requester)) {
            leases_ask_free(leases, ask);
        }
    }
}

static bool ask_done(const LeaseAsk *ask, uint64_t now)
{
    for (guint i = 0; i < ask->grants->len; i++) {
        const Grant *grant = ask->grants->pdata[i];

        if (grant->state == GRANT_ASKED) {
            return now >= ask->deadline_ms;
        }
    }
    return true;
}

LeaseAsk *leases_next_done(const Leases *leases, uint64_t now)
{
    for (GList *at = leases->asks; at; at = at->next) {
        if (ask_done(at->data, now)) {
            return at->data;
        }
    }
    return NULL;
}

uint64_t leases_lacking(const LeaseAsk *ask, uint64_t now, unsigned *parts)
{
    uint64_t have = 0;
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
    return *parts && have < ask->wire.bytes ? ask->wire.bytes - have : 0;
}

bool leases_gave_all(const Grant *grant)
{
    return !grant->less && (grant->state == GRANT_ASKED ||
                            grant->state == GRANT_GRANTED);
}

void leases_round(LeaseAsk *ask)
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

void leases_reply(const LeaseAsk *ask, WireLeaseReply *out)
{
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
    if (out->bytes >= ask->wire.bytes) {
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
                   out->bytes >> 20, ask->wire.bytes >> 20);
    }
}

void leases_ask_free(Leases *leases, LeaseAsk *ask)
{
    for (guint i = 0; i < ask->grants->len; i++) {
        Grant *grant = ask->grants->pdata[i];

        grant->ask = NULL;
        if (grant->state == GRANT_ASKED) {
            grant->state = GRANT_LOST;
        }
        if (!leases_grant_pending(grant)) {
            g_hash_table_remove(leases->grants, &grant->wire.lease);
        }
    }
    leases->asks = g_list_remove(leases->asks, ask);
    ask_free(ask);
}

void leases_expire(Leases *leases, uint64_t now)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, leases->grants);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (grant_unused(value, now)) {
            g_hash_table_iter_remove(&iter);
        }
    }
}

void leases_each_pending(const Leases *leases,
                         void (*each)(const Grant *grant, void *opaque),
                         void *opaque)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, leases->grants);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (leases_grant_pending(value)) {
            each(value, opaque);
        }
    }
}
