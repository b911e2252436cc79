/* SPDX-License-Identifier: GPL-2.0-or-later */
/* claims: the leases that a connection has claimed.  See claims.h. */
#include "rcached/provider/claims.h"

#include "common/boot.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/store-revoke.h"

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

bool claims_can_be_asked(const Peer *peer)
{
    return peer->role == RCACHE_ROLE_BULK &&
           peer->features & RCACHE_FEATURE_MOVE;
}

void claims_add(Peer *peer, StoreLease *lease)
{
    g_ptr_array_add(peer->claims, lease);
    account_claims(&peer->server->account, &peer->account, true,
                   peer->server->now);
    if (claims_can_be_asked(peer)) {
        store_asker_comes(lease);
    }
}

static void claim_forget(Peer *peer, StoreLease *lease)
{
    if (claims_can_be_asked(peer)) {
        store_asker_leaves(lease, boottime_ms());
    }
    store_unref(peer->server->config.store, lease);
}

void claims_drop(Peer *peer)
{
    for (guint i = 0; i < peer->claims->len; i++) {
        claim_forget(peer, peer->claims->pdata[i]);
    }
    g_ptr_array_set_size(peer->claims, 0);
}

void claims_prune(Peer *peer)
{
    guint i = 0;

    while (i < peer->claims->len) {
        StoreLease *lease = peer->claims->pdata[i];

        if (lease->ending) {
            claim_forget(peer, lease);
            g_ptr_array_remove_index_fast(peer->claims, i);
        } else {
            i++;
        }
    }
    claims_count(peer);
}

void claims_count(Peer *peer)
{
    bool any = false;

    for (guint i = 0; i < peer->claims->len && !any; i++) {
        any = !((StoreLease *)peer->claims->pdata[i])->ending;
    }
    account_claims(&peer->server->account, &peer->account, any,
                   peer->server->now);
}
