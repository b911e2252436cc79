/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames: a control connection.  See frames.h; frames-dial.c connects one.
 *
 * States: open; closing (frames_close(): what is queued goes out, then our
 * half is shut down and what comes is thrown away until the peer has closed
 * too, since closing over unread bytes would take back what was just sent);
 * ended (no sources but the one that calls on_closed).  It only moves
 * forward, and the reason is set once, on leaving "open".
 *
 * A callback may free the connection that calls it: functions that go on
 * afterwards hold a reference and look at .freed.
 */
#include "common/frames.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "common/address.h"

#define READ_MAX        65536u
#define CLOSING_MS      2000u

typedef enum State { OPEN, CLOSING, ENDED } State;

struct Frames {
    int refs;
    State state;
    bool freed;
    bool shut;                  /* our half has been shut down */
    GSocketConnection *conn;
    GSocket *socket;
    WireSide side;
    const FramesOps *ops;
    void *opaque;
    GSource *in, *out, *timer, *end;
    GByteArray *input;          /* not yet a whole frame */
    GByteArray *queue;          /* to be sent, from .sent on */
    size_t sent;
    unsigned deadline_ms;
    gint64 heard_us;
    char *reason;
    char *peer, *peer_host;
};

static void source_stop(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void frames_unref(Frames *f)
{
    if (--f->refs > 0) {
        return;
    }
    g_byte_array_unref(f->input);
    g_byte_array_unref(f->queue);
    g_object_unref(f->conn);
    g_free(f->reason);
    g_free(f->peer);
    g_free(f->peer_host);
    g_free(f);
}

static void stop_sources(Frames *f)
{
    source_stop(&f->in);
    source_stop(&f->out);
    source_stop(&f->timer);
}

static gboolean tell_owner(void *opaque)
{
    Frames *f = opaque;

    g_clear_pointer(&f->end, g_source_unref);
    f->refs++;
    f->ops->on_closed(f, f->reason, f->opaque);
    frames_unref(f);
    return G_SOURCE_REMOVE;
}

/* Nothing more is read or sent; the owner hears of it from the main loop. */
static void end(Frames *f)
{
    if (f->state == ENDED || f->freed) {
        return;
    }
    f->state = ENDED;
    stop_sources(f);
    g_socket_close(f->socket, NULL);
    f->end = g_idle_source_new();
    g_source_set_priority(f->end, G_PRIORITY_DEFAULT);
    g_source_set_callback(f->end, tell_owner, f, NULL);
    g_source_attach(f->end, NULL);
}

G_GNUC_PRINTF(2, 3)
static void fail(Frames *f, const char *fmt, ...)
{
    va_list ap;

    if (f->state == OPEN) {
        va_start(ap, fmt);
        f->reason = g_strdup_vprintf(fmt, ap);
        va_end(ap);
    }
    end(f);
}

/* ---------------------------------------------------------------- sending */

static gboolean writable(GSocket *socket, GIOCondition condition,
                         void *opaque);

static void watch_out(Frames *f)
{
    if (!f->out) {
        f->out = g_socket_create_source(f->socket, G_IO_OUT, NULL);
        g_source_set_callback(f->out, G_SOURCE_FUNC(writable), f, NULL);
        g_source_attach(f->out, NULL);
    }
}

/* Send what the socket takes; false: it has ended. */
static bool flush(Frames *f)
{
    g_autoptr(GError) error = NULL;

    while (f->sent < f->queue->len) {
        gssize n = g_socket_send(f->socket,
                                 (const char *)f->queue->data + f->sent,
                                 f->queue->len - f->sent, NULL, &error);

        if (n < 0) {
            if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
                watch_out(f);
                return true;
            }
            fail(f, "cannot send: %s", error->message);
            return false;
        }
        f->sent += n;
    }
    g_byte_array_set_size(f->queue, 0);
    f->sent = 0;
    source_stop(&f->out);
    if (f->state == CLOSING && !f->shut) {
        f->shut = true;
        g_socket_shutdown(f->socket, FALSE, TRUE, NULL);
    }
    return true;
}

static gboolean writable(GSocket *socket, GIOCondition condition,
                         void *opaque)
{
    Frames *f = opaque;

    flush(f);
    return f->out ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

bool frames_send(Frames *f, const GByteArray *bytes)
{
    if (f->state != OPEN) {
        return false;
    }
    if (f->sent) {
        g_byte_array_remove_range(f->queue, 0, f->sent);
        f->sent = 0;
    }
    if (f->queue->len + bytes->len > FRAMES_QUEUE_MAX) {
        fail(f, "it does not read what it is sent");
        return false;
    }
    g_byte_array_append(f->queue, bytes->data, bytes->len);
    return f->out || flush(f);
}

/* -------------------------------------------------------------- receiving */

static void answer_ping(Frames *f, const WireHead *ping)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireHead pong = { .type = RCACHE_PONG, .tag = ping->tag };

    wire_append_bare(out, &pong);
    frames_send(f, out);
}

static void take_frame(Frames *f, const WireHead *head,
                       const uint8_t *payload)
{
    f->heard_us = g_get_monotonic_time();
    if (head->type == RCACHE_PING) {
        answer_ping(f, head);
    } else if (head->type != RCACHE_PONG) {
        f->ops->on_frame(f, head, payload, f->opaque);
    }
}

/* Hand out the whole frames of the input; the caller holds a reference. */
static void take_input(Frames *f)
{
    size_t at = 0;

    while (f->state == OPEN && !f->freed && f->input->len - at >=
           WIRE_HEAD_LEN) {
        const uint8_t *bytes = f->input->data + at;
        WireHead head;
        WireError err = wire_head_decode(bytes, f->side, &head);

        if (err != WIRE_OK) {
            fail(f, "a bad frame (%s): %s", wire_type_name(head.type),
                 wire_reason(err));
            return;
        }
        if (f->input->len - at < WIRE_HEAD_LEN + head.length) {
            break;
        }
        take_frame(f, &head, bytes + WIRE_HEAD_LEN);
        at += WIRE_HEAD_LEN + head.length;
    }
    if (at) {
        g_byte_array_remove_range(f->input, 0, at);
    }
}

static gboolean readable(GSocket *socket, GIOCondition condition,
                         void *opaque)
{
    Frames *f = opaque;
    g_autoptr(GError) error = NULL;
    uint8_t bytes[READ_MAX];
    gssize n = g_socket_receive(socket, (char *)bytes, sizeof(bytes), NULL,
                                &error);
    bool goes_on;

    if (n < 0) {
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
            return G_SOURCE_CONTINUE;
        }
        fail(f, "cannot receive: %s", error->message);
        return G_SOURCE_REMOVE;
    }
    if (n == 0) {
        fail(f, "the peer closed it%s",
             f->input->len ? " in the middle of a frame" : "");
        return G_SOURCE_REMOVE;
    }
    if (f->state == CLOSING) {
        return G_SOURCE_CONTINUE;
    }
    f->refs++;
    g_byte_array_append(f->input, bytes, n);
    take_input(f);
    goes_on = !f->freed && f->state != ENDED;
    frames_unref(f);
    return goes_on ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ------------------------------------------------------------------ times */

static gboolean timer_fired(void *opaque);

static void timer_start(Frames *f, unsigned ms)
{
    source_stop(&f->timer);
    f->timer = g_timeout_source_new(ms);
    g_source_set_callback(f->timer, timer_fired, f, NULL);
    g_source_attach(f->timer, NULL);
}

static gboolean timer_fired(void *opaque)
{
    Frames *f = opaque;
    gint64 silent_ms = (g_get_monotonic_time() - f->heard_us) / 1000;

    if (f->state == CLOSING) {
        end(f);
    } else if (silent_ms >= f->deadline_ms) {
        fail(f, "nothing heard for %.1f s", silent_ms / 1000.0);
    } else {
        timer_start(f, f->deadline_ms - silent_ms);
    }
    return G_SOURCE_REMOVE;
}

void frames_set_deadline(Frames *f, unsigned ms)
{
    if (f->state != OPEN) {
        return;
    }
    f->deadline_ms = ms;
    f->heard_us = g_get_monotonic_time();
    if (ms) {
        timer_start(f, ms);
    } else {
        source_stop(&f->timer);
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

static void name_peer(Frames *f)
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

Frames *frames_new(GSocketConnection *conn, WireSide side,
                   const FramesOps *ops, void *opaque)
{
    Frames *f = g_new0(Frames, 1);

    f->refs = 1;
    f->conn = g_object_ref(conn);
    f->socket = g_socket_connection_get_socket(conn);
    f->side = side;
    f->ops = ops;
    f->opaque = opaque;
    f->input = g_byte_array_new();
    f->queue = g_byte_array_new();
    f->heard_us = g_get_monotonic_time();
    name_peer(f);
    g_socket_set_blocking(f->socket, FALSE);
    g_socket_set_option(f->socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
    f->in = g_socket_create_source(f->socket, G_IO_IN, NULL);
    g_source_set_callback(f->in, G_SOURCE_FUNC(readable), f, NULL);
    g_source_attach(f->in, NULL);
    return f;
}

void frames_close(Frames *f, const char *reason)
{
    if (f->state != OPEN) {
        return;
    }
    f->reason = g_strdup(reason);
    f->state = CLOSING;
    timer_start(f, CLOSING_MS);
    flush(f);
}

void frames_free(Frames *f)
{
    if (!f || f->freed) {
        return;
    }
    f->freed = true;
    stop_sources(f);
    source_stop(&f->end);
    g_socket_close(f->socket, NULL);
    frames_unref(f);
}

const char *frames_peer(const Frames *f)
{
    return f->peer;
}

const char *frames_peer_host(const Frames *f)
{
    return f->peer_host;
}
