/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serving: the server as the files see it that run on its thread, and what it
 * is configured with.  struct Server is for these files only; server.h is for
 * everybody else.
 */
#ifndef RCACHED_PROVIDER_SERVING_H
#define RCACHED_PROVIDER_SERVING_H

#include <glib.h>
#include <pthread.h>
#include <stdint.h>

#include "common/ring.h"
#include "common/strangers.h"
#include "common/tls-credentials.h"
#include "rcached/provider/account.h"
#include "rcached/provider/patrol.h"
#include "rcached/provider/peer-log.h"
#include "rcached/provider/provider-limits.h"
#include "rcached/provider/provider-where.h"
#include "rcached/provider/session.h"
#include "rcached/provider/store.h"
#include "rcached/provider/turns.h"
#include "rcached/provider/unwelcome.h"

typedef struct Server Server;

/* What an arbiter knows of a provider: the answer to a ticket. */
typedef struct ServerFound {
    uint64_t ticket;
    enum RcacheStatus status;   /* OK; REFUSED: there is none; or BUSY */
    char host[RCACHE_NAME_MAX]; /* "": whoever is there */
    char address[RCACHE_NAME_MAX];      /* "": as the requester says */
} ServerFound;

typedef struct ServerConfig {
    int listen_fd;              /* stays the caller's, and so does wake_fd */
    int wake_fd;                /* an eventfd, see server_run() */
    unsigned poll_us;           /* spin for so long before sleeping */
    unsigned hello_ms;          /* a connection without HELLO may live */
    unsigned stall_ms;          /* one stuck in the middle of a frame may */
    ProviderLimits limits;
    SlabGuard guard;
    Store *store;
    struct Spill *spill;        /* or NULL: no spill file */
    pthread_mutex_t *store_lock;
    TlsCredentials *const *tls; /* what to serve with, or NULL: without;
                                 * under store_lock, said by wake_fd */
    bool plain;                 /* without it slabs may leave this host, too */
    unsigned dscp;              /* of all that is sent, see dscp.h */
    ProviderWhere *where;       /* or NULL: requesters say where slabs go */
    void *where_opaque;
    GQueue *found;              /* of ServerFound: the answers; under
                                 * store_lock, said by wake_fd */
    const int *stop;            /* g_atomic: not 0 when it is to end */
    uint8_t boot_id[RCACHE_UUID_LEN];
    char host[RCACHE_NAME_MAX];
} ServerConfig;

/* Counted since the start, under the store's lock. */
typedef struct ServerCounts {
    uint64_t get_pages;
    uint64_t put_pages;
    uint64_t freed_slots;
    uint64_t conns;             /* now */
    uint64_t accepted;
    uint64_t slabs_out;         /* pushed to other providers */
    uint64_t slabs_in;          /* filled by other providers, confirmed */
    uint64_t refused;           /* closed for what the peer did */
} ServerCounts;

struct Server {
    ServerConfig config;
    Ring *ring;
    TlsCredentials *tls;        /* of new connections; NULL: without TLS */
    Patrol checks;              /* by new certificates, of each Peer; */
    Patrol rounds;              /* and for time that passes */
    SessionTable *sessions;
    RingOp accept;
    bool no_accept;             /* until the next tick */
    RingOp wake;
    RingOp tick;
    RingOp pace;                /* while .parked has any */
    RingOp shy;                 /* meanwhile addresses that begin many
                                 * handshakes wait */
    Turns turns;
    TurnsHost strangers_turns;  /* those of all in .hellos: one host, and each
                                 * that is known to be among them */
    Account account;
    GQueue parked;              /* Peer, of hosts that ask too fast */
    GQueue hellos;              /* Peer, oldest first */
    Strangers strangers;        /* the same, by address */
    Unwelcome unwelcome;        /* until the next tick */
    GQueue open;                /* Peer, every other state but CLOSING, */
    unsigned fencing;           /* and so many of them are FENCING */
    GQueue closing;             /* Peer */
    GQueue pushes;              /* Push */
    uint64_t tickets;           /* that ServerConfig.where has been given */
    unsigned asked;             /* of them, those not yet answered */
    uint64_t now;               /* ms, of this round */
    PeerLog log;
    LimitHits hits;             /* under the store's lock, and so is */
    ServerCounts counts;
};

/** server_log_peer() - a line about a peer, at a bounded rate */
static inline void server_log_peer(Server *server, const char *name,
                                   const char *what)
{
    peer_log(&server->log, server->now, name, what);
}

/** server_lock() - the store's lock, for all that touches the store */
static inline void server_lock(Server *server)
{
    pthread_mutex_lock(server->config.store_lock);
}

static inline void server_unlock(Server *server)
{
    pthread_mutex_unlock(server->config.store_lock);
}

#endif
