/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring: one thread's io_uring.  See ring.h for the rules.
 *
 * Why not one system call an operation: the pager waits on a userfaultfd, a
 * unix socket, two TCP connections for each provider and a timer at once, and
 * a fault's way through it is one enter for the wait and one for the GET with
 * the wait for its answer in the same call.
 */
#include "common/ring.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/crash-point.h"

struct Ring {
    struct io_uring uring;
    unsigned in_flight;
    unsigned busy_us;
    bool defer;                 /* DEFER_TASKRUN: get_events runs completions */
    RingLater *later;           /* first and last of those that are due */
    RingLater **later_end;
};

_Static_assert(sizeof(((RingOp *)0)->when) == sizeof(struct __kernel_timespec),
               "a timeout's time is what the kernel reads");

Ring *ring_new(unsigned entries, int *errp)
{
    struct io_uring_params params = {
        /* Twice the default: a burst of replies must not overflow. */
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = entries * 4,
    };
    Ring *ring = calloc(1, sizeof(*ring));
    int ret;

    if (!ring) {
        *errp = -ENOMEM;
        return NULL;
    }
    ring->defer = true;
    ring->later_end = &ring->later;
    ret = io_uring_queue_init_params(entries, &ring->uring, &params);
    if (ret == -EINVAL) {
        /* Before Linux 6.1 neither flag exists. */
        params = (struct io_uring_params) {
            .flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = entries * 4,
        };
        ring->defer = false;
        ret = io_uring_queue_init_params(entries, &ring->uring, &params);
    }
    if (ret < 0) {
        *errp = ret;
        free(ring);
        return NULL;
    }
    return ring;
}

void ring_free(Ring *ring)
{
    if (ring) {
        io_uring_queue_exit(&ring->uring);
        free(ring);
    }
}

unsigned ring_in_flight(const Ring *ring)
{
    return ring->in_flight;
}

void ring_set_busy_poll(Ring *ring, unsigned us)
{
    ring->busy_us = us;
}

void ring_later(Ring *ring, RingLater *later)
{
    if (!later->due) {
        later->due = true;
        later->next = NULL;
        *ring->later_end = later;
        ring->later_end = &later->next;
    }
}

static void ring_run_later(Ring *ring)
{
    while (ring->later) {
        RingLater *later = ring->later;

        ring->later = later->next;
        if (!ring->later) {
            ring->later_end = &ring->later;
        }
        later->due = false;
        later->run(later);
    }
}

static uint64_t monotonic_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Look for completions without sleeping until there is one or time is up. */
static bool ring_spin(Ring *ring)
{
    uint64_t end = monotonic_us() + ring->busy_us;

    io_uring_submit(&ring->uring);
    do {
        if (ring->defer) {
            io_uring_get_events(&ring->uring);
        }
        if (io_uring_cq_ready(&ring->uring)) {
            return true;
        }
    } while (monotonic_us() < end);
    return false;
}

int ring_run_once(Ring *ring, bool wait)
{
    struct io_uring_cqe *cqe;
    int ret, n = 0;

    ring_run_later(ring);
    if (wait && io_uring_cq_ready(&ring->uring)) {
        wait = false;
    }
    if (wait && ring->busy_us && ring_spin(ring)) {
        wait = false;
    }
    if (wait) {
        ret = io_uring_submit_and_wait(&ring->uring, 1);
    } else {
        ret = ring->defer ? io_uring_submit_and_get_events(&ring->uring)
                          : io_uring_submit(&ring->uring);
    }
    if (ret < 0 && ret != -EINTR && ret != -EAGAIN && ret != -EBUSY &&
        ret != -ETIME) {
        return ret;
    }
    crash_point_turn();
    /*
     * The callback may prepare new operations, whose completions wait for
     * the next call; what is here now is bounded by the queue's size.
     */
    while (!io_uring_peek_cqe(&ring->uring, &cqe)) {
        RingOp *op = io_uring_cqe_get_data(cqe);
        bool more = cqe->flags & IORING_CQE_F_MORE;
        int res = cqe->res;

        io_uring_cqe_seen(&ring->uring, cqe);
        if (!op) {
            continue;           /* the answer to a cancel */
        }
        if (!more) {
            op->busy = false;
            ring->in_flight--;
        }
        op->done(op, res, more);
        n++;
    }
    return n;
}

void ring_submit(Ring *ring)
{
    ring_run_later(ring);
    io_uring_submit(&ring->uring);
}

void ring_op_init(RingOp *op, RingDone *done)
{
    *op = (RingOp) { .done = done };
}

/* A free submission; the queue is handed over when it is full. */
static struct io_uring_sqe *ring_sqe(Ring *ring)
{
    struct io_uring_sqe *sqe;

    while (!(sqe = io_uring_get_sqe(&ring->uring))) {
        io_uring_submit(&ring->uring);
    }
    return sqe;
}

static struct io_uring_sqe *ring_start(Ring *ring, RingOp *op)
{
    struct io_uring_sqe *sqe = ring_sqe(ring);

    if (op->busy) {
        abort();                /* two requests on one op: our own bug */
    }
    op->busy = true;
    ring->in_flight++;
    return sqe;
}

void ring_poll_multishot(Ring *ring, RingOp *op, int fd, unsigned events)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_poll_multishot(sqe, fd, events);
    io_uring_sqe_set_data(sqe, op);
}

void ring_poll(Ring *ring, RingOp *op, int fd, unsigned events)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_poll_add(sqe, fd, events);
    io_uring_sqe_set_data(sqe, op);
}

void ring_accept(Ring *ring, RingOp *op, int fd)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, op);
}

void ring_connect(Ring *ring, RingOp *op, int fd, const struct sockaddr *addr,
                  socklen_t len)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_connect(sqe, fd, addr, len);
    io_uring_sqe_set_data(sqe, op);
}

void ring_recv(Ring *ring, RingOp *op, int fd, void *buf, size_t len,
               int flags)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_recv(sqe, fd, buf, len, flags);
    io_uring_sqe_set_data(sqe, op);
}

void ring_send(Ring *ring, RingOp *op, int fd, const void *buf, size_t len,
               int flags)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_send(sqe, fd, buf, len, flags | MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, op);
}

void ring_recvmsg(Ring *ring, RingOp *op, int fd, struct msghdr *msg,
                  int flags)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_recvmsg(sqe, fd, msg, flags);
    io_uring_sqe_set_data(sqe, op);
}

void ring_sendmsg(Ring *ring, RingOp *op, int fd, const struct msghdr *msg,
                  int flags)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_sendmsg(sqe, fd, msg, flags | MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, op);
}

void ring_read(Ring *ring, RingOp *op, int fd, void *buf, size_t len,
               uint64_t offset)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_read(sqe, fd, buf, len, offset);
    io_uring_sqe_set_data(sqe, op);
}

void ring_write(Ring *ring, RingOp *op, int fd, const void *buf, size_t len,
                uint64_t offset)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    io_uring_prep_write(sqe, fd, buf, len, offset);
    io_uring_sqe_set_data(sqe, op);
}

void ring_timeout(Ring *ring, RingOp *op, uint64_t ns)
{
    struct io_uring_sqe *sqe = ring_start(ring, op);

    op->when.sec = ns / 1000000000;
    op->when.nsec = ns % 1000000000;
    io_uring_prep_timeout(sqe, (struct __kernel_timespec *)&op->when, 0, 0);
    io_uring_sqe_set_data(sqe, op);
}

void ring_cancel(Ring *ring, RingOp *op)
{
    struct io_uring_sqe *sqe;

    if (!op->busy) {
        return;
    }
    sqe = ring_sqe(ring);
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
}
