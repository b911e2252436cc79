/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seqsock: a unix SOCK_SEQPACKET connection on the ring.  See seqsock.h. */
#include "rcached/pager/seqsock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"

#define SEQSOCK_QUEUE_MAX       4096

/*
 * Room for one descriptor more than is taken: what CMSG_SPACE() rounds up to is
 * used by the kernel too, so that the room says nothing about the number.
 */
#define CONTROL_FDS             (SEQSOCK_FDS_MAX + 1)

union Control {
    char bytes[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
    struct cmsghdr align;
};

static void seqsock_end_maybe(SeqSock *s)
{
    if (s->closing && !ring_op_busy(&s->poll) && !ring_op_busy(&s->end)) {
        ring_timeout(s->ring, &s->end, 0);
    }
}

/*
 * What is unread when a socket is closed makes the kernel tell the peer of a
 * reset, before what was sent to the peer: why its VM is refused, for example.
 */
static void seqsock_discard(int fd)
{
    char byte;

    shutdown(fd, SHUT_RD);
    while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) > 0) {
        /* its descriptors are closed with it */
    }
}

static void seqsock_end_done(RingOp *op, int res, bool more)
{
    SeqSock *s = container_of(op, SeqSock, end);

    seqsock_discard(s->fd);
    close(s->fd);
    s->fd = -1;
    s->closing = false;
    g_queue_clear_full(&s->out, (GDestroyNotify)g_bytes_unref);
    s->ops->closed(s, s->reason);
}

/* Those beyond SEQSOCK_FDS_MAX are closed; how many there were in all. */
static unsigned take_fds(struct msghdr *msg, int *fds)
{
    unsigned n = 0;
    int fd;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            size_t len = c->cmsg_len - CMSG_LEN(0);

            for (size_t at = 0; at + sizeof(fd) <= len; at += sizeof(fd)) {
                memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
                if (n++ < SEQSOCK_FDS_MAX) {
                    fds[n - 1] = fd;
                } else {
                    close(fd);
                }
            }
        }
    }
    return n;
}

/* One packet; false when there is none or the connection has ended. */
static bool seqsock_take(SeqSock *s)
{
    int fds[SEQSOCK_FDS_MAX] = { -1, -1, -1, -1 };
    struct iovec iov = { s->buf, sizeof(s->buf) };
    union Control control;
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = &control, .msg_controllen = sizeof(control),
    };
    ssize_t len = recvmsg(s->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    unsigned n;

    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (len < 0 && errno == ECONNRESET && !s->broken) {
        s->broken = s->by_peer = true;  /* said once; its last words follow */
        return true;
    }
    if (len <= 0) {
        s->by_peer |= !s->closing;
        seqsock_close(s, "%s", len ? g_strerror(errno) : "closed");
        return false;
    }
    n = take_fds(&msg, fds);
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        seqsock_close(s, "a message that is too long");
    } else if (n > SEQSOCK_FDS_MAX) {
        seqsock_close(s, "a message with more than %u descriptors",
                      SEQSOCK_FDS_MAX);
    } else {
        s->ops->message(s, s->buf, len, fds, n);
    }
    for (unsigned i = 0; i < MIN(n, SEQSOCK_FDS_MAX); i++) {
        autofd_close(&fds[i]);
    }
    return !s->closing;
}

static void seqsock_poll_done(RingOp *op, int res, bool more)
{
    SeqSock *s = container_of(op, SeqSock, poll);

    if (s->closing) {
        seqsock_end_maybe(s);
        return;
    }
    while (seqsock_take(s)) {
    }
    if (s->broken) {
        seqsock_close(s, "closed");
    }
    if (s->closing) {
        seqsock_end_maybe(s);
    } else if (!more) {
        ring_poll_multishot(s->ring, &s->poll, s->fd, POLLIN);
    }
}

void seqsock_init(SeqSock *sock, Ring *ring, const SeqSockOps *ops,
                  void *owner)
{
    memset(sock, 0, sizeof(*sock));
    sock->ring = ring;
    sock->ops = ops;
    sock->owner = owner;
    sock->fd = -1;
    g_queue_init(&sock->out);
    ring_op_init(&sock->poll, seqsock_poll_done);
    ring_op_init(&sock->end, seqsock_end_done);
}

void seqsock_start(SeqSock *sock, int fd)
{
    sock->fd = fd;
    sock->by_peer = sock->broken = false;
    ring_poll_multishot(sock->ring, &sock->poll, fd, POLLIN);
}

void seqsock_close(SeqSock *sock, const char *fmt, ...)
{
    va_list ap;

    if (sock->fd < 0 || sock->closing) {
        return;
    }
    va_start(ap, fmt);
    vsnprintf(sock->reason, sizeof(sock->reason), fmt, ap);
    va_end(ap);
    sock->closing = true;
    ring_cancel(sock->ring, &sock->poll);
    seqsock_end_maybe(sock);
}

/* 0, -EAGAIN, or another -errno */
static int send_now(int to, const void *msg, size_t len, int fd)
{
    struct iovec iov = { (void *)msg, len };
    union Control control;
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd >= 0) {
        struct cmsghdr *c;

        memset(&control, 0, sizeof(control));
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(int));
    }
    return sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/*
 * A peer that has gone may have said something that is not read yet: the loop
 * reads it, and closes then.
 */
static void sending_failed(SeqSock *sock, int err)
{
    if (err == -EPIPE || err == -ECONNRESET) {
        sock->by_peer = sock->broken = true;
        ring_cancel(sock->ring, &sock->poll);
    } else {
        seqsock_close(sock, "send: %s", g_strerror(-err));
    }
}

void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd)
{
    int ret = -EAGAIN;

    if (sock->fd < 0 || sock->closing || sock->broken) {
        return;
    }
    if (g_queue_is_empty(&sock->out)) {
        ret = send_now(sock->fd, msg, len, fd);
    }
    if (ret == -EAGAIN && fd < 0 &&
        g_queue_get_length(&sock->out) < SEQSOCK_QUEUE_MAX) {
        g_queue_push_tail(&sock->out, g_bytes_new(msg, len));
    } else if (ret < 0) {
        sending_failed(sock, ret);
    }
}

void seqsock_flush(SeqSock *sock)
{
    GBytes *b;

    while (sock->fd >= 0 && !sock->closing && !sock->broken &&
           (b = g_queue_peek_head(&sock->out))) {
        gsize len;
        const void *msg = g_bytes_get_data(b, &len);
        int ret = send_now(sock->fd, msg, len, -1);

        if (ret == -EAGAIN) {
            break;
        }
        if (ret < 0) {
            sending_failed(sock, ret);
            break;
        }
        g_bytes_unref(g_queue_pop_head(&sock->out));
    }
}
