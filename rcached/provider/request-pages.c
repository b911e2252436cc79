/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request-pages: PUT, GET, SUMS and FREE.  request.c says how a request is
 * judged.
 *
 * Pages go between the socket and the slabs' memory; those that are in the
 * spill file, or belong there, take the way of spill-serve.c.
 */
#include "rcached/provider/request-pages.h"

#include "common/crash-point.h"
#include "common/wire-check.h"
#include "rcached/provider/claims.h"
#include "rcached/provider/intake.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/put.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/slab-away.h"
#include "rcached/provider/spill-serve.h"

/* Where page @i of a PUT is received: its slot, or a buffer; NULL: nowhere. */
static uint8_t *put_page(Peer *peer, unsigned i, Slab *slab, uint8_t *page)
{
    uint32_t number = wire_slot_page(peer->put.slots[i]);

    if (slab_puts_to_file(slab, number)) {
        return put_file_buffer(peer, i);
    }
    if (slab->away) {
        spill_touched(peer->server->config.spill, slab, number);
    }
    return page;
}

void request_put_begin(Peer *peer, const WireHead *head,
                       const uint8_t *slots)
{
    Store *store = peer->server->config.store;
    PeerPut *put = &peer->put;
    StoreLease *lease;
    unsigned i;

    put->active = true;
    put->head = *head;
    put->lease = NULL;
    put->left = (size_t)head->count * WIRE_PAGE_SIZE;
    put->at = put->nr = 0;
    put->buf = NULL;
    put->to_file = 0;
    wire_slots_decode(slots, put->slots, head->count);

    server_lock(peer->server);
    put->status = claims_lease_for(peer, head, &lease);
    for (i = 0; i < head->count && put->status == RCACHE_OK; i++) {
        Slab *slab;
        uint8_t *page = store_find(store, lease, put->slots[i], false, &slab);

        if (!page || !intake_may_touch(peer, slab)) {
            put->status = RCACHE_E_SLOT;
            break;
        }
        put->slabs[i] = slab;
        page = put_page(peer, i, slab, page);
        if (page) {
            put->nr = iov_add(put->iov, put->nr, page);
        } else {
            put->status = RCACHE_E_BUSY;
        }
    }
    if (put->status == RCACHE_OK) {
        put->lease = lease;
        store_use(lease);
        for (i = 0; i < head->count; i++) {
            store_use_slab(put->slabs[i]);
            put->slabs[i]->putting++;
        }
    } else {
        put_free_buffer(peer);
    }
    server_unlock(peer->server);
}

void request_put_end(Peer *peer)
{
    Store *store = peer->server->config.store;
    PeerPut *put = &peer->put;
    unsigned i;

    put->active = false;
    if (put->lease) {
        put_sum(peer);
    }
    if (put->buf) {
        spill_serve_put(peer);
        return;
    }
    if (put->lease) {
        server_lock(peer->server);
        put->status = store_check(put->lease, put->head.epoch);
        for (i = 0; i < put->head.count && put->status == RCACHE_OK; i++) {
            Slab *slab;

            if (store_find(store, put->lease, put->slots[i], false, &slab)) {
                put_stored(peer, put->lease, slab, put->slots[i]);
            }
        }
        peer->server->counts.put_pages += put->head.count;
        put_let_go(peer);
        server_unlock(peer->server);
        crash_point("put-stored");
    }
    peer_reply_put(peer, &put->head, put->status, put->digest);
}

/* Pages that are asked for, or their sums. */
typedef struct Asked {
    StoreLease *lease;
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    uint8_t *pages[RCACHE_BATCH_PAGES];
    Slab *slabs[RCACHE_BATCH_PAGES];
    bool in_file;               /* some are */
} Asked;

/* Judge a GET or SUMS; if it is right, lease and slabs are in use now. */
static enum RcacheStatus asked_begin(Peer *peer, const WireHead *head,
                                     const uint8_t *payload, Asked *asked)
{
    Store *store = peer->server->config.store;
    enum RcacheStatus status;
    unsigned i;

    asked->in_file = false;
    wire_slots_decode(payload, asked->slots, head->count);
    server_lock(peer->server);
    status = claims_lease_for(peer, head, &asked->lease);
    for (i = 0; i < head->count && status == RCACHE_OK; i++) {
        RcacheSlot slot = asked->slots[i];

        /* A slot that nothing was put in would be answered with zeros. */
        asked->pages[i] = store_find(store, asked->lease, slot, true,
                                     &asked->slabs[i]);
        if (!asked->pages[i] || !intake_may_touch(peer, asked->slabs[i])) {
            status = RCACHE_E_SLOT;
            break;
        }
        asked->in_file |= slab_in_file(asked->slabs[i], wire_slot_page(slot));
    }
    if (status == RCACHE_OK) {
        store_use(asked->lease);
        for (i = 0; i < head->count; i++) {
            store_use_slab(asked->slabs[i]);
        }
        peer->server->counts.get_pages += head->type == RCACHE_GET
                                              ? head->count : 0;
    }
    server_unlock(peer->server);
    return status;
}

void request_get(Peer *peer, const WireHead *head,
                        const uint8_t *payload)
{
    WireHead reply = {
        .type = RCACHE_GET_REPLY,
        .count = head->count,
        .length = head->count * WIRE_PAGE_SIZE,
        .tag = head->tag,
        .lease = head->lease,
        .epoch = head->epoch,
        .check = peer_out_service(peer, head),
    };
    Asked asked;
    enum RcacheStatus status = asked_begin(peer, head, payload, &asked);
    PeerOut *out;
    unsigned i;

    if (status != RCACHE_OK) {
        peer_reply(peer, head, RCACHE_GET_REPLY, status);
        return;
    }
    if (asked.in_file) {
        spill_serve_get(peer, head, asked.lease, asked.slots, asked.slabs);
        return;
    }
    out = peer_out_new(peer, &reply, head->count);
    out->lease = asked.lease;
    out->nr_slabs = head->count;
    for (i = 0; i < head->count; i++) {
        out->slabs[i] = asked.slabs[i];
        out->nr = iov_add(out->iov, out->nr, asked.pages[i]);
    }
}

void request_sums(Peer *peer, const WireHead *head, const uint8_t *payload)
{
    uint64_t sums[RCACHE_BATCH_PAGES];
    Asked asked;
    enum RcacheStatus status = asked_begin(peer, head, payload, &asked);

    if (status != RCACHE_OK) {
        peer_reply(peer, head, RCACHE_SUMS_ACK, status);
        return;
    }
    if (asked.in_file) {
        spill_serve_get(peer, head, asked.lease, asked.slots, asked.slabs);
        return;
    }
    for (unsigned i = 0; i < head->count; i++) {
        sums[i] = wire_page_sum(asked.pages[i]);
    }
    server_lock(peer->server);
    for (unsigned i = 0; i < head->count; i++) {
        store_unuse_slab(asked.slabs[i]);
    }
    store_unuse(peer->server->config.store, asked.lease);
    server_unlock(peer->server);
    peer_reply_sums(peer, head, sums);
}

void request_free(Peer *peer, const WireHead *head,
                         const uint8_t *payload)
{
    Store *store = peer->server->config.store;
    RcacheSlot slots[RCACHE_BATCH_FREES];
    enum RcacheStatus status;
    StoreLease *lease;
    Slab *slab;
    unsigned i;

    wire_slots_decode(payload, slots, head->count);
    server_lock(peer->server);
    status = claims_lease_for(peer, head, &lease);
    /* All of them or none. */
    for (i = 0; i < head->count && status == RCACHE_OK; i++) {
        if (!store_find(store, lease, slots[i], false, &slab)) {
            status = RCACHE_E_SLOT;
        }
    }
    crash_point("free-come");
    for (i = 0; i < head->count && status == RCACHE_OK; i++) {
        store_find(store, lease, slots[i], false, &slab);
        store_mark(store, lease, slab, slots[i], false);
    }
    if (status == RCACHE_OK) {
        peer->server->counts.freed_slots += head->count;
    }
    server_unlock(peer->server);
    crash_point("free-done");
    peer_reply(peer, head, RCACHE_FREE_ACK, status);
}
