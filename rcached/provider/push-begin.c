/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * push-begin: a MOVE, and where the slab is to go (docs/protocol.rst, "The
 * move of a slab").  See push.c for what follows.
 *
 * A requester names the new provider's host, and arbiters say where that is:
 * this host connects to no address that only a requester has named.  They are
 * asked on another thread (ServerConfig.where); the answer comes through
 * ServerConfig.found.  A push may be over before it comes, and another begin:
 * so what is asked is bounded by itself.
 */
#include "rcached/provider/push-begin.h"

#include <errno.h>
#include <string.h>

#include "common/address.h"
#include "rcached/provider/claims.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/push.h"

#define PUSHES_MAX      16u     /* of all requesters */
#define PUSH_STALL_MS   8000u   /* without an answer */

static Push *push_new(Peer *peer, const WireHead *head, const WireMove *move,
                      StoreLease *lease, Slab *slab)
{
    Push *push = g_new0(Push, 1);

    push->server = peer->server;
    push->link.data = push;
    push->peer = peer;
    push->head = *head;
    push->move = *move;
    push->owner = *session_vm_owner(peer->member.vm);
    push->status = RCACHE_E_BUSY;
    push->progress = peer->server->now;
    push->lease = lease;
    push->slab = slab;
    push->bits = slab_stored_bits(slab);
    store_use(lease);
    store_use_slab(slab);
    slab->pushes++;
    data_conn_init(&push->conn, peer->server->ring, &push_conn_ops, push);
    g_queue_push_tail_link(&peer->server->pushes, &push->link);
    return push;
}

/* A MOVE of a slab that is being pushed: the requester has begun again. */
static void push_end_older(Server *server, const StoreLease *lease,
                           uint32_t slab)
{
    GList *link;

    for (link = server->pushes.head; link; link = link->next) {
        Push *push = link->data;

        if (push->lease == lease && push->move.slab == slab) {
            push_end(push, RCACHE_E_BUSY, "the requester has begun again");
        }
    }
}

static void push_connect(Push *push, const char *address)
{
    Server *server = push->server;
    struct sockaddr_storage addr;
    socklen_t len;
    int ret = -EPERM;

    data_conn_set_tls(&push->conn, server->tls, server->config.plain,
                      push->host);
    push->conn.dscp = server->config.dscp;
    if (address_parse(address, RCACHE_DEFAULT_PORT, &addr, &len, NULL)) {
        ret = data_conn_open(&push->conn, &addr, len);
    }
    if (ret < 0) {
        push_end(push, ret == -EPERM ? RCACHE_E_REFUSED : RCACHE_E_BUSY,
                 "it cannot be connected to");
    } else {
        push->opened = true;
        push->state = PUSH_CONNECTING;
        push->progress = server->now;
    }
}

/* Where the new provider is, a requester does not say: it could be anywhere. */
static void push_ask(Push *push)
{
    Server *server = push->server;
    const ServerConfig *config = &server->config;

    if (!config->where) {
        push_connect(push, push->move.address);
        return;
    }
    push->ticket = ++server->tickets;
    server->asked++;
    config->where(push->ticket, push->move.host,
                  *push->move.host ? "" : push->move.address,
                  config->where_opaque);
}

static void push_found(Push *push, const ServerFound *found)
{
    if (found->status == RCACHE_OK) {
        wire_text_copy(push->host, sizeof(push->host), found->host);
        push_connect(push, *found->address ? found->address
                                           : push->move.address);
    } else {
        push_end(push, found->status, found->status == RCACHE_E_REFUSED
                 ? "no arbiter knows of such a provider"
                 : "no arbiter says where that provider is");
    }
}

void push_take_found(Server *server)
{
    ServerFound *found;

    server_lock(server);
    while ((found = g_queue_pop_head(server->config.found))) {
        GList *link = server->pushes.head;

        server_unlock(server);
        server->asked -= MIN(server->asked, 1);
        while (link && ((Push *)link->data)->ticket != found->ticket) {
            link = link->next;
        }
        if (link && ((Push *)link->data)->state == PUSH_ASKING) {
            push_found(link->data, found);
        }
        g_free(found);
        server_lock(server);
    }
    server_unlock(server);
}

void push_sweep(Server *server)
{
    GList *link = server->pushes.head;

    while (link) {
        Push *push = link->data;

        link = link->next;
        if (push->state == PUSH_OVER && !push->opened) {
            push_answer(push, push->why);
            push_free(push);
        }
    }
}

const char *push_move(Peer *peer, const WireHead *head,
                      const uint8_t *payload)
{
    Server *server = peer->server;
    enum RcacheStatus status;
    WireMove move;
    WireError err = wire_move_decode(payload, head->length, &move);
    StoreLease *lease;
    Push *push = NULL;
    Slab *slab;

    if (err) {
        return wire_reason(err);
    }
    server_lock(server);
    status = claims_lease_for(peer, head, &lease);
    slab = status ? NULL : store_slab(server->config.store, lease, move.slab);
    if (!status && (!slab || slab->expected)) {
        status = RCACHE_E_SLOT;
    } else if (!status && (slab->putting || server->asked >= PUSHES_MAX ||
                           server->pushes.length >= PUSHES_MAX)) {
        status = RCACHE_E_BUSY;
    } else if (!status) {
        push_end_older(server, lease, move.slab);
        push = push_new(peer, head, &move, lease, slab);
    }
    server_unlock(server);
    if (push) {
        push_ask(push);
    } else {
        peer_reply(peer, head, RCACHE_MOVE_ACK, status);
    }
    return NULL;
}

void push_recheck(Server *server)
{
    char why[320];

    for (GList *link = server->pushes.head; link; link = link->next) {
        Push *push = link->data;

        if (push->opened &&
            !data_conn_still_good(&push->conn, server->tls, why,
                                  sizeof(why))) {
            push_end(push, RCACHE_E_REFUSED, why);
        }
    }
}

void push_leave(Peer *peer)
{
    GList *link;

    for (link = peer->server->pushes.head; link; link = link->next) {
        Push *push = link->data;

        if (push->peer == peer) {
            push->peer = NULL;
            push_end(push, RCACHE_E_BUSY, "its requester has left");
        }
    }
}

void push_tick(Server *server)
{
    GList *link;

    for (link = server->pushes.head; link; link = link->next) {
        Push *push = link->data;

        if (server->now - push->progress >= PUSH_STALL_MS) {
            push_end(push, RCACHE_E_BUSY, "the new provider does not answer");
        }
    }
}
