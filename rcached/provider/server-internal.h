/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server as the files see it that run on its thread; for nobody else.
 */
#ifndef RCACHED_PROVIDER_SERVER_INTERNAL_H
#define RCACHED_PROVIDER_SERVER_INTERNAL_H

#include <glib.h>
#include <pthread.h>

#include "common/ring.h"
#include "rcached/provider/peer-log.h"
#include "rcached/provider/server.h"
#include "rcached/provider/session.h"

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
    PeerLog log;
    ServerCounts counts;
};

/** server_log_peer() - a line about a peer, at a bounded rate */
static inline void server_log_peer(Server *server, const char *name,
                                   const char *what)
{
    peer_log(&server->log, server->now, name, what);
}

static inline void server_lock(Server *server)
{
    pthread_mutex_lock(server->config.store_lock);
}

static inline void server_unlock(Server *server)
{
    pthread_mutex_unlock(server->config.store_lock);
}

#endif
