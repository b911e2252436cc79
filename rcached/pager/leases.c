/* SPDX-License-Identifier: GPL-2.0-or-later */
/* leases: the table of this VM's leases.  See leases.h. */
#include "rcached/pager/leases.h"

#include "rcached/pager/freeing.h"
#include "rcached/pager/revoke.h"

Lease *lease_new(uint32_t index, struct RcacheLease *shared, Remote *remote,
                 uint64_t now)
{
    Lease *l = g_new0(Lease, 1);

    l->index = index;
    l->shared = shared;
    l->known = *shared;
    l->known.provider[sizeof(l->known.provider) - 1] = '\0';
    l->known.address[sizeof(l->known.address) - 1] = '\0';
    l->known.label[sizeof(l->known.label) - 1] = '\0';
    l->remote = remote;
    l->since = now;
    l->keep = UINT32_MAX;
    l->to_free = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    l->spare = g_array_new(FALSE, FALSE, sizeof(Spare));
    l->drops = g_array_new(FALSE, FALSE, sizeof(Drop));
    g_queue_init(&l->frees);
    return l;
}

Lease *leases_next(const Leases *leases, unsigned *at)
{
    while (*at < RCACHE_NR_LEASES) {
        Lease *l = leases->entry[(*at)++];

        if (l) {
            return l;
        }
    }
    return NULL;
}

unsigned leases_free(const Leases *leases)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        n += !leases->entry[i];
    }
    return n;
}

Lease *leases_at(const Leases *leases, uint64_t index)
{
    return index < RCACHE_NR_LEASES ? leases->entry[index] : NULL;
}

void lease_free(Lease *l)
{
    g_array_free(l->to_free, TRUE);
    g_array_free(l->spare, TRUE);
    g_array_free(l->drops, TRUE);
    g_queue_clear_full(&l->frees, g_free);
    g_free(l);
}

void leases_deinit(Leases *leases)
{
    Lease *l;

    LEASES_FOREACH(l, leases) {
        leases->entry[l->index] = NULL;
        lease_free(l);
    }
}
