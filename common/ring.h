/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring: one thread's io_uring, and the only file that includes liburing.h.
 *
 * An operation is a RingOp embedded in the object that waits for it; its
 * address is the kernel's cookie and container_of() leads back.  Rules:
 *
 * - A RingOp has at most one request out.  ring_op_busy() tells.
 * - An object with a busy RingOp is closing, not freed: cancel with
 *   ring_cancel() and free it from the last done() callback.
 * - A multishot poll calls done() many times; the op is busy until the
 *   callback sees more == false.
 * - Everything happens on the thread that called ring_new().
 *
 * The ring is made with SINGLE_ISSUER and DEFER_TASKRUN where the kernel has
 * them: completions are then run only when this thread waits, so no callback
 * ever interrupts the data path.  A ring does not survive fork().
 */
#ifndef RCACHE_RING_H
#define RCACHE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

typedef struct Ring Ring;
typedef struct RingOp RingOp;
typedef struct RingLater RingLater;

/**
 * RingDone - what an operation does when it is done
 * @op: the operation, already idle unless @more
 * @res: result of the system call, -errno on failure
 * @more: the kernel will call again (multishot)
 */
typedef void RingDone(RingOp *op, int res, bool more);

struct RingOp {
    RingDone *done;
    bool busy;
    struct { int64_t sec, nsec; } when;     /* of a timeout, kept here */
};

/**
 * struct RingLater - something to be done before the kernel is next entered
 * @run: does it; set by the owner; the rest is private to ring.c
 *
 * What one turn of a loop has to say to a connection can so be gathered, and
 * goes in one system call.  It is embedded as a RingOp is, and zeroed but for
 * @run.
 */
struct RingLater {
    void (*run)(RingLater *later);
    RingLater *next;
    bool due;
};

/**
 * ring_new() - make a ring
 * @entries: submissions it can hold, a power of two
 * @errp: where to put -errno
 *
 * Return: the ring, or NULL with *@errp set (-ENOSYS or -EPERM: io_uring is
 * off on this machine, see kernel.io_uring_disabled)
 */
Ring *ring_new(unsigned entries, int *errp);

/** ring_free() - free a ring on which nothing is busy; NULL is fine */
void ring_free(Ring *ring);

/** ring_in_flight() - operations that are busy */
unsigned ring_in_flight(const Ring *ring);

/** ring_set_busy_poll() - spin for @us microseconds before sleeping */
void ring_set_busy_poll(Ring *ring, unsigned us);

/**
 * ring_run_once() - submit, wait for something, and run its callbacks
 * @wait: sleep until there is something; else only look
 *
 * Return: callbacks run, or -errno
 */
int ring_run_once(Ring *ring, bool wait);

/**
 * ring_later() - have @later run before the kernel is next entered, once
 *
 * It must live until then: at the latest until ring_run_once() is next called.
 */
void ring_later(Ring *ring, RingLater *later);

/** ring_submit() - hand what was prepared to the kernel now */
void ring_submit(Ring *ring);

/**
 * ring_op_init() - an operation that is not under way
 * @done: called when it has ended; @op must live until then
 */
void ring_op_init(RingOp *op, RingDone *done);
/** ring_op_busy() - is it under way? */
static inline bool ring_op_busy(const RingOp *op)
{
    return op->busy;
}

/** ring_poll_multishot() - done(op, revents, more) whenever @fd is ready */
void ring_poll_multishot(Ring *ring, RingOp *op, int fd, unsigned events);
/** ring_poll() - the same, once */
void ring_poll(Ring *ring, RingOp *op, int fd, unsigned events);
/*
 * Each begins one system call of that name; done(op, result, false) follows
 * with its result, or -errno.  What they are given must live until then.
 */
void ring_accept(Ring *ring, RingOp *op, int fd);
void ring_connect(Ring *ring, RingOp *op, int fd, const struct sockaddr *addr,
                  socklen_t len);
void ring_recv(Ring *ring, RingOp *op, int fd, void *buf, size_t len,
               int flags);
void ring_send(Ring *ring, RingOp *op, int fd, const void *buf, size_t len,
               int flags);
/** ring_recvmsg(), ring_sendmsg() - @msg and what it names must live on */
void ring_recvmsg(Ring *ring, RingOp *op, int fd, struct msghdr *msg,
                  int flags);
void ring_sendmsg(Ring *ring, RingOp *op, int fd, const struct msghdr *msg,
                  int flags);
void ring_read(Ring *ring, RingOp *op, int fd, void *buf, size_t len,
               uint64_t offset);
void ring_write(Ring *ring, RingOp *op, int fd, const void *buf, size_t len,
                uint64_t offset);
/** ring_timeout() - done(op, -ETIME, false) after @ns nanoseconds */
void ring_timeout(Ring *ring, RingOp *op, uint64_t ns);
/** ring_cancel() - ask for the end of @op; done() is still called once */
void ring_cancel(Ring *ring, RingOp *op);

#endif
