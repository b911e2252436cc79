/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remote: a provider as its requester sees it.  See remote.h. */
#include "rcached/pager/remote.h"

#include <gio/gio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/wire-check.h"
#include "common/wire-control.h"
#include "common/wire-version.h"

#define NS_PER_MS       1000000ull
#define RETRY_MIN_NS    (100 * NS_PER_MS)
#define RETRY_MAX_NS    (2000 * NS_PER_MS)
#define REMOTE_FEATURES (RCACHE_FEATURE_MOVE | RCACHE_FEATURE_DIGEST | \
                         RCACHE_FEATURE_SUMS | RCACHE_FEATURE_NAMED | \
                         RCACHE_FEATURE_SERVICE)
#define PING_NS         (1000 * NS_PER_MS)
/* No byte for so long although PINGs are out: hung or cut off. */
#define SILENCE_NS      (8000 * NS_PER_MS)
/* remote_tick() is called ten times a second, if this process is run at all. */
#define NOT_RUN_NS      (1000 * NS_PER_MS)
/* Nothing new is put where nothing has come from for so long: PINGs are out. */
#define TROUBLE_NS      (3000 * NS_PER_MS)

static const DataConnOps remote_conn_ops;

Remote *remote_new(Ring *ring, const RemoteOps *ops, void *owner,
                   const RemoteSelf *self, const char *address,
                   const char *host)
{
    Remote *r = g_new0(Remote, 1);

    r->ops = ops;
    r->owner = owner;
    r->self = self;
    r->retry_ns = RETRY_MIN_NS;
    wire_text_copy(r->address, sizeof(r->address), address);
    wire_text_copy(r->host, sizeof(r->host), host);
    r->own = *host && !strcmp(host, self->host);
    data_conn_init(&r->fault, ring, &remote_conn_ops, r);
    data_conn_init(&r->bulk, ring, &remote_conn_ops, r);
    return r;
}

void remote_free(Remote *remote)
{
    g_assert(remote->state == REMOTE_DOWN);
    data_conn_deinit(&remote->fault);
    data_conn_deinit(&remote->bulk);
    g_free(remote);
}

/* Numeric addresses only: a name would have to be asked for, and wait. */
static socklen_t remote_parse(const char *address,
                              struct sockaddr_storage *out, GError **error)
{
    g_autoptr(GSocketConnectable) c =
        g_network_address_parse(address, RCACHE_DEFAULT_PORT, error);
    g_autoptr(GInetAddress) ip = NULL;
    g_autoptr(GSocketAddress) sa = NULL;

    if (!c) {
        return 0;
    }
    ip = g_inet_address_new_from_string(
        g_network_address_get_hostname(G_NETWORK_ADDRESS(c)));
    if (!ip) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "'%s' is not a numeric address", address);
        return 0;
    }
    sa = g_inet_socket_address_new(
        ip, g_network_address_get_port(G_NETWORK_ADDRESS(c)));
    memset(out, 0, sizeof(*out));
    if (!g_socket_address_to_native(sa, out, sizeof(*out), error)) {
        return 0;
    }
    return g_socket_address_get_native_size(sa);
}

static void remote_failed(Remote *r, uint64_t now, const char *why)
{
    r->away_at = r->away_at ? r->away_at : r->heard_at ? r->heard_at : now;
    wire_text_copy(r->why, sizeof(r->why), why);
    r->state = REMOTE_DOWN;
    r->retry_at = now + r->retry_ns;
    r->retry_ns = MIN(r->retry_ns * 2, RETRY_MAX_NS);
}

static void remote_connect(Remote *r, uint64_t now)
{
    g_autoptr(GError) error = NULL;
    struct sockaddr_storage addr;
    socklen_t len = remote_parse(r->address, &addr, &error);
    int ret;

    if (!len) {
        remote_failed(r, now, error->message);
        return;
    }
    data_conn_set_tls(&r->fault, r->self->tls, r->self->plain, r->host);
    data_conn_set_tls(&r->bulk, r->self->tls, r->self->plain, r->host);
    r->fault.dscp = r->bulk.dscp = r->self->dscp;
    ret = data_conn_open(&r->fault, &addr, len);
    if (ret < 0) {
        remote_failed(r, now, ret == -EPERM
                      ? "without TLS only this host is spoken to"
                      : g_strerror(-ret));
        return;
    }
    r->state = REMOTE_CONNECTING;
    r->session = r->ops->session(r);
    r->pinged = 0;
    judge_forget(&r->judge);
    r->hellos = 2;
    r->features = REMOTE_FEATURES;
    r->alive_at = now;
    r->away_at = r->away_at ? r->away_at : now;
    r->connected = false;
    ret = data_conn_open(&r->bulk, &addr, len);
    if (ret < 0) {
        remote_close(r, g_strerror(-ret));
    }
}

static void remote_connected(DataConn *conn)
{
    Remote *r = conn->owner;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    WireHello hello = {
        .features = REMOTE_FEATURES,
        .role = conn == &r->fault ? RCACHE_ROLE_FAULT : RCACHE_ROLE_BULK,
        .incarnation = r->self->incarnation, .session = r->session,
    };

    r->connected = true;
    wire_version_offer(&hello);
    memcpy(hello.vm, r->self->vm, sizeof(hello.vm));
    memcpy(hello.boot_id, r->self->boot_id, sizeof(hello.boot_id));
    wire_text_copy(hello.host, sizeof(hello.host), r->self->host);
    wire_append_hello(bytes, 0, &hello);
    wire_check_set(bytes->data, bytes->len);
    data_conn_send_bytes(conn, bytes);
}

static void remote_hello_ack(Remote *r, DataConn *conn, const WireHead *head,
                             const void *payload)
{
    WireHelloAck ack;
    WireError err = wire_hello_ack_decode(payload, head->length, &ack);
    char why[160];

    if (r->state != REMOTE_CONNECTING || err) {
        data_conn_close(conn, "bad HELLO_ACK: %s", wire_reason(err));
    } else if (!head->status && !wire_version_spoken(ack.version)) {
        data_conn_close(conn, "it chose a version that is not spoken here");
    } else if (head->status) {
        data_conn_close(conn, "refused: %s (%s)",
                        wire_status_name(head->status), ack.text);
    } else if (!data_conn_is(conn, ack.host, why, sizeof(why))) {
        data_conn_close(conn, "%s", why);
    } else {
        wire_text_copy(r->answers, sizeof(r->answers), ack.host);
        r->features &= ack.features;
        if (--r->hellos == 0) {
            r->state = REMOTE_UP;
            r->fault.checks = r->bulk.checks =
                r->features & RCACHE_FEATURE_DIGEST;
            r->retry_ns = RETRY_MIN_NS;
            r->why[0] = '\0';
            r->away_at = 0;
            r->heard_at = r->alive_at;
            r->ops->up(r);
        }
    }
}

/* So that a provider that nothing is asked of can be judged as well. */
static void remote_pong(Remote *r, const DataConn *conn)
{
    if (conn == &r->fault && r->pinged && r->ops->pong) {
        r->ops->pong(r);
        r->pinged = 0;
    }
}

static void remote_frame(DataConn *conn, const WireHead *head,
                         const void *payload)
{
    Remote *r = conn->owner;

    switch (head->type) {
    case RCACHE_HELLO_ACK:
        remote_hello_ack(r, conn, head, payload);
        break;
    case RCACHE_PONG:
        remote_pong(r, conn);
        break;
    default:
        if (r->state == REMOTE_UP) {
            r->ops->answer(r, conn == &r->bulk, head, payload);
        } else {
            data_conn_close(conn, "%s before HELLO_ACK",
                            wire_type_name(head->type));
        }
    }
}

static void remote_conn_sent(DataConn *conn)
{
    Remote *r = conn->owner;

    if (conn == &r->fault && r->ops->sent) {
        r->ops->sent(r);
    }
}

static void remote_conn_closed(DataConn *conn, const char *reason)
{
    Remote *r = conn->owner;
    bool was_closing = r->state == REMOTE_CLOSING;

    if (!was_closing) {
        wire_text_copy(r->why, sizeof(r->why), reason);
        r->connected = false;   /* it has been told: it does not hang */
        r->state = REMOTE_CLOSING;
        data_conn_close(&r->fault, "%s", reason);
        data_conn_close(&r->bulk, "%s", reason);
    }
    if (data_conn_idle(&r->fault) && data_conn_idle(&r->bulk)) {
        g_autofree char *why = g_strdup(r->why);

        remote_failed(r, r->alive_at, why);
        r->ops->down(r, r->why);
    }
}

static const DataConnOps remote_conn_ops = {
    .connected = remote_connected,
    .frame = remote_frame,
    .closed = remote_conn_closed,
    .sent = remote_conn_sent,
};

void remote_recheck(Remote *remote)
{
    char why[160];

    if (remote->self->tls &&
        !(data_conn_still_good(&remote->fault, remote->self->tls, why,
                               sizeof(why)) &&
          data_conn_still_good(&remote->bulk, remote->self->tls, why,
                               sizeof(why)))) {
        remote_close(remote, why);
    }
}

void remote_close(Remote *remote, const char *reason)
{
    if (remote->state == REMOTE_UP || remote->state == REMOTE_CONNECTING) {
        wire_text_copy(remote->why, sizeof(remote->why), reason);
        remote->state = REMOTE_CLOSING;
        data_conn_close(&remote->fault, "%s", reason);
        data_conn_close(&remote->bulk, "%s", reason);
    }
}

static void remote_ping(Remote *r, uint64_t now)
{
    WireHead head = { .type = RCACHE_PING };

    r->ping_at = now + PING_NS;
    r->pinged = r->pinged ? r->pinged : now;
    data_conn_send(&r->fault, &head, NULL, NULL, 0);
    head = (WireHead) { .type = RCACHE_PING };
    data_conn_send(&r->bulk, &head, NULL, NULL, 0);
}

enum RcacheCause remote_trouble(const Remote *remote, uint64_t now,
                                uint64_t *since)
{
    if (remote->away_at && now - remote->away_at > TROUBLE_NS) {
        *since = remote->away_at;
        return remote->connected || remote->fault.reached
            ? RCACHE_CAUSE_HUNG : RCACHE_CAUSE_UNREACHABLE;
    }
    /* 0: it is new, and the next tick connects it. */
    if (!remote->away_at && remote->heard_at &&
        now - remote->heard_at > TROUBLE_NS) {
        *since = remote->heard_at;
        return RCACHE_CAUSE_HUNG;
    }
    if (passage_is_suspect(&remote->passage)) {
        *since = remote->passage.since;
        return RCACHE_CAUSE_NO_PAGES;
    }
    return RCACHE_CAUSE_NONE;
}

/*
 * While the host slept, or did not run this process, nobody was listened to:
 * that time proves nothing.  With it all providers would be given up at once.
 */
static void remote_skip_sleep(Remote *r, uint64_t now)
{
    uint64_t slept = r->ticked_at ? now - r->ticked_at : 0;

    if (slept > NOT_RUN_NS) {
        r->away_at += r->away_at ? slept : 0;
        r->heard_at += r->heard_at ? slept : 0;
    }
    r->ticked_at = now;
}

void remote_tick(Remote *remote, uint64_t now)
{
    remote_skip_sleep(remote, now);
    switch (remote->state) {
    case REMOTE_DOWN:
        if (now >= remote->retry_at) {
            remote_connect(remote, now);
        }
        break;
    case REMOTE_UP:
    case REMOTE_CONNECTING:
        if (remote->fault.bytes_in + remote->bulk.bytes_in !=
            remote->seen_any) {
            remote->seen_any = remote->fault.bytes_in + remote->bulk.bytes_in;
            remote->heard_at = now;
        }
        /* A handshake has to end in that time, however many bytes it has. */
        if (remote->fault.up && remote->bulk.up &&
            remote->fault.bytes_in != remote->seen_fault &&
            remote->bulk.bytes_in != remote->seen_bulk) {
            remote->seen_fault = remote->fault.bytes_in;
            remote->seen_bulk = remote->bulk.bytes_in;
            remote->alive_at = now;
        }
        if (now - remote->alive_at > SILENCE_NS) {
            remote_close(remote, "no answer for 8 s");
        } else if (remote->state == REMOTE_UP && now >= remote->ping_at) {
            remote_ping(remote, now);
        }
        break;
    case REMOTE_CLOSING:
        break;
    }
}
