/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The provider of fuzz-vmm: it keeps what is put, and answers each request, by
 * its mood.  See vmm-played.h.
 */
#include <glib.h>
#include <string.h>

#include "common/wire-check.h"
#include "common/wire-control.h"
#include "vmm-played.h"

#define PAGE    WIRE_PAGE_SIZE

/* A connection: what has come in, and what is to go out. */
typedef struct Conn {
    GByteArray *in, *out;
} Conn;

enum ProviderMood provider_mood;
static GHashTable *conns;       /* of Conn, by descriptor */
static GHashTable *pages;       /* of a page's bytes, by lease and slot */

static void conn_free(void *opaque)
{
    Conn *c = opaque;

    g_byte_array_unref(c->in);
    g_byte_array_unref(c->out);
    g_free(c);
}

void provider_begin(void)
{
    provider_mood = PROVIDER_WELL;
    conns = g_hash_table_new_full(NULL, NULL, NULL, conn_free);
    pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
}

void provider_end(void)
{
    g_hash_table_unref(conns);
    g_hash_table_unref(pages);
}

bool provider_connected(int fd, uint16_t port)
{
    Conn *c;

    if (provider_mood == PROVIDER_GONE) {
        return false;
    }
    c = g_new(Conn, 1);
    c->in = g_byte_array_new();
    c->out = g_byte_array_new();
    g_hash_table_replace(conns, GINT_TO_POINTER(fd), c);
    return true;
}

static void *key(uint64_t lease, RcacheSlot slot)
{
    return GSIZE_TO_POINTER(lease << 40 ^ slot);
}

static void bare(GByteArray *out, const WireHead *to, uint8_t type,
                 uint16_t status)
{
    WireHead head = { .type = type, .status = status, .tag = to->tag,
                      .lease = to->lease, .epoch = to->epoch };

    wire_append_bare(out, &head);
}

static void answer_claim(GByteArray *out, const WireHead *to)
{
    WireHead head = { .type = RCACHE_CLAIM_ACK, .tag = to->tag,
                      .lease = to->lease, .epoch = to->epoch };
    WireClaimAck ack = { .slab_pages = PROVIDER_PAGES, .ttl_ms = 30000,
                         .nr_slabs = PROVIDER_SLABS };
    uint32_t slab[PROVIDER_SLABS];

    if (provider_mood == PROVIDER_EMPTY) {
        bare(out, to, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
        return;
    }
    for (unsigned i = 0; i < PROVIDER_SLABS; i++) {
        slab[i] = i;
    }
    wire_append_claim_ack(out, &head, &ack, slab);
}

static void answer_put(const WireHead *to, const uint8_t *payload)
{
    for (unsigned i = 0; i < to->count; i++) {
        RcacheSlot slot;

        wire_slots_decode(payload + i * sizeof(slot), &slot, 1);
        g_hash_table_replace(pages, key(to->lease, slot),
                             g_memdup2(payload + to->count * sizeof(slot) +
                                       i * PAGE, PAGE));
    }
}

static void answer_get(GByteArray *out, const WireHead *to,
                       const uint8_t *payload)
{
    WireHead head = { .type = RCACHE_GET_REPLY, .count = to->count,
                      .length = to->count * PAGE, .tag = to->tag,
                      .lease = to->lease, .epoch = to->epoch };
    static const uint8_t none[PAGE];
    uint8_t bytes[WIRE_HEAD_LEN];

    wire_head_encode(bytes, &head);
    g_byte_array_append(out, bytes, sizeof(bytes));
    for (unsigned i = 0; i < to->count; i++) {
        const uint8_t *page;
        RcacheSlot slot;

        wire_slots_decode(payload + i * sizeof(slot), &slot, 1);
        page = g_hash_table_lookup(pages, key(to->lease, slot));
        g_byte_array_append(out, page ? page : none, PAGE);
    }
}

static void answer(GByteArray *out, const WireHead *to, const uint8_t *payload)
{
    bool busy = provider_mood == PROVIDER_BUSY;
    WireHelloAck hello = { .version = RCACHE_VERSION };

    switch (to->type) {
    case RCACHE_HELLO:
        wire_append_hello_ack(out, to->tag, RCACHE_OK, &hello);
        break;
    case RCACHE_PING:
        bare(out, to, RCACHE_PONG, RCACHE_OK);
        break;
    case RCACHE_CLAIM:
        answer_claim(out, to);
        break;
    case RCACHE_RENEW:
        if (provider_mood == PROVIDER_EMPTY) {
            bare(out, to, RCACHE_RENEW_ACK, RCACHE_E_LEASE);
        } else {
            wire_append_renew_ack(out, to, 30000);
        }
        break;
    case RCACHE_PUT:
        if (!busy) {
            answer_put(to, payload);
        }
        bare(out, to, RCACHE_PUT_ACK, busy ? RCACHE_E_BUSY : RCACHE_OK);
        break;
    case RCACHE_GET:
        if (busy) {
            bare(out, to, RCACHE_GET_REPLY, RCACHE_E_BUSY);
        } else {
            answer_get(out, to, payload);
        }
        break;
    case RCACHE_FREE:
        bare(out, to, RCACHE_FREE_ACK, RCACHE_OK);
        break;
    case RCACHE_RELEASE:
        bare(out, to, RCACHE_RELEASE_ACK, RCACHE_OK);
        break;
    default:
        break;                  /* and then it says nothing */
    }
}

size_t provider_take(int fd, const struct iovec *iov, size_t n)
{
    Conn *c = g_hash_table_lookup(conns, GINT_TO_POINTER(fd));
    size_t len = 0, at = 0;
    WireHead head;

    for (size_t i = 0; i < n; i++) {
        g_byte_array_append(c->in, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    while (c->in->len - at >= WIRE_HEAD_LEN &&
           wire_head_decode(c->in->data + at, WIRE_PROVIDER, &head) ==
           WIRE_OK && c->in->len - at >= WIRE_HEAD_LEN + head.length) {
        if (provider_mood != PROVIDER_SILENT) {
            answer(c->out, &head, c->in->data + at + WIRE_HEAD_LEN);
        }
        at += WIRE_HEAD_LEN + head.length;
    }
    g_byte_array_remove_range(c->in, 0, at);
    return len;
}

int provider_give(int fd, void *buf, size_t len)
{
    Conn *c = g_hash_table_lookup(conns, GINT_TO_POINTER(fd));
    size_t n = MIN(len, c->out->len);

    if (provider_mood == PROVIDER_GONE) {
        return -1;
    }
    if (n) {
        memcpy(buf, c->out->data, n);
        g_byte_array_remove_range(c->out, 0, n);
    }
    return n;
}
