/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer: one requester's connection, or one of another provider that pushes a
 * slab.  Only the files that run on the server's thread include this.
 *
 *                       --CLAIM, older sessions there-->
 *   HELLO --welcome--> OPEN                               FENCING
 *     |                 |  <------they are gone----------  |
 *     |                 |                                  |
 *     +--refused--> REFUSED (answer sent, then a short wait)
 *     |                 |                                  |
 *     +-----------------+-------> CLOSING <----------------+
 *
 * There is at most one receive and one send out.  A connection that closes
 * cancels both and is finished by the server, between two rounds of the ring,
 * once neither is busy: from then on the kernel holds no pointer into a slab
 * on its behalf.
 *
 * With TLS its handshake is part of HELLO, in the time that has.
 *
 * This file's part moves bytes; what a frame means is told by the PeerOps that
 * the server gives it (hello.c, request.c, request-pages.c), and answers are
 * queued by peer-out.c.
 *
 * What a connection may cost is bounded: its buffer, PEER_OUT_MAX answers,
 * and one PUT being received.  Nothing is read while the answers are stuck, nor
 * while its host is over a limit (account.h); what has been asked for is
 * answered all the same.
 *
 * Whatever a connection has to do it does in turns (turns.h): peer_go() says
 * that there is something, peer_turn() does a little of it.
 */
#ifndef RCACHED_PROVIDER_PEER_H
#define RCACHED_PROVIDER_PEER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/cleanup.h"
#include "common/ring.h"
#include "common/strangers.h"
#include "common/tls-stream.h"
#include "common/wire.h"
#include "rcached/provider/account.h"
#include "rcached/provider/patrol.h"
#include "rcached/provider/peer-log.h"
#include "rcached/provider/provider-limits.h"
#include "rcached/provider/put.h"
#include "rcached/provider/server.h"
#include "rcached/provider/session.h"
#include "rcached/provider/store.h"
#include "rcached/provider/turns.h"

#define PEER_BUF_SIZE           16384u  /* any request but PUT fits */
#define PEER_HELLO_SIZE         (WIRE_HEAD_LEN + 192u)
#define PEER_OUT_MAX            128u    /* answers not yet sent */
#define PEER_TX_IOVS            260u    /* in one send */
#define PEER_LINGER_MS          1000u
/* Pages that could be sent in the time of a step of a handshake. */
#define PEER_HANDSHAKE_COST     32u
/* Bytes in one send while other hosts wait for their turn. */
#define PEER_TX_SHARED          (4u * WIRE_PAGE_SIZE)

/* Head and slots of a full PUT: what is read behind the last page of one. */
#define PEER_PUT_AHEAD          (WIRE_HEAD_LEN + 8u * RCACHE_BATCH_PAGES)

_Static_assert(PEER_BUF_SIZE >= WIRE_HEAD_LEN + 8 * RCACHE_BATCH_FREES,
               "the largest request but PUT fits the buffer");

typedef struct Peer Peer;

typedef enum PeerState {
    PEER_HELLO,
    PEER_FENCING,
    PEER_OPEN,
    PEER_REFUSED,
    PEER_CLOSING
} PeerState;

/* A RELEASE that is answered when the memory has been given back. */
typedef struct PeerRelease {
    Peer *peer;
    WireHead head;
} PeerRelease;

/* What the frames mean; on the server's thread, without the store's lock. */
typedef struct PeerOps {
    /* The first frame, which is a HELLO. */
    void (*hello)(Peer *peer, const WireHead *head, const uint8_t *payload);
    /* It is one of a version that is not spoken here. */
    void (*refuse)(Peer *peer, enum RcacheStatus status, const char *text);
    /* Any other whole frame but PUT; NULL, or why the connection is to end. */
    const char *(*frame)(Peer *peer, const WireHead *head,
                         const uint8_t *payload);
    /* A PUT's head and slots are here, and its last page. */
    void (*put_begin)(Peer *peer, const WireHead *head, const uint8_t *slots);
    void (*put_end)(Peer *peer);
    /* The connection has ended and is about to be freed. */
    void (*leaves)(Peer *peer);
} PeerOps;

struct Peer {
    const PeerOps *ops;
    Server *server;
    GList link;                 /* of one of the server's queues */
    Stranger stranger;          /* before HELLO */
    StrangersVerdict handshake; /* whose limit of these it has run into */
    AccountMember account;      /* from HELLO on */
    Turn turn;
    GList parked;               /* of the server's, or data is NULL; */
    uint64_t parked_ms;         /* until then */
    bool held;                  /* nothing is read of it, by a limit */
    bool faults;                /* in this turn: a guest waits for a page */
    int fd;
    TlsStream *tls;             /* NULL: without */
    PatrolMember check, round;  /* of the server's .checks and .rounds */
    PeerState state;
    RingOp rx;
    RingOp tx;
    uint64_t since;             /* ms: the state's start */
    uint64_t progress;          /* ms: the last byte either way */
    WireHead hello;             /* its head, answered later */
    SessionMember member;
    SessionOwner pushes;        /* of a push, as its HELLO has it: .host is */
    uint64_t push_session;      /* who pushes */
    WireHead claim;             /* FENCING: to be answered, */
    StoreLease *claimed;        /* and for which lease */
    uint32_t role;
    uint64_t features;          /* that both sides have */
    uint16_t version;           /* that the connection goes by */
    GPtrArray *intakes;         /* Intake: what it expects */
    struct Intake *intake;           /* what it fills, of a push */
    GPtrArray *claims;          /* StoreLease, referenced */
    GPtrArray *releases;        /* PeerRelease, under way */
    /* in: buf[at..len) is not yet looked at */
    uint8_t *buf;
    size_t at;
    size_t len;
    uint64_t came;              /* boottime_ns() of the last of that */
    struct msghdr rx_msg;
    PeerPut put;
    /* out */
    struct PeerOut *out_first;
    struct PeerOut **out_last;
    unsigned nr_out;
    unsigned spilling;          /* pages between it and the spill file */
    struct msghdr tx_msg;
    size_t tx_charged;          /* bytes of what is queued first */
    struct iovec tx_iov[PEER_TX_IOVS];
    char name[64];              /* its address and port, */
    char address[48];           /* and without */
    uint8_t hello_buf[PEER_HELLO_SIZE];
};

/** peer_new() - take over an accepted socket; @ops: must outlive it */
Peer *peer_new(Server *server, int fd, const PeerOps *ops);

/** peer_close() - begin to close; why: for the log, NULL to say nothing */
void peer_close(Peer *peer, const char *why);

/** peer_close_over() - the same, since it or who is like it has run into a
 * limit: for status, and not for the log */
void peer_close_over(Peer *peer, PeerLimit limit);

/** peer_who() - its host's name, as far as it is proved; else its address */
static inline const char *peer_who(const Peer *peer)
{
    return peer->account.host ? peer->account.host->name : peer->address;
}

/** peer_finish() - if nothing is busy any more, free it and return true */
bool peer_finish(Peer *peer);

/** peer_start() - receive of a new one: it has a turn when something came */
void peer_start(Peer *peer);

/** peer_go() - there is something to be done for it, in its turn */
void peer_go(Peer *peer);

/**
 * peer_turn() - look at some of what is there, then send and receive
 * @fault: was a page asked for that a guest waits for?
 *
 * Return: what it has cost, in pages
 */
unsigned peer_turn(Peer *peer, bool *fault);

/** peer_set_state() - to any state but CLOSING */
void peer_set_state(Peer *peer, PeerState state);

/** peer_open() - requests may come; false: there is no memory for them */
bool peer_open(Peer *peer);

/** peer_is_full() - must answers go before anything more is looked at? */
static inline bool peer_is_full(const Peer *peer)
{
    return peer->nr_out >= PEER_OUT_MAX ||
           peer->spilling >= RCACHE_BATCH_PAGES;
}

#endif
