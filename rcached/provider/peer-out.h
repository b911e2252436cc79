/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer-out: the answers of a connection, on their way to its peer.
 *
 * They stand in a queue, in the order of their requests.  Pages are sent from
 * where they lie in the slabs; an answer holds lease and slabs in use until
 * its last byte is sent.
 */
#ifndef RCACHED_PROVIDER_PEER_OUT_H
#define RCACHED_PROVIDER_PEER_OUT_H

#include <glib.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/wire.h"
#include "rcached/provider/peer.h"

/* An answer on its way.  Its first iov is its head or its whole frame. */
typedef struct PeerOut {
    struct PeerOut *next;
    StoreLease *lease;          /* whose pages it sends, or NULL */
    GByteArray *frame;          /* its own bytes, if not only a head */
    void *secret;               /* pages that are not in a slab, or NULL */
    size_t secret_bytes;
    size_t cost;                /* bytes of memory, in its host's account */
    Slab **slabs;               /* of each page, in use; behind iov */
    unsigned nr_slabs;
    unsigned at;                /* iovs sent */
    unsigned nr;
    uint8_t head[WIRE_HEAD_LEN];
    struct iovec iov[];
} PeerOut;

/** peer_reply() - queue an answer that is only a head */
void peer_reply(Peer *peer, const WireHead *request, uint8_t type,
                enum RcacheStatus status);

/**
 * peer_reply_put() - queue a PUT_ACK
 * @digest: sent if @status is OK and the peer has RCACHE_FEATURE_DIGEST
 */
void peer_reply_put(Peer *peer, const WireHead *request,
                    enum RcacheStatus status, uint64_t digest);

/** peer_reply_sums() - queue a SUMS_ACK: of as many pages as were asked for */
void peer_reply_sums(Peer *peer, const WireHead *request,
                     const uint64_t *sums);

/** peer_reply_frame() - queue an answer of its own bytes; takes @frame */
void peer_reply_frame(Peer *peer, GByteArray *frame);

/**
 * peer_out_service() - the check of a GET_REPLY, RCACHE_FEATURE_SERVICE: how
 * long it has taken since the GET came, in nanoseconds; or 0
 */
uint32_t peer_out_service(const Peer *peer, const WireHead *request);

/** peer_out_new() - queue an answer with room for @pages; add them next */
PeerOut *peer_out_new(Peer *peer, const WireHead *head, unsigned pages);

/** peer_out_secret() - its pages are in @buf, of secret_alloc(), which becomes
 * its own */
void peer_out_secret(Peer *peer, PeerOut *out, void *buf, size_t bytes);

/**
 * peer_out_gather() - what is to be sent next
 * @iov: room for @max entries
 * @most: bytes
 *
 * Return: how many were filled in
 */
unsigned peer_out_gather(const Peer *peer, struct iovec *iov, unsigned max,
                         size_t most);

/** peer_out_sent() - @n bytes of the queue have been sent */
void peer_out_sent(Peer *peer, size_t n);

/** peer_out_drop() - nothing more is sent; the store's lock is held */
void peer_out_drop(Peer *peer);

/** iov_add() - add a page to an array of iovs, joined to the last if it can
 * be; return the new length */
unsigned iov_add(struct iovec *iov, unsigned nr, uint8_t *page);

/** iov_skip() - skip *@n bytes of @nr iovs from @at on
 *
 * Return: the new @at; *@n is what was not there to be skipped
 */
unsigned iov_skip(struct iovec *iov, unsigned at, unsigned nr, size_t *n);

#endif
