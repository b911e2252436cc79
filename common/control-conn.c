/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-conn: a control connection.  See control-conn.h; control-dial.c
 * connects one, control-tls.c has what is below its frames with TLS.
 *
 * States: open; closing (control_conn_close(): what is queued goes out, then
 * our half is shut down and what comes is thrown away until the peer has closed
 * too, since closing over unread bytes would take back what was just sent);
 * ended (no sources but the one that calls on_closed).  It only moves
 * forward, and the reason is set once, on leaving "open".
 *
 * Whole frames are handed out of the poller's buffer, where they have been
 * read to; only what is left of the last one is kept.  So a connection that is
 * quiet has no buffers, however many there are.
 *
 * A callback may free the connection that calls it: functions that go on
 * afterwards hold a reference and look at .freed.
 */
#include "common/control-conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/address.h"
#include "common/control-conn-internal.h"
#include "common/control-tls.h"

#define CLOSING_MS      2000u
#define UNREAD_MS       1000u

static ControlConn *fd_frames(PollerFd *fd)
{
    return (ControlConn *)(void *)((char *)fd - offsetof(ControlConn, fd));
}

static void control_conn_unref(ControlConn *f)
{
    if (--f->refs > 0) {
        return;
    }
    g_clear_pointer(&f->input, g_byte_array_unref);
    g_clear_pointer(&f->queue, g_byte_array_unref);
    g_clear_pointer(&f->held, g_byte_array_unref);
    tls_stream_free(f->tls);
    g_object_unref(f->conn);
    poller_unref(f->poller);
    g_free(f->reason);
    g_free(f->peer);
    g_free(f->peer_host);
    g_free(f);
}

static gboolean tell_owner(void *opaque)
{
    ControlConn *f = opaque;

    g_clear_pointer(&f->end, g_source_unref);
    f->refs++;
    f->ops->on_closed(f, f->reason, f->opaque);
    control_conn_unref(f);
    return G_SOURCE_REMOVE;
}

/* Nothing more is read or sent; the owner hears of it from the main loop. */
static void end(ControlConn *f)
{
    if (f->state == CONTROL_ENDED || f->freed) {
        return;
    }
    f->state = CONTROL_ENDED;
    g_clear_handle_id(&f->resume, g_source_remove);
    poller_remove(&f->fd);
    g_socket_close(f->socket, NULL);
    f->end = g_idle_source_new();
    g_source_set_priority(f->end, G_PRIORITY_DEFAULT);
    g_source_set_callback(f->end, tell_owner, f, NULL);
    g_source_attach(f->end, NULL);
}

void control_conn_fail(ControlConn *f, const char *fmt, ...)
{
    va_list ap;

    if (f->state == CONTROL_OPEN) {
        va_start(ap, fmt);
        f->reason = g_strdup_vprintf(fmt, ap);
        va_end(ap);
    }
    end(f);
}

/* ---------------------------------------------------------------- sending */

static void watch(ControlConn *f)
{
    poller_set_events(&f->fd, (f->queue ? EPOLLOUT : 0) |
                              (f->resume ? 0 : EPOLLIN));
}

bool control_conn_flush(ControlConn *f)
{
    if (f->state == CONTROL_ENDED) {
        return false;           /* its descriptor may be another's by now */
    }
    while (f->queue && f->sent < f->queue->len) {
        ssize_t n = send(f->fd.fd, f->queue->data + f->sent,
                         f->queue->len - f->sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            watch(f);
            return true;
        }
        if (n < 0) {
            control_conn_fail(f, "cannot send: %s", g_strerror(errno));
            return false;
        }
        f->sent += n;
    }
    g_clear_pointer(&f->queue, g_byte_array_unref);
    f->sent = 0;
    watch(f);
    if (f->state == CONTROL_CLOSING && !f->shut) {
        f->shut = true;
        g_socket_shutdown(f->socket, FALSE, TRUE, NULL);
    }
    return true;
}

void control_conn_queue(ControlConn *f, const void *bytes, size_t len)
{
    if (f->sent) {
        g_byte_array_remove_range(f->queue, 0, f->sent);
        f->sent = 0;
    }
    if (!f->queue) {
        f->queue = g_byte_array_new();
    }
    g_byte_array_append(f->queue, bytes, len);
}

/* Is there room for so much more?  If not, that is the end. */
static bool queue_has_room(ControlConn *f, size_t len)
{
    size_t there = (f->queue ? f->queue->len - f->sent : 0) +
                   (f->held ? f->held->len : 0);

    if (there + len > f->queue_max) {
        control_conn_fail(f, "the peer does not read what it is sent");
        return false;
    }
    return true;
}

bool control_conn_send(ControlConn *f, const GByteArray *bytes)
{
    bool waits = f->queue;

    if (f->state != CONTROL_OPEN || !queue_has_room(f, bytes->len)) {
        return false;
    }
    if (f->tls) {
        return control_tls_send(f, bytes);
    }
    control_conn_queue(f, bytes->data, bytes->len);
    return waits || control_conn_flush(f);
}

/* -------------------------------------------------------------- receiving */

static void answer_ping(ControlConn *f, const WireHead *ping)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireHead pong = { .type = RCACHE_PONG, .tag = ping->tag };

    wire_append_bare(out, &pong);
    control_conn_send(f, out);
}

static void take_frame(ControlConn *f, const WireHead *head,
                       const uint8_t *payload)
{
    bool empty = head->type == RCACHE_PING || head->type == RCACHE_PONG;

    frame_pace_take(&f->pace);
    /* An arbiter does not PING: it waits for what says something. */
    if (!empty || (f->side == WIRE_HOST && head->type == RCACHE_PONG)) {
        f->heard_us = g_get_monotonic_time();
    }
    if (head->type == RCACHE_PING) {
        answer_ping(f, head);
    } else if (!empty) {
        f->ops->on_frame(f, head, payload, f->opaque);
    }
}

/*
 * Hand out the whole frames of some bytes; the caller holds a reference.
 *
 * Return: how many bytes they were
 */
static size_t take_frames(ControlConn *f, const uint8_t *bytes, size_t len)
{
    size_t at = 0;

    while (f->state == CONTROL_OPEN && !f->freed && len - at >= WIRE_HEAD_LEN) {
        WireHead head;
        WireError err = wire_head_decode(bytes + at, f->side, &head);

        if (err != WIRE_OK) {
            control_conn_fail(f, "a bad frame (%s): %s",
                              wire_type_name(head.type), wire_reason(err));
            break;
        }
        if (f->length_max && head.length > f->length_max) {
            control_conn_fail(f, "a bad frame (%s): %u bytes, and no HELLO "
                              "before it", wire_type_name(head.type),
                              head.length);
            break;
        }
        if (len - at < WIRE_HEAD_LEN + head.length) {
            break;
        }
        take_frame(f, &head, bytes + at + WIRE_HEAD_LEN);
        at += WIRE_HEAD_LEN + head.length;
    }
    return at;
}

void control_conn_take(ControlConn *f, const uint8_t *bytes, size_t len)
{
    size_t taken;

    if (!f->input) {
        taken = take_frames(f, bytes, len);
        if (taken < len) {
            f->input = g_byte_array_new();
            g_byte_array_append(f->input, bytes + taken, len - taken);
        }
        return;
    }
    g_byte_array_append(f->input, bytes, len);
    taken = take_frames(f, f->input->data, f->input->len);
    if (taken == f->input->len) {
        g_clear_pointer(&f->input, g_byte_array_unref);
    } else if (taken) {
        g_byte_array_remove_range(f->input, 0, taken);
    }
}

static const char *end_reason(const ControlConn *f)
{
    if (f->tls && tls_stream_ended(f->tls)) {
        return tls_stream_ended(f->tls);
    }
    if (!f->input) {
        return "the peer closed the connection";
    }
    return wire_is_tls(f->input->data, f->input->len)
        ? wire_reason(WIRE_E_TLS)
        : "the peer closed the connection in the middle of a frame";
}

static void receive(ControlConn *f)
{
    uint8_t *bytes = poller_buffer(f->poller);
    ssize_t n = recv(f->fd.fd, bytes, POLLER_BUFFER, MSG_DONTWAIT);

    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            control_conn_fail(f, "cannot receive: %s", g_strerror(errno));
        }
    } else if (n == 0) {
        control_conn_fail(f, "%s", end_reason(f));
    } else if (f->state == CONTROL_OPEN && f->tls) {
        control_tls_take(f, bytes, n);
    } else if (f->state == CONTROL_OPEN) {
        control_conn_take(f, bytes, n);
    }
}

void control_conn_pace(ControlConn *f, const FramePace *pace)
{
    f->pace = *pace;
}

const FramePace *control_conn_paced(const ControlConn *f)
{
    return &f->pace;
}

static void due_in(ControlConn *f, gint64 ms)
{
    poller_set_due(&f->fd, g_get_monotonic_time() + ms * 1000);
}

static gboolean resume(gpointer opaque)
{
    ControlConn *f = opaque;

    f->resume = 0;
    watch(f);
    if (f->deadline_ms && f->state == CONTROL_OPEN) {
        due_in(f, UNREAD_MS);
    }
    return G_SOURCE_REMOVE;
}

/* Has it sent more than it may?  Then it is not read until all of that is made
 * up for. */
static void look_at_pace(ControlConn *f)
{
    unsigned ms;

    if (f->freed || f->resume || f->state != CONTROL_OPEN) {
        return;
    }
    ms = frame_pace_wait(&f->pace, g_get_monotonic_time());
    if (!ms) {
        return;
    }
    f->resume = g_timeout_add(ms, resume, f);
    watch(f);
    if (f->ops->on_paced) {
        f->ops->on_paced(f, f->opaque);
    }
}

static void on_ready(PollerFd *fd, uint32_t events)
{
    ControlConn *f = fd_frames(fd);

    f->refs++;
    if (events & EPOLLOUT) {
        control_conn_flush(f);
    }
    if (!f->freed && f->state != CONTROL_ENDED &&
        events & ~(uint32_t)EPOLLOUT) {
        receive(f);
        look_at_pace(f);
    }
    control_conn_unref(f);
}

/* ------------------------------------------------------------------ times */

static void on_late(PollerFd *fd)
{
    ControlConn *f = fd_frames(fd);
    gint64 silent_ms = (g_get_monotonic_time() - f->heard_us) / 1000;

    if (f->state == CONTROL_CLOSING) {
        end(f);
    } else if (f->resume) {
        due_in(f, UNREAD_MS);   /* it may have said something */
    } else if (silent_ms >= f->deadline_ms) {
        control_conn_fail(f, "nothing heard for %.1f s", silent_ms / 1000.0);
    } else {
        due_in(f, f->deadline_ms - silent_ms);
    }
}

void control_conn_limit(ControlConn *f, uint32_t length)
{
    f->length_max = length;
    f->queue_max = length ? CONTROL_QUEUE_LIMITED : CONTROL_QUEUE_MAX;
}

void control_conn_set_deadline(ControlConn *f, unsigned ms)
{
    if (f->state != CONTROL_OPEN) {
        return;
    }
    f->deadline_ms = ms;
    f->heard_us = g_get_monotonic_time();
    if (ms) {
        due_in(f, ms);
    } else {
        poller_set_due(&f->fd, 0);
    }
}

/* ---------------------------------------------------------------- set-up */

/* IPv4 within IPv6 is shown, and handed on, as IPv4. */
static void unmap_ipv4(struct sockaddr_storage *addr)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)addr;
    struct sockaddr_in v4 = { .sin_family = AF_INET };

    if (addr->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memcpy(&v4.sin_addr, &v6->sin6_addr.s6_addr[12], 4);
        v4.sin_port = v6->sin6_port;
        memcpy(addr, &v4, sizeof(v4));
    }
}

static void name_peer(ControlConn *f)
{
    g_autoptr(GSocketAddress) remote = g_socket_get_remote_address(f->socket,
                                                                   NULL);
    struct sockaddr_storage addr = { 0 };
    char *colon;

    if (!remote || !g_socket_address_to_native(remote, &addr, sizeof(addr),
                                               NULL)) {
        f->peer = g_strdup("?");
        f->peer_host = g_strdup("");
        return;
    }
    unmap_ipv4(&addr);
    f->peer = address_format(&addr);
    f->peer_host = g_strdup(f->peer + (*f->peer == '['));
    colon = strrchr(f->peer_host, ':');
    if (colon) {
        colon[*f->peer == '[' ? -1 : 0] = 0;
    }
}

static const PollerOps poller_ops = {
    .on_ready = on_ready,
    .on_late = on_late,
};

ControlConn *control_conn_new_in(Poller *poller, GSocketConnection *conn,
                                 WireSide side, const ControlConnOps *ops,
                                 void *opaque)
{
    ControlConn *f = g_new0(ControlConn, 1);
    int err;

    f->refs = 1;
    f->conn = g_object_ref(conn);
    f->socket = g_socket_connection_get_socket(conn);
    f->side = side;
    f->queue_max = CONTROL_QUEUE_MAX;
    f->ops = ops;
    f->opaque = opaque;
    f->heard_us = g_get_monotonic_time();
    name_peer(f);
    g_socket_set_blocking(f->socket, FALSE);
    g_socket_set_option(f->socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
    f->poller = poller_ref(poller);
    err = poller_add(poller, &f->fd, g_socket_get_fd(f->socket), EPOLLIN,
                     &poller_ops);
    if (err) {
        control_conn_fail(f, "cannot watch the connection: %s",
                          g_strerror(-err));
    }
    return f;
}

ControlConn *control_conn_new(GSocketConnection *conn, WireSide side,
                              const ControlConnOps *ops, void *opaque)
{
    Poller *poller = poller_new();
    ControlConn *f = control_conn_new_in(poller, conn, side, ops, opaque);

    poller_unref(poller);
    return f;
}

void control_conn_close(ControlConn *f, const char *reason)
{
    if (f->state != CONTROL_OPEN) {
        return;
    }
    f->reason = g_strdup(reason);
    f->state = CONTROL_CLOSING;
    due_in(f, CLOSING_MS);
    if (f->tls) {
        tls_stream_bye(f->tls);
        control_tls_pass(f);
    }
    control_conn_flush(f);
}

void control_conn_free(ControlConn *f)
{
    if (!f || f->freed) {
        return;
    }
    f->freed = true;
    g_clear_handle_id(&f->resume, g_source_remove);
    poller_remove(&f->fd);
    if (f->end) {
        g_source_destroy(f->end);
        g_clear_pointer(&f->end, g_source_unref);
    }
    g_socket_close(f->socket, NULL);
    control_conn_unref(f);
}

const char *control_conn_peer(const ControlConn *f)
{
    return f->peer;
}

const char *control_conn_peer_host(const ControlConn *f)
{
    return f->peer_host;
}
