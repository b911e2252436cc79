/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer-tls: TLS below a requester's frames.  See peer-tls.h. */
#include "rcached/provider/peer-tls.h"

#include <errno.h>
#include <sys/socket.h>

#include "rcached/provider/peer-out.h"
#include "rcached/provider/serving.h"

static bool may_begin(void *opaque)
{
    Peer *peer = opaque;

    peer->handshake = strangers_may_begin(&peer->server->strangers,
                                          &peer->stranger, peer->server->now);
    return peer->handshake == STRANGERS_MAY;
}

void peer_tls_start(Peer *peer)
{
    const TlsWanted wanted = {
        .role = TLS_ROLE_HOST, .may_begin = may_begin, .opaque = peer,
    };

    if (peer->server->tls) {
        peer->tls = tls_stream_new(peer->server->tls, TLS_SERVER, &wanted);
    }
}

ssize_t peer_tls_take(Peer *peer, const struct iovec *to)
{
    if (tls_stream_step(peer->tls)) {
        return -EPROTO;
    }
    return tls_stream_up(peer->tls)
        ? tls_stream_read(peer->tls, to->iov_base, to->iov_len) : 0;
}

void peer_tls_receive(Peer *peer)
{
    size_t room;
    void *in = tls_stream_in(peer->tls, &room);

    ring_recv(peer->server->ring, &peer->rx, peer->fd, in, room, 0);
}

/* Return: false: TLS has failed. */
static bool encrypt(Peer *peer, size_t most)
{
    size_t waiting = tls_stream_waiting(peer->tls), len = 0;
    size_t room = MIN(TLS_OUT_MAX - MIN(waiting, TLS_OUT_MAX), most);
    unsigned nr;

    if (!room || !peer->out_first || !tls_stream_up(peer->tls)) {
        return true;
    }
    nr = peer_out_gather(peer, peer->tx_iov, PEER_TX_IOVS, room);
    for (unsigned i = 0; i < nr; i++) {
        peer->tx_iov[i].iov_len = MIN(peer->tx_iov[i].iov_len, room - len);
        len += peer->tx_iov[i].iov_len;
    }
    if (tls_stream_write(peer->tls, peer->tx_iov, nr)) {
        return false;
    }
    peer_out_sent(peer, len);
    return true;
}

bool peer_tls_send(Peer *peer, size_t most)
{
    const void *bytes;
    size_t len;

    if (ring_op_busy(&peer->tx)) {
        return true;
    }
    if (!encrypt(peer, most)) {
        return false;
    }
    bytes = tls_stream_out(peer->tls, &len);
    if (len) {
        peer->tx_iov[0] = (struct iovec) { (void *)bytes, len };
        peer->tx_msg = (struct msghdr) {
            .msg_iov = peer->tx_iov, .msg_iovlen = 1,
        };
        ring_sendmsg(peer->server->ring, &peer->tx, peer->fd, &peer->tx_msg,
                     0);
    }
    return true;
}

void peer_tls_last_words(Peer *peer)
{
    size_t len;
    const void *alert = tls_stream_out(peer->tls, &len);

    if (len && !ring_op_busy(&peer->tx)) {
        (void)!send(peer->fd, alert, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

bool peer_tls_still_good(const Peer *peer, char *why, size_t size)
{
    return !peer->tls || !peer->server->tls ||
           tls_stream_still_good(peer->tls, peer->server->tls, why, size);
}
