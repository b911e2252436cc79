/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spill-serve: GETs, SUMS and PUTs of pages that are in the spill file.  See
 * spill-serve.h.
 *
 * A SpillServe is one request with the pages it has to do with, in a buffer of
 * its own, between the file and the connection.  It holds lease and slabs in
 * use, and counts in peer->spilling, so that its connection is neither freed
 * nor, in a newer session, thought to be quiet before it is done.
 *
 * A slot that is PUT is empty from the moment its bytes are sealed until they
 * are in the file.
 */
#include "rcached/provider/spill-serve.h"

#include <string.h>

#include "common/crash-point.h"
#include "common/wire-check.h"
#include "rcached/provider/intake.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/slab-away.h"
#include "rcached/provider/spill-xfer.h"

typedef struct SpillServe {
    GList link;                 /* of spill->waiting */
    Peer *peer;
    WireHead head;
    StoreLease *lease;          /* in use, and so are the slabs */
    bool put;                   /* counts in the slabs' .putting */
    uint8_t *buf;               /* head.count pages */
    uint64_t digest;            /* of a PUT's pages as they came */
    uint64_t filed;             /* pages that are in the file, or go there */
    enum RcacheStatus status;
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    Slab *slabs[RCACHE_BATCH_PAGES];
    SpillSeal seals[RCACHE_BATCH_PAGES];
    SpillXfer xfer;
} SpillServe;

_Static_assert(RCACHE_BATCH_PAGES <= 64, "a bit for each page of a request");

static bool is_filed(const SpillServe *serve, unsigned i)
{
    return serve->filed >> i & 1;
}

static uint32_t page_of(const SpillServe *serve, unsigned i)
{
    return wire_slot_page(serve->slots[i]);
}

static uint8_t *bytes_of(const SpillServe *serve, unsigned i)
{
    return serve->buf + (size_t)i * WIRE_PAGE_SIZE;
}

static size_t buf_bytes(const WireHead *head)
{
    return (size_t)head->count * WIRE_PAGE_SIZE;
}

static SpillServe *serve_new(Peer *peer, const WireHead *head,
                             StoreLease *lease, const RcacheSlot *slots,
                             Slab *const *slabs)
{
    SpillServe *serve = g_new(SpillServe, 1);

    serve->link = (GList) { .data = serve };
    serve->peer = peer;
    serve->head = *head;
    serve->lease = lease;
    serve->put = false;
    serve->digest = 0;
    serve->filed = 0;
    serve->status = RCACHE_OK;
    memcpy(serve->slots, slots, head->count * sizeof(*slots));
    memcpy(serve->slabs, slabs, head->count * sizeof(*slabs));
    peer->spilling += head->count;
    return serve;
}

/* With the lock held: the pages have nothing to do with the file any more. */
static void serve_unfile(SpillServe *serve)
{
    for (unsigned i = 0; i < serve->head.count; i++) {
        serve->slabs[i]->filing -= is_filed(serve, i);
    }
    serve->filed = 0;
}

/* With the lock held: let go of lease and slabs. */
static void serve_let_go(SpillServe *serve)
{
    Store *store = serve->peer->server->config.store;

    serve_unfile(serve);
    for (unsigned i = 0; i < serve->head.count; i++) {
        serve->slabs[i]->putting -= serve->put;
        store_unuse_slab(serve->slabs[i]);
    }
    store_unuse(store, serve->lease);
}

/* The answer is queued, or nobody is left to wait for it. */
static Peer *serve_free(SpillServe *serve)
{
    Peer *peer = serve->peer;

    peer->spilling -= serve->head.count;
    g_free(serve);
    return peer;
}

/* Add the pages of the file to the transfer, neighbours together. */
static void serve_send(SpillServe *serve, bool write)
{
    Spill *spill = serve->peer->server->config.spill;
    unsigned i = 0, n;

    while (i < serve->head.count) {
        n = 1;
        while (is_filed(serve, i) && i + n < serve->head.count &&
               is_filed(serve, i + n) &&
               serve->slots[i + n] == serve->slots[i] + n) {
            n++;
        }
        if (is_filed(serve, i)) {
            spill_xfer_add(spill->ring, spill->file, &serve->xfer, write,
                           serve->slabs[i], page_of(serve, i),
                           bytes_of(serve, i), n);
        }
        i += n;
    }
    spill_xfer_go(&serve->xfer);
}

/* ------------------------------------------------------------------ GET */

static bool get_unseal(SpillServe *serve)
{
    SpillKey *key = serve->peer->server->config.spill->key;

    for (unsigned i = 0; i < serve->head.count; i++) {
        SpillPlace place;

        if (!is_filed(serve, i)) {
            continue;
        }
        place = spill_place(serve->slabs[i], page_of(serve, i));
        if (!spill_unseal(key, &place, bytes_of(serve, i),
                          &serve->seals[i])) {
            return false;
        }
    }
    return true;
}

static uint8_t get_answer_type(const WireHead *head)
{
    return head->type == RCACHE_SUMS ? RCACHE_SUMS_ACK : RCACHE_GET_REPLY;
}

/* Where the bytes of a page are by now: in the buffer, or in memory. */
static uint8_t *get_bytes(const SpillServe *serve, unsigned i)
{
    return is_filed(serve, i) ? bytes_of(serve, i)
                              : slab_page(serve->slabs[i], page_of(serve, i));
}

/* Only the sums of the pages were asked for. */
static void get_answer_sums(SpillServe *serve)
{
    Server *server = serve->peer->server;
    uint64_t sums[RCACHE_BATCH_PAGES];

    for (unsigned i = 0; i < serve->head.count; i++) {
        sums[i] = wire_page_sum(get_bytes(serve, i));
    }
    secret_free(serve->buf, buf_bytes(&serve->head));
    server_lock(server);
    serve_let_go(serve);
    server_unlock(server);
    peer_reply_sums(serve->peer, &serve->head, sums);
}

/* The answer takes over buffer, lease and slabs. */
static void get_answer(SpillServe *serve)
{
    const WireHead *head = &serve->head;
    WireHead reply = {
        .type = RCACHE_GET_REPLY, .count = head->count,
        .length = head->count * WIRE_PAGE_SIZE, .tag = head->tag,
        .lease = head->lease, .epoch = head->epoch,
        .check = peer_out_service(serve->peer, head),
    };
    PeerOut *out = peer_out_new(serve->peer, &reply, head->count);

    out->lease = serve->lease;
    out->nr_slabs = head->count;
    peer_out_secret(serve->peer, out, serve->buf, buf_bytes(head));
    for (unsigned i = 0; i < head->count; i++) {
        out->slabs[i] = serve->slabs[i];
        out->nr = iov_add(out->iov, out->nr, get_bytes(serve, i));
    }
}

static void get_done(SpillXfer *xfer, int error)
{
    SpillServe *serve = container_of(xfer, SpillServe, xfer);
    Server *server = serve->peer->server;
    bool good = !error && get_unseal(serve);

    if (!good) {
        spill_read_failed(server->config.spill,
                          serve->slabs[__builtin_ctzll(serve->filed)], error);
    }
    if (good && serve->peer->state == PEER_OPEN &&
        serve->head.type == RCACHE_SUMS) {
        get_answer_sums(serve);
    } else if (good && serve->peer->state == PEER_OPEN) {
        get_answer(serve);
        server_lock(server);
        serve_unfile(serve);
        server->config.spill->counts.get_pages += serve->head.count;
        server_unlock(server);
    } else {
        secret_free(serve->buf, buf_bytes(&serve->head));
        server_lock(server);
        serve_let_go(serve);
        server_unlock(server);
        peer_reply(serve->peer, &serve->head, get_answer_type(&serve->head),
                   RCACHE_E_SLOT);
    }
    peer_go(serve_free(serve));
}

void spill_serve_get(Peer *peer, const WireHead *head, StoreLease *lease,
                     const RcacheSlot *slots, Slab *const *slabs)
{
    SpillServe *serve = serve_new(peer, head, lease, slots, slabs);

    serve->buf = secret_alloc(buf_bytes(head),
                              peer->server->config.guard);
    spill_xfer_init(&serve->xfer, get_done);
    if (!serve->buf) {
        server_lock(peer->server);
        serve_let_go(serve);
        server_unlock(peer->server);
        peer_reply(peer, head, get_answer_type(head), RCACHE_E_BUSY);
        serve_free(serve);
        return;
    }
    server_lock(peer->server);
    for (unsigned i = 0; i < head->count; i++) {
        if (slab_in_file(slabs[i], page_of(serve, i))) {
            serve->filed |= UINT64_C(1) << i;
            serve->seals[i] = slabs[i]->away->seals[page_of(serve, i)];
            slabs[i]->filing++;
        }
    }
    server_unlock(peer->server);
    serve_send(serve, false);
}

/* ------------------------------------------------------------------ PUT */

/* With the lock held: page @i is to be found in the file, or nowhere. */
static void put_is_out(SpillServe *serve, unsigned i)
{
    Store *store = serve->peer->server->config.store;
    Slab *slab;

    if (!store_find(store, serve->lease, serve->slots[i], false, &slab)) {
        return;
    }
    slab->away->seals[page_of(serve, i)] = serve->seals[i];
    slab_set_in_file(slab, page_of(serve, i), true);
    crash_point("put-filed");
    store_mark(store, serve->lease, slab, serve->slots[i], true);
}

/*
 * With the lock held: the file did not take page @i; memory may, but for what
 * VMs here have put on this host's disk.
 */
static bool put_in_memory(SpillServe *serve, unsigned i)
{
    Spill *spill = serve->peer->server->config.spill;
    Slab *slab = serve->slabs[i];
    SpillPlace place = spill_place(slab, page_of(serve, i));

    if (slab->own ||
        !spill_unseal(spill->key, &place, bytes_of(serve, i),
                      &serve->seals[i]) ||
        slab_write(slab, page_of(serve, i), bytes_of(serve, i))) {
        return false;
    }
    slab_set_in_file(slab, page_of(serve, i), false);
    store_mark(serve->peer->server->config.store, serve->lease, slab,
               serve->slots[i], true);
    return true;
}

static Peer *put_finish(SpillServe *serve, int error)
{
    Server *server = serve->peer->server;

    if (error) {
        spill_write_failed(server->config.spill, g_strerror(-error));
    }
    server_lock(server);
    if (serve->status == RCACHE_OK) {
        serve->status = store_check(serve->lease, serve->head.epoch);
    }
    for (unsigned i = 0; i < serve->head.count &&
                         serve->status == RCACHE_OK; i++) {
        if (is_filed(serve, i) && !error) {
            put_is_out(serve, i);
        } else if (is_filed(serve, i) && serve->slabs[i]->lease &&
                   !put_in_memory(serve, i)) {
            serve->status = RCACHE_E_BUSY;
        }
    }
    server->counts.put_pages += serve->head.count;
    server->config.spill->counts.put_pages +=
        __builtin_popcountll(serve->filed);
    serve_let_go(serve);
    server_unlock(server);
    secret_free(serve->buf, buf_bytes(&serve->head));
    crash_point("put-in-file");
    peer_reply_put(serve->peer, &serve->head, serve->status, serve->digest);
    return serve_free(serve);
}

static void put_done(SpillXfer *xfer, int error)
{
    peer_go(put_finish(container_of(xfer, SpillServe, xfer), error));
}

/* With the lock held: a page of the buffer is to go to the file. */
static bool put_seal(SpillServe *serve, unsigned i)
{
    Spill *spill = serve->peer->server->config.spill;
    Slab *slab = serve->slabs[i];
    SpillPlace place = spill_place(slab, page_of(serve, i));

    intake_stored(serve->peer, bytes_of(serve, i), page_of(serve, i));
    store_mark(serve->peer->server->config.store, serve->lease, slab,
               serve->slots[i], false);
    return spill_seal(spill->key, &place, bytes_of(serve, i),
                      &serve->seals[i]);
}

/* With the lock held: each page to where it belongs by now. */
static void put_sort(SpillServe *serve, uint64_t in_buf)
{
    Store *store = serve->peer->server->config.store;

    for (unsigned i = 0; i < serve->head.count; i++) {
        uint64_t bit = UINT64_C(1) << i;
        Slab *slab;

        if (!store_find(store, serve->lease, serve->slots[i], false,
                        &slab)) {
            continue;           /* dropped meanwhile */
        }
        if (in_buf & bit && slab_puts_to_file(slab, page_of(serve, i))) {
            serve->filed |= bit;
            slab->filing++;
            if (!put_seal(serve, i)) {
                serve->status = RCACHE_E_BUSY;
            }
            continue;
        }
        if (in_buf & bit) {     /* it has come back since */
            memcpy(slab_page(slab, page_of(serve, i)), bytes_of(serve, i),
                   WIRE_PAGE_SIZE);
        }
        put_stored(serve->peer, serve->lease, slab,
                           serve->slots[i]);
    }
}

/* Is a chunk with one of its pages on its way out?  Then that goes first. */
static bool put_must_wait(const SpillServe *serve)
{
    const Spill *spill = serve->peer->server->config.spill;

    for (unsigned i = 0; i < serve->head.count; i++) {
        if (is_filed(serve, i) &&
            spill_in_flight(spill, serve->slabs[i], page_of(serve, i))) {
            return true;
        }
    }
    return false;
}

void spill_serve_waiting(Spill *spill)
{
    GList *link = spill->waiting.head;

    while (link) {
        SpillServe *serve = link->data;

        link = link->next;
        if (!put_must_wait(serve)) {
            g_queue_unlink(&spill->waiting, &serve->link);
            serve_send(serve, true);
        }
    }
}

void spill_serve_put(Peer *peer)
{
    Server *server = peer->server;
    PeerPut *put = &peer->put;
    SpillServe *serve = serve_new(peer, &put->head, put->lease, put->slots,
                                  put->slabs);
    uint64_t in_buf = put->to_file;

    server_lock(server);
    serve->buf = g_steal_pointer(&put->buf);
    serve->put = true;
    serve->digest = put->digest;
    put->lease = NULL;
    serve->status = store_check(serve->lease, serve->head.epoch);
    if (serve->status == RCACHE_OK) {
        put_sort(serve, in_buf);
    }
    put_free_buffer(peer);
    server_unlock(server);
    spill_xfer_init(&serve->xfer, put_done);
    if (serve->status != RCACHE_OK || !serve->filed) {
        put_finish(serve, 0);   /* its connection is being looked at */
    } else if (put_must_wait(serve)) {
        g_queue_push_tail_link(&server->config.spill->waiting, &serve->link);
    } else {
        serve_send(serve, true);
    }
}
