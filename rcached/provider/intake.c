/* SPDX-License-Identifier: GPL-2.0-or-later */
/* intake: slabs that another provider is to fill.  See intake.h. */
#include "rcached/provider/intake.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/crash-point.h"
#include "common/wire-move.h"
#include "rcached/provider/claims.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/store-revoke.h"

/* The intake of that slab among the connections of @peer's session. */
static Intake *intake_find(const Peer *peer, uint64_t lease, uint32_t slab)
{
    GList *link;

    for (link = session_members(&peer->member); link; link = link->next) {
        Peer *of = container_of((SessionMember *)link->data, Peer, member);
        guint i;

        for (i = 0; i < of->intakes->len; i++) {
            Intake *in = of->intakes->pdata[i];

            if (in->lease->id == lease && in->slab == slab &&
                of->member.session == peer->member.session) {
                return in;
            }
        }
    }
    return NULL;
}

/* The slab is an ordinary one again; the store's lock is held. */
static void intake_free(Intake *in)
{
    Store *store = in->owner->server->config.store;
    Slab *slab = store_slab(store, in->lease, in->slab);

    if (slab) {
        slab->expected = false;
    }
    if (in->push) {
        in->push->intake = NULL;
    }
    store_unref(store, in->lease);
    g_ptr_array_remove_fast(in->owner->intakes, in);
    g_free(in);
}

static bool token_is_zero(const uint8_t *token)
{
    static const uint8_t zero[RCACHE_TOKEN_LEN];

    return !memcmp(token, zero, sizeof(zero));
}

/* With the lock held; @old: what was expected of the slab before. */
static enum RcacheStatus expect(Peer *peer, const WireHead *head,
                                const WireMoveToken *move, Intake *old)
{
    Store *store = peer->server->config.store;
    StoreLease *lease;
    enum RcacheStatus status = claims_lease_for(peer, head, &lease);
    Slab *slab;
    Intake *in;

    if (status != RCACHE_OK) {
        return status;
    }
    slab = store_slab(store, lease, move->slab);
    if (!slab) {
        return RCACHE_E_SLOT;
    }
    if (slab->users || (old && old->push)) {
        return RCACHE_E_BUSY;
    }
    if (old) {
        intake_free(old);
    }
    store_forget(lease, slab);
    crash_point("slab-emptied");
    if (token_is_zero(move->token)) {
        return RCACHE_OK;
    }
    slab->expected = true;
    in = g_new0(Intake, 1);
    in->owner = peer;
    in->lease = lease;
    in->epoch = head->epoch;
    in->slab = move->slab;
    memcpy(in->token, move->token, sizeof(in->token));
    lease->refs++;
    g_ptr_array_add(peer->intakes, in);
    return RCACHE_OK;
}

const char *intake_expect(Peer *peer, const WireHead *head,
                          const uint8_t *payload)
{
    WireMoveToken move;
    WireError err = wire_move_token_decode(payload, head->length, &move);
    enum RcacheStatus status;
    Intake *old;

    if (err || peer->role == RCACHE_ROLE_PUSH) {
        return wire_reason(err ? err : WIRE_E_TYPE);
    }
    old = intake_find(peer, head->lease, move.slab);
    if (old && old->push) {
        peer_close(old->push, "its requester gave up the move");
    }
    server_lock(peer->server);
    status = expect(peer, head, &move, old);
    server_unlock(peer->server);
    peer_reply(peer, head, RCACHE_EXPECT_ACK, status);
    return NULL;
}

const char *intake_confirm(Peer *peer, const WireHead *head,
                           const uint8_t *payload)
{
    WireHead reply = {
        .type = RCACHE_CONFIRM_ACK, .tag = head->tag, .lease = head->lease,
        .epoch = head->epoch,
    };
    WireMoveToken move;
    WireError err = wire_move_token_decode(payload, head->length, &move);
    GByteArray *frame;
    Intake *in;

    if (err || peer->role == RCACHE_ROLE_PUSH) {
        return wire_reason(err ? err : WIRE_E_TYPE);
    }
    in = intake_find(peer, head->lease, move.slab);
    if (!in || !store_token_equal(in->token, move.token)) {
        peer_reply(peer, head, RCACHE_CONFIRM_ACK, RCACHE_E_SLOT);
        return NULL;
    }
    if (!in->done) {
        peer_reply(peer, head, RCACHE_CONFIRM_ACK, RCACHE_E_BUSY);
        return NULL;
    }
    frame = g_byte_array_new();
    wire_append_moved(frame, &reply, &in->got);
    peer_reply_frame(peer, frame);
    server_lock(peer->server);
    intake_free(in);
    peer->server->counts.slabs_in++;
    server_unlock(peer->server);
    crash_point("slab-confirmed");
    return NULL;
}

/*
 * A push becomes a member of the session that its lease's owner has here, and
 * stays one only if it shows a token that is expected there.  Of the owner it
 * has said all but the host: what it said of that is its own name.  With the
 * lock held.
 */
static bool push_joins(Peer *peer, uint64_t id)
{
    const StoreLease *lease = store_find_lease(peer->server->config.store, id);
    SessionOwner owner = peer->pushes;

    if (peer->member.vm) {
        return true;
    }
    if (!lease || memcmp(lease->rec->vm, owner.vm, sizeof(owner.vm)) ||
        lease->rec->incarnation != owner.incarnation) {
        return false;
    }
    memcpy(owner.host, lease->rec->host, sizeof(owner.host));
    return session_join(peer->server->sessions, &peer->member, &owner,
                        peer->push_session);
}

const char *intake_push(Peer *peer, const WireHead *head,
                        const uint8_t *payload)
{
    enum RcacheStatus status = RCACHE_E_LEASE;
    WireMoveToken move;
    WireError err = wire_move_token_decode(payload, head->length, &move);
    Intake *in;

    if (err || peer->role != RCACHE_ROLE_PUSH || peer->intake) {
        return wire_reason(err ? err : WIRE_E_TYPE);
    }
    server_lock(peer->server);
    in = push_joins(peer, head->lease)
        ? intake_find(peer, head->lease, move.slab) : NULL;
    if (in && !in->taken && !in->lease->ending && in->epoch == head->epoch &&
        store_token_equal(in->token, move.token)) {
        in->taken = true;
        in->push = peer;
        peer->intake = in;
        in->lease->refs++;
        claims_add(peer, in->lease);
        status = RCACHE_OK;
    } else {
        session_leave(peer->server->sessions, &peer->member);
    }
    server_unlock(peer->server);
    peer_reply(peer, head, RCACHE_PUSH_ACK, status);
    return NULL;
}

const char *intake_pushed(Peer *peer, const WireHead *head,
                          const uint8_t *payload)
{
    Intake *in = peer->intake;
    WireMoved sent;
    WireError err = wire_moved_decode(payload, head->length, &sent);

    if (err || peer->role != RCACHE_ROLE_PUSH) {
        return wire_reason(err ? err : WIRE_E_TYPE);
    }
    if (!in || in->done) {
        peer_reply(peer, head, RCACHE_PUSHED_ACK, RCACHE_E_LEASE);
        return NULL;
    }
    in->done = sent.pages == in->got.pages && sent.digest == in->got.digest;
    crash_point("slab-taken");
    peer_reply(peer, head, RCACHE_PUSHED_ACK,
               in->done ? RCACHE_OK : RCACHE_E_REFUSED);
    return NULL;
}

bool intake_may_touch(const Peer *peer, const Slab *slab)
{
    const Intake *in = peer->intake;

    if (peer->role != RCACHE_ROLE_PUSH) {
        return !slab->expected;
    }
    return in && !in->done && slab->lease == in->lease &&
           slab->number == in->slab;
}

void intake_stored(Peer *peer, const uint8_t *bytes, uint32_t page)
{
    if (peer->intake && !peer->intake->done) {
        crash_point("page-taken");
        peer->intake->got.pages++;
        peer->intake->got.digest += slab_digest(bytes, page);
    }
}

bool intake_forget(const Peer *peer, uint64_t lease, uint32_t slab)
{
    Intake *in = intake_find(peer, lease, slab);

    if (in && in->push) {
        return false;
    }
    if (in) {
        intake_free(in);
    }
    return true;
}

void intake_leave(Peer *peer)
{
    while (peer->intakes->len) {
        intake_free(peer->intakes->pdata[0]);
    }
    if (peer->intake) {
        peer->intake->push = NULL;
        peer->intake = NULL;
    }
}
