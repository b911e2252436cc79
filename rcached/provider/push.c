/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * push: a slab of ours goes to another provider (docs/protocol.rst, "The move
 * of a slab": the old provider's part).
 *
 *   ASKING (an arbiter) → CONNECTING → GREETING (HELLO) → OPENING (PUSH) →
 *   SENDING (PUTs, a window of them out) → ENDING (PUSHED) → the requester's
 *   MOVE is answered
 *
 * Up to CONNECTING that is push-begin.c.
 *
 * What is pushed is what is stored when MOVE comes: the requester has frozen
 * the slab, and what it frees meanwhile keeps its bytes.  A MOVE that comes
 * while a PUT into the slab is not answered yet (its pages may wait for the
 * spill file) is refused with BUSY: the push would leave that page behind.  A
 * page that cannot be read ends the push with SLOT, as it does a GET: left out,
 * it would count as moved, and the requester may have another copy.
 *
 * Pages are sent from where they lie (push-pages.c); the lease and the slab are
 * in use until the connection is quiet.  Nothing of this outlives the process:
 * a MOVE that is not answered is asked again by its requester, under another
 * token.
 */
#include "rcached/provider/push.h"

#include <string.h>

#include "common/crash-point.h"
#include "common/wire-control.h"
#include "common/wire-version.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/push-pages.h"

WireHead push_head(const Push *push, uint8_t type)
{
    return (WireHead) {
        .type = type, .lease = push->move.to_lease,
        .epoch = push->move.to_epoch,
    };
}

void push_end(Push *push, enum RcacheStatus status, const char *why)
{
    if (push->state != PUSH_OVER) {
        push->state = PUSH_OVER;
        push->status = status;
        g_strlcpy(push->why, why, sizeof(push->why));
        data_conn_close(&push->conn, "%s", why);
    }
}

/* ---------------------------------------------------------------- frames */

static void push_connected(DataConn *conn)
{
    Push *push = conn->owner;
    const ServerConfig *config = &push->server->config;
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHello hello = {
        .role = RCACHE_ROLE_PUSH, .features = RCACHE_FEATURE_MOVE,
        .incarnation = push->owner.incarnation,
        .session = push->move.to_session,
    };

    wire_version_offer(&hello);
    memcpy(hello.vm, push->owner.vm, sizeof(hello.vm));
    memcpy(hello.boot_id, config->boot_id, sizeof(hello.boot_id));
    wire_text_copy(hello.host, sizeof(hello.host), config->host);
    wire_append_hello(frame, 0, &hello);
    push->state = PUSH_GREETING;
    push->progress = push->server->now;
    data_conn_send_bytes(conn, frame);
}

static void push_open(Push *push)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = push_head(push, RCACHE_PUSH);
    WireMoveToken token = { .slab = push->move.to_slab };

    memcpy(token.token, push->move.token, sizeof(token.token));
    wire_append_move_token(frame, &head, &token);
    push->state = PUSH_OPENING;
    data_conn_send_bytes(&push->conn, frame);
}

static void push_done(Push *push)
{
    server_lock(push->server);
    push->server->counts.slabs_out++;
    server_unlock(push->server);
    crash_point("push-done");
    push_end(push, RCACHE_OK, "the slab has been pushed");
}

/* SLOT would say that it is here that something cannot be read. */
static void push_refused(Push *push, enum RcacheStatus status)
{
    push_end(push, status == RCACHE_E_SLOT ? RCACHE_E_REFUSED : status,
             wire_status_name(status));
}

/* Is it who its certificate says? */
static void push_greeted(Push *push, const WireHead *head,
                         const void *payload)
{
    WireHelloAck ack;
    WireError err = wire_hello_ack_decode(payload, head->length, &ack);
    char why[160];

    if (err) {
        push_end(push, RCACHE_E_REFUSED, wire_reason(err));
    } else if (*push->host && strcmp(push->host, ack.host)) {
        push_end(push, RCACHE_E_REFUSED, "another host answers there");
    } else if (!data_conn_is(&push->conn, ack.host, why, sizeof(why))) {
        push_end(push, RCACHE_E_REFUSED, why);
    } else {
        push_open(push);
    }
}

static void push_unasked(Push *push)
{
    push_end(push, RCACHE_E_REFUSED, "a frame that was not asked for");
}

static void push_frame(DataConn *conn, const WireHead *head,
                       const void *payload)
{
    static const struct {
        PushState state;
        uint8_t type;
    } expected[] = {
        { PUSH_GREETING, RCACHE_HELLO_ACK },
        { PUSH_OPENING, RCACHE_PUSH_ACK },
        { PUSH_SENDING, RCACHE_PUT_ACK },
        { PUSH_ENDING, RCACHE_PUSHED_ACK },
    };
    Push *push = conn->owner;
    unsigned i = 0;

    push->progress = push->server->now;
    while (i < G_N_ELEMENTS(expected) && (expected[i].state != push->state ||
                                          expected[i].type != head->type)) {
        i++;
    }
    if (head->status) {
        push_refused(push, head->status);
        return;
    }
    if (i == G_N_ELEMENTS(expected)) {
        push_unasked(push);
        return;
    }
    switch (push->state) {
    case PUSH_GREETING:
        push_greeted(push, head, payload);
        break;
    case PUSH_SENDING:
        if (!push_pages_answered(push, head->tag)) {
            push_unasked(push);
        }
        break;
    case PUSH_OPENING:
        push->state = PUSH_SENDING;
        push_pages_send(push);
        break;
    default:
        push_done(push);
    }
}

void push_answer(Push *push, const char *reason)
{
    WireHead head = push->head;
    GByteArray *frame;

    if (!push->peer || push->peer->state != PEER_OPEN) {
        return;
    }
    head.type = RCACHE_MOVE_ACK;
    head.count = 0;
    if (push->status == RCACHE_OK) {
        frame = g_byte_array_new();
        wire_append_moved(frame, &head, &push->sent);
        peer_reply_frame(push->peer, frame);
    } else {
        if (push->status != RCACHE_E_SLOT) {
            server_log_peer(push->server, push->move.address, reason);
        }
        peer_reply(push->peer, &push->head, RCACHE_MOVE_ACK, push->status);
    }
    peer_go(push->peer);
}

void push_free(Push *push)
{
    Server *server = push->server;

    push->closed = true;
    if (push_pages_reading(push)) {
        return;
    }
    server_lock(server);
    push->slab->pushes--;
    store_unuse_slab(push->slab);
    store_unuse(server->config.store, push->lease);
    server_unlock(server);
    g_queue_unlink(&server->pushes, &push->link);
    data_conn_deinit(&push->conn);
    push_pages_drop(push);
    g_free(push->bits);
    g_free(push);
}

static void push_closed(DataConn *conn, const char *reason)
{
    Push *push = conn->owner;

    push_answer(push, reason);
    push_free(push);
}

const DataConnOps push_conn_ops = {
    .connected = push_connected,
    .frame = push_frame,
    .closed = push_closed,
};
