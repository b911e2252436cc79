/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer-tls: TLS below the frames of a requester's connection; for peer.c.
 *
 * The kernel receives into the stream's buffer and sends from it; what it
 * decrypts goes to where peer.c would have had the kernel put it, pages
 * straight into their slabs.
 */
#ifndef RCACHED_PROVIDER_PEER_TLS_H
#define RCACHED_PROVIDER_PEER_TLS_H

#include "rcached/provider/peer.h"

/** peer_tls_start() - with the server's credentials, if it has any */
void peer_tls_start(Peer *peer);

/**
 * peer_tls_take() - take some of what has come
 * @to: where it goes
 *
 * Return: bytes that are there now; 0: nothing; -EPIPE: the peer will send no
 * more; -EPROTO: TLS has failed
 */
ssize_t peer_tls_take(Peer *peer, const struct iovec *to);

/** peer_tls_receive() - have the kernel receive more */
void peer_tls_receive(Peer *peer);

/** peer_tls_send() - encrypt of what is queued as much as is sent at once, and
 * @most bytes, if nothing is being sent; false: TLS has failed */
bool peer_tls_send(Peer *peer, size_t most);

/** peer_tls_last_words() - TLS has failed: the requester's log is to say why,
 * too.  What does not go at once is lost. */
void peer_tls_last_words(Peer *peer);

/** peer_tls_waits() - are there bytes that have not been sent? */
static inline bool peer_tls_waits(const Peer *peer)
{
    return peer->tls && tls_stream_waiting(peer->tls);
}

/** peer_tls_is_cut() - has half of something come? */
static inline bool peer_tls_is_cut(const Peer *peer)
{
    return peer->tls && tls_stream_is_cut(peer->tls);
}

/**
 * peer_tls_still_good() - would the server's new credentials take it?
 * @why: @size bytes for the reason
 */
bool peer_tls_still_good(const Peer *peer, char *why, size_t size);

#endif
