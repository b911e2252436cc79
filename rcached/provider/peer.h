/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer: one requester's connection, or one of another provider that pushes a
 * slab.  Only the files that run on the server's thread include this.
 *
 *   HELLO --older sessions there--> FENCING --they are gone--> OPEN
 *     |  \------none there-------------------------------------^
 *     |                                                        |
 *     +--refused--> REFUSED (answer sent, then a short wait)   |
 *     |                |                                       |
 *     +----------------+-------> CLOSING <---------------------+
 *
 * There is at most one receive and one send out.  A connection that closes
 * cancels both and is finished by the server, between two rounds of the ring,
 * once neither is busy: from then on the kernel holds no pointer into a slab
 * on its behalf.
 *
 * What a connection may cost is bounded: its buffer, PEER_OUT_MAX answers,
 * and one PUT being received.  Nothing is read while the answers are stuck.
 */
#ifndef RCACHED_PROVIDER_PEER_H
#define RCACHED_PROVIDER_PEER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/cleanup.h"
#include "common/ring.h"
#include "common/wire.h"
#include "rcached/provider/intake.h"
#include "rcached/provider/server.h"
#include "rcached/provider/session.h"
#include "rcached/provider/spill.h"
#include "rcached/provider/store.h"

#define PEER_BUF_SIZE           16384u  /* any request but PUT fits */
#define PEER_HELLO_SIZE         (WIRE_HEAD_LEN + 192u)
#define PEER_OUT_MAX            128u    /* answers not yet sent */
#define PEER_TX_IOVS            260u    /* in one send */
#define PEER_PER_SESSION        16u
#define PEER_HELLOS_MAX         256u    /* that have not said HELLO yet */
#define PEER_LINGER_MS          1000u

/* Head and slots of a full PUT: what is read behind the last page of one. */
#define PEER_PUT_AHEAD          (WIRE_HEAD_LEN + 8u * RCACHE_BATCH_PAGES)

_Static_assert(PEER_BUF_SIZE >= WIRE_HEAD_LEN + 8 * RCACHE_BATCH_FREES,
               "the largest request but PUT fits the buffer");

typedef enum PeerState {
    PEER_HELLO,
    PEER_FENCING,
    PEER_OPEN,
    PEER_REFUSED,
    PEER_CLOSING
} PeerState;

/* An answer on its way.  Its first iov is its head or its whole frame. */
typedef struct PeerOut {
    struct PeerOut *next;
    StoreLease *lease;          /* whose pages it sends, or NULL */
    GByteArray *frame;          /* its own bytes, if not only a head */
    void *secret;               /* pages that are not in a slab, or NULL */
    size_t secret_bytes;
    Slab **slabs;               /* of each page, in use; behind iov */
    unsigned nr_slabs;
    unsigned at;                /* iovs sent */
    unsigned nr;
    uint8_t head[WIRE_HEAD_LEN];
    struct iovec iov[];
} PeerOut;

/* A PUT being received. */
typedef struct PeerPut {
    bool active;
    WireHead head;
    enum RcacheStatus status;   /* not OK: its pages are thrown away */
    StoreLease *lease;          /* in use while it lasts, if OK */
    size_t left;                /* bytes of pages still to come */
    unsigned at;
    unsigned nr;
    uint8_t *buf;               /* for pages that go to the file, or NULL */
    uint64_t to_file;           /* which those are: bits; filing in slabs */
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    Slab *slabs[RCACHE_BATCH_PAGES];    /* of each, in use if lease is */
    struct iovec iov[RCACHE_BATCH_PAGES + 1];
} PeerPut;

/* A RELEASE that is answered when the memory has been given back. */
typedef struct PeerRelease {
    struct Peer *peer;
    WireHead head;
} PeerRelease;

typedef struct Peer {
    Server *server;
    GList link;                 /* of one of the server's queues */
    int fd;
    PeerState state;
    RingOp rx;
    RingOp tx;
    uint64_t since;             /* ms: the state's start */
    uint64_t progress;          /* ms: the last byte either way */
    WireHead hello;             /* its head, answered later */
    SessionMember member;
    uint32_t role;
    uint64_t features;          /* that both sides have */
    GPtrArray *intakes;         /* Intake: what it expects */
    Intake *intake;             /* what it fills, of a push */
    GPtrArray *claims;          /* StoreLease, referenced */
    GPtrArray *releases;        /* PeerRelease, under way */
    /* in: buf[at..len) is not yet looked at */
    uint8_t *buf;
    size_t at;
    size_t len;
    struct msghdr rx_msg;
    PeerPut put;
    /* out */
    PeerOut *out_first;
    PeerOut **out_last;
    unsigned nr_out;
    unsigned spilling;          /* pages between it and the spill file */
    struct msghdr tx_msg;
    struct iovec tx_iov[PEER_TX_IOVS];
    char name[64];
    uint8_t hello_buf[PEER_HELLO_SIZE];
} Peer;

struct Server {
    ServerConfig config;
    Ring *ring;
    SessionTable *sessions;
    RingOp accept;
    RingOp wake;
    RingOp tick;
    GQueue hellos;              /* Peer, oldest first */
    GQueue open;                /* Peer, every other state but CLOSING */
    GQueue closing;             /* Peer */
    GQueue pushes;              /* Push */
    uint64_t now;               /* ms, of this round */
    uint64_t log_until;         /* the log's rate: this window's end, */
    unsigned log_lines;         /* its lines so far, and those not written */
    unsigned log_dropped;
    ServerCounts counts;
};

/* -- peer.c */

/** peer_new() - take over an accepted socket */
Peer *peer_new(Server *server, int fd);

/** peer_close() - begin to close; why: for the log, NULL to say nothing */
void peer_close(Peer *peer, const char *why);

/** peer_finish() - if nothing is busy any more, free it and return true */
bool peer_finish(Peer *peer);

/** peer_go() - look at what is there, then send and receive */
void peer_go(Peer *peer);

/** peer_reply() - queue an answer that is only a head */
void peer_reply(Peer *peer, const WireHead *request, uint8_t type,
                enum RcacheStatus status);

/** peer_reply_frame() - queue an answer of its own bytes; takes @frame */
void peer_reply_frame(Peer *peer, GByteArray *frame);

/** peer_out_new() - queue an answer with room for @pages; add them next */
PeerOut *peer_out_new(Peer *peer, const WireHead *head, unsigned pages);

/** iov_add() - add a page to an array of iovs, joined to the last if it can
 * be; return the new length */
unsigned iov_add(struct iovec *iov, unsigned nr, uint8_t *page);

/** peer_set_state() - from HELLO or FENCING to any state but CLOSING */
void peer_set_state(Peer *peer, PeerState state);

/** peer_open() - requests may come; false: there is no memory for them */
bool peer_open(Peer *peer);

/** peer_put_let_go() - a PUT no longer uses its lease; lock held */
void peer_put_let_go(Peer *peer);

/** peer_is_full() - must answers go before anything more is looked at? */
static inline bool peer_is_full(const Peer *peer)
{
    return peer->nr_out >= PEER_OUT_MAX ||
           peer->spilling >= RCACHE_BATCH_PAGES;
}

/* -- spill-serve.c */

/** spill_serve_get() - answer a GET of which pages are in the file; the
 * lease and the slabs are in use and stay so until it is answered */
void spill_serve_get(Peer *peer, const WireHead *head, StoreLease *lease,
                     const RcacheSlot *slots, Slab *const *slabs);

/** spill_put_page() - the buffer for page @i of a PUT; NULL: no memory */
uint8_t *spill_put_page(Peer *peer, unsigned i);

/** spill_put_free() - a PUT's buffer is of no use any more; lock held */
void spill_put_free(Peer *peer);

/** spill_serve_put() - a PUT is here of which pages go to the file */
void spill_serve_put(Peer *peer);

/* -- push.c */

/** push_move() - MOVE; NULL, or why the connection is to end */
const char *push_move(Peer *peer, const WireHead *head,
                      const uint8_t *payload);

/** push_leave() - nobody waits for the pushes of @peer any more */
void push_leave(Peer *peer);

/** push_tick() - end those that do not get on */
void push_tick(Server *server);

/* -- request-pages.c */

/** request_put_begin() - a PUT's head and slots are here */
void request_put_begin(Peer *peer, const WireHead *head,
                       const uint8_t *slots);

/** request_put_stored() - a page of a PUT is in memory; lock held */
void request_put_stored(Peer *peer, StoreLease *lease, Slab *slab,
                        RcacheSlot slot);

/** request_put_end() - its last page is here */
void request_put_end(Peer *peer);

/** request_get(), request_free() - the whole frame */
void request_get(Peer *peer, const WireHead *head, const uint8_t *payload);
void request_free(Peer *peer, const WireHead *head, const uint8_t *payload);

/* -- request.c */

/** request_lease_for() - may this request use its lease?  The lock is held.
 * Return: RCACHE_OK with *@out set, or the status to answer with */
enum RcacheStatus request_lease_for(const Peer *peer, const WireHead *head,
                                    StoreLease **out);

/** request_tell_revoked() - REVOKE, where it has not been said yet */
void request_tell_revoked(Peer *peer);

/** request_hello() - the first frame */
void request_hello(Peer *peer, const WireHead *head, const uint8_t *payload);

/** request_hello_answer() - the older sessions are gone */
void request_hello_answer(Peer *peer);

/** request_refuse() - answer HELLO with a status and a text, then close */
void request_refuse(Peer *peer, enum RcacheStatus status, const char *text);

/** request_handle() - any other frame, whole; NULL, or why it is wrong */
const char *request_handle(Peer *peer, const WireHead *head,
                           const uint8_t *payload);

/** request_release_done() - the memory has been given back */
void request_release_done(PeerRelease *release);

/* -- server.c */

/** server_log_peer() - a line about a peer, at a bounded rate */
void server_log_peer(Server *server, const char *name, const char *what);

static inline void server_lock(Server *server)
{
    pthread_mutex_lock(server->config.store_lock);
}

static inline void server_unlock(Server *server)
{
    pthread_mutex_unlock(server->config.store_lock);
}

#endif
