/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the hosts of test-settle have lent, and keep.  See settle.h. */
#include "settle.h"

void host_slab_empty(HostSlab *s)
{
    for (unsigned i = 0; s->page && i < world.slab_pages; i++) {
        g_clear_pointer(&s->page[i], g_free);
    }
    g_clear_pointer(&s->page, g_free);
}

static void lease_free_all(void *opaque)
{
    HostLease *l = opaque;

    for (unsigned i = 0; i < l->nr; i++) {
        host_slab_empty(&l->slab[i]);
    }
    g_free(l->slab);
    g_free(l);
}

void host_lease_forget(HostLease *l)
{
    l->known = false;
    for (unsigned i = 0; i < l->nr; i++) {
        host_slab_empty(&l->slab[i]);
    }
}

uint32_t host_lease_slabs(const HostLease *l)
{
    uint32_t n = 0;

    for (unsigned i = 0; l->known && i < l->nr; i++) {
        n += l->slab[i].there;
    }
    return n;
}

unsigned host_slabs(unsigned host)
{
    unsigned n = 0;

    for (guint i = 0; i < world.leases->len; i++) {
        const HostLease *l = world.leases->pdata[i];

        n += l->host == host ? host_lease_slabs(l) : 0;
    }
    return n;
}

unsigned host_free(unsigned host)
{
    const Host *h = &world.host[host];
    unsigned used = host_slabs(host);

    return h->used && !h->draining && !h->cut && h->capacity > used
               ? h->capacity - used : 0;
}

uint64_t host_lend(unsigned host, unsigned slabs)
{
    HostLease *l = g_new0(HostLease, 1);

    *l = (HostLease) {
        .id = ++world.next_lease, .host = host, .known = true,
        .at = pager_now(), .keep = UINT32_MAX, .told = UINT32_MAX,
        .nr = slabs, .slab = g_new0(HostSlab, slabs),
    };
    for (unsigned i = 0; i < slabs; i++) {
        l->slab[i].there = true;
    }
    g_ptr_array_add(world.leases, l);
    return l->id;
}

void host_loses_all(unsigned host)
{
    for (guint i = 0; i < world.leases->len; i++) {
        HostLease *l = world.leases->pdata[i];

        if (l->host == host) {
            host_lease_forget(l);
        }
    }
}

HostLease *host_lease_of(unsigned host, uint64_t id)
{
    for (guint i = 0; i < world.leases->len; i++) {
        HostLease *l = world.leases->pdata[i];

        if (l->id == id && l->known && (host > OWN || l->host == host)) {
            return l;
        }
    }
    return NULL;
}

HostSlab *host_slab_of(const HostLease *l, uint32_t number)
{
    return l && number < l->nr && l->slab[number].there ? &l->slab[number]
                                                        : NULL;
}

void kept_begin(void)
{
    world.leases = g_ptr_array_new_with_free_func(lease_free_all);
}
