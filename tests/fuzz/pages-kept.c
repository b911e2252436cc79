/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the providers of fuzz-pages keep.  See pages-kept.h. */
#include "tests/fuzz/pages-kept.h"

#include <string.h>

#include "common/wire-check.h"
#include "tests/fuzz/vmm-played.h"

#define PAGE            WIRE_PAGE_SIZE

Lenders all;

/*
 * A lender that lies about its slabs gives them any numbers: none of those may
 * look like another lease's.
 */
#define KEY_PAGE_BITS   16
#define KEY_LEASE_SHIFT (KEY_PAGE_BITS + 32)

static void *key(uint64_t lease, RcacheSlot slot)
{
    uint64_t number = slot >> 32, page = (uint32_t)slot;

    g_assert(lease <= LEASES && page < 1u << KEY_PAGE_BITS);
    return GSIZE_TO_POINTER(lease << KEY_LEASE_SHIFT |
                            number << KEY_PAGE_BITS | page);
}

uint64_t key_lease(const void *key)
{
    return GPOINTER_TO_SIZE(key) >> KEY_LEASE_SHIFT;
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
    g_array_unref(asked->moved);
    g_free(asked);
}

void lenders_begin(void)
{
    memset(&all, 0, sizeof(all));
    all.ways = g_ptr_array_new_with_free_func(way_free);
    all.asked = g_ptr_array_new_with_free_func(asked_free);
    all.pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    all.confirmed = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    all.changed = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    all.gone = g_hash_table_new(NULL, NULL);
}

void lenders_end(void)
{
    g_ptr_array_unref(all.ways);
    g_ptr_array_unref(all.asked);
    g_hash_table_unref(all.pages);
    g_hash_table_unref(all.confirmed);
    g_hash_table_unref(all.changed);
    g_hash_table_unref(all.gone);
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

static void slab_copy(uint64_t from, uint32_t from_slab, uint64_t to,
                      uint32_t to_slab)
{
    for (uint32_t page = 0; page < LENDER_PAGES; page++) {
        const void *bytes = g_hash_table_lookup(
            all.pages, key(from, (uint64_t)from_slab << 32 | page));

        if (bytes) {
            g_hash_table_replace(all.pages,
                                 key(to, (uint64_t)to_slab << 32 | page),
                                 g_memdup2(bytes, PAGE));
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

bool lenders_confirmed(uint64_t lease, RcacheSlot slot, uint64_t sum)
{
    const uint64_t *has = g_hash_table_lookup(all.confirmed,
                                              key(lease, slot));

    return has && *has == sum;
}

bool lenders_denied(uint64_t sum)
{
    return g_hash_table_contains(all.gone, GSIZE_TO_POINTER(sum));
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
    slab_copy(asked->head.lease, move.slab, move.to_lease, move.to_slab);
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
 * puts nothing where something is being pushed.  Only of a place that is stale
 * it does not know what is there, and asks that one when it can ask no other.
 */
static uint16_t not_there(const Asked *asked, enum RcacheStatus status)
{
    g_assert(all.lied ||
             (asked->head.type == RCACHE_GET && !asked->counted));
    return status;
}

static uint16_t do_pages(Kept *kept, const Asked *asked)
{
    static const uint8_t none[RCACHE_TOKEN_LEN];

    if (!kept) {
        return not_there(asked, RCACHE_E_LEASE);
    }
    if (!has_slots(kept, asked)) {
        return not_there(asked, RCACHE_E_SLOT);
    }
    for (unsigned i = 0; i < asked->head.count; i++) {
        RcacheSlot slot = asked_slot(asked, i);
        void *at = key(asked->head.lease, slot);

        if (asked->head.type != RCACHE_FREE &&
            memcmp(kept->token[slot >> 32], none, sizeof(none))) {
            return not_there(asked, RCACHE_E_SLOT);
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
                return not_there(asked, RCACHE_E_SLOT);
            }
        }
    }
    return RCACHE_OK;
}

/* As a GET, but asked of what has been pushed as well, and of stale places. */
static uint16_t do_sums(const Kept *kept, const Asked *asked)
{
    if (!kept) {
        return RCACHE_E_LEASE;
    }
    for (unsigned i = 0; i < asked->head.count; i++) {
        if (!kept_page(asked->head.lease, asked_slot(asked, i))) {
            return RCACHE_E_SLOT;
        }
    }
    return RCACHE_OK;
}

static uint16_t do_asked(const Asked *asked, WireMoved *moved)
{
    Kept *kept = lease_of(asked->lender, asked->head.lease);

    switch (asked->head.type) {
    case RCACHE_PING:
        return RCACHE_OK;
    case RCACHE_PUT:
    case RCACHE_GET:
    case RCACHE_FREE:
        return do_pages(kept, asked);
    case RCACHE_SUMS:
        return do_sums(kept, asked);
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

/*
 * What is asked on one connection is done in turn, but for pages, which may
 * have to wait for a disk: an EXPECT must not empty a slab later than that.
 */
static void do_expects_before(const Asked *last)
{
    for (guint i = 0; i < all.asked->len && all.asked->pdata[i] != last; i++) {
        Asked *asked = all.asked->pdata[i];

        if (asked->way && asked->way == last->way && asked->held &&
            !asked->done && asked->head.type == RCACHE_EXPECT) {
            asked->status = do_asked(asked, &asked->result);
            asked->done = true;
        }
    }
}

uint16_t asked_do(const Asked *asked, WireMoved *moved)
{
    do_expects_before(asked);
    return do_asked(asked, moved);
}

/* ------------------------------------------------------------ it is noted */

/*
 * What a slot has is confirmed by the answer to the request that changed it
 * last, and by nothing else: providers may answer older ones again, later.
 */
static void note_changed(uint64_t lease, RcacheSlot slot, uint64_t serial)
{
    g_hash_table_remove(all.confirmed, key(lease, slot));
    g_hash_table_replace(all.changed, key(lease, slot),
                         g_memdup2(&serial, sizeof(serial)));
}

static uint64_t last_changed(uint64_t lease, RcacheSlot slot)
{
    const uint64_t *serial = g_hash_table_lookup(all.changed,
                                                 key(lease, slot));

    return serial ? *serial : 0;
}

static void note_confirmed(uint64_t lease, RcacheSlot slot, uint64_t sum)
{
    g_hash_table_replace(all.confirmed, key(lease, slot),
                         g_memdup2(&sum, sizeof(sum)));
    if (all.denied[lease]) {
        g_hash_table_add(all.gone, GSIZE_TO_POINTER(sum));
    }
}

/* The lease is gone, and with it what it has confirmed, or yet will. */
static void note_denied(uint64_t lease)
{
    GHashTableIter iter;
    void *at, *sum;

    if (!lease || lease > LEASES) {
        return;
    }
    all.denied[lease] = true;
    g_hash_table_iter_init(&iter, all.confirmed);
    while (g_hash_table_iter_next(&iter, &at, &sum)) {
        if (key_lease(at) == lease) {
            g_hash_table_add(all.gone, GSIZE_TO_POINTER(*(uint64_t *)sum));
        }
    }
}

static void note_slab_changed(const Asked *asked, uint32_t number)
{
    for (uint32_t page = 0; page < LENDER_PAGES; page++) {
        note_changed(asked->head.lease, (uint64_t)number << 32 | page,
                     asked->serial);
    }
}

/* Is a lease's slab one that the pager counts upon? */
static bool place_counts(uint64_t lease, uint32_t number)
{
    const Slots *slots = &played.p->slots;

    for (uint32_t i = 0; i < slots->nr; i++) {
        const SlotSlab *s = &slots->slabs[i];

        for (unsigned k = 0; s->used && k < SLOTS_PLACES; k++) {
            const Lease *l = leases_of(&played.p->leases, s, k);

            if (l && l->known.id == lease && s->place[k].number == number) {
                return !s->place[k].stale;
            }
        }
    }
    return false;
}

static bool is_counted(const Asked *asked)
{
    for (unsigned i = 0; i < asked->head.count; i++) {
        if (!place_counts(asked->head.lease, asked_slot(asked, i) >> 32)) {
            return false;
        }
    }
    return true;
}

void note_asked(Asked *asked)
{
    WireMoveToken token;

    asked->serial = ++all.nr_asked;
    asked->counted = asked->head.type == RCACHE_GET && is_counted(asked);
    for (unsigned i = 0; i < asked->head.count; i++) {
        if (asked->head.type == RCACHE_PUT ||
            asked->head.type == RCACHE_FREE) {
            note_changed(asked->head.lease, asked_slot(asked, i),
                         asked->serial);
        } else if (asked->head.type == RCACHE_DROP) {
            note_slab_changed(asked, asked_slot(asked, i) >> 32);
        }
    }
    if (asked->head.type == RCACHE_EXPECT &&
        !wire_move_token_decode(asked->payload, asked->head.length, &token)) {
        note_slab_changed(asked, token.slab);
    }
    for (uint32_t i = 0; asked->head.type == RCACHE_RELEASE &&
         i < LENDER_SLABS; i++) {
        note_slab_changed(asked, i);
    }
}

static void note_put_ack(const Asked *put, const WireHead *head,
                         const uint8_t *payload)
{
    RcacheSlot slot[RCACHE_BATCH_PAGES];
    uint64_t digest;

    for (unsigned i = 0; i < put->head.count; i++) {
        slot[i] = asked_slot(put, i);
    }
    if (put->way->features & RCACHE_FEATURE_DIGEST &&
        (wire_put_ack_decode(payload, head->length, &digest) ||
         digest != wire_put_digest(slot, put->sum, put->head.count))) {
        return;
    }
    for (unsigned i = 0; i < put->head.count; i++) {
        if (last_changed(put->head.lease, slot[i]) == put->serial) {
            note_confirmed(put->head.lease, slot[i], put->sum[i]);
        }
    }
}

/* Its slab's pages are, from now on, where they have gone. */
static void note_moved(const Asked *asked, const WireMove *move,
                       const Asked *confirm)
{
    for (uint32_t page = 0; page < LENDER_PAGES; page++) {
        RcacheSlot from = (uint64_t)move->slab << 32 | page;
        RcacheSlot to = (uint64_t)move->to_slab << 32 | page;
        const uint64_t *sum = g_hash_table_lookup(
            all.confirmed, key(asked->head.lease, from));

        if (sum && last_changed(move->to_lease, to) < confirm->serial) {
            note_confirmed(move->to_lease, to, *sum);
        }
    }
}

/* Has one of a MOVE's answers said that? */
static bool has_moved(const Asked *asked, const WireMoved *moved)
{
    for (guint i = 0; i < asked->moved->len; i++) {
        if (!memcmp(&g_array_index(asked->moved, WireMoved, i), moved,
                    sizeof(*moved))) {
            return true;
        }
    }
    return false;
}

/* The slab's pages are where both say that they have gone. */
static void note_confirm_ack(Asked *confirm, const WireMoved *moved)
{
    WireMoveToken token;

    if (confirm->noted ||
        wire_move_token_decode(confirm->payload, confirm->head.length,
                               &token)) {
        return;
    }
    for (guint i = 0; i < all.asked->len; i++) {
        const Asked *asked = all.asked->pdata[i];
        WireMove move;

        if (asked->head.type == RCACHE_MOVE && has_moved(asked, moved) &&
            !wire_move_decode(asked->payload, asked->head.length, &move) &&
            !memcmp(move.token, token.token, sizeof(token.token))) {
            note_moved(asked, &move, confirm);
            confirm->noted = true;
        }
    }
}

void note_answer(const Way *way, const WireHead *head, const uint8_t *payload)
{
    WireMoved moved;

    if (head->type == RCACHE_CLAIM_ACK && (head->status == RCACHE_E_LEASE ||
                                           head->status == RCACHE_E_EPOCH)) {
        note_denied(head->lease);
    }
    if (head->status) {
        return;
    }
    for (guint i = 0; i < all.asked->len; i++) {
        Asked *asked = all.asked->pdata[i];

        /* A later pager uses its tags again, in sessions of its own. */
        if (asked->lender != way->lender || !asked->way ||
            asked->way->session != way->session ||
            asked->head.tag != head->tag ||
            head->type != asked->head.type + 1) {
            continue;
        }
        if (head->type == RCACHE_PUT_ACK) {
            note_put_ack(asked, head, payload);
        } else if (head->type == RCACHE_MOVE_ACK &&
                   !wire_moved_decode(payload, head->length, &moved)) {
            g_array_append_val(asked->moved, moved);
        } else if (head->type == RCACHE_CONFIRM_ACK &&
                   !wire_moved_decode(payload, head->length, &moved)) {
            note_confirm_ack(asked, &moved);
        }
    }
}
