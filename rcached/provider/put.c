/* SPDX-License-Identifier: GPL-2.0-or-later */
/* put: the pages of a PUT while they are being received.  See put.h. */
#include "rcached/provider/put.h"

#include "common/wire-check.h"
#include "rcached/provider/intake.h"
#include "rcached/provider/peer.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/slab-away.h"
#include "rcached/provider/spill.h"

static size_t put_bytes(const PeerPut *put)
{
    return (size_t)put->head.count * WIRE_PAGE_SIZE;
}

uint8_t *put_file_buffer(Peer *peer, unsigned i)
{
    PeerPut *put = &peer->put;

    if (!put->buf) {
        put->buf = secret_alloc(put_bytes(put),
                                peer->server->config.guard);
    }
    if (!put->buf) {
        return NULL;
    }
    put->to_file |= UINT64_C(1) << i;
    put->slabs[i]->filing++;
    return put->buf + (size_t)i * WIRE_PAGE_SIZE;
}

void put_free_buffer(Peer *peer)
{
    PeerPut *put = &peer->put;

    for (unsigned i = 0; i < put->head.count; i++) {
        if (put->to_file >> i & 1) {
            put->slabs[i]->filing--;
        }
    }
    put->to_file = 0;
    secret_free(put->buf, put_bytes(put));
    put->buf = NULL;
}

void put_sum(Peer *peer)
{
    PeerPut *put = &peer->put;
    uint64_t sums[RCACHE_BATCH_PAGES];

    put->digest = 0;
    if (!(peer->features & RCACHE_FEATURE_DIGEST)) {
        return;                 /* nobody is told */
    }
    for (unsigned i = 0; i < put->head.count; i++) {
        sums[i] = wire_page_sum(put->to_file >> i & 1
                                ? put->buf + (size_t)i * WIRE_PAGE_SIZE
                                : slab_page(put->slabs[i],
                                            wire_slot_page(put->slots[i])));
    }
    put->digest = wire_put_digest(put->slots, sums, put->head.count);
}

void put_let_go(Peer *peer)
{
    PeerPut *put = &peer->put;
    unsigned i;

    put_free_buffer(peer);
    for (i = 0; i < put->head.count; i++) {
        put->slabs[i]->putting--;
        store_unuse_slab(put->slabs[i]);
    }
    store_unuse(peer->server->config.store, put->lease);
    put->lease = NULL;
}

void put_stored(Peer *peer, StoreLease *lease, Slab *slab, RcacheSlot slot)
{
    uint32_t page = wire_slot_page(slot);

    if (slab->away) {
        spill_touched(peer->server->config.spill, slab, page);
    }
    store_mark(peer->server->config.store, lease, slab, slot, true);
    intake_stored(peer, slab_page(slab, page), page);
}
