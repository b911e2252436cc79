/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * push: a slab of ours goes to another provider (docs/protocol.rst, "The move
 * of a slab": the old provider's part).
 *
 *   CONNECTING → GREETING (HELLO) → OPENING (PUSH) → SENDING (PUTs, a window
 *   of them out) → ENDING (PUSHED) → the requester's MOVE is answered
 *
 * What is pushed is what is stored when MOVE comes: the requester has frozen
 * the slab, and what it frees meanwhile keeps its bytes.  A MOVE that comes
 * while a PUT into the slab is not answered yet (its pages may wait for the
 * spill file) is refused with BUSY: the push would leave that page behind.  A
 * page that cannot be read ends the push with SLOT, as it does a GET: left out,
 * it would count as moved, and the requester may have another copy.
 *
 * Pages are sent from where they lie; the lease and the slab are in use until
 * the connection is quiet.  Nothing of this outlives the process: a MOVE that
 * is not answered is asked again by its requester, under another token.
 */
#include "rcached/provider/push.h"

#include <errno.h>
#include <string.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "common/crash-point.h"
#include "common/data-conn.h"
#include "common/wire-control.h"
#include "common/wire-move.h"
#include "common/wire-version.h"
#include "rcached/provider/claims.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/slab-away.h"
#include "rcached/provider/spill-xfer.h"
#include "rcached/provider/spill.h"

#define PUSH_WINDOW     8u      /* PUTs not yet answered */
#define PUSH_READS      4u      /* of those, read from the spill file */
#define PUSHES_MAX      16u     /* of all requesters */
#define PUSH_STALL_MS   8000u   /* without an answer */

typedef enum PushState {
    PUSH_CONNECTING,
    PUSH_GREETING,
    PUSH_OPENING,
    PUSH_SENDING,
    PUSH_ENDING,
    PUSH_OVER
} PushState;

struct Push;

/* Pages that come from the spill file: read, sent, and then answered. */
typedef struct PushRead {
    struct Push *push;
    bool used;
    bool reading;
    uint32_t first;
    unsigned n;
    uint8_t *buf;
    SpillSeal seals[RCACHE_BATCH_PAGES];
    SpillXfer xfer;
} PushRead;

typedef struct Push {
    Server *server;
    GList link;                 /* of server->pushes */
    Peer *peer;                 /* who asked, or NULL: has left */
    WireHead head;              /* of its MOVE */
    WireMove move;
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t incarnation;
    PushState state;
    enum RcacheStatus status;   /* to answer with */
    DataConn conn;
    StoreLease *lease;          /* in use */
    Slab *slab;                 /* in use */
    uint64_t *bits;             /* what was stored */
    uint32_t at;                /* next page to look at */
    unsigned out;               /* PUTs not yet answered, or being read; */
    unsigned plain;             /* of them, those from memory */
    bool closed;                /* and freed when nothing is being read */
    PushRead *reads[PUSH_READS];    /* NULL: not needed so far */
    WireMoved sent;
    uint64_t progress;          /* ms */
} Push;

static WireHead push_head(const Push *push, uint8_t type)
{
    return (WireHead) {
        .type = type, .lease = push->move.to_lease,
        .epoch = push->move.to_epoch,
    };
}

/* The next run of stored pages from push->at on, all of them in memory or all
 * in the file; 0: there is none. */
static unsigned push_next_run(const Push *push, uint32_t *first)
{
    const uint64_t *bits = push->bits;
    const Slab *slab = push->slab;
    uint32_t page = push->at, end;

    while (page < slab->pages && !(bits[page / 64] >> page % 64 & 1)) {
        page++;
    }
    end = page;
    while (end < slab->pages && end - page < RCACHE_BATCH_PAGES &&
           bits[end / 64] >> end % 64 & 1 &&
           slab_in_file(slab, end) == slab_in_file(slab, page)) {
        end++;
    }
    *first = page;
    return end - page;
}

static void push_send_pushed(Push *push)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = push_head(push, RCACHE_PUSHED);

    push->state = PUSH_ENDING;
    wire_append_moved(frame, &head, &push->sent);
    data_conn_send_bytes(&push->conn, frame);
    crash_point_sent("pushed-sent");
}

static void push_end(Push *push, enum RcacheStatus status, const char *why)
{
    if (push->state != PUSH_OVER) {
        push->state = PUSH_OVER;
        push->status = status;
        data_conn_close(&push->conn, "%s", why);
    }
}

/* @tag: of the read that holds the bytes, or 0. */
static void push_send_run(Push *push, uint32_t first, unsigned n,
                          const uint8_t *bytes, uint64_t tag)
{
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    WireHead head = push_head(push, RCACHE_PUT);

    for (unsigned i = 0; i < n; i++) {
        slots[i] = wire_slot(push->move.to_slab, first + i);
        push->sent.digest += slab_digest(bytes + (size_t)i * WIRE_PAGE_SIZE,
                                         first + i);
    }
    push->sent.pages += n;
    head.count = n;
    head.tag = tag;
    data_conn_send(&push->conn, &head, slots, bytes,
                   (size_t)n * WIRE_PAGE_SIZE);
    crash_point_sent("pages-pushed");
}

static void push_free(Push *push);

static bool read_unseal(PushRead *read)
{
    Push *push = read->push;

    for (unsigned i = 0; i < read->n; i++) {
        SpillPlace place = spill_place(push->slab, read->first + i);

        if (!spill_unseal(push->server->config.spill->key, &place,
                          read->buf + (size_t)i * WIRE_PAGE_SIZE,
                          &read->seals[i])) {
            return false;
        }
    }
    return true;
}

static void read_done(SpillXfer *xfer, int error)
{
    PushRead *read = container_of(xfer, PushRead, xfer);
    Push *push = read->push;

    read->reading = false;
    if (push->closed) {
        push_free(push);
    } else if (push->state == PUSH_OVER) {
        return;
    } else if (error || !read_unseal(read)) {
        spill_read_failed(push->server->config.spill, push->slab, error);
        push_end(push, RCACHE_E_SLOT, "a page cannot be read");
    } else {
        unsigned tag = 1;

        while (push->reads[tag - 1] != read) {
            tag++;
        }
        push_send_run(push, read->first, read->n, read->buf, tag);
    }
}

/* One that is not in use, or NULL. */
static PushRead *push_read_idle(Push *push)
{
    for (unsigned i = 0; i < PUSH_READS; i++) {
        PushRead *read = push->reads[i];

        if (!read) {
            read = g_new0(PushRead, 1);
            read->push = push;
            read->buf = secret_alloc(RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE,
                                     push->server->config.guard);
            push->reads[i] = read;
        }
        if (!read->used && read->buf) {
            return read;
        }
    }
    return NULL;
}

static bool push_read_run(Push *push, uint32_t first, unsigned n)
{
    Spill *spill = push->server->config.spill;
    PushRead *read = push_read_idle(push);

    if (!read) {
        return false;
    }
    read->used = read->reading = true;
    read->first = first;
    read->n = n;
    memcpy(read->seals, push->slab->away->seals + first,
           n * sizeof(read->seals[0]));
    spill_xfer_init(&read->xfer, read_done);
    spill_xfer_add(spill->ring, spill->file, &read->xfer, false,
                   push->slab, first, read->buf, n);
    spill_xfer_go(&read->xfer);
    return true;
}

static void push_send_pages(Push *push)
{
    uint32_t first;
    unsigned n;

    while (push->out < PUSH_WINDOW) {
        n = push_next_run(push, &first);
        if (!n && !push->out) {
            push_send_pushed(push);
        }
        if (!n) {
            return;
        }
        if (!slab_in_file(push->slab, first)) {
            push_send_run(push, first, n, slab_page(push->slab, first), 0);
            push->plain++;
        } else if (!push_read_run(push, first, n)) {
            if (!push->out) {
                push_end(push, RCACHE_E_BUSY, "no memory for a buffer");
            }
            return;
        }
        push->out++;
        push->at = first + n;
    }
}

/*
 * A PUT has been answered.  The new provider may say so of one that was not
 * sent: a buffer that is still being read into must not be used for another.
 *
 * Return: false: that is what it has done
 */
static bool push_answered(Push *push, uint64_t tag)
{
    PushRead *read = tag && tag <= PUSH_READS ? push->reads[tag - 1] : NULL;

    if (tag ? !read || !read->used || read->reading : !push->plain) {
        return false;
    }
    if (read) {
        read->used = false;
    } else {
        push->plain--;
    }
    push->out--;
    push_send_pages(push);
    return true;
}

/* ---------------------------------------------------------------- frames */

static void push_connected(DataConn *conn)
{
    Push *push = conn->owner;
    const ServerConfig *config = &push->server->config;
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHello hello = {
        .role = RCACHE_ROLE_PUSH, .features = RCACHE_FEATURE_MOVE,
        .incarnation = push->incarnation, .session = push->move.to_session,
    };

    wire_version_offer(&hello);
    memcpy(hello.vm, push->vm, sizeof(hello.vm));
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
        if (!push_answered(push, head->tag)) {
            push_unasked(push);
        }
        break;
    case PUSH_OPENING:
        push->state = PUSH_SENDING;
        push_send_pages(push);
        break;
    default:
        push_done(push);
    }
}

static void push_answer(Push *push, const char *reason)
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

static bool push_reading(const Push *push)
{
    for (unsigned i = 0; i < PUSH_READS; i++) {
        if (push->reads[i] && push->reads[i]->reading) {
            return true;
        }
    }
    return false;
}

/* Free it now, or when the last read of the spill file is done. */
static void push_free(Push *push)
{
    Server *server = push->server;

    push->closed = true;
    if (push_reading(push)) {
        return;
    }
    server_lock(server);
    push->slab->pushes--;
    store_unuse_slab(push->slab);
    store_unuse(server->config.store, push->lease);
    server_unlock(server);
    g_queue_unlink(&server->pushes, &push->link);
    data_conn_deinit(&push->conn);
    for (unsigned i = 0; i < PUSH_READS; i++) {
        if (push->reads[i]) {
            secret_free(push->reads[i]->buf,
                        RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE);
            g_free(push->reads[i]);
        }
    }
    g_free(push->bits);
    g_free(push);
}

static void push_closed(DataConn *conn, const char *reason)
{
    Push *push = conn->owner;

    push_answer(push, reason);
    push_free(push);
}

static const DataConnOps push_ops = {
    .connected = push_connected,
    .frame = push_frame,
    .closed = push_closed,
};

/* ----------------------------------------------------------------- begin */

static Push *push_new(Peer *peer, const WireHead *head, const WireMove *move,
                      StoreLease *lease, Slab *slab)
{
    Push *push = g_new0(Push, 1);

    push->server = peer->server;
    push->link.data = push;
    push->peer = peer;
    push->head = *head;
    push->move = *move;
    memcpy(push->vm, session_vm_uuid(peer->member.vm), sizeof(push->vm));
    push->incarnation = session_vm_incarnation(peer->member.vm);
    push->status = RCACHE_E_BUSY;
    push->progress = peer->server->now;
    push->lease = lease;
    push->slab = slab;
    push->bits = slab_stored_bits(slab);
    store_use(lease);
    store_use_slab(slab);
    slab->pushes++;
    data_conn_init(&push->conn, peer->server->ring, &push_ops, push);
    data_conn_set_tls(&push->conn, peer->server->tls,
                      peer->server->config.plain, "");
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

const char *push_move(Peer *peer, const WireHead *head,
                      const uint8_t *payload)
{
    Server *server = peer->server;
    enum RcacheStatus status;
    struct sockaddr_storage addr;
    WireMove move;
    WireError err = wire_move_decode(payload, head->length, &move);
    StoreLease *lease;
    Push *push = NULL;
    socklen_t len;
    Slab *slab;
    int ret;

    if (err) {
        return wire_reason(err);
    }
    server_lock(server);
    status = claims_lease_for(peer, head, &lease);
    slab = status ? NULL : store_slab(server->config.store, lease, move.slab);
    if (!status && (!slab || slab->expected)) {
        status = RCACHE_E_SLOT;
    } else if (!status && (slab->putting ||
                           server->pushes.length >= PUSHES_MAX)) {
        status = RCACHE_E_BUSY;
    } else if (!status && !address_parse(move.address, RCACHE_DEFAULT_PORT,
                                         &addr, &len, NULL)) {
        status = RCACHE_E_REFUSED;
    } else if (!status) {
        push_end_older(server, lease, move.slab);
        push = push_new(peer, head, &move, lease, slab);
    }
    server_unlock(server);
    if (!push) {
        peer_reply(peer, head, RCACHE_MOVE_ACK, status);
        return NULL;
    }
    ret = data_conn_open(&push->conn, &addr, len);
    if (ret < 0) {
        peer_reply(peer, head, RCACHE_MOVE_ACK, ret == -EPERM
                   ? RCACHE_E_REFUSED : RCACHE_E_BUSY);
        push_free(push);
    }
    return NULL;
}

void push_recheck(Server *server)
{
    char why[320];

    for (GList *link = server->pushes.head; link; link = link->next) {
        Push *push = link->data;

        if (!data_conn_still_good(&push->conn, server->tls, why, sizeof(why))) {
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
