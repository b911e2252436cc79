/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store: leases and slabs.  See store.h for a lease's states.
 *
 * Invariants: a lease is in the hash, and its record in use, exactly as long
 * as it has not ended; a slab is in store->slabs under its number until it is
 * freed; nr_slabs counts those, so that memory counts as leased until the
 * host has it back.
 */
#include "rcached/provider/store.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crash-point.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "rcached/provider/store-internal.h"

Store *store_new(const StoreConfig *config, GError **errp)
{
    autofd fd = memfd_create("rcached-leases",
                             MFD_CLOEXEC | MFD_ALLOW_SEALING);
    StoreTable *table;
    Store *store;

    if (fd < 0 || ftruncate(fd, sizeof(StoreTable)) ||
        !(table = store_table_map(fd, config, true))) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "cannot make the lease table: %s", g_strerror(errno));
        return NULL;
    }
    store = g_new0(Store, 1);
    store->config = *config;
    store->most = UINT64_MAX;
    store->table_fd = fd_steal(&fd);
    store->table = table;
    store->leases = g_hash_table_new(g_int64_hash, g_int64_equal);
    store->slabs = g_ptr_array_new();
    g_queue_init(&store->dying);
    g_queue_init(&store->leaving);
    return store;
}

static void lease_free(StoreLease *lease)
{
    g_ptr_array_unref(lease->slabs);
    g_free(lease);
}

void store_free(Store *store)
{
    GHashTableIter iter;
    gpointer lease;
    guint i;

    if (!store) {
        return;
    }
    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &lease)) {
        lease_free(lease);
    }
    g_queue_clear_full(&store->dying, (GDestroyNotify)lease_free);
    g_queue_clear(&store->leaving);
    for (i = 0; i < store->slabs->len; i++) {
        slab_free(store->slabs->pdata[i]);
    }
    g_ptr_array_unref(store->slabs);
    g_hash_table_unref(store->leases);
    munmap(store->table, sizeof(*store->table));
    close(store->table_fd);
    g_free(store);
}

void store_set_limit(Store *store, uint64_t bytes)
{
    store->limit = bytes;
}

void store_set_most(Store *store, uint64_t slabs)
{
    store->most = slabs;
}

int store_table_fd(const Store *store)
{
    return store->table_fd;
}

uint32_t store_ttl_ms(const Store *store)
{
    return store->config.ttl_ms;
}

void store_totals(const Store *store, StoreTotals *out)
{
    GHashTableIter iter;
    gpointer lease;

    *out = (StoreTotals) {
        .limit = store->limit,
        .most = store->most == UINT64_MAX ? UINT64_MAX :
                (store->most - MIN(store->nr_own, store->most)) *
                store_slab_bytes(store),
        .leased = store_nr_lent(store) * store_slab_bytes(store),
        .own = store->nr_own * store_slab_bytes(store),
        .slab_pages = store->config.slab_pages,
    };
    store_totals_away(store, out);
    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &lease)) {
        const StoreLease *l = lease;

        *(l->own ? &out->own_stored : &out->stored) +=
            l->stored * WIRE_PAGE_SIZE;
    }
}

/* -------------------------------------------------------------- granting */

static StoreRecord *record_unused(Store *store)
{
    unsigned i;

    for (i = 0; i < STORE_LEASES_MAX; i++) {
        if (!store->table->records[i].id) {
            return &store->table->records[i];
        }
    }
    return NULL;
}

static bool record_is_grant(const StoreRecord *rec, const WireGrant *grant)
{
    return rec->epoch == grant->epoch &&
           !memcmp(rec->token, grant->token, sizeof(rec->token)) &&
           !memcmp(rec->vm, grant->vm, sizeof(rec->vm));
}

static void ack_complete(const Store *store, const StoreLease *lease,
                         WireGrantAck *ack)
{
    ack->status = RCACHE_OK;
    ack->bytes = lease->slabs->len * store_slab_bytes(store);
    ack->ttl_ms = store->config.ttl_ms;
}

static enum RcacheStatus refuse(WireGrantAck *ack, enum RcacheStatus status,
                                const char *text)
{
    ack->status = status;
    wire_text_copy(ack->text, sizeof(ack->text), text);
    return status;
}

enum RcacheStatus store_reserve(Store *store, const WireGrant *grant,
                                unsigned *slabs, WireGrantAck *ack)
{
    uint64_t slab_bytes = store_slab_bytes(store);
    uint64_t taken = store_nr_lent(store);
    uint64_t all = store->limit / slab_bytes;
    uint64_t want = grant->bytes / slab_bytes + !!(grant->bytes % slab_bytes);
    StoreLease *lease = store_find_lease(store, grant->lease);

    *slabs = 0;
    *ack = (WireGrantAck) { .lease = grant->lease };
    if (lease) {
        if (!record_is_grant(lease->rec, grant)) {
            return refuse(ack, RCACHE_E_REFUSED,
                          "this lease id is in use already");
        }
        ack_complete(store, lease, ack);
        return RCACHE_OK;
    }
    if (!record_unused(store)) {
        return refuse(ack, RCACHE_E_NO_ROOM, "too many leases");
    }
    if (store_is_full(store)) {
        return refuse(ack, RCACHE_E_NO_ROOM, STORE_FULL);
    }
    if (taken >= all) {
        return refuse(ack, RCACHE_E_NO_ROOM, "nothing left to lend");
    }
    *slabs = MIN(MIN(want, all - taken),
                 MIN(store_left(store), STORE_SLABS_MAX));
    store->nr_reserved += *slabs;
    return RCACHE_OK;
}

void store_unreserve(Store *store, unsigned slabs)
{
    store->nr_reserved -= slabs;
}

StoreLease *store_lease_new(Store *store, StoreRecord *rec)
{
    StoreLease *lease = g_new0(StoreLease, 1);

    lease->rec = rec;
    lease->id = rec->id;
    lease->keep = UINT32_MAX;
    lease->own = rec->flags & STORE_OWN;
    lease->slabs = g_ptr_array_new();
    g_hash_table_insert(store->leases, &lease->id, lease);
    return lease;
}

void store_lease_add_slab(Store *store, StoreLease *lease, Slab *slab)
{
    slab->lease = lease;
    slab->own = lease->own;
    if (slab->number >= store->slabs->len) {
        g_ptr_array_set_size(store->slabs, slab->number + 1);
    }
    store->slabs->pdata[slab->number] = slab;
    g_ptr_array_add(lease->slabs, slab);
    lease->stored += slab->stored;
    store->nr_slabs++;
    store->nr_own += slab->own;
}

/* The lowest number from @from on that no slab has. */
static uint32_t slab_number(const Store *store, uint32_t from)
{
    while (from < store->slabs->len && store->slabs->pdata[from]) {
        from++;
    }
    return from;
}

/* @flags: of the record */
static StoreLease *add_lease(Store *store, StoreRecord *rec,
                             const WireGrant *grant, uint32_t flags,
                             Slab **slabs, unsigned nr_slabs, uint64_t now)
{
    StoreRecord fresh = {
        .id = grant->lease,
        .epoch = grant->epoch,
        .state = RCACHE_LEASE_GRANTED,
        .until = now + grant->claim_ms,
        .nr_slabs = nr_slabs,
        .flags = flags,
        .incarnation = grant->incarnation,
    };
    StoreLease *lease;
    uint32_t number = 0;
    unsigned i;

    memcpy(fresh.token, grant->token, sizeof(fresh.token));
    memcpy(fresh.vm, grant->vm, sizeof(fresh.vm));
    wire_text_copy(fresh.name, sizeof(fresh.name), grant->name);
    wire_text_copy(fresh.host, sizeof(fresh.host), grant->host);
    *rec = fresh;
    lease = store_lease_new(store, rec);
    for (i = 0; i < nr_slabs; i++) {
        number = slab_number(store, number);
        slab_set_owner(slabs[i], number, lease->id);
        store_lease_add_slab(store, lease, slabs[i]);
    }
    return lease;
}

StoreLease *store_add(Store *store, const WireGrant *grant, unsigned reserved,
                      Slab **slabs, unsigned nr_slabs, uint64_t now,
                      WireGrantAck *ack)
{
    StoreRecord *rec = record_unused(store);
    StoreLease *lease;

    g_assert(rec && nr_slabs && nr_slabs <= reserved);
    lease = add_lease(store, rec, grant, 0, slabs, nr_slabs, now);
    store_unreserve(store, reserved);
    ack_complete(store, lease, ack);
    return lease;
}

uint64_t store_may_own(const Store *store, uint64_t areas)
{
    uint64_t taken = store->nr_slabs + store->nr_reserved;

    return areas > taken ? MIN(areas - taken, store_left(store)) : 0;
}

bool store_is_full(const Store *store)
{
    return !store_left(store);
}

StoreLease *store_add_own(Store *store, const WireGrant *grant, Slab **slabs,
                          unsigned nr_slabs, uint64_t now,
                          WireGrantAck *ack)
{
    StoreRecord *rec = record_unused(store);
    StoreLease *lease;

    *ack = (WireGrantAck) { .lease = grant->lease };
    if (!rec) {
        refuse(ack, RCACHE_E_NO_ROOM, "too many leases");
        return NULL;
    }
    lease = add_lease(store, rec, grant, STORE_OWN, slabs, nr_slabs, now);
    ack_complete(store, lease, ack);
    return lease;
}

/* ----------------------------------------------------------------- using */

StoreLease *store_find_lease(Store *store, uint64_t id)
{
    return g_hash_table_lookup(store->leases, &id);
}

bool store_token_equal(const uint8_t a[RCACHE_TOKEN_LEN],
                       const uint8_t b[RCACHE_TOKEN_LEN])
{
    volatile uint8_t diff = 0;
    unsigned i;

    for (i = 0; i < RCACHE_TOKEN_LEN; i++) {
        diff |= a[i] ^ b[i];
    }
    return !diff;
}

static void lease_renew(Store *store, StoreLease *lease, uint64_t now)
{
    lease->rec->until = now + store->config.ttl_ms;
    lease->rec->state = RCACHE_LEASE_CLAIMED;
}

/* Who has no token finds out nothing more about the lease. */
static bool may_claim(const StoreRecord *rec,
                      const uint8_t token[RCACHE_TOKEN_LEN],
                      const SessionOwner *owner)
{
    bool bound = rec->incarnation || rec->state != RCACHE_LEASE_GRANTED;

    return store_token_equal(rec->token, token) &&
           !memcmp(rec->vm, owner->vm, sizeof(rec->vm)) &&
           (!bound || rec->incarnation == owner->incarnation);
}

enum RcacheStatus store_claim(Store *store, uint64_t id, uint32_t epoch,
                              const uint8_t token[RCACHE_TOKEN_LEN],
                              const SessionOwner *owner, uint64_t session,
                              uint64_t now, StoreLease **out)
{
    StoreLease *lease = store_find_lease(store, id);
    StoreRecord *rec;

    if (!lease) {
        return RCACHE_E_LEASE;
    }
    rec = lease->rec;
    if (!may_claim(rec, token, owner)) {
        return RCACHE_E_LEASE;
    }
    if (strcmp(rec->host, owner->host)) {
        return RCACHE_E_REFUSED;
    }
    if (rec->epoch != epoch) {
        return RCACHE_E_EPOCH;
    }
    rec->incarnation = owner->incarnation;
    rec->session = MAX(rec->session, session);
    lease_renew(store, lease, now);
    lease->refs++;
    *out = lease;
    return RCACHE_OK;
}

/* A lease that has ended is freed by whoever lets go of it last. */
static void lease_let_go(StoreLease *lease)
{
    if (lease->ending && !lease->refs && !lease->users &&
        !lease->slabs->len) {
        lease_free(lease);
    }
}

void store_unref(Store *store, StoreLease *lease)
{
    lease->refs--;
    lease_let_go(lease);
}

enum RcacheStatus store_check(const StoreLease *lease, uint32_t epoch)
{
    if (lease->ending) {
        return RCACHE_E_LEASE;
    }
    return lease->rec->epoch == epoch ? RCACHE_OK : RCACHE_E_EPOCH;
}

enum RcacheStatus store_renew(Store *store, StoreLease *lease, uint32_t epoch,
                              uint64_t now)
{
    enum RcacheStatus status = store_check(lease, epoch);

    if (status == RCACHE_OK) {
        lease_renew(store, lease, now);
    }
    return status;
}

uint8_t *store_find(const Store *store, const StoreLease *lease,
                    RcacheSlot slot, bool stored_only, Slab **slab)
{
    uint32_t number = wire_slot_slab(slot), page = wire_slot_page(slot);
    Slab *found;

    if (number >= store->slabs->len) {
        return NULL;
    }
    found = store->slabs->pdata[number];
    if (!found || found->lease != lease || page >= found->pages ||
        (stored_only && !slab_is_stored(found, page))) {
        return NULL;
    }
    *slab = found;
    return slab_page(found, page);
}

void store_mark(Store *store, StoreLease *lease, Slab *slab, RcacheSlot slot,
                bool stored)
{
    lease->stored += slab_set_stored(slab, wire_slot_page(slot), stored);
}

void store_use(StoreLease *lease)
{
    lease->users++;
}

void store_unuse(Store *store, StoreLease *lease)
{
    lease->users--;
    lease_let_go(lease);
}

/* ---------------------------------------------------------------- ending */

void store_end(Store *store, StoreLease *lease, void *waiter)
{
    g_hash_table_remove(store->leases, &lease->id);
    memset(lease->rec, 0, sizeof(*lease->rec));
    lease->rec = NULL;
    lease->ending = true;
    lease->waiter = waiter;
    g_queue_push_tail(&store->dying, lease);
    crash_point("lease-ended");
}

void store_forget_waiter(Store *store, const void *waiter)
{
    GList *link;

    for (link = store->dying.head; link; link = link->next) {
        StoreLease *lease = link->data;

        if (lease->waiter == waiter) {
            lease->waiter = NULL;
        }
    }
}

/* What has become of the lease; NULL: nothing new. */
static const char *lease_tick(Store *store, StoreLease *lease, uint64_t now)
{
    StoreRecord *rec = lease->rec;

    if (now < rec->until) {
        return NULL;
    }
    switch (rec->state) {
    case RCACHE_LEASE_GRANTED:
        return "dropped: nobody claimed it in time";
    case RCACHE_LEASE_CLAIMED:
        rec->state = RCACHE_LEASE_EXPIRED;
        /*
         * Not when it should have been renewed: this host may have slept, or
         * this daemon, and nobody could renew anything meanwhile.
         */
        rec->until = now;
        return "expired: not renewed; its bytes are kept";
    default:
        if (now - rec->until < store->config.orphan_ms) {
            return NULL;
        }
        return "dropped: its orphan time is over";
    }
}

void store_tick(Store *store, uint64_t now, StoreTold *told, void *opaque)
{
    g_autoptr(GList) leases = g_hash_table_get_values(store->leases);
    GList *link;

    for (link = leases; link; link = link->next) {
        StoreLease *lease = link->data;
        uint32_t before = lease->rec->state;
        const char *what = lease_tick(store, lease, now);

        if (!what) {
            continue;
        }
        if (told) {
            told(lease, what, opaque);
        }
        if (before != RCACHE_LEASE_CLAIMED) {
            store_end(store, lease, NULL);
        }
    }
}

/* The first ended lease that no transfer touches any more. */
static GList *dying_idle(const Store *store)
{
    GList *link = store->dying.head;

    while (link && ((StoreLease *)link->data)->users) {
        link = link->next;
    }
    return link;
}

/* The first dropped slab that no transfer touches any more. */
static GList *leaving_idle(const Store *store)
{
    GList *link = store->leaving.head;

    while (link && ((Slab *)link->data)->users) {
        link = link->next;
    }
    return link;
}

bool store_reap_pending(const Store *store)
{
    return leaving_idle(store) || dying_idle(store);
}

/* The host has its memory back. */
static void slab_gone(Store *store, Slab *slab)
{
    crash_point("slab-punched");
    store->slabs->pdata[slab->number] = NULL;
    store->nr_slabs--;
    store->nr_own -= slab->own;
    if (store->config.slab_gone) {
        store->config.slab_gone(slab, store->config.opaque);
    }
    slab_free(slab);
}

void *store_reap(Store *store, uint32_t pages)
{
    GList *link = leaving_idle(store);
    StoreLease *lease;
    void *waiter;
    Slab *slab;

    if (link) {
        slab = link->data;
        if (slab_punch(slab, pages)) {
            g_queue_delete_link(&store->leaving, link);
            slab_gone(store, slab);
        }
        return NULL;
    }
    link = dying_idle(store);
    if (!link) {
        return NULL;
    }
    lease = link->data;
    slab = lease->slabs->pdata[lease->slabs->len - 1];
    if (!slab_punch(slab, pages)) {
        return NULL;
    }
    g_ptr_array_set_size(lease->slabs, lease->slabs->len - 1);
    slab_gone(store, slab);
    if (lease->slabs->len) {
        return NULL;
    }
    g_queue_delete_link(&store->dying, link);
    waiter = lease->waiter;
    lease_let_go(lease);
    return waiter;
}
