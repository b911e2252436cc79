/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-kept: what a provider takes over from the service manager, after
 * somebody has written into it.
 *
 * A store is made with leases of each kind: whole, partly in the spill file, of
 * a VM on this host.  What would be kept for the next daemon stays: the table,
 * the slabs, the spill key.  The input is a list of steps that change bytes of
 * these, leave out descriptors, name one twice, or put others in their place.
 * Then a new store takes over what is left.
 *
 * It may refuse any of it.  What it takes has to add up: each lease has as many
 * slabs as it says, each slab one lease and a number of its own, and as many
 * pages are stored as bits are set.  All of it can then be used and ended, and
 * no memory and no descriptor stays.
 */
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/wire-beat.h"
#include "fuzz.h"
#include "rcached/provider/slab-away.h"
#include "rcached/provider/spill-key.h"
#include "rcached/provider/store-adopt.h"
#include "rcached/provider/store-look.h"
#include "rcached/provider/store-revoke.h"
#include "steps.h"

#define PAGES           128u
#define SLABS           7u
#define TTL_MS          1000u
#define FDS             (SLABS + 1)     /* one of them twice */
#define CHANGES_MAX     64u
#define TABLE_NEAR      2048u           /* bytes: its head and some records */

typedef struct Kept {
    int table;
    int slab[FDS];
    int key;
} Kept;

static const uint8_t vm[RCACHE_UUID_LEN] = "A";
static bool away_is_had;

static bool slab_away_is_had(const Slab *slab, void *opaque)
{
    return away_is_had;
}

static Store *store_made(void)
{
    const StoreConfig config = {
        .slab_pages = PAGES, .ttl_ms = TTL_MS, .orphan_ms = TTL_MS,
        .slab_away = slab_away_is_had,
    };
    Store *store = store_new(&config, NULL);

    g_assert(store);
    store_set_limit(store, UINT64_MAX / 4);
    return store;
}

/* --------------------------------------------------------------- before */

static WireGrant grant_of(uint64_t id, unsigned slabs)
{
    WireGrant grant = {
        .lease = id, .epoch = 1, .claim_ms = TTL_MS,
        .bytes = slabs * PAGES * (uint64_t)WIRE_PAGE_SIZE,
        .name = "vm", .host = "req",
    };

    memcpy(grant.vm, vm, sizeof(vm));
    memset(grant.token, id, sizeof(grant.token));
    return grant;
}

static enum RcacheStatus claim(Store *store, uint64_t id, uint64_t now,
                               StoreLease **lease)
{
    SessionOwner owner = session_owner("req", vm, 1);
    uint8_t token[RCACHE_TOKEN_LEN];

    memset(token, id, sizeof(token));
    return store_claim(store, id, 1, token, &owner, 3, now, lease);
}

static void keep_slabs(Kept *kept, unsigned *n, const StoreLease *lease)
{
    for (guint i = 0; i < lease->slabs->len; i++) {
        kept->slab[(*n)++] = dup(((Slab *)lease->slabs->pdata[i])->fd);
    }
}

static void lend(Store *store, Kept *kept, unsigned *n, uint64_t id,
                 unsigned slabs)
{
    WireGrant grant = grant_of(id, slabs);
    Slab *made[SLABS], *slab;
    unsigned reserved;
    StoreLease *lease;
    WireGrantAck ack;

    g_assert(store_reserve(store, &grant, &reserved, &ack) == RCACHE_OK);
    for (unsigned i = 0; i < slabs; i++) {
        g_assert(!slab_new(PAGES, SLAB_GUARD_NO_SWAP, &made[i]));
    }
    store_add(store, &grant, reserved, made, slabs, 0, &ack);
    g_assert(claim(store, id, 0, &lease) == RCACHE_OK);
    for (unsigned page = 0; page < 70; page += 7) {
        slab = lease->slabs->pdata[page % slabs];
        store_mark(store, lease, slab, wire_slot(slab->number, page), true);
    }
    slab = lease->slabs->pdata[0];
    if (id == 2 && !slab_away_begin(slab, 3)) {
        slab_set_in_file(slab, 0, true);
        slab_set_in_file(slab, 14, true);
    }
    keep_slabs(kept, n, lease);
    store_unref(store, lease);
}

static void lend_to_ourselves(Store *store, Kept *kept, unsigned *n)
{
    WireGrant grant = grant_of(4, 2);
    WireGrantAck ack;
    Slab *made[2];

    for (unsigned i = 0; i < 2; i++) {
        g_assert(!slab_new_on_disk(PAGES, SLAB_GUARD_NO_SWAP, 4, 5 + i,
                                   &made[i]));
    }
    keep_slabs(kept, n, store_add_own(store, &grant, made, 2, 0, &ack));
}

/* Seven slabs, of four leases. */
static void keep(Kept *kept)
{
    SpillKey *key = spill_key_new(SLAB_GUARD_NO_SWAP, NULL);
    Store *store = store_made();
    unsigned n = 0;

    g_assert(key);
    lend(store, kept, &n, 1, 2);
    lend(store, kept, &n, 2, 2);
    lend(store, kept, &n, 3, 1);
    lend_to_ourselves(store, kept, &n);
    g_assert(n == SLABS);
    kept->slab[n] = -1;
    kept->table = dup(store_table_fd(store));
    kept->key = dup(spill_key_fd(key));
    store_free(store);
    spill_key_free(key);
}

/* -------------------------------------------------------------- changes */

/* Where a change hurts is near the end of a slab, and near a table's head. */
static void change_bytes(Steps *s, int fd, uint64_t from, uint64_t to)
{
    uint64_t at = from + steps_take(s, 2) % (to - from);
    uint8_t bytes[8] = { 0 };
    size_t len = 1 + steps_take(s, 1) % sizeof(bytes);

    steps_take_into(s, bytes, len);
    len = MIN(len, to - at);
    g_assert(pwrite(fd, bytes, len, at) == (ssize_t)len);
}

static void change_slab(Steps *s, Kept *kept)
{
    int *fd = &kept->slab[steps_take(s, 1) % FDS];
    uint64_t pages = (uint64_t)PAGES * WIRE_PAGE_SIZE;
    struct stat st;

    if (*fd >= 0 && !fstat(*fd, &st) && (uint64_t)st.st_size > pages) {
        change_bytes(s, *fd, pages, st.st_size);
    }
}

/* A memfd_secret can only be mapped. */
static void change_key(Steps *s, Kept *kept)
{
    uint8_t *page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE,
                         MAP_SHARED, kept->key, 0);

    if (page != MAP_FAILED) {
        size_t at = steps_take(s, 1) % 64;

        steps_take_into(s, page + at, 1 + steps_take(s, 1) % 8);
        munmap(page, WIRE_PAGE_SIZE);
    }
}

static void replace(int *fd, int other)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = other;
}

static void change_fd(Steps *s, Kept *kept)
{
    int *fd = &kept->slab[steps_take(s, 1) % FDS];
    int from = kept->slab[steps_take(s, 1) % FDS], made;
    uint8_t how = steps_take(s, 1) % 4;

    switch (how) {
    case 0:
        replace(fd, -1);
        break;
    case 1:
        replace(fd, from < 0 ? -1 : dup(from));
        break;
    case 2:
        replace(fd, dup(kept->table));
        break;
    default:
        made = memfd_create("other", MFD_CLOEXEC);
        g_assert(!ftruncate(made, steps_take(s, 4)));
        replace(fd, made);
    }
}

static void change(Steps *s, Kept *kept)
{
    struct stat st;

    for (unsigned i = 0; s->left && i < CHANGES_MAX; i++) {
        switch (steps_take(s, 1) % 6) {
        case 0:
            change_bytes(s, kept->table, 0, TABLE_NEAR);
            break;
        case 1:
            g_assert(!fstat(kept->table, &st));
            change_bytes(s, kept->table, 0, st.st_size);
            break;
        case 2:
        case 3:
            change_slab(s, kept);
            break;
        case 4:
            change_fd(s, kept);
            break;
        default:
            change_key(s, kept);
        }
    }
}

/* ---------------------------------------------------------------- after */

static uint64_t slab_check(Slab *slab, const StoreLease *lease)
{
    uint64_t bits = 0, file = 0, memory = 0;

    g_assert(slab->lease == lease);
    for (uint32_t page = 0; page < PAGES; page++) {
        bits += slab_is_stored(slab, page);
    }
    g_assert(bits == slab->stored);
    if (!slab->away) {
        return bits;
    }
    for (uint32_t chunk = 0; chunk < slab_chunks(slab); chunk++) {
        file += __builtin_popcountll(slab_chunk_file(slab, chunk));
        memory += __builtin_popcountll(slab_chunk_memory(slab, chunk));
        slab_chunk_punch(slab, chunk);
    }
    g_assert(file + memory == bits);
    g_assert(file == slab_pages_in_file(slab));
    g_assert(slab_given_back(slab) <= PAGES);
    return bits;
}

/* @numbers: of the slabs seen so far */
static void lease_use(Store *store, StoreLease *lease, GHashTable *numbers)
{
    uint64_t stored = 0;

    g_assert(lease->slabs->len == lease->rec->nr_slabs || lease->ending);
    for (guint i = 0; i < lease->slabs->len; i++) {
        Slab *slab = lease->slabs->pdata[i], *found;

        g_assert(g_hash_table_add(numbers, GUINT_TO_POINTER(slab->number)));
        g_assert(store_has_slab(store, slab->number));
        stored += slab_check(slab, lease);
        for (uint32_t page = 0; page < PAGES; page += 5) {
            RcacheSlot slot = wire_slot(slab->number, page);

            g_assert(store_find(store, lease, slot, false, &found));
            g_assert(found == slab);
        }
    }
    g_assert(stored == lease->stored);
    for (guint i = 0; i < lease->slabs->len; i++) {
        Slab *slab = lease->slabs->pdata[i];

        store_mark(store, lease, slab, wire_slot(slab->number, 99), true);
        store_mark(store, lease, slab, wire_slot(slab->number, 0), false);
    }
}

static void store_empty(Store *store)
{
    while (store_reap_pending(store)) {
        store_reap(store, 64);
    }
}

static void kept_use(Store *store, uint64_t now)
{
    g_autoptr(GHashTable) numbers = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE,
                                         sizeof(WireBeatLease));
    SessionOwner owner = session_owner("req", vm, 1);
    StoreTotals totals;

    store_list(store, now, list);
    store_session(store, &owner);
    store_random_stored(store, 5);
    for (guint i = 0; i < list->len; i++) {
        const WireBeatLease *l = &g_array_index(list, WireBeatLease, i);
        StoreLease *lease = store_find_lease(store, l->lease);

        g_assert(lease && l->lease <= INT64_MAX);
        g_assert(l->state >= RCACHE_LEASE_GRANTED &&
                 l->state <= RCACHE_LEASE_EXPIRED);
        g_assert(memchr(lease->rec->name, 0, sizeof(lease->rec->name)));
        g_assert(memchr(lease->rec->host, 0, sizeof(lease->rec->host)));
        lease_use(store, lease, numbers);
        if (claim(store, l->lease, now, &lease) == RCACHE_OK) {
            if (lease->slabs->len > 1) {
                store_drop(store, lease, lease->slabs->pdata[0]);
            }
            store_unref(store, lease);
        }
    }
    store_empty(store);
    for (guint i = 0; i < list->len; i++) {
        StoreLease *lease = store_find_lease(
            store, g_array_index(list, WireBeatLease, i).lease);

        if (lease) {
            store_end(store, lease, NULL);
        }
    }
    store_empty(store);
    store_totals(store, &totals);
    g_assert(!totals.leased && !totals.stored && !totals.own);
}

static void key_use(int fd)
{
    SpillKey *key = spill_key_adopt(fd, SLAB_GUARD_NO_SWAP, NULL);
    const SpillPlace place = { 1, 2, 3 };
    static uint8_t page[WIRE_PAGE_SIZE];
    SpillSeal first, second;

    if (!key) {
        return;
    }
    memset(page, 7, sizeof(page));
    if (spill_seal(key, &place, page, &first)) {
        g_assert(spill_unseal(key, &place, page, &first));
        g_assert(page[0] == 7 && page[WIRE_PAGE_SIZE - 1] == 7);
        if (spill_seal(key, &place, page, &second)) {
            g_assert(first.count != second.count);
        }
    }
    spill_key_free(key);
}

static int lowest_free_fd(void)
{
    int fd = dup(0);

    if (fd >= 0) {
        close(fd);
    }
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Steps steps = { data, size };
    uint64_t now = TTL_MS / 2;
    Store *store;
    Kept kept;
    int before = lowest_free_fd();

    keep(&kept);
    away_is_had = steps_take(&steps, 1) & 1;
    change(&steps, &kept);
    key_use(kept.key);
    store = store_made();
    if (store_table_slab_pages(kept.table) == PAGES &&
        store_adopt(store, kept.table, kept.slab, FDS, SLAB_GUARD_NO_SWAP,
                    now) >= 0) {
        kept.table = -1;        /* the store's now */
        kept_use(store, now);
    }
    store_free(store);
    for (unsigned i = 0; i < FDS; i++) {
        replace(&kept.slab[i], -1);
    }
    replace(&kept.table, -1);
    replace(&kept.key, -1);
    g_assert(lowest_free_fd() == before);
    return 0;
}
