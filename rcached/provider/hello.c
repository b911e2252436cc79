/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hello: who may speak to this provider.  See hello.h.
 */
#include "rcached/provider/hello.h"

#include <string.h>

#include "common/wire-control.h"
#include "common/wire-version.h"
#include "rcached/provider/peer-out.h"
#include "rcached/provider/server-limits.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/session.h"
#include "rcached/provider/store-look.h"

#define PEER_PER_SESSION        16u
#define HELLO_FEATURES          (RCACHE_FEATURE_MOVE | \
                                 RCACHE_FEATURE_DIGEST | \
                                 RCACHE_FEATURE_SUMS | \
                                 RCACHE_FEATURE_NAMED | RCACHE_FEATURE_SERVICE)

void hello_refuse(Peer *peer, enum RcacheStatus status, const char *text)
{
    const ServerConfig *config = &peer->server->config;
    GByteArray *frame = g_byte_array_new();
    WireHelloAck ack = { .version = wire_version_highest() };

    memcpy(ack.boot_id, config->boot_id, sizeof(ack.boot_id));
    wire_text_copy(ack.host, sizeof(ack.host), config->host);
    wire_text_copy(ack.text, sizeof(ack.text), text);
    wire_append_hello_ack(frame, peer->hello.tag, status, &ack);
    peer_reply_frame(peer, frame);
    server_log_peer(peer->server, peer->name, text);
    session_leave(peer->server->sessions, &peer->member);
    peer_set_state(peer, PEER_REFUSED);
}

static void hello_answer(Peer *peer)
{
    const ServerConfig *config = &peer->server->config;
    GByteArray *frame;
    WireHelloAck ack = {
        .version = peer->version, .features = HELLO_FEATURES,
    };

    if (!peer_open(peer)) {
        peer_close(peer, "no memory for another connection");
        return;
    }
    memcpy(ack.boot_id, config->boot_id, sizeof(ack.boot_id));
    wire_text_copy(ack.host, sizeof(ack.host), config->host);
    frame = g_byte_array_new();
    wire_append_hello_ack(frame, peer->hello.tag, RCACHE_OK, &ack);
    peer_reply_frame(peer, frame);
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    while (n && !*bytes) {
        bytes++;
        n--;
    }
    return !n;
}

/*
 * Whose account it is: however many names a certificate has, it is one host's.
 * Without TLS everybody is who he says he is: an address is one.
 */
static const char *hello_who(const Peer *peer)
{
    const TlsIdentity *identity = peer->tls ? tls_stream_peer(peer->tls)
                                            : NULL;

    return identity && *identity->names ? *identity->names : peer->address;
}

/* Its host has room for it, or somebody makes it; or say why not. */
static bool hello_account(Peer *peer, const WireHello *hello)
{
    SessionOwner owner = session_owner(hello->host, hello->vm,
                                       hello->incarnation);
    const char *who = hello_who(peer);
    Server *server = peer->server;
    AccountMember *victim;
    PeerLimit limit;
    bool entitled, may;

    server_lock(server);
    entitled = store_holds(server->config.store, &owner);
    server_unlock(server);
    may = account_enter(&server->account, &peer->account, who, peer, entitled,
                        server->now, &limit, &victim);
    if (victim) {
        peer_close_over(victim->conn, limit);
    } else if (!may) {
        server_hit(server, limit, who);
        hello_refuse(peer, RCACHE_E_REFUSED, "too many connections; [limits] "
                     "in the provider's configuration says how many there "
                     "may be");
    }
    return may;
}

/* Become a member of the session, or say why not. */
static bool hello_enter(Peer *peer, const WireHello *hello)
{
    SessionOwner owner = session_owner(hello->host, hello->vm,
                                       hello->incarnation);
    Server *server = peer->server;
    uint64_t floor;

    /* It joins its requester's session when it shows a token: intake.c. */
    if (peer->role == RCACHE_ROLE_PUSH) {
        peer->pushes = owner;
        peer->push_session = hello->session;
        return true;
    }
    server_lock(server);
    floor = store_session(server->config.store, &owner);
    server_unlock(server);
    if (!session_enter(server->sessions, &peer->member, &owner,
                       hello->session, floor)) {
        hello_refuse(peer, RCACHE_E_FENCED,
                       "a newer session of this VM has been here");
        return false;
    }
    if (session_count(&peer->member) > PEER_PER_SESSION) {
        hello_refuse(peer, RCACHE_E_REFUSED,
                       "too many connections of one session");
        return false;
    }
    return true;
}

void hello_take(Peer *peer, const WireHead *head, const uint8_t *payload)
{
    WireHello hello;
    WireError err = wire_hello_decode(payload, head->length, &hello);
    char text[128];

    peer->hello = *head;
    if (err) {
        peer_close(peer, wire_reason(err));
        return;
    }
    peer->version = wire_version_choose(&hello);
    if (!peer->version) {
        wire_version_refuse(&hello, "this provider", text, sizeof(text));
        hello_refuse(peer, RCACHE_E_VERSION, text);
        return;
    }
    if (peer->tls &&
        !tls_stream_is(peer->tls, hello.host, text, sizeof(text))) {
        hello_refuse(peer, RCACHE_E_REFUSED, text);
        return;
    }
    if (hello.role == RCACHE_ROLE_HOST || !hello.session ||
        is_zero(hello.vm, sizeof(hello.vm))) {
        hello_refuse(peer, RCACHE_E_REFUSED,
                       "a provider serves requesters only: role, vm and "
                       "session have to be those of one");
        return;
    }
    peer->role = hello.role;
    peer->features = hello.features & HELLO_FEATURES;
    strangers_known(&peer->server->strangers, &peer->stranger,
                    peer->server->now);
    if (hello_account(peer, &hello) && hello_enter(peer, &hello)) {
        hello_answer(peer);
    }
}
