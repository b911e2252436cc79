/* SPDX-License-Identifier: GPL-2.0-or-later */
/* claims: the leases that a connection has claimed.  See claims.h. */
#include "rcached/provider/claims.h"

#include "rcached/provider/serving.h"

StoreLease *claims_find(const Peer *peer, uint64_t id)
{
    guint i;

    for (i = 0; i < peer->claims->len; i++) {
        StoreLease *lease = peer->claims->pdata[i];

        if (lease->id == id && !lease->ending) {
            return lease;
        }
    }
    return NULL;
}

enum RcacheStatus claims_lease_for(const Peer *peer, const WireHead *head,
                                   StoreLease **out)
{
    *out = claims_find(peer, head->lease);
    return *out ? store_check(*out, head->epoch) : RCACHE_E_LEASE;
}

void claims_prune(Peer *peer)
{
    guint i = 0;

    while (i < peer->claims->len) {
        StoreLease *lease = peer->claims->pdata[i];

        if (lease->ending) {
            store_unref(peer->server->config.store, lease);
            g_ptr_array_remove_index_fast(peer->claims, i);
        } else {
            i++;
        }
    }
}
