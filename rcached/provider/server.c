/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server: the thread that answers requesters.  See server.h.
 *
 * A round of the loop: let the ring run what has completed; finish the
 * connections that nothing is busy on any more, and answer the CLAIMs of new
 * sessions that waited for them; where nobody waits for a turn, or has waited
 * for WORK_ROUNDS rounds: give back one piece of memory of leases that have
 * ended, look after some of the connections, whose time may be up, judge the
 * peer of one of them by certificates that are new (patrol.h), and move a piece
 * of a slab to the spill file or back; last, since all of these give turns, let
 * some of the connections that wait have theirs (turns.h).
 * The ring sleeps only when nobody waits and nothing of the rest is left.
 *
 * Silent connections cost little and not for long: there are at most so many
 * that have not said HELLO, and so many of one address; the oldest gives way
 * to the newest (strangers.h), and none lives longer than hello_ms.  No more
 * are let in while those that do say something wait for the thread.
 */
#include "rcached/provider/server.h"

#include <errno.h>
#include <gio/gio.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/boot.h"
#include "rcached/provider/hello.h"
#include "rcached/provider/intake.h"
#include "rcached/provider/peer.h"
#include "rcached/provider/peer-tls.h"
#include "rcached/provider/push-begin.h"
#include "rcached/provider/request.h"
#include "rcached/provider/request-pages.h"
#include "rcached/provider/server-limits.h"
#include "rcached/provider/serving.h"
#include "rcached/provider/spill-serve.h"

#define RING_ENTRIES    512u
#define TICK_NS         (UINT64_C(250) * 1000 * 1000)
#define REAP_PAGES      64u     /* some 60 us of the thread's time */
#define ROUND_PAGES     8u      /* of turns, before the ring is looked at */
#define ROUND_CONNS     64u     /* to be looked after: some 30 us */
#define DOOR_CONNS      64u     /* that wait for their turn before HELLO, */
                                /* STRANGERS_WAITING of an address */
#define WORK_ROUNDS     8u      /* of turns, for a piece of what can wait */

static bool server_stopping(const Server *server)
{
    return g_atomic_int_get(server->config.stop) != 0;
}

/* ------------------------------------------------------------------ log */

static void lease_told(const StoreLease *lease, const char *what,
                       void *opaque)
{
    g_message("provider: lease %" PRIx64 " of VM '%s' on '%s' %s",
              lease->id, lease->rec->name, lease->rec->host, what);
}

/* A connection ends: nothing that it asked for waits for it any more. */
static void peer_leaves(Peer *peer)
{
    push_leave(peer);
    server_lock(peer->server);
    intake_leave(peer);
    server_unlock(peer->server);
}

static const PeerOps peer_ops = {
    .hello = hello_take,
    .refuse = hello_refuse,
    .frame = request_handle,
    .put_begin = request_put_begin,
    .put_end = request_put_end,
    .leaves = peer_leaves,
};

/* --------------------------------------------------------------- accept */

/*
 * Is nobody to come in until some of those have had their turn who have not
 * said HELLO?  Each needs more than one, and it takes longer than to accept
 * another: when all come back at once everybody would wait behind all others,
 * and give way before it is his turn again.  The kernel lets the rest wait.
 * Of one address only a few count, or it could shut the door for all by bytes
 * that come one by one.
 */
static bool door_is_full(const Server *server)
{
    return server->strangers.waiting >=
           CLAMP(server->config.limits.hellos / 4, STRANGERS_WAITING + 1,
                 DOOR_CONNS);
}

static void server_accept(Server *server)
{
    if (!ring_op_busy(&server->accept) && !server_stopping(server) &&
        !server->no_accept && !door_is_full(server)) {
        ring_accept(server->ring, &server->accept, server->config.listen_fd);
    }
}

static void close_oldest_hello(Server *server)
{
    Peer *peer = strangers_oldest(&server->strangers);

    if (peer) {
        peer_close_over(peer, PEER_LIMIT_HELLOS);
    }
}

static void accept_one(Server *server, int fd)
{
    struct sockaddr_storage from = { 0 };
    socklen_t len = sizeof(from);

    if (server->tls && !getpeername(fd, (struct sockaddr *)&from, &len) &&
        strangers_unwelcome(&server->strangers, &from, server->now)) {
        /* Its address is told of as it is. */
        unwelcome_add(&server->unwelcome, fd);
        return;
    }
    server_lock(server);
    server->counts.accepted++;
    server->counts.conns++;
    server_unlock(server);
    peer_start(peer_new(server, fd, &peer_ops));
}

static void accept_done(RingOp *op, int res, bool more)
{
    Server *server = container_of(op, Server, accept);

    if (res >= 0) {
        accept_one(server, res);
    } else if (res == -EMFILE || res == -ENFILE || res == -ENOMEM ||
               res == -ENOBUFS) {
        /* The tick tries again; until then the silent ones make room. */
        unwelcome_end(&server->unwelcome);
        close_oldest_hello(server);
        server_log_peer(server, "a new connection", g_strerror(-res));
        server->no_accept = true;
    }
}

/* ----------------------------------------------------------------- time */

static bool peer_is_stuck(const Peer *peer)
{
    return peer->put.active || peer->len > peer->at || peer->out_first ||
           peer_tls_waits(peer) || peer_tls_is_cut(peer);
}

/* Why this connection's time is up, or NULL. */
static const char *peer_overdue(const Peer *peer, const ServerConfig *config,
                                uint64_t now)
{
    switch (peer->state) {
    case PEER_HELLO:
        return now - peer->since >= config->hello_ms ? "no HELLO in time"
                                                     : NULL;
    case PEER_REFUSED:
        return now - peer->since >= PEER_LINGER_MS
            ? "refused, and did not close" : NULL;
    case PEER_OPEN:
        return peer_is_stuck(peer) && now - peer->progress >= config->stall_ms
            ? "stuck in the middle of a frame" : NULL;
    default:
        return NULL;
    }
}

/* Is its time up; has it to be told that slabs have been asked back? */
static void look_after(Server *server, Peer *peer)
{
    const char *why = peer_overdue(peer, &server->config, server->now);

    if (why) {
        peer_close(peer, why);
    } else if (peer->state != PEER_HELLO) {
        server_lock(server);
        request_tell_revoked(peer);
        server_unlock(server);
        if (peer->out_first) {
            peer_go(peer);
        }
    }
}

/* Some of those that have to be.  Return: there may be more. */
static bool go_round(Server *server)
{
    Peer *peer = NULL;

    for (unsigned i = 0; i < ROUND_CONNS &&
         (peer = patrol_next(&server->rounds)); i++) {
        look_after(server, peer);
    }
    return peer;
}

/* Judge one: it costs as much as some pages, and there may be thousands of
 * them.  Return: there may be more. */
static bool recheck(Server *server)
{
    Peer *peer = patrol_next(&server->checks);
    char why[320];

    if (peer && !peer_tls_still_good(peer, why, sizeof(why))) {
        peer_close(peer, why);
    }
    return peer;
}

/* Others may have been read: who is not taken any more has to go. */
static void server_take_tls(Server *server)
{
    TlsCredentials *old = server->tls;

    server_lock(server);
    server->tls = tls_credentials_ref(*server->config.tls);
    server_unlock(server);
    tls_credentials_unref(old);
    if (server->tls != old) {
        patrol_begin(&server->checks);
        push_recheck(server);
    }
}

/* Those whose time has come look again whether they may ask. */
static void pace_done(RingOp *op, int res, bool more)
{
    Server *server = container_of(op, Server, pace);
    GList *link = server->parked.head;

    if (server_stopping(server)) {
        return;
    }
    server->now = boottime_ms();
    while (link) {
        Peer *peer = link->data;

        link = link->next;
        if (peer->parked_ms <= server->now) {
            server_unpark(server, peer);
            peer_go(peer);
        }
    }
    if (server->parked.head) {
        ring_timeout(server->ring, &server->pace, SERVER_PACE_NS);
    }
}

static void server_look(Server *server)
{
    if (server->config.spill) {
        spill_look(server->config.spill);
    }
}

static void tick_done(RingOp *op, int res, bool more)
{
    Server *server = container_of(op, Server, tick);

    if (server_stopping(server)) {
        return;
    }
    server->now = boottime_ms();
    peer_log_tick(&server->log, server->now);
    account_tick(&server->account, server->now);
    push_tick(server);
    server_look(server);
    server_lock(server);
    store_tick(server->config.store, server->now, lease_told, NULL);
    server_unlock(server);
    unwelcome_end(&server->unwelcome);
    patrol_begin(&server->rounds);
    server->no_accept = false;
    ring_timeout(server->ring, &server->tick, TICK_NS);
}

/* Woken: to stop, or because another thread has changed the leases. */
static void wake_done(RingOp *op, int res, bool more)
{
    Server *server = container_of(op, Server, wake);
    uint64_t n;

    if (!server_stopping(server)) {
        (void)!read(server->config.wake_fd, &n, sizeof(n));
        patrol_begin(&server->rounds);
        server_take_tls(server);
        push_take_found(server);
        server_look(server);
        ring_poll(server->ring, &server->wake, server->config.wake_fd,
                  POLLIN);
    }
}

/* ------------------------------------------------------------- the loop */

/* Answer the CLAIMs that wait for older sessions, where these have left. */
static void answer_fencing(Server *server)
{
    GList *link = server->fencing ? server->open.head : NULL;

    while (link) {
        Peer *peer = link->data;

        link = link->next;
        if (peer->state == PEER_FENCING && session_alone(&peer->member)) {
            request_claim_done(peer);
            peer_go(peer);
        }
    }
}

static void finish_closing(Server *server)
{
    GList *link = server->closing.head;
    bool finished = false;

    while (link) {
        Peer *peer = link->data;

        link = link->next;
        finished |= peer_finish(peer);
    }
    if (finished) {
        answer_fencing(server);
    }
    push_sweep(server);
}

/* Give a piece of memory back; return whether there is more of it. */
static bool reap(Server *server)
{
    PeerRelease *release;
    bool more;

    server_lock(server);
    release = store_reap(server->config.store, REAP_PAGES);
    more = store_reap_pending(server->config.store);
    server_unlock(server);
    if (release) {
        request_release_done(release);
    }
    return more;
}

static void shy_done(RingOp *op, int res, bool more)
{
    /* The loop goes on. */
}

/* Some turns.  Return: is somebody to have one still? */
static bool take_turns(Server *server)
{
    unsigned cost = 0;
    TurnsLane *lane;
    Turn *turn;

    while (cost < ROUND_PAGES &&
           (turn = turns_next(&server->turns, &lane))) {
        Peer *peer = container_of(turn, Peer, turn);
        bool fault;
        unsigned pages = peer_turn(peer, &fault);

        turns_charge(&server->turns, lane, pages, fault,
                     g_get_monotonic_time());
        cost += pages;
    }
    return turns_wait(&server->turns);
}

/* A piece of whatever is done beside answering; return whether there is more
 * of it. */
static bool work(Server *server)
{
    bool more = reap(server);

    more |= go_round(server);
    more |= recheck(server);
    return (server->config.spill && spill_step(server->config.spill)) || more;
}

static void server_stop(Server *server)
{
    while (server->hellos.head) {
        peer_close(server->hellos.head->data, NULL);
    }
    while (server->open.head) {
        peer_close(server->open.head->data, NULL);
    }
    ring_cancel(server->ring, &server->accept);
    ring_cancel(server->ring, &server->tick);
    ring_cancel(server->ring, &server->pace);
    ring_cancel(server->ring, &server->shy);
    ring_cancel(server->ring, &server->wake);
    if (server->config.spill) {
        spill_stop(server->config.spill);
    }
    while (ring_in_flight(server->ring) || server->closing.head ||
           server->pushes.head) {
        finish_closing(server);
        if (ring_in_flight(server->ring)) {
            ring_run_once(server->ring, true);
        }
    }
    if (server->config.spill) {
        spill_stop(server->config.spill);
    }
}

void server_run(Server *server)
{
    bool more = false, due;
    unsigned rounds = 0;
    int ret = 0;

    ring_poll(server->ring, &server->wake, server->config.wake_fd, POLLIN);
    ring_timeout(server->ring, &server->tick, TICK_NS);
    while (!server_stopping(server) && ret >= 0) {
        server->now = boottime_ms();
        server_accept(server);
        ret = ring_run_once(server->ring, !more);
        finish_closing(server);
        due = !turns_wait(&server->turns) || ++rounds >= WORK_ROUNDS;
        more = !due || work(server);
        rounds = due ? 0 : rounds;
        more |= take_turns(server);     /* last: the others give turns, too */
    }
    if (ret < 0) {
        g_critical("provider: the ring failed: %s", g_strerror(-ret));
    }
    server_stop(server);
}

Server *server_new(const ServerConfig *config, GError **errp)
{
    const ProviderLimits *l = &config->limits;
    StrangersLimits strangers;
    Server *server;
    Ring *ring;
    int err = 0;

    ring = ring_new(RING_ENTRIES, &err);
    if (!ring) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(-err),
                    "cannot make an io_uring: %s%s", g_strerror(-err),
                    err == -EPERM ? " (see kernel.io_uring_disabled)" : "");
        return NULL;
    }
    server = g_new0(Server, 1);
    server->config = *config;
    server->ring = ring;
    server->sessions = session_table_new();
    patrol_init(&server->checks);
    patrol_init(&server->rounds);
    server_take_tls(server);
    server->now = boottime_ms();
    g_queue_init(&server->hellos);
    provider_limits_strangers(l, &strangers);
    strangers_init(&server->strangers, &strangers);
    account_init(&server->account, l);
    turns_init(&server->turns);
    turns_host_init(&server->strangers_turns);
    g_queue_init(&server->parked);
    g_queue_init(&server->open);
    g_queue_init(&server->closing);
    g_queue_init(&server->pushes);
    ring_op_init(&server->accept, accept_done);
    ring_op_init(&server->wake, wake_done);
    ring_op_init(&server->tick, tick_done);
    ring_op_init(&server->pace, pace_done);
    ring_op_init(&server->shy, shy_done);
    ring_set_busy_poll(ring, config->poll_us);
    if (config->spill && !spill_attach(config->spill, server,
                                       spill_serve_waiting)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "spill file: no memory for its buffers");
        server_free(server);
        return NULL;
    }
    return server;
}

void server_free(Server *server)
{
    if (server) {
        unwelcome_end(&server->unwelcome);  /* some may come until the end */
        session_table_free(server->sessions);
        strangers_deinit(&server->strangers);
        account_deinit(&server->account);
        turns_host_deinit(&server->strangers_turns);
        tls_credentials_unref(server->tls);
        ring_free(server->ring);
        g_free(server);
    }
}

void server_counts(const Server *server, ServerCounts *out)
{
    *out = server->counts;
}

void server_hits(const Server *server, LimitHits *out)
{
    *out = server->hits;
}
