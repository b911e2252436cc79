/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer-frame: the frames of a connection.  See peer-frame.h. */
#include "rcached/provider/peer-frame.h"

#include <string.h>

#include "common/wire-check.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/server-limits.h"
#include "rcached/provider/serving.h"

/* Copy what the buffer holds of a PUT's pages to where they belong. */
static void peer_fill_put(Peer *peer)
{
    PeerPut *put = &peer->put;
    size_t n = MIN(put->left, peer->len - peer->at);

    put->left -= n;
    while (n) {
        struct iovec *iov = &put->iov[put->at];
        size_t part = n;

        if (put->status == RCACHE_OK) {
            part = MIN(n, iov->iov_len);
            memcpy(iov->iov_base, peer->buf + peer->at, part);
            n -= part;
            peer->at += part;
            put->at = iov_skip(put->iov, put->at, put->nr, &part);
        } else {
            peer->at += part;
            n -= part;
        }
    }
    if (!put->left) {
        peer->ops->put_end(peer);
    }
}

/* Bytes needed to handle the frame: all of it, but a PUT's pages. */
static size_t frame_need(const WireHead *head)
{
    return WIRE_HEAD_LEN + (head->type == RCACHE_PUT ? 8u * head->count
                                                     : head->length);
}

/* Is it what was sent?  Nothing is done of it before this is known. */
static WireError frame_check(const Peer *peer, const WireHead *head,
                             const uint8_t *bytes)
{
    if (head->type == RCACHE_HELLO ||
        peer->features & RCACHE_FEATURE_DIGEST) {
        return wire_check(bytes, frame_need(head));
    }
    return head->check ? WIRE_E_RESERVED : WIRE_OK;
}

/* Say what a request costs; return it. */
static unsigned frame_charge(Peer *peer, const WireHead *head)
{
    unsigned pages = 0, pings = 0, later = 0;

    switch (head->type) {
    case RCACHE_GET:
        pages = later = head->count;    /* when they are sent: peer_send() */
        peer->faults |= peer->role == RCACHE_ROLE_FAULT;
        break;
    case RCACHE_PUT:
    case RCACHE_SUMS:
        pages = head->count;
        break;
    case RCACHE_FREE:
        pages = 1 + head->count / 64;
        break;
    default:
        pings = 1;
    }
    account_charge(&peer->server->account, &peer->account, pages, pings,
                   peer->server->now);
    return 1 + pages - later;
}

bool peer_frame(Peer *peer, unsigned *cost, const char **why)
{
    const uint8_t *bytes = peer->buf + peer->at;
    size_t have = peer->len - peer->at;
    WireHead head;
    WireError err;

    if (have < WIRE_HEAD_LEN) {
        return false;
    }
    err = wire_head_decode(bytes, WIRE_PROVIDER, &head);
    if (!err && (head.type == RCACHE_HELLO) != (peer->state == PEER_HELLO)) {
        err = WIRE_E_TYPE;
    }
    if (err == WIRE_E_VERSION && peer->state == PEER_HELLO) {
        peer->hello = head;
        peer->ops->refuse(peer, RCACHE_E_VERSION, wire_reason(err));
        return false;
    }
    if (err) {
        *why = wire_reason(err);
        return false;
    }
    if (have < frame_need(&head)) {
        return false;
    }
    err = frame_check(peer, &head, bytes);
    if (err) {
        *why = wire_reason(err);
        return false;
    }
    head.check = 0;             /* it is the request's, not the answer's */
    head.came = peer->came;
    peer->at += frame_need(&head);
    *cost += frame_charge(peer, &head);
    if (head.type == RCACHE_HELLO) {
        peer->ops->hello(peer, &head, bytes + WIRE_HEAD_LEN);
        return false;
    }
    if (head.type == RCACHE_PUT) {
        peer->ops->put_begin(peer, &head, bytes + WIRE_HEAD_LEN);
        peer_fill_put(peer);
    } else {
        *why = peer->ops->frame(peer, &head, bytes + WIRE_HEAD_LEN);
    }
    return !*why;
}

bool peer_may_ask(Peer *peer)
{
    Server *server = peer->server;
    bool was_held = peer->held;
    PeerLimit limit;
    unsigned ms;

    /* Whoever has no answer waiting may have one: else nobody might. */
    peer->held = peer->nr_out &&
                 account_full(&server->account, &peer->account, &limit);
    if (!peer->held) {
        ms = account_wait(&server->account, &peer->account, server->now,
                          &limit);
        peer->held = ms;
        if (ms) {
            server_park(server, peer, ms);
        }
    }
    if (peer->held && !was_held) {
        server_hit(server, limit, peer_who(peer));
    }
    return !peer->held;
}
