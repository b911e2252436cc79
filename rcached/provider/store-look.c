/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store-look: what is in the store.  See store-look.h. */
#include "rcached/provider/store-look.h"

#include <string.h>

#include "common/wire-beat.h"
#include "rcached/provider/store-internal.h"

void store_list(const Store *store, uint64_t now, GArray *out)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const StoreLease *lease = value;
        const StoreRecord *rec = lease->rec;
        WireBeatLease beat = {
            .lease = rec->id,
            .epoch = rec->epoch,
            .state = rec->state,
            .bytes = lease->slabs->len * store_slab_bytes(store),
            .stored = lease->stored * WIRE_PAGE_SIZE,
            .expires_ms = rec->until > now ? rec->until - now : 0,
        };

        memcpy(beat.vm, rec->vm, sizeof(beat.vm));
        wire_text_copy(beat.name, sizeof(beat.name), rec->name);
        wire_text_copy(beat.host, sizeof(beat.host), rec->host);
        g_array_append_val(out, beat);
    }
}

uint64_t store_session(const Store *store, const SessionOwner *owner)
{
    GHashTableIter iter;
    uint64_t session = 0;
    gpointer value;

    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const StoreRecord *rec = ((StoreLease *)value)->rec;

        if (rec->state != RCACHE_LEASE_GRANTED &&
            rec->incarnation == owner->incarnation &&
            !memcmp(rec->vm, owner->vm, sizeof(rec->vm)) &&
            !strcmp(rec->host, owner->host)) {
            session = MAX(session, rec->session);
        }
    }
    return session;
}

StoreLease *store_find_own(const Store *store, const uint8_t *vm,
                           uint64_t incarnation)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        StoreLease *lease = value;

        if (lease->own && lease->rec->incarnation == incarnation &&
            !memcmp(lease->rec->vm, vm, sizeof(lease->rec->vm))) {
            return lease;
        }
    }
    return NULL;
}

bool store_holds(const Store *store, const SessionOwner *owner)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const StoreRecord *rec = ((StoreLease *)value)->rec;

        if (rec->incarnation == owner->incarnation &&
            !memcmp(rec->vm, owner->vm, sizeof(rec->vm)) &&
            !strcmp(rec->host, owner->host)) {
            return true;
        }
    }
    return false;
}

bool store_has_slab(const Store *store, uint32_t number)
{
    return number < store->slabs->len && store->slabs->pdata[number];
}

static bool slab_lives(const Slab *slab)
{
    return slab && slab->lease && !slab->lease->ending && !slab->own;
}

uint8_t *store_random_stored(const Store *store, uint64_t nth)
{
    uint64_t total = 0;
    uint32_t page;
    guint i;

    for (i = 0; i < store->slabs->len; i++) {
        const Slab *slab = store->slabs->pdata[i];

        total += slab_lives(slab) ? slab->stored : 0;
    }
    nth = total ? nth % total : 0;
    for (i = 0; total && i < store->slabs->len; i++) {
        const Slab *slab = store->slabs->pdata[i];

        if (!slab_lives(slab)) {
            continue;
        }
        if (nth >= slab->stored) {
            nth -= slab->stored;
            continue;
        }
        for (page = 0; page < slab->pages; page++) {
            if (slab_is_stored(slab, page) && nth-- == 0) {
                return slab_page(slab, page);
            }
        }
    }
    return NULL;
}
