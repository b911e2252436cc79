/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store: slabs that are asked back, and slabs that are left.  See store.h.
 */
#include "rcached/provider/store-revoke.h"

#include "common/crash-point.h"
#include "rcached/provider/store-internal.h"

/* Of a lease's life: how long a requester has to connect again. */
#define RETURN_PART     6u

/* ------------------------------------------------------ who can be asked */

void store_asker_comes(StoreLease *lease)
{
    lease->askers++;
}

void store_asker_leaves(StoreLease *lease, uint64_t now)
{
    lease->askers--;
    lease->asker_left = now;
}

bool store_can_ask(const Store *store, const StoreLease *lease, uint64_t now)
{
    uint64_t moment = store->config.ttl_ms / RETURN_PART;

    return lease->rec->state != RCACHE_LEASE_EXPIRED &&
           (lease->askers ||
            (lease->asker_left && now < lease->asker_left + moment));
}

/* ---------------------------------------------------------- asking back */

/* Slabs this lease has been asked for and still has. */
static uint32_t lease_asked(const StoreLease *lease)
{
    return lease->slabs->len > lease->keep ? lease->slabs->len - lease->keep
                                           : 0;
}

static void lease_set_keep(StoreLease *lease, uint32_t keep,
                           uint64_t deadline)
{
    if (!lease_asked(lease)) {
        lease->deadline = deadline;
    }
    lease->keep = keep;
    lease->revoked++;
}

static uint64_t lease_unused(const StoreLease *lease)
{
    uint64_t pages = 0;

    for (guint i = 0; i < lease->slabs->len; i++) {
        pages += ((Slab *)lease->slabs->pdata[i])->pages;
    }
    return pages - lease->stored;
}

/* Most room unused first; ids make it the same each time. */
static gint compare_room(gconstpointer a, gconstpointer b)
{
    uint64_t room_a = lease_unused(a), room_b = lease_unused(b);

    if (room_a != room_b) {
        return room_a > room_b ? -1 : 1;
    }
    return ((const StoreLease *)a)->id < ((const StoreLease *)b)->id ? -1 : 1;
}

/* Ask for @n slabs more; return how many could not be. */
static uint64_t ask_more(const Store *store, GList *leases, uint64_t n,
                         uint64_t now, uint64_t deadline)
{
    for (GList *at = leases; at && n; at = at->next) {
        StoreLease *lease = at->data;
        uint32_t has = MIN(lease->keep, lease->slabs->len);
        uint32_t take = MIN(n, has);

        if (take && store_can_ask(store, lease, now)) {
            lease_set_keep(lease, has - take, deadline);
            n -= take;
        }
    }
    return n;
}

/* No longer ask for @n of those that are asked for. */
static void ask_less(GList *leases, uint64_t n)
{
    for (GList *at = g_list_last(leases); at && n; at = at->prev) {
        StoreLease *lease = at->data;
        uint32_t give = MIN(n, lease_asked(lease));

        if (give) {
            uint32_t keep = lease->keep + give;

            lease_set_keep(lease, keep >= lease->slabs->len ? UINT32_MAX
                                                            : keep,
                           lease->deadline);
            n -= give;
        }
    }
}

/* What is kept for VMs here takes no memory. */
static GList *lent_only(GList *leases)
{
    GList *at = leases, *next;

    for (; at; at = next) {
        next = at->next;
        if (((StoreLease *)at->data)->own) {
            leases = g_list_delete_link(leases, at);
        }
    }
    return leases;
}

/* What a requester was asked for that is gone has to come from others. */
static void ask_in_vain_no_more(const Store *store, StoreLease *lease,
                                uint64_t now)
{
    if (lease_asked(lease) && !store_can_ask(store, lease, now)) {
        lease_set_keep(lease, UINT32_MAX, lease->deadline);
    }
}

uint64_t store_revoke(Store *store, uint64_t keep, uint64_t now,
                      uint64_t deadline)
{
    g_autoptr(GList) leases = g_hash_table_get_values(store->leases);
    uint64_t slabs = 0, asked = 0, want;

    leases = lent_only(g_list_sort(g_steal_pointer(&leases), compare_room));
    for (GList *at = leases; at; at = at->next) {
        StoreLease *lease = at->data;

        ask_in_vain_no_more(store, lease, now);
        slabs += lease->slabs->len;
        asked += lease_asked(lease);
    }
    want = slabs > keep ? slabs - keep : 0;
    if (want > asked) {
        return want - ask_more(store, leases, want - asked, now, deadline);
    }
    ask_less(leases, asked - want);
    return want;
}

uint64_t store_asked(const Store *store)
{
    GHashTableIter iter;
    uint64_t asked = 0;
    gpointer lease;

    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &lease)) {
        asked += ((StoreLease *)lease)->own ? 0 : lease_asked(lease);
    }
    return asked;
}

void store_revoke_own(Store *store, bool leave, uint64_t deadline)
{
    uint32_t keep = leave ? 0 : UINT32_MAX;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, store->leases);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        StoreLease *lease = value;

        if (lease->own && lease->keep != keep) {
            lease_set_keep(lease, keep, deadline);
        }
    }
}

/* -------------------------------------------------------------- leaving */

Slab *store_slab(const Store *store, const StoreLease *lease,
                 uint32_t number)
{
    Slab *slab = number < store->slabs->len ? store->slabs->pdata[number]
                                            : NULL;

    return slab && slab->lease == lease ? slab : NULL;
}

void store_forget(StoreLease *lease, Slab *slab)
{
    lease->stored -= slab->stored;
    slab_forget(slab);
}

/*
 * A daemon may be killed between any two of these stores.  The next one counts
 * a slab that is marked as its lease's if the record does (store_adopt()), so
 * that the lease is whole before and after the second.
 */
void store_drop(Store *store, StoreLease *lease, Slab *slab)
{
    slab_set_leaving(slab, true);
    crash_point("slab-marked");
    __atomic_store_n(&lease->rec->nr_slabs, lease->rec->nr_slabs - 1,
                     __ATOMIC_SEQ_CST);
    crash_point("slab-uncounted");
    slab_set_owner(slab, slab->number, 0);
    crash_point("slab-disowned");
    lease->stored -= slab->stored;
    g_ptr_array_remove_fast(lease->slabs, slab);
    slab->lease = NULL;
    g_queue_push_tail(&store->leaving, slab);
}
