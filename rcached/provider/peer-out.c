/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer-out: the answers of a connection.  See peer-out.h. */
#include "rcached/provider/peer-out.h"

#include <string.h>

#include "common/boot.h"
#include "common/wire-check.h"
#include "rcached/provider/serving.h"

unsigned iov_add(struct iovec *iov, unsigned nr, uint8_t *page)
{
    if (nr && (uint8_t *)iov[nr - 1].iov_base + iov[nr - 1].iov_len == page) {
        iov[nr - 1].iov_len += WIRE_PAGE_SIZE;
        return nr;
    }
    iov[nr] = (struct iovec) { page, WIRE_PAGE_SIZE };
    return nr + 1;
}

static void out_queue(Peer *peer, PeerOut *out)
{
    account_answers(&peer->server->account, &peer->account, out->cost);
    *peer->out_last = out;
    peer->out_last = &out->next;
    peer->nr_out++;
}

uint32_t peer_out_service(const Peer *peer, const WireHead *request)
{
    uint64_t now;

    if (!(peer->features & RCACHE_FEATURE_SERVICE)) {
        return 0;
    }
    now = boottime_ns();
    return CLAMP(now - MIN(request->came, now), 1, UINT32_MAX);
}

PeerOut *peer_out_new(Peer *peer, const WireHead *head, unsigned pages)
{
    size_t size = sizeof(PeerOut) + (1 + pages) * sizeof(struct iovec) +
                  pages * sizeof(Slab *);
    PeerOut *out = g_malloc(size);

    out->next = NULL;
    out->lease = NULL;
    out->slabs = (Slab **)(out->iov + 1 + pages);
    out->nr_slabs = 0;
    out->frame = NULL;
    out->secret = NULL;
    out->cost = size;
    out->at = 0;
    out->nr = 1;
    wire_head_encode(out->head, head);
    out->iov[0] = (struct iovec) { out->head, sizeof(out->head) };
    out_queue(peer, out);
    return out;
}

void peer_out_secret(Peer *peer, PeerOut *out, void *buf, size_t bytes)
{
    out->secret = buf;
    out->secret_bytes = bytes;
    out->cost += bytes;
    account_answers(&peer->server->account, &peer->account, bytes);
}

void peer_reply(Peer *peer, const WireHead *request, uint8_t type,
                enum RcacheStatus status)
{
    WireHead head = {
        .type = type,
        .status = status,
        .tag = request->tag,
        .lease = request->lease,
        .epoch = request->epoch,
    };

    if (status != RCACHE_OK) {
        /* Pages that it does not get it may not ask for without end. */
        account_charge(&peer->server->account, &peer->account, 0, 1,
                       peer->server->now);
    }
    peer_out_new(peer, &head, 0);
}

void peer_reply_put(Peer *peer, const WireHead *request,
                    enum RcacheStatus status, uint64_t digest)
{
    WireHead head = {
        .tag = request->tag, .lease = request->lease, .epoch = request->epoch,
    };
    GByteArray *frame;

    if (status != RCACHE_OK || !(peer->features & RCACHE_FEATURE_DIGEST)) {
        peer_reply(peer, request, RCACHE_PUT_ACK, status);
        return;
    }
    frame = g_byte_array_new();
    wire_append_put_ack(frame, &head, digest);
    peer_reply_frame(peer, frame);
}

void peer_reply_sums(Peer *peer, const WireHead *request,
                     const uint64_t *sums)
{
    WireHead head = {
        .tag = request->tag, .lease = request->lease, .epoch = request->epoch,
    };
    GByteArray *frame = g_byte_array_new();

    wire_append_sums(frame, &head, sums, request->count);
    peer_reply_frame(peer, frame);
}

void peer_reply_frame(Peer *peer, GByteArray *frame)
{
    PeerOut *out = g_malloc0(sizeof(*out) + sizeof(struct iovec));

    out->frame = frame;
    out->cost = sizeof(*out) + sizeof(struct iovec) + frame->len;
    out->nr = 1;
    out->iov[0] = (struct iovec) { frame->data, frame->len };
    out_queue(peer, out);
}

unsigned peer_out_gather(const Peer *peer, struct iovec *iov, unsigned max,
                         size_t most)
{
    const PeerOut *out;
    unsigned nr = 0;

    for (out = peer->out_first; out; out = out->next) {
        for (unsigned i = out->at; i < out->nr; i++) {
            if (nr == max || !most) {
                return nr;
            }
            iov[nr] = out->iov[i];
            iov[nr].iov_len = MIN(iov[nr].iov_len, most);
            most -= iov[nr++].iov_len;
        }
    }
    return nr;
}

unsigned iov_skip(struct iovec *iov, unsigned at, unsigned nr, size_t *n)
{
    while (at < nr && *n >= iov[at].iov_len) {
        *n -= iov[at++].iov_len;
    }
    if (at < nr && *n) {
        iov[at].iov_base = (uint8_t *)iov[at].iov_base + *n;
        iov[at].iov_len -= *n;
        *n = 0;
    }
    return at;
}

static void out_free(Peer *peer, PeerOut *out)
{
    Server *server = peer->server;
    unsigned i;

    account_answers(&server->account, &peer->account, -(int64_t)out->cost);
    for (i = 0; i < out->nr_slabs; i++) {
        store_unuse_slab(out->slabs[i]);
    }
    if (out->lease) {
        store_unuse(server->config.store, out->lease);
    }
    if (out->frame) {
        g_byte_array_unref(out->frame);
    }
    secret_free(out->secret, out->secret_bytes);
    g_free(out);
}

void peer_out_sent(Peer *peer, size_t n)
{
    while (peer->out_first) {
        PeerOut *out = peer->out_first;

        out->at = iov_skip(out->iov, out->at, out->nr, &n);
        if (out->at < out->nr) {
            return;
        }
        peer->out_first = out->next;
        if (!peer->out_first) {
            peer->out_last = &peer->out_first;
        }
        peer->nr_out--;
        if (out->lease) {
            server_lock(peer->server);
            out_free(peer, out);
            server_unlock(peer->server);
        } else {
            out_free(peer, out);
        }
    }
}

void peer_out_drop(Peer *peer)
{
    while (peer->out_first) {
        PeerOut *out = peer->out_first;

        peer->out_first = out->next;
        out_free(peer, out);
    }
}
