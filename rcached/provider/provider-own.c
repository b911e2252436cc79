/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider: what VMs on this host have on its own disk.
 *
 * It is the last place that a VM's pages go to, when no other host lends
 * memory.  Such a lease is claimed, used, moved and released as any other, but
 * its slabs are in the spill file from the beginning and for good.  So they
 * take none of the memory that the VM's pages have to leave, and no figure of
 * what is lent has to do with them; only the file is shared, of which slabs
 * that are lent have the first call.
 */
#include "rcached/provider/provider-own.h"

#include "common/boot.h"
#include "common/wire-control.h"
#include "rcached/provider/provider-internal.h"
#include "rcached/provider/provider-keep.h"
#include "rcached/provider/store-look.h"

/* Why not; NULL: it may be. */
static const char *own_refusal(const Provider *provider)
{
    if (!provider->spill) {
        return "this host has no spill file (spill-dir)";
    }
    if (!provider->keep) {
        return "nobody would keep the spill file for the next daemon (no "
               "service manager)";
    }
    return NULL;
}

static void refuse(WireGrantAck *ack, const char *text)
{
    ack->status = RCACHE_E_NO_ROOM;
    wire_text_copy(ack->text, sizeof(ack->text), text);
}

/* Areas of the file for up to @n slabs; return how many. */
static unsigned areas_take(Provider *provider, uint32_t *areas, uint64_t n)
{
    SpillFile *file = provider->spill->file;
    uint64_t all = spill_file_size(file) /
                   ((uint64_t)provider->slab_pages * WIRE_PAGE_SIZE);
    unsigned taken = 0;

    pthread_mutex_lock(&provider->lock);
    if (!spill_failing(provider->spill, boottime_ms())) {
        n = MIN(n, store_may_own(provider->store, all));
        for (; taken < n; taken++) {
            areas[taken] = spill_file_take(file);
            if (areas[taken] == SPILL_NO_AREA) {
                break;
            }
        }
    }
    pthread_mutex_unlock(&provider->lock);
    return taken;
}

/* With the lock held. */
static void areas_give(Provider *provider, const uint32_t *areas, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        spill_file_give(provider->spill->file, areas[i]);
    }
}

static unsigned make_slabs(const Provider *provider, uint64_t lease,
                           const uint32_t *areas, unsigned n, Slab **slabs)
{
    unsigned made = 0;

    while (made < n && !slab_new_on_disk(provider->slab_pages,
                                         provider->guard, lease, areas[made],
                                         &slabs[made])) {
        made++;
    }
    return made;
}

/* Keep them before the answer is out, as provider_grant() does. */
static void keep_slabs(Provider *provider, StoreLease *lease,
                       Slab *const *slabs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        provider_keep_slab(provider, slabs[i]);
    }
    pthread_mutex_lock(&provider->lock);
    store_unuse(provider->store, lease);
    pthread_mutex_unlock(&provider->lock);
}

static StoreLease *add_lease(Provider *provider, const WireGrant *grant,
                             Slab **slabs, unsigned n, WireGrantAck *out)
{
    StoreLease *lease = store_add_own(provider->store, grant, slabs, n,
                                      boottime_ms(), out);

    for (unsigned i = 0; !lease && i < n; i++) {
        slab_free(slabs[i]);
    }
    if (lease) {
        store_use(lease);
    }
    return lease;
}

void provider_grant_own(Provider *provider, const WireGrant *grant,
                        WireGrantAck *out)
{
    uint64_t slab_bytes = (uint64_t)provider->slab_pages * WIRE_PAGE_SIZE;
    uint64_t want = grant->bytes / slab_bytes + !!(grant->bytes % slab_bytes);
    const char *why = own_refusal(provider);
    g_autofree uint32_t *areas = NULL;
    g_autofree Slab **slabs = NULL;
    StoreLease *lease = NULL;
    unsigned taken, made;

    *out = (WireGrantAck) { .lease = grant->lease };
    if (why) {
        refuse(out, why);
        return;
    }
    want = MIN(want, STORE_SLABS_MAX);
    areas = g_new(uint32_t, want);
    slabs = g_new0(Slab *, want);
    taken = areas_take(provider, areas, want);
    made = make_slabs(provider, grant->lease, areas, taken, slabs);
    pthread_mutex_lock(&provider->lock);
    if (made) {
        lease = add_lease(provider, grant, slabs, made, out);
    } else {
        refuse(out, taken ? "no memory for what is known of the slabs"
                    : store_is_full(provider->store) ? STORE_FULL
                    : "the spill file is full, or cannot be written to");
    }
    areas_give(provider, areas + (lease ? made : 0),
               taken - (lease ? made : 0));
    pthread_mutex_unlock(&provider->lock);
    if (lease) {
        keep_slabs(provider, lease, slabs, made);
    }
}

void provider_end_own(Provider *provider, const uint8_t *vm,
                      uint64_t incarnation, const char *name)
{
    StoreLease *lease;
    unsigned n = 0;

    pthread_mutex_lock(&provider->lock);
    while ((lease = store_find_own(provider->store, vm, incarnation))) {
        store_end(provider->store, lease, NULL);
        n++;
    }
    pthread_mutex_unlock(&provider->lock);
    if (n) {
        g_message("vm %s: it has ended, and %u lease%s on this host's own disk "
                  "with it", name, n, n == 1 ? "" : "s");
        provider_wake(provider);
    }
}
