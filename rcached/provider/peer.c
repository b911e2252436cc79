/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer: one requester's connection: its bytes in and out.  See peer.h.
 *
 * In: requests are received into a buffer and looked at there.  A PUT's pages
 * go straight into the slabs: what the buffer already holds of them is
 * copied, the rest is received by iovecs that point at the slots, with the
 * buffer behind them for the head of the PUT that is likely to follow.  In a
 * row of PUTs only heads and slots ever pass through the buffer.
 *
 * With TLS the buffers in between are the stream's (peer-tls.h).
 *
 * Out: answers stand in a queue (peer-out.h); one send takes as many of them
 * as fit its iovecs.
 */
#include "rcached/provider/peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/dscp.h"
#include "rcached/provider/claims.h"
#include "rcached/provider/peer-frame.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/peer-socket.h"
#include "rcached/provider/peer-tls.h"
#include "rcached/provider/server-limits.h"
#include "rcached/provider/serving.h"

/* Newcomers have as much as so many hosts at most: a host can have come from
 * any number of addresses. */
#define NEWCOMERS_PARTS 64u

static void peer_rx_done(RingOp *op, int res, bool more);
static void peer_tx_done(RingOp *op, int res, bool more);

Peer *peer_new(Server *server, int fd, const PeerOps *ops)
{
    Peer *peer = g_new0(Peer, 1), *other;

    peer->ops = ops;
    peer->server = server;
    peer->fd = fd;
    peer->link.data = peer;
    peer->state = PEER_HELLO;
    peer->since = peer->progress = server->now;
    peer->out_last = &peer->out_first;
    peer->buf = peer->hello_buf;
    peer->intakes = g_ptr_array_new();
    peer->claims = g_ptr_array_new();
    peer->releases = g_ptr_array_new();
    ring_op_init(&peer->rx, peer_rx_done);
    ring_op_init(&peer->tx, peer_tx_done);
    peer_set_options(fd);
    dscp_mark(fd, server->config.dscp);
    g_queue_push_tail_link(&server->hellos, &peer->link);
    patrol_add(&server->checks, &peer->check, peer);
    patrol_add(&server->rounds, &peer->round, peer);
    other = peer_set_address(peer);
    if (other) {
        peer_close_over(other, strangers_many(&server->strangers)
                        ? PEER_LIMIT_HELLOS : PEER_LIMIT_HELLOS_ADDRESS);
    }
    peer_tls_start(peer);
    return peer;
}

void peer_set_state(Peer *peer, PeerState state)
{
    Server *server = peer->server;

    if (peer->state == PEER_HELLO && state != PEER_HELLO) {
        turns_remove(&server->turns, &peer->turn);      /* a stranger's */
        strangers_remove(&server->strangers, &peer->stranger);
        g_queue_unlink(&server->hellos, &peer->link);
        g_queue_push_tail_link(&server->open, &peer->link);
    }
    server->fencing += (state == PEER_FENCING) -
                       (peer->state == PEER_FENCING);
    peer->state = state;
    peer->since = server->now;
}

bool peer_open(Peer *peer)
{
    uint8_t *buf = secret_alloc(PEER_BUF_SIZE, peer->server->config.guard);

    if (!buf) {
        return false;
    }
    peer->buf = buf;
    peer->at = peer->len = 0;
    peer_set_state(peer, PEER_OPEN);
    return true;
}

/* -------------------------------------------------------------- closing */

void peer_close(Peer *peer, const char *why)
{
    Server *server = peer->server;

    if (peer->state == PEER_CLOSING) {
        return;
    }
    if (why) {
        server_log_peer(server, peer->name, why);
    }
    turns_remove(&server->turns, &peer->turn);
    server_unpark(server, peer);
    account_leave(&server->account, &peer->account);
    strangers_remove(&server->strangers, &peer->stranger);
    patrol_remove(&server->checks, &peer->check);
    patrol_remove(&server->rounds, &peer->round);
    server->fencing -= peer->state == PEER_FENCING;
    g_queue_unlink(peer->state == PEER_HELLO ? &server->hellos
                                             : &server->open, &peer->link);
    g_queue_push_tail_link(&server->closing, &peer->link);
    peer->state = PEER_CLOSING;
    /* What is still unread is never looked at. */
    shutdown(peer->fd, SHUT_RDWR);
    ring_cancel(server->ring, &peer->rx);
    ring_cancel(server->ring, &peer->tx);
}

void peer_close_over(Peer *peer, PeerLimit limit)
{
    if (peer->state != PEER_CLOSING) {
        server_hit(peer->server, limit, peer_who(peer));
        peer_close(peer, NULL);
    }
}

/* Give back all that the connection has in the store. */
static void peer_let_go(Peer *peer)
{
    Store *store = peer->server->config.store;

    peer->ops->leaves(peer);
    server_lock(peer->server);
    if (peer->put.lease) {
        put_let_go(peer);
    }
    peer_out_drop(peer);
    for (guint i = 0; i < peer->releases->len; i++) {
        store_forget_waiter(store, peer->releases->pdata[i]);
        g_free(peer->releases->pdata[i]);
    }
    claims_drop(peer);
    peer->server->counts.conns--;
    server_unlock(peer->server);
}

bool peer_finish(Peer *peer)
{
    if (ring_op_busy(&peer->rx) || ring_op_busy(&peer->tx) ||
        peer->spilling) {
        return false;
    }
    peer_let_go(peer);
    g_queue_unlink(&peer->server->closing, &peer->link);
    session_leave(peer->server->sessions, &peer->member);
    close(peer->fd);
    tls_stream_free(peer->tls);
    if (peer->buf != peer->hello_buf) {
        secret_free(peer->buf, PEER_BUF_SIZE);
    }
    g_ptr_array_unref(peer->intakes);
    g_ptr_array_unref(peer->claims);
    g_ptr_array_unref(peer->releases);
    g_free(peer);
    return true;
}

/* ------------------------------------------------------------------ out */

static void peer_tls_failed(Peer *peer)
{
    peer_tls_last_words(peer);
    if (peer->handshake != STRANGERS_MAY) {
        peer_close_over(peer, peer->handshake == STRANGERS_ALL
                        ? PEER_LIMIT_HANDSHAKES
                        : PEER_LIMIT_HANDSHAKES_ADDRESS);
    } else {
        peer_close(peer, tls_stream_reason(peer->tls));
    }
}

/* Others' turns do not wait for the sending of a mebibyte. */
static size_t peer_tx_most(const Peer *peer)
{
    const TurnsHost *host = peer->account.host ? &peer->account.host->turns
                                               : NULL;

    return turns_compete(&peer->server->turns, host, g_get_monotonic_time())
        ? PEER_TX_SHARED : SIZE_MAX;
}

/*
 * Send what is queued, if nothing is being sent.
 *
 * Return: how many bytes of it nobody has been charged for; what the network
 * did not take at once is sent again.
 */
static size_t peer_send(Peer *peer)
{
    size_t bytes = 0, fresh;
    unsigned nr;

    if (peer->tls) {
        bytes = tls_stream_waiting(peer->tls);
        if (!peer_tls_send(peer, peer_tx_most(peer))) {
            peer_tls_failed(peer);
            return 0;
        }
        return tls_stream_waiting(peer->tls) - MIN(
            bytes, tls_stream_waiting(peer->tls));
    }
    if (ring_op_busy(&peer->tx) || !peer->out_first) {
        return 0;
    }
    nr = peer_out_gather(peer, peer->tx_iov, PEER_TX_IOVS, peer_tx_most(peer));
    peer->tx_msg = (struct msghdr) {
        .msg_iov = peer->tx_iov, .msg_iovlen = nr,
    };
    ring_sendmsg(peer->server->ring, &peer->tx, peer->fd, &peer->tx_msg, 0);
    for (unsigned i = 0; i < nr; i++) {
        bytes += peer->tx_iov[i].iov_len;
    }
    fresh = bytes - MIN(bytes, peer->tx_charged);
    peer->tx_charged = MAX(bytes, peer->tx_charged);
    return fresh;
}

static void peer_tx_done(RingOp *op, int res, bool more)
{
    Peer *peer = container_of(op, Peer, tx);

    if (peer->state == PEER_CLOSING) {
        return;
    }
    if (res < 0 && res != -EINTR && res != -EAGAIN) {
        peer_close(peer, res == -EPIPE || res == -ECONNRESET
                   ? NULL : g_strerror(-res));
        return;
    }
    if (res > 0) {
        peer->progress = peer->server->now;
        if (peer->tls) {
            tls_stream_sent(peer->tls, res);
        } else {
            peer_out_sent(peer, res);
            peer->tx_charged -= MIN(peer->tx_charged, (size_t)res);
        }
    }
    peer_go(peer);
}

/* ------------------------------------------------------------------- in */

/* The pages of a PUT, and behind them the buffer for what follows it. */
static void peer_receive_put(Peer *peer)
{
    PeerPut *put = &peer->put;
    Ring *ring = peer->server->ring;

    peer->at = peer->len = 0;
    if (put->status != RCACHE_OK) {
        /* TCP throws the bytes away and only counts them. */
        ring_recv(ring, &peer->rx, peer->fd, peer->buf,
                  MIN(put->left, PEER_BUF_SIZE), MSG_TRUNC);
        return;
    }
    put->iov[put->nr] = (struct iovec) { peer->buf, PEER_PUT_AHEAD };
    peer->rx_msg = (struct msghdr) {
        .msg_iov = put->iov + put->at,
        .msg_iovlen = put->nr - put->at + 1,
    };
    ring_recvmsg(ring, &peer->rx, peer->fd, &peer->rx_msg, 0);
}

/* @n bytes have come to where the last receive pointed. */
static void peer_received(Peer *peer, size_t n)
{
    PeerPut *put = &peer->put;

    if (put->active) {
        size_t pages = MIN(n, put->left);

        put->left -= pages;
        n -= pages;
        if (put->status == RCACHE_OK) {
            put->at = iov_skip(put->iov, put->at, put->nr, &pages);
        }
        if (!put->left) {
            peer->ops->put_end(peer);
        }
    }
    peer->len += n;
}

/* Where TLS is to put what it decrypts. */
static struct iovec peer_place(Peer *peer, size_t size)
{
    PeerPut *put = &peer->put;

    if (put->active) {
        peer->at = peer->len = 0;
        return put->status == RCACHE_OK
            ? put->iov[put->at]
            : (struct iovec) { peer->buf, MIN(put->left, PEER_BUF_SIZE) };
    }
    return (struct iovec) { peer->buf + peer->len, size - peer->len };
}

/* What is left in the buffer begins at its start from now on. */
static void peer_tidy(Peer *peer)
{
    if (peer->at) {
        memmove(peer->buf, peer->buf + peer->at, peer->len - peer->at);
        peer->len -= peer->at;
        peer->at = 0;
    }
}

/* Return: true if there was something; else the kernel receives. */
static bool peer_take_tls(Peer *peer, const struct iovec *to)
{
    ssize_t n = peer_tls_take(peer, to);

    if (n > 0) {
        peer_received(peer, n);
        return true;
    }
    if (n == -EPIPE) {
        peer_close(peer, NULL);
    } else if (n < 0) {
        peer_tls_failed(peer);
    } else {
        peer_send(peer);        /* the handshake's next message */
    }
    if (peer->state != PEER_CLOSING) {
        peer_tls_receive(peer);
    }
    return false;
}

/* Return: true if there is more to look at already, which TLS had. */
static bool peer_receive(Peer *peer)
{
    size_t size = PEER_BUF_SIZE;
    struct iovec to;

    if (ring_op_busy(&peer->rx) || peer_is_full(peer) || peer->held) {
        return false;
    }
    switch (peer->state) {
    case PEER_HELLO:
        /* Not a byte more: what follows HELLO waits in the socket. */
        size = PEER_HELLO_SIZE;
        break;
    case PEER_OPEN:
        if (peer->put.active && !peer->tls) {
            peer_receive_put(peer);
            return false;
        }
        break;
    case PEER_REFUSED:
        peer->at = peer->len = 0;
        ring_recv(peer->server->ring, &peer->rx, peer->fd, peer->hello_buf,
                  sizeof(peer->hello_buf), MSG_TRUNC);
        return false;
    default:
        return false;
    }
    peer_tidy(peer);
    to = peer_place(peer, size);
    if (!peer->tls) {
        ring_recv(peer->server->ring, &peer->rx, peer->fd, to.iov_base,
                  to.iov_len, 0);
        return false;
    }
    return peer_take_tls(peer, &to);
}

/* Take frames that are here, and answer.  Return: true if there may be more of
 * them. */
static bool peer_work(Peer *peer, unsigned *cost)
{
    const char *why = NULL;
    bool more = true;

    while (more && *cost < TURNS_QUANTUM) {
        more = (peer->state == PEER_OPEN || peer->state == PEER_HELLO) &&
               !peer->put.active && !peer_is_full(peer) &&
               !ring_op_busy(&peer->rx) && peer_may_ask(peer) &&
               peer_frame(peer, cost, &why);
    }
    if (why) {
        peer_close(peer, why);
    }
    if (peer->state == PEER_CLOSING) {
        return false;
    }
    /* The answer first: it is what somebody waits for. */
    *cost += peer_send(peer) / WIRE_PAGE_SIZE;
    if (peer->state == PEER_REFUSED && !peer->out_first &&
        !ring_op_busy(&peer->tx) && !peer_tls_waits(peer)) {
        shutdown(peer->fd, SHUT_WR);
    }
    return more;
}

void peer_start(Peer *peer)
{
    peer_receive(peer);
}

void peer_go(Peer *peer)
{
    Server *server = peer->server;

    if (peer->state == PEER_CLOSING) {
        return;
    }
    strangers_waits(&server->strangers, &peer->stranger, true);
    server->strangers_turns.parts = MIN(1 + server->strangers.known_here,
                                        NEWCOMERS_PARTS);
    turns_add(&server->turns, &peer->turn,
              peer->account.host ? &peer->account.host->turns
                                 : &server->strangers_turns,
              peer->account.host && peer->role == RCACHE_ROLE_FAULT
                  ? TURN_FAULT : TURN_BULK, g_get_monotonic_time());
}

unsigned peer_turn(Peer *peer, bool *fault)
{
    bool shakes = peer->tls && peer->state == PEER_HELLO;
    int64_t began = shakes ? g_get_monotonic_time() : 0;
    unsigned cost = 1;
    bool more;

    *fault = peer->faults = false;
    strangers_waits(&peer->server->strangers, &peer->stranger, false);
    if (shakes && !server_shakes(peer->server, peer)) {
        return cost;
    }
    do {
        more = peer_work(peer, &cost) || peer_receive(peer);
    } while (more && cost < TURNS_QUANTUM);
    *fault = peer->faults;
    if (more) {
        peer_go(peer);
    }
    if (shakes) {
        server_shook(peer->server, peer, began);
        cost += PEER_HANDSHAKE_COST;
    }
    return cost;
}

static const char *peer_end_reason(const Peer *peer, int res)
{
    if (res < 0 && res != -ECONNRESET) {
        return g_strerror(-res);
    }
    if (peer->tls && tls_stream_ended(peer->tls)) {
        return tls_stream_ended(peer->tls);
    }
    if (peer->put.active || peer->len > peer->at) {
        return "the connection was cut in the middle of a frame";
    }
    return NULL;
}

static void peer_rx_done(RingOp *op, int res, bool more)
{
    Peer *peer = container_of(op, Peer, rx);

    if (peer->state == PEER_CLOSING) {
        return;
    }
    if (peer->state == PEER_REFUSED) {
        if (res <= 0) {
            peer_close(peer, NULL);
        } else {
            peer_receive(peer);
        }
        return;
    }
    if (res == 0 || (res < 0 && res != -EINTR && res != -EAGAIN)) {
        peer_close(peer, peer_end_reason(peer, res));
        return;
    }
    if (res > 0) {
        peer->progress = peer->server->now;
        peer->came = boottime_ns();
        if (peer->tls) {
            tls_stream_received(peer->tls, res);
        } else {
            peer_received(peer, res);
        }
    }
    peer_go(peer);
}
