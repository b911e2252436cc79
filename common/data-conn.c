/* SPDX-License-Identifier: GPL-2.0-or-later */
/* data-conn: one framed data connection to a provider.  See data-conn.h. */
#include "common/data-conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/address.h"
#include "common/boot.h"
#include "common/cleanup.h"
#include "common/dscp.h"
#include "common/wire-check.h"

/* A frame of the largest kind, and room to read on while it is taken. */
#define DATA_CONN_IN_SIZE (2 * (WIRE_HEAD_LEN + RCACHE_DATA_MAX))
/* Unacknowledged bytes for so long, and the path counts as cut. */
#define DATA_CONN_USER_TIMEOUT_MS 10000

typedef struct OutFrame {
    uint64_t tag;
    const void *data;
    size_t data_len;
    size_t sent;
    size_t head_len;
    uint8_t head[];             /* head and slots */
} OutFrame;

static void data_conn_recv_more(DataConn *conn);
static void data_conn_send_more(DataConn *conn);
static bool data_conn_shake_hands(DataConn *conn);

static void data_conn_end_maybe(DataConn *conn)
{
    if (conn->closing && !ring_op_busy(&conn->connect) &&
        !ring_op_busy(&conn->recv) && !ring_op_busy(&conn->send) &&
        !ring_op_busy(&conn->end)) {
        ring_timeout(conn->ring, &conn->end, 0);
    }
}

static void data_conn_end_done(RingOp *op, int res, bool more)
{
    DataConn *conn = container_of(op, DataConn, end);

    close(conn->fd);
    conn->fd = -1;
    conn->closing = false;
    conn->reached = false;
    g_clear_pointer(&conn->tls, tls_stream_free);
    g_queue_clear_full(&conn->out, g_free);
    conn->ops->closed(conn, conn->reason);
}

static void data_conn_connect_done(RingOp *op, int res, bool more)
{
    DataConn *conn = container_of(op, DataConn, connect);

    if (conn->closing) {
        data_conn_end_maybe(conn);
    } else if (res < 0) {
        data_conn_close(conn, "cannot connect: %s", g_strerror(-res));
    } else if (conn->tls) {
        conn->reached = true;
        if (data_conn_shake_hands(conn)) {
            data_conn_send_more(conn);
            data_conn_recv_more(conn);
        }
    } else {
        conn->reached = conn->up = true;
        data_conn_recv_more(conn);
        conn->ops->connected(conn);
    }
}

/*
 * Is there a request with that tag whose bytes have not all been sent?  Whoever
 * gets its answer takes the buffer for his again, and what he puts there would
 * go out as the rest of it.
 */
static bool data_conn_still_reads(const DataConn *conn, uint64_t tag)
{
    for (const GList *l = conn->out.head; l && tag; l = l->next) {
        const OutFrame *f = l->data;

        if (f->data && f->tag == tag) {
            return true;
        }
    }
    return false;
}

/*
 * Hand over what lies in the buffer whole.  False if the connection ended on
 * the way.
 */
static bool data_conn_take_frames(DataConn *conn)
{
    while (conn->in_end - conn->in_start >= WIRE_HEAD_LEN) {
        const uint8_t *at = conn->in + conn->in_start;
        WireHead head;
        WireError err = wire_head_decode(at, WIRE_REQUESTER, &head);

        if (err) {
            data_conn_close(conn, "bad frame: %s", wire_reason(err));
            return false;
        }
        if (conn->in_end - conn->in_start < WIRE_HEAD_LEN + head.length) {
            break;
        }
        if (data_conn_still_reads(conn, head.tag)) {
            data_conn_close(conn, "it answered a request before it had all of "
                            "it");
            return false;
        }
        conn->in_start += WIRE_HEAD_LEN + head.length;
        head.came = conn->came;
        conn->came = conn->received;
        conn->ops->frame(conn, &head, at + WIRE_HEAD_LEN);
        if (conn->closing) {
            return false;
        }
    }
    if (conn->in_start == conn->in_end) {
        conn->in_start = conn->in_end = 0;
    } else if (conn->in_size - conn->in_start <
               WIRE_HEAD_LEN + RCACHE_DATA_MAX) {
        memmove(conn->in, conn->in + conn->in_start,
                conn->in_end - conn->in_start);
        conn->in_end -= conn->in_start;
        conn->in_start = 0;
    }
    return true;
}

static const char *data_conn_end_reason(const DataConn *conn)
{
    if (conn->tls && tls_stream_ended(conn->tls)) {
        return tls_stream_ended(conn->tls);
    }
    return wire_is_tls(conn->in + conn->in_start,
                       conn->in_end - conn->in_start)
        ? wire_reason(WIRE_E_TLS) : "closed by the provider";
}

static bool data_conn_take_tls(DataConn *conn, size_t len);

static void data_conn_recv_done(RingOp *op, int res, bool more)
{
    DataConn *conn = container_of(op, DataConn, recv);
    bool goes_on;

    if (conn->closing) {
        data_conn_end_maybe(conn);
    } else if (res <= 0) {
        data_conn_close(conn, "%s", res ? g_strerror(-res)
                                        : data_conn_end_reason(conn));
    } else {
        conn->bytes_in += res;
        conn->received = boottime_ns();
        if (conn->in_start == conn->in_end) {
            conn->came = conn->received;
        }
        if (conn->tls) {
            goes_on = data_conn_take_tls(conn, res);
        } else {
            conn->in_end += res;
            goes_on = data_conn_take_frames(conn);
        }
        if (goes_on) {
            data_conn_recv_more(conn);
        } else {
            data_conn_end_maybe(conn);
        }
    }
}

static void data_conn_recv_more(DataConn *conn)
{
    uint8_t *to = conn->in + conn->in_end;
    size_t room = conn->in_size - conn->in_end;

    if (conn->tls) {
        to = tls_stream_in(conn->tls, &room);
    }
    ring_recv(conn->ring, &conn->recv, conn->fd, to, room, 0);
}

/* The first @n bytes of the queue are of no use any more. */
static void data_conn_gone(DataConn *conn, size_t left)
{
    OutFrame *f;

    while (left && (f = g_queue_peek_head(&conn->out))) {
        size_t n = MIN(left, f->head_len + f->data_len - f->sent);

        f->sent += n;
        left -= n;
        if (f->sent == f->head_len + f->data_len) {
            g_free(g_queue_pop_head(&conn->out));
        }
    }
}

static void data_conn_send_done(RingOp *op, int res, bool more)
{
    DataConn *conn = container_of(op, DataConn, send);

    if (conn->closing) {
        data_conn_end_maybe(conn);
        return;
    }
    if (res < 0) {
        data_conn_close(conn, "send: %s", g_strerror(-res));
        return;
    }
    if (conn->tls) {
        tls_stream_sent(conn->tls, res);
    } else {
        data_conn_gone(conn, res);
    }
    data_conn_send_more(conn);
    if (!ring_op_busy(&conn->send) && conn->ops->sent) {
        conn->ops->sent(conn);
    }
}

static size_t data_conn_point(struct iovec *iov, const void *bytes,
                              size_t skip, size_t len)
{
    *iov = (struct iovec) { (char *)bytes + skip, len };
    return len;
}

/*
 * Point .iov at what is queued, @room bytes at most; return how many entries
 * that takes.
 */
static int data_conn_gather(DataConn *conn, size_t room)
{
    int n = 0;

    for (GList *l = conn->out.head;
         l && room && n + 2 <= DATA_CONN_IOV_MAX; l = l->next) {
        OutFrame *f = l->data;
        size_t skip = f->sent;

        if (skip < f->head_len) {
            room -= data_conn_point(&conn->iov[n++], f->head, skip,
                                    MIN(f->head_len - skip, room));
            skip = 0;
        } else {
            skip -= f->head_len;
        }
        if (f->data_len > skip && room) {
            room -= data_conn_point(&conn->iov[n++], f->data, skip,
                                    MIN(f->data_len - skip, room));
        }
    }
    return n;
}

static int data_conn_encrypt(DataConn *conn);

/* Put what is queued into one sendmsg, if none is out. */
static void data_conn_send_more(DataConn *conn)
{
    int n;

    if (ring_op_busy(&conn->send) || conn->closing ||
        !(conn->up || conn->tls)) {
        return;
    }
    n = conn->tls ? data_conn_encrypt(conn)
                  : data_conn_gather(conn, SIZE_MAX);
    if (n > 0) {
        conn->msg = (struct msghdr) { .msg_iov = conn->iov, .msg_iovlen = n };
        ring_sendmsg(conn->ring, &conn->send, conn->fd, &conn->msg, 0);
    }
}

static void data_conn_flush(RingLater *later)
{
    data_conn_send_more(container_of(later, DataConn, flush));
}

/* --------------------------------------------------------------------- TLS */

/* The provider's log is to say why, too; what does not go at once is lost. */
static void data_conn_tls_failed(DataConn *conn)
{
    size_t len;
    const void *alert = tls_stream_out(conn->tls, &len);

    if (len && !ring_op_busy(&conn->send)) {
        (void)!send(conn->fd, alert, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    data_conn_close(conn, "%s", tls_stream_reason(conn->tls));
}

/* False if the connection ended on the way. */
static bool data_conn_shake_hands(DataConn *conn)
{
    if (tls_stream_step(conn->tls)) {
        data_conn_tls_failed(conn);
        return false;
    }
    if (tls_stream_up(conn->tls) && !conn->up) {
        conn->up = true;
        conn->ops->connected(conn);
    }
    return !conn->closing;
}

/* @len bytes have come; false if the connection ended on the way. */
static bool data_conn_take_tls(DataConn *conn, size_t len)
{
    ssize_t n = 0;

    tls_stream_received(conn->tls, len);
    if (!conn->up && !data_conn_shake_hands(conn)) {
        return false;
    }
    while (conn->up) {
        n = tls_stream_read(conn->tls, conn->in + conn->in_end,
                            conn->in_size - conn->in_end);
        if (n <= 0) {
            break;
        }
        conn->in_end += n;
        if (!data_conn_take_frames(conn)) {
            return false;
        }
    }
    if (n == -EPIPE) {
        data_conn_close(conn, "%s", data_conn_end_reason(conn));
    } else if (n < 0) {
        data_conn_tls_failed(conn);
    } else {
        data_conn_send_more(conn);      /* the handshake's next message */
    }
    return !conn->closing;
}

/* Encrypt what is queued, not too much at once; return as data_conn_gather()
 * does. */
static int data_conn_encrypt(DataConn *conn)
{
    size_t waiting = tls_stream_waiting(conn->tls), len = 0;
    size_t room = TLS_OUT_MAX - MIN(waiting, TLS_OUT_MAX);
    int n = 0;

    if (conn->up && room) {
        n = data_conn_gather(conn, room);
    }
    for (int i = 0; i < n; i++) {
        len += conn->iov[i].iov_len;
    }
    if (len && tls_stream_write(conn->tls, conn->iov, n)) {
        data_conn_tls_failed(conn);
        return 0;
    }
    data_conn_gone(conn, len);
    conn->iov[0].iov_base = (void *)tls_stream_out(conn->tls,
                                                   &conn->iov[0].iov_len);
    return conn->iov[0].iov_len > 0;
}

void data_conn_set_tls(DataConn *conn, TlsCredentials *creds, bool plain,
                       const char *name)
{
    tls_credentials_ref(creds);
    tls_credentials_unref(conn->creds);
    conn->creds = creds;
    conn->plain = plain;
    wire_text_copy(conn->tls_name, sizeof(conn->tls_name), name);
}

bool data_conn_is(const DataConn *conn, const char *name, char *why,
                  size_t size)
{
    return !conn->tls || tls_stream_is(conn->tls, name, why, size);
}

bool data_conn_still_good(const DataConn *conn, TlsCredentials *creds,
                          char *why, size_t size)
{
    if (data_conn_idle(conn) || !creds) {
        return true;
    }
    if (!conn->tls) {
        g_strlcpy(why, "it is without TLS, and TLS is spoken here now", size);
        return false;
    }
    return tls_stream_still_good(conn->tls, creds, why, size);
}

static void data_conn_new_tls(DataConn *conn)
{
    TlsWanted wanted = {
        .role = TLS_ROLE_HOST,
        .name = *conn->tls_name ? conn->tls_name : NULL,
    };

    if (conn->creds) {
        conn->tls = tls_stream_new(conn->creds, TLS_CLIENT, &wanted);
    }
}

/* ---------------------------------------------------------- for its owner */

void data_conn_init(DataConn *conn, Ring *ring, const DataConnOps *ops,
                    void *owner)
{
    *conn = (DataConn){
        .ring = ring,
        .ops = ops,
        .owner = owner,
        .fd = -1,
        .in_size = DATA_CONN_IN_SIZE,
        .in = g_malloc(DATA_CONN_IN_SIZE),
        .flush.run = data_conn_flush,
    };
    g_queue_init(&conn->out);
    ring_op_init(&conn->connect, data_conn_connect_done);
    ring_op_init(&conn->recv, data_conn_recv_done);
    ring_op_init(&conn->send, data_conn_send_done);
    ring_op_init(&conn->end, data_conn_end_done);
}

void data_conn_deinit(DataConn *conn)
{
    g_assert(conn->fd < 0 && !conn->flush.due);
    g_clear_pointer(&conn->in, g_free);
    g_clear_pointer(&conn->creds, tls_credentials_unref);
}

int data_conn_open(DataConn *conn, const struct sockaddr_storage *addr,
                   socklen_t len)
{
    unsigned timeout = DATA_CONN_USER_TIMEOUT_MS;
    int one = 1;

    if (!conn->creds && !conn->plain && !address_is_loopback(addr)) {
        return -EPERM;
    }
    conn->fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        return -errno;
    }
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
               sizeof(timeout));
    dscp_mark(conn->fd, conn->dscp);
    conn->addr = *addr;
    conn->in_start = conn->in_end = 0;
    conn->checks = false;
    data_conn_new_tls(conn);
    ring_connect(conn->ring, &conn->connect, conn->fd,
                 (struct sockaddr *)&conn->addr, len);
    return 0;
}

void data_conn_close(DataConn *conn, const char *fmt, ...)
{
    va_list ap;

    if (conn->fd < 0 || conn->closing) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(conn->reason, sizeof(conn->reason), fmt, ap);
    va_end(ap);
    conn->up = false;
    conn->closing = true;
    shutdown(conn->fd, SHUT_RDWR);
    ring_cancel(conn->ring, &conn->connect);
    ring_cancel(conn->ring, &conn->recv);
    ring_cancel(conn->ring, &conn->send);
    data_conn_end_maybe(conn);
}

void data_conn_send(DataConn *conn, WireHead *head, const RcacheSlot *slots,
                    const void *data, size_t len)
{
    size_t slots_len = slots ? head->count * sizeof(*slots) : 0;
    OutFrame *f;

    if (!conn->up) {
        return;                 /* closed() tells the sender */
    }
    f = g_malloc(sizeof(*f) + WIRE_HEAD_LEN + slots_len);
    *f = (OutFrame) { .tag = head->tag, .data = data, .data_len = len,
                      .head_len = WIRE_HEAD_LEN + slots_len };
    head->length = slots_len + len;
    wire_head_encode(f->head, head);
    if (slots) {
        wire_slots_encode(f->head + WIRE_HEAD_LEN, slots, head->count);
    }
    if (conn->checks) {
        wire_check_set(f->head, f->head_len);
    }
    g_queue_push_tail(&conn->out, f);
    ring_later(conn->ring, &conn->flush);
}

/* Every one of the whole frames there are in @bytes. */
static void check_frames(uint8_t *bytes, size_t len)
{
    WireHead head;

    while (len && !wire_head_decode(bytes, WIRE_ANY, &head)) {
        size_t n = MIN(WIRE_HEAD_LEN + head.length, len);

        wire_check_set(bytes, n);
        bytes += n;
        len -= n;
    }
}

void data_conn_send_bytes(DataConn *conn, const GByteArray *bytes)
{
    OutFrame *f;

    if (!conn->up) {
        return;
    }
    f = g_malloc(sizeof(*f) + bytes->len);
    *f = (OutFrame) { .head_len = bytes->len };
    memcpy(f->head, bytes->data, bytes->len);
    if (conn->checks) {
        check_frames(f->head, f->head_len);
    }
    g_queue_push_tail(&conn->out, f);
    ring_later(conn->ring, &conn->flush);
}
