/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store: which slabs go to the spill file, when, and which come back.  See
 * store.h.
 *
 * A host that is short asks for slabs (store_need()).  Those that are neither
 * left nor moved when the time is nearly over go to the file; so do those of
 * leases whose requesters cannot be asked.  A slab in the file is still asked
 * for until there is room for it here.  It comes back when the host has not
 * been short for as long as it gives requesters, so that a host at the edge
 * does not send the same slabs to and fro.
 *
 * A daemon that ends asks for all slabs, and its file ends with it: what would
 * be lost there as well as in memory is not written (store_set_stay()), unless
 * the host is short of memory meanwhile.
 */
#include "rcached/provider/store-spill.h"

#include "rcached/provider/slab-away.h"
#include "rcached/provider/store-internal.h"
#include "rcached/provider/store-revoke.h"

/* How soon a slab is to go; the first is asked last. */
typedef enum SpillClass {
    SPILL_EXPIRED,              /* nobody may ask for it any more */
    SPILL_ASKED,                /* asked for, and not left */
    SPILL_UNASKED,              /* its requester cannot be asked */
    SPILL_NOT
} SpillClass;

/* Slabs of leases that are in the file or on their way there; not one that is
 * in memory again but for pages that cannot be read. */
static bool slab_is_out(const Slab *slab)
{
    return slab->away && !slab->away->back && slab_given_back(slab);
}

static uint32_t lease_out(const StoreLease *lease)
{
    uint32_t n = 0;

    for (guint i = 0; i < lease->slabs->len; i++) {
        n += slab_is_out(lease->slabs->pdata[i]);
    }
    return n;
}

void store_totals_away(const Store *store, StoreTotals *out)
{
    for (guint i = 0; i < store->slabs->len; i++) {
        const Slab *slab = store->slabs->pdata[i];

        if (slab && slab->away && !slab->own) {
            out->given_back += (uint64_t)slab_given_back(slab) *
                               WIRE_PAGE_SIZE;
            out->in_file += (uint64_t)slab_pages_in_file(slab) *
                            WIRE_PAGE_SIZE;
        }
    }
}

/* Bytes that slabs on their way back will still take. */
static uint64_t coming(const Store *store)
{
    uint64_t pages = 0;

    for (guint i = 0; i < store->slabs->len; i++) {
        const Slab *slab = store->slabs->pdata[i];

        pages += slab && slab->away && slab->away->back
                 ? slab_given_back(slab) : 0;
    }
    return pages * WIRE_PAGE_SIZE;
}

/* All slabs that are lent, and those of them that are out. */
static void count(const Store *store, uint64_t *slabs, uint64_t *out)
{
    GHashTableIter iter;
    gpointer lease;

    *slabs = *out = 0;
    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &lease)) {
        if (!((StoreLease *)lease)->own) {
            *slabs += ((StoreLease *)lease)->slabs->len;
            *out += lease_out(lease);
        }
    }
}

void store_set_stay(Store *store, uint64_t bytes)
{
    store->stay = bytes;
}

/* Those in the file that nobody can be asked for: others need not leave in
 * their place, as they take no memory. */
static uint64_t out_unasked(const Store *store, uint64_t now)
{
    GHashTableIter iter;
    uint64_t out = 0;
    gpointer lease;

    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &lease)) {
        if (!((StoreLease *)lease)->own &&
            !store_can_ask(store, lease, now)) {
            out += lease_out(lease);
        }
    }
    return out;
}

uint64_t store_need(Store *store, uint64_t keep, uint64_t room, uint64_t now,
                    uint32_t deadline_ms)
{
    uint64_t slab_bytes = store_slab_bytes(store);
    uint64_t slabs, out, here, may, taken = coming(store);

    count(store, &slabs, &out);
    here = slabs - out;
    may = keep / slab_bytes;
    store->keep = MAX(keep, store->stay);
    store->room = room = room > taken ? room - taken : 0;
    store->deadline_ms = deadline_ms;
    if (here <= store->keep / slab_bytes) {
        if (store->short_by) {
            store->calm_from = now;
        }
        store->short_by = 0;
    } else if (!store->short_by) {
        store->short_by = now + deadline_ms;
    }
    if (here <= may) {
        may = MIN(may, here + MIN(out, room / slab_bytes));
    }
    return store_revoke(store, may + out_unasked(store, now), now,
                        now + deadline_ms);
}

/* ------------------------------------------------------------- going out */

/* Bytes of slabs that are in memory, or on their way there. */
static uint64_t here_bytes(const Store *store)
{
    uint64_t slabs, out;

    count(store, &slabs, &out);
    return (slabs - out) * store_slab_bytes(store);
}

/* Bytes in memory beyond those that may stay. */
static uint64_t excess_bytes(const Store *store)
{
    uint64_t here = here_bytes(store);

    return here > store->keep ? here - store->keep : 0;
}

static SpillClass lease_class(const StoreLease *lease, const Store *store,
                              uint64_t now, uint64_t lead)
{
    bool late = now + lead >= store->short_by;

    if (lease->own) {
        return SPILL_NOT;       /* it is there already */
    }
    if (lease->rec->state == RCACHE_LEASE_EXPIRED) {
        return late ? SPILL_EXPIRED : SPILL_NOT;
    }
    if (!store_can_ask(store, lease, now)) {
        return late ? SPILL_UNASKED : SPILL_NOT;
    }
    return lease->slabs->len > lease->keep &&
           lease->slabs->len - lease->keep > lease_out(lease) &&
           now + lead >= lease->deadline ? SPILL_ASKED : SPILL_NOT;
}

/* One that a push or a move has to do with goes another way. */
static bool slab_may_go(const Slab *slab)
{
    return !slab->away && !slab->pushes && !slab->expected;
}

static Slab *lease_emptiest(const StoreLease *lease)
{
    Slab *best = NULL;

    for (guint i = 0; i < lease->slabs->len; i++) {
        Slab *slab = lease->slabs->pdata[i];

        if (slab_may_go(slab) && (!best || slab->stored < best->stored)) {
            best = slab;
        }
    }
    return best;
}

/* One that was interrupted on its way out or back. */
static Slab *half_way(const Store *store)
{
    for (guint i = 0; i < store->slabs->len; i++) {
        Slab *slab = store->slabs->pdata[i];

        if (slab && slab->lease && !slab->lease->ending && slab->away &&
            !slab->pushes && slab_given_back(slab) < slab->pages) {
            return slab;
        }
    }
    return NULL;
}

Slab *store_spill_next(Store *store, uint64_t now, uint64_t rate)
{
    uint64_t excess = excess_bytes(store);
    uint64_t lead = MIN(excess * 1000.0 / MAX(rate, 1),
                        store->deadline_ms / 2);
    SpillClass best_class = SPILL_NOT;
    GHashTableIter iter;
    gpointer value;
    Slab *best;

    if (!store->short_by) {
        return NULL;
    }
    best = half_way(store);
    if (best || !excess) {
        return best;
    }
    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        SpillClass class = lease_class(value, store, now, lead);
        Slab *slab = class <= best_class && class != SPILL_NOT
                     ? lease_emptiest(value) : NULL;

        if (slab && (class < best_class || slab->stored < best->stored)) {
            best = slab;
            best_class = class;
        }
    }
    return best;
}

/* ----------------------------------------------------------- coming back */

bool store_is_short(const Store *store)
{
    return store->short_by != 0;
}

/* What has just been short may soon be again: one deadline of calm first. */
static bool may_come_back(const Store *store, uint64_t now)
{
    uint64_t slab = store_slab_bytes(store);

    return !store->short_by && now - store->calm_from >= store->deadline_ms &&
           store->room >= slab && store->keep >= slab &&
           here_bytes(store) <= store->keep - slab;
}

Slab *store_spill_back(Store *store, uint64_t now)
{
    if (!may_come_back(store, now)) {
        return NULL;
    }
    for (guint i = 0; i < store->slabs->len; i++) {
        Slab *slab = store->slabs->pdata[i];

        if (slab && slab->lease && !slab->lease->ending && slab->away &&
            !slab->own && !slab->pushes && now >= slab->away->back_at) {
            store->room -= store_slab_bytes(store);
            return slab;
        }
    }
    return NULL;
}
