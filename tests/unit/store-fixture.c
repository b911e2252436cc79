/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store-fixture: a store of small slabs.  See store-fixture.h. */
#include "tests/unit/store-fixture.h"

#include <string.h>

#include "common/wire-control.h"

const uint8_t vm_a[RCACHE_UUID_LEN] = "A", vm_b[RCACHE_UUID_LEN] = "B";

Store *store;
unsigned slabs_gone;

static void slab_gone(const Slab *slab, void *opaque)
{
    slabs_gone++;
}

Store *make_store(uint64_t limit)
{
    StoreConfig config = {
        .slab_pages = PAGES, .ttl_ms = TTL, .orphan_ms = ORPHAN,
        .slab_gone = slab_gone,
    };
    Store *made = store_new(&config, NULL);

    ck_assert_ptr_nonnull(made);
    store_set_limit(made, limit);
    return made;
}

void store_set_up(void)
{
    store = make_store(8 * SLAB);
    slabs_gone = 0;
}

void store_tear_down(void)
{
    store_free(store);
}

WireGrant grant_of(uint64_t id, uint64_t bytes)
{
    WireGrant grant = {
        .lease = id, .epoch = 1, .claim_ms = CLAIM, .bytes = bytes,
        .name = "vm", .host = "req",
    };

    memcpy(grant.vm, vm_a, sizeof(vm_a));
    memset(grant.token, id, sizeof(grant.token));
    return grant;
}

enum RcacheStatus give(uint64_t id, uint64_t bytes, WireGrantAck *ack)
{
    WireGrant grant = grant_of(id, bytes);
    Slab *slabs[64];
    unsigned n, i;
    enum RcacheStatus status = store_reserve(store, &grant, &n, ack);

    if (status == RCACHE_OK && n) {
        ck_assert_uint_le(n, 64);
        for (i = 0; i < n; i++) {
            ck_assert_int_eq(slab_new(PAGES, SLAB_GUARD_NO_SWAP, &slabs[i]),
                             0);
        }
        store_add(store, &grant, n, slabs, n, 0, ack);
    }
    return status;
}

enum RcacheStatus claim(uint64_t id, const uint8_t *vm, uint64_t incarnation,
                        uint64_t now, StoreLease **out)
{
    SessionOwner owner = session_owner("req", vm, incarnation);
    uint8_t token[RCACHE_TOKEN_LEN];

    memset(token, id, sizeof(token));
    return store_claim(store, id, 1, token, &owner, 3, now, out);
}

StoreLease *claimed(uint64_t id, uint64_t bytes)
{
    WireGrantAck ack;
    StoreLease *lease;

    ck_assert_int_eq(give(id, bytes, &ack), RCACHE_OK);
    ck_assert_int_eq(claim(id, vm_a, 1, 0, &lease), RCACHE_OK);
    return lease;
}

uint64_t leased(void)
{
    StoreTotals totals;

    store_totals(store, &totals);
    return totals.leased;
}

uint64_t stored(void)
{
    StoreTotals totals;

    store_totals(store, &totals);
    return totals.stored / WIRE_PAGE_SIZE;
}

void mark(StoreLease *lease, RcacheSlot slot, bool on)
{
    Slab *slab;

    ck_assert_ptr_nonnull(store_find(store, lease, slot, false, &slab));
    store_mark(store, lease, slab, slot, on);
}

void reap_all(void)
{
    int n = 0;

    while (store_reap_pending(store)) {
        store_reap(store, 7);
        ck_assert_int_lt(n++, 10000);
    }
}

uint32_t number(const StoreLease *lease, unsigned i)
{
    return ((Slab *)lease->slabs->pdata[i])->number;
}
