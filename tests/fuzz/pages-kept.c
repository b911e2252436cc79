/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the providers of fuzz-pages keep.  See pages-kept.h. */
#include "tests/fuzz/pages-kept.h"

#include <string.h>

#include "common/wire-check.h"

#define PAGE            WIRE_PAGE_SIZE

Lenders all;

static void *key(uint64_t lease, RcacheSlot slot)
{
    return GSIZE_TO_POINTER(lease << 56 ^ slot);
}

static void way_free(void *opaque)
{
    Way *way = opaque;

    g_byte_array_unref(way->in);
    g_byte_array_unref(way->out);
    g_free(way);
}

static void asked_free(void *opaque)
{
    Asked *asked = opaque;

    g_free(asked->payload);
    g_free(asked->sum);
    g_free(asked);
}

void lenders_begin(void)
{
    memset(&all, 0, sizeof(all));
    all.ways = g_ptr_array_new_with_free_func(way_free);
    all.asked = g_ptr_array_new_with_free_func(asked_free);
    all.pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    all.confirmed = g_hash_table_new_full(NULL, NULL, NULL, g_free);
}

void lenders_end(void)
{
    g_ptr_array_unref(all.ways);
    g_ptr_array_unref(all.asked);
    g_hash_table_unref(all.pages);
    g_hash_table_unref(all.confirmed);
}

bool lenders_lied(void)
{
    return all.lied;
}

/* ------------------------------------------------------ what is kept there */

Kept *lease_of(unsigned lender, uint64_t id)
{
    Kept *kept = id && id <= LEASES ? &all.lease[id] : NULL;

    return kept && kept->known && kept->lender == lender ? kept : NULL;
}

/* A slab of the lease, by the number that a slot begins with. */
bool has_slab(const Kept *kept, uint32_t number)
{
    return kept && number < LENDER_SLABS && kept->slabs >> number & 1;
}

static bool has_slots(const Kept *kept, const Asked *asked)
{
    for (unsigned i = 0; i < asked->head.count; i++) {
        RcacheSlot slot;

        wire_slots_decode(asked->payload + i * sizeof(slot), &slot, 1);
        if (!has_slab(kept, slot >> 32) ||
            (uint32_t)slot >= LENDER_PAGES) {
            return false;
        }
    }
    return true;
}

RcacheSlot asked_slot(const Asked *asked, unsigned i)
{
    RcacheSlot slot;

    wire_slots_decode(asked->payload + i * sizeof(slot), &slot, 1);
    return slot;
}

const uint8_t *asked_page(const Asked *asked, unsigned i)
{
    return asked->payload + asked->head.count * sizeof(RcacheSlot) + i * PAGE;
}

static void slab_empty(uint64_t lease, uint32_t number)
{
    for (uint32_t page = 0; page < LENDER_PAGES; page++) {
        g_hash_table_remove(all.pages,
                            key(lease, (uint64_t)number << 32 | page));
    }
}

/* What @table has of one slab it has of another as well. */
static void slab_copy(GHashTable *table, size_t size, uint64_t from,
                      uint32_t from_slab, uint64_t to, uint32_t to_slab)
{
    for (uint32_t page = 0; page < LENDER_PAGES; page++) {
        const void *bytes = g_hash_table_lookup(
            table, key(from, (uint64_t)from_slab << 32 | page));

        if (bytes) {
            g_hash_table_replace(table,
                                 key(to, (uint64_t)to_slab << 32 | page),
                                 g_memdup2(bytes, size));
        }
    }
}

static WireMoved slab_sum(uint64_t lease, uint32_t number)
{
    WireMoved moved = { 0 };

    for (uint32_t page = 0; page < LENDER_PAGES; page++) {
        const void *bytes = g_hash_table_lookup(
            all.pages, key(lease, (uint64_t)number << 32 | page));

        if (bytes) {
            moved.pages++;
            moved.digest += wire_page_sum(bytes) * (page + 1);
        }
    }
    return moved;
}

const uint8_t *kept_page(uint64_t lease, RcacheSlot slot)
{
    return g_hash_table_lookup(all.pages, key(lease, slot));
}

static void note_confirmed(uint64_t lease, RcacheSlot slot, uint64_t sum)
{
    g_hash_table_replace(all.confirmed, key(lease, slot),
                         g_memdup2(&sum, sizeof(sum)));
}

bool lenders_confirmed(uint64_t lease, RcacheSlot slot, uint64_t sum)
{
    const uint64_t *has = g_hash_table_lookup(all.confirmed,
                                              key(lease, slot));

    return has && *has == sum;
}

/* ------------------------------------------------------------- it is done */

static uint16_t do_move(const Asked *asked, WireMoved *moved)
{
    WireMove move;
    Kept *to;

    if (wire_move_decode(asked->payload, asked->head.length, &move) ||
        !move.to_lease || move.to_lease > LEASES) {
        return RCACHE_E_REFUSED;
    }
    to = &all.lease[move.to_lease];
    if (!has_slab(to, move.to_slab) || !to->known ||
        memcmp(to->token[move.to_slab], move.token, sizeof(move.token)) ||
        all.lender[to->lender].refuse) {
        return RCACHE_E_BUSY;
    }
    slab_empty(move.to_lease, move.to_slab);
    slab_copy(all.pages, PAGE, asked->head.lease, move.slab, move.to_lease,
              move.to_slab);
    *moved = slab_sum(move.to_lease, move.to_slab);
    to->moved[move.to_slab] = *moved;
    return RCACHE_OK;
}

static uint16_t do_token(Kept *kept, const Asked *asked, WireMoved *moved)
{
    WireMoveToken token;

    if (wire_move_token_decode(asked->payload, asked->head.length, &token) ||
        !has_slab(kept, token.slab)) {
        return RCACHE_E_SLOT;
    }
    if (asked->head.type == RCACHE_CONFIRM) {
        if (memcmp(kept->token[token.slab], token.token,
                   sizeof(token.token))) {
            return RCACHE_E_REFUSED;
        }
        *moved = kept->moved[token.slab];
        memset(kept->token[token.slab], 0, sizeof(token.token));
        return RCACHE_OK;
    }
    slab_empty(asked->head.lease, token.slab);
    memcpy(kept->token[token.slab], token.token, sizeof(token.token));
    return RCACHE_OK;
}

void forget_lease(uint64_t lease)
{
    all.lease[lease].known = false;
    for (uint32_t i = 0; i < LENDER_SLABS; i++) {
        slab_empty(lease, i);
    }
}

/*
 * A pager that has been told no lie asks for nothing that is not there, and
 * puts nothing where something is being pushed.
 */
static uint16_t not_there(enum RcacheStatus status)
{
    g_assert(all.lied);
    return status;
}

static uint16_t do_pages(Kept *kept, const Asked *asked)
{
    static const uint8_t none[RCACHE_TOKEN_LEN];

    if (!kept) {
        return not_there(RCACHE_E_LEASE);
    }
    if (!has_slots(kept, asked)) {
        return not_there(RCACHE_E_SLOT);
    }
    for (unsigned i = 0; i < asked->head.count; i++) {
        RcacheSlot slot = asked_slot(asked, i);
        void *at = key(asked->head.lease, slot);

        if (asked->head.type != RCACHE_FREE &&
            memcmp(kept->token[slot >> 32], none, sizeof(none))) {
            return not_there(RCACHE_E_SLOT);
        }
        switch (asked->head.type) {
        case RCACHE_PUT:
            g_hash_table_replace(all.pages, at,
                                 g_memdup2(asked_page(asked, i), PAGE));
            break;
        case RCACHE_FREE:
            g_hash_table_remove(all.pages, at);
            break;
        default:
            if (!g_hash_table_contains(all.pages, at)) {
                return not_there(RCACHE_E_SLOT);
            }
        }
    }
    return RCACHE_OK;
}

uint16_t asked_do(const Asked *asked, WireMoved *moved)
{
    Kept *kept = lease_of(asked->lender, asked->head.lease);

    switch (asked->head.type) {
    case RCACHE_PING:
        return RCACHE_OK;
    case RCACHE_PUT:
    case RCACHE_GET:
    case RCACHE_FREE:
        return do_pages(kept, asked);
    case RCACHE_DROP:
        if (!has_slots(kept, asked)) {
            return RCACHE_E_SLOT;
        }
        for (unsigned i = 0; i < asked->head.count; i++) {
            slab_empty(asked->head.lease, asked_slot(asked, i) >> 32);
            kept->slabs &= ~(1u << (asked_slot(asked, i) >> 32));
        }
        return RCACHE_OK;
    case RCACHE_EXPECT:
    case RCACHE_CONFIRM:
        return do_token(kept, asked, moved);
    case RCACHE_MOVE:
        return kept ? do_move(asked, moved) : RCACHE_E_LEASE;
    case RCACHE_RELEASE:
        if (kept) {
            forget_lease(asked->head.lease);
        }
        return kept ? RCACHE_OK : RCACHE_E_LEASE;
    default:
        return kept ? RCACHE_OK : RCACHE_E_LEASE;
    }
}

/* ------------------------------------------------------------ it is noted */

static void note_put_ack(const Asked *put, const WireHead *head,
                         const uint8_t *payload)
{
    RcacheSlot slot[RCACHE_BATCH_PAGES];
    uint64_t digest;

    for (unsigned i = 0; i < put->head.count; i++) {
        slot[i] = asked_slot(put, i);
    }
    if (all.lender[put->lender].features & RCACHE_FEATURE_DIGEST &&
        (wire_put_ack_decode(payload, head->length, &digest) ||
         digest != wire_put_digest(slot, put->sum, put->head.count))) {
        return;
    }
    for (unsigned i = 0; i < put->head.count; i++) {
        note_confirmed(put->head.lease, slot[i], put->sum[i]);
    }
}

/* The slab's pages are where both say that they have gone. */
static void note_confirm_ack(const Asked *confirm, const WireMoved *moved)
{
    WireMoveToken token;

    if (wire_move_token_decode(confirm->payload, confirm->head.length,
                               &token)) {
        return;
    }
    for (guint i = 0; i < all.asked->len; i++) {
        const Asked *asked = all.asked->pdata[i];
        WireMove move;

        if (asked->head.type == RCACHE_MOVE && asked->answered &&
            !wire_move_decode(asked->payload, asked->head.length, &move) &&
            !memcmp(move.token, token.token, sizeof(token.token)) &&
            !memcmp(&asked->moved, moved, sizeof(*moved))) {
            slab_copy(all.confirmed, sizeof(uint64_t), asked->head.lease,
                      move.slab, move.to_lease, move.to_slab);
        }
    }
}

void note_answer(unsigned lender, const WireHead *head,
                        const uint8_t *payload)
{
    WireMoved moved;

    if (head->status) {
        return;
    }
    for (guint i = 0; i < all.asked->len; i++) {
        Asked *asked = all.asked->pdata[i];

        if (asked->lender != lender || asked->head.tag != head->tag ||
            head->type != asked->head.type + 1) {
            continue;
        }
        if (head->type == RCACHE_PUT_ACK) {
            note_put_ack(asked, head, payload);
        } else if (head->type == RCACHE_MOVE_ACK &&
                   !wire_moved_decode(payload, head->length, &moved)) {
            asked->moved = moved;
            asked->answered = true;
        } else if (head->type == RCACHE_CONFIRM_ACK &&
                   !wire_moved_decode(payload, head->length, &moved)) {
            note_confirm_ack(asked, &moved);
        }
    }
}
