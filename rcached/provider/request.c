/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request: what each frame of a requester does.
 *
 * Every request is judged under the store's lock: the lease must be one that
 * this connection has claimed, not ended, and of the epoch named, and every
 * slot must be in it, before a byte moves.  A PUT or GET then holds the lease
 * in use until its last byte has moved, so that no memory is taken away under
 * it; a lease that ends meanwhile is found out when a PUT is done, and the
 * answer is an error.
 *
 * A CLAIM with the right token is what a session gets its rights by: it ends
 * every connection of older sessions of its VM, and is answered when nothing of
 * these is in progress any more.  From then on no byte of an older session can
 * change a slab.
 */
#include "rcached/provider/request.h"

#include <string.h>

#include "common/boot.h"
#include "common/wire-move.h"
#include "rcached/provider/claims.h"
#include "rcached/provider/intake.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/push-begin.h"
#include "rcached/provider/request-pages.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/store-revoke.h"

/* --------------------------------------------------------------- leases */

static void claim_answer(Peer *peer, const WireHead *head,
                         const StoreLease *lease)
{
    StoreTotals totals;
    GByteArray *frame = g_byte_array_new();
    g_autofree uint32_t *numbers = g_new(uint32_t, lease->slabs->len);
    WireClaimAck ack = {
        .ttl_ms = store_ttl_ms(peer->server->config.store),
        .nr_slabs = lease->slabs->len,
    };
    WireHead reply = {
        .tag = head->tag, .lease = head->lease, .epoch = head->epoch,
    };
    guint i;

    store_totals(peer->server->config.store, &totals);
    ack.slab_pages = totals.slab_pages;
    for (i = 0; i < lease->slabs->len; i++) {
        numbers[i] = ((Slab *)lease->slabs->pdata[i])->number;
    }
    wire_append_claim_ack(frame, &reply, &ack, numbers);
    peer_reply_frame(peer, frame);
}

/* With the lock held: say how many slabs the lease may keep, if it is news. */
static void tell_revoked(Peer *peer, StoreLease *lease)
{
    uint64_t now = boottime_ms();
    GByteArray *frame;
    WireHead head = { .lease = lease->id };
    WireRevoke revoke = { .keep = lease->keep };

    if (lease->ending || lease->told_revoked == lease->revoked) {
        return;
    }
    head.epoch = lease->rec->epoch;
    if (lease->deadline > now) {
        revoke.deadline_ms = MIN(lease->deadline - now, UINT32_MAX);
    }
    lease->told_revoked = lease->revoked;
    frame = g_byte_array_new();
    wire_append_revoke(frame, &head, &revoke);
    peer_reply_frame(peer, frame);
}

void request_tell_revoked(Peer *peer)
{
    guint i;

    claims_count(peer);
    if (peer->state != PEER_OPEN || !claims_can_be_asked(peer)) {
        return;
    }
    for (i = 0; i < peer->claims->len; i++) {
        tell_revoked(peer, peer->claims->pdata[i]);
    }
}

/* With the lock held. */
static void claim_done(Peer *peer, const WireHead *head, StoreLease *lease)
{
    if (lease->ending) {
        peer_reply(peer, head, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
        return;
    }
    claim_answer(peer, head, lease);
    if (claims_can_be_asked(peer)) {
        lease->told_revoked = 0;        /* this connection knows nothing */
        tell_revoked(peer, lease);
    }
}

void request_claim_done(Peer *peer)
{
    peer_set_state(peer, PEER_OPEN);
    server_lock(peer->server);
    claim_done(peer, &peer->claim, peer->claimed);
    server_unlock(peer->server);
    peer->claimed = NULL;
}

/*
 * The session has shown a token of its VM: close every connection of an older
 * one.
 *
 * Return: false: some are busy; nothing more is done for this one until they
 * are gone
 */
static bool fence_older(Peer *peer)
{
    GList *link = session_members(&peer->member);

    session_prove(&peer->member);
    while (link) {
        SessionMember *member = link->data;

        link = link->next;
        if (member->session < peer->member.session) {
            peer_close(container_of(member, Peer, member),
                       "fenced by a newer session of its VM");
        }
    }
    return session_alone(&peer->member);
}

/* A lease of its own has been claimed, and the lock is not held. */
static void claim_taken(Peer *peer, const WireHead *head, StoreLease *lease)
{
    if (fence_older(peer)) {
        server_lock(peer->server);
        claim_done(peer, head, lease);
        server_unlock(peer->server);
    } else {
        peer->claim = *head;
        peer->claimed = lease;
        peer_set_state(peer, PEER_FENCING);
    }
}

static const char *request_claim(Peer *peer, const WireHead *head,
                                 const uint8_t *payload)
{
    Store *store = peer->server->config.store;
    const SessionMember *member = &peer->member;
    uint8_t token[RCACHE_TOKEN_LEN];
    enum RcacheStatus status;
    StoreLease *lease;

    if (wire_claim_decode(payload, head->length, token)) {
        return wire_reason(WIRE_E_LENGTH);
    }
    server_lock(peer->server);
    claims_prune(peer);
    status = store_claim(store, head->lease, head->epoch, token,
                         session_vm_owner(member->vm), member->session,
                         boottime_ms(), &lease);
    if (status == RCACHE_OK && claims_find(peer, head->lease)) {
        store_unref(store, lease);
    } else if (status == RCACHE_OK) {
        claims_add(peer, lease);
    }
    server_unlock(peer->server);
    if (status == RCACHE_OK) {
        claim_taken(peer, head, lease);
    } else {
        peer_reply(peer, head, RCACHE_CLAIM_ACK, status);
    }
    return NULL;
}

static void request_renew(Peer *peer, const WireHead *head)
{
    Store *store = peer->server->config.store;
    WireHead reply = {
        .tag = head->tag, .lease = head->lease, .epoch = head->epoch,
    };
    enum RcacheStatus status;
    StoreLease *lease;

    server_lock(peer->server);
    status = claims_lease_for(peer, head, &lease);
    if (status == RCACHE_OK) {
        status = store_renew(store, lease, head->epoch, boottime_ms());
    }
    server_unlock(peer->server);
    if (status == RCACHE_OK) {
        GByteArray *frame = g_byte_array_new();

        wire_append_renew_ack(frame, &reply, store_ttl_ms(store));
        peer_reply_frame(peer, frame);
    } else {
        peer_reply(peer, head, RCACHE_RENEW_ACK, status);
    }
}

/* Answered when the memory is back, which may need transfers to end first. */
static void request_release(Peer *peer, const WireHead *head)
{
    enum RcacheStatus status;
    PeerRelease *release;
    StoreLease *lease;

    server_lock(peer->server);
    status = claims_lease_for(peer, head, &lease);
    if (status == RCACHE_OK) {
        release = g_new0(PeerRelease, 1);
        release->peer = peer;
        release->head = *head;
        g_ptr_array_add(peer->releases, release);
        store_end(peer->server->config.store, lease, release);
    }
    server_unlock(peer->server);
    if (status != RCACHE_OK) {
        peer_reply(peer, head, RCACHE_RELEASE_ACK, status);
    }
}

void request_release_done(PeerRelease *release)
{
    Peer *peer = release->peer;

    g_ptr_array_remove_fast(peer->releases, release);
    if (peer->state == PEER_OPEN) {
        peer_reply(peer, &release->head, RCACHE_RELEASE_ACK, RCACHE_OK);
        peer_go(peer);
    }
    g_free(release);
}

/* -------------------------------------------------------- giving back */

/* A requester has left slabs: those it names go, up to a wrong one. */
static void request_drop(Peer *peer, const WireHead *head,
                         const uint8_t *payload)
{
    Store *store = peer->server->config.store;
    RcacheSlot slots[RCACHE_BATCH_FREES];
    enum RcacheStatus status;
    StoreLease *lease;
    Slab *slab;
    unsigned i;

    wire_slots_decode(payload, slots, head->count);
    server_lock(peer->server);
    status = claims_lease_for(peer, head, &lease);
    for (i = 0; i < head->count && status == RCACHE_OK; i++) {
        slab = store_slab(store, lease, wire_slot_slab(slots[i]));
        if (!slab || wire_slot_page(slots[i]) || lease->slabs->len == 1) {
            status = RCACHE_E_SLOT;
        } else if (!intake_forget(peer, head->lease,
                                  wire_slot_slab(slots[i]))) {
            status = RCACHE_E_BUSY;
        } else {
            store_drop(store, lease, slab);
        }
    }
    server_unlock(peer->server);
    peer_reply(peer, head, RCACHE_DROP_ACK, status);
}

/* The frames by which slabs move; NULL, or why the connection is to end. */
static const char *request_handle_move(Peer *peer, const WireHead *head,
                                       const uint8_t *payload)
{
    switch (head->type) {
    case RCACHE_EXPECT:
        return intake_expect(peer, head, payload);
    case RCACHE_MOVE:
        return push_move(peer, head, payload);
    case RCACHE_CONFIRM:
        return intake_confirm(peer, head, payload);
    case RCACHE_DROP:
        request_drop(peer, head, payload);
        return NULL;
    case RCACHE_PUSH:
        return intake_push(peer, head, payload);
    case RCACHE_PUSHED:
        return intake_pushed(peer, head, payload);
    default:
        return wire_reason(WIRE_E_TYPE);
    }
}

const char *request_handle(Peer *peer, const WireHead *head,
                           const uint8_t *payload)
{
    if (peer->role == RCACHE_ROLE_PUSH && head->type != RCACHE_PUSH &&
        head->type != RCACHE_PUSHED && head->type != RCACHE_PING &&
        head->type != RCACHE_PONG) {
        return wire_reason(WIRE_E_TYPE);
    }
    switch (head->type) {
    case RCACHE_PING:
        peer_reply(peer, head, RCACHE_PONG, RCACHE_OK);
        return NULL;
    case RCACHE_PONG:
        return NULL;
    case RCACHE_GET:
        request_get(peer, head, payload);
        return NULL;
    case RCACHE_SUMS:
        request_sums(peer, head, payload);
        return NULL;
    case RCACHE_FREE:
        request_free(peer, head, payload);
        return NULL;
    case RCACHE_CLAIM:
        return request_claim(peer, head, payload);
    case RCACHE_RENEW:
        request_renew(peer, head);
        return NULL;
    case RCACHE_RELEASE:
        request_release(peer, head);
        return NULL;
    default:
        return request_handle_move(peer, head, payload);
    }
}
