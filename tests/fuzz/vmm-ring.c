/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring and the clock, played.  See vmm-played.h. */
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "common/boot.h"
#include "common/ring.h"
#include "vmm-played.h"

enum Kind { POLL, CONNECT, RECV, SEND, TIMEOUT };

/**
 * struct Armed - an operation that is out
 * @port: a CONNECT's
 * @at: ns, a TIMEOUT's
 */
typedef struct Armed {
    RingOp *op;
    enum Kind kind;
    bool cancelled;
    int fd;
    short events;
    void *buf;
    size_t len;
    const struct msghdr *msg;
    uint16_t port;
    uint64_t at;
} Armed;

struct Ring {
    GPtrArray *armed;           /* of Armed, owned */
    GQueue later;               /* of RingLater */
};

#define BEGIN_NS        (1000 * NS_PER_MS)

static uint64_t clock_ns = BEGIN_NS;

uint64_t boottime_ns(void)
{
    return clock_ns += 1000;    /* nothing is for free */
}

void ring_played_begin(void)
{
    clock_ns = BEGIN_NS;
}

void ring_played_pass(uint64_t ns)
{
    clock_ns += ns;
}

bool boot_id_read(uint8_t out[UUID_LEN], GError **errp)
{
    memset(out, 7, UUID_LEN);
    return true;
}

Ring *ring_new(unsigned entries, int *errp)
{
    Ring *ring = g_new0(Ring, 1);

    ring->armed = g_ptr_array_new_with_free_func(g_free);
    return ring;
}

void ring_free(Ring *ring)
{
    g_ptr_array_free(ring->armed, TRUE);
    g_queue_clear(&ring->later);
    g_free(ring);
}

void ring_set_busy_poll(Ring *ring, unsigned us)
{
}

void ring_op_init(RingOp *op, RingDone *done)
{
    *op = (RingOp) { .done = done };
}

void ring_later(Ring *ring, RingLater *later)
{
    if (!later->due) {
        later->due = true;
        g_queue_push_tail(&ring->later, later);
    }
}

static void arm(Ring *ring, RingOp *op, Armed armed)
{
    g_assert(!op->busy);
    op->busy = true;
    armed.op = op;
    g_ptr_array_add(ring->armed, g_memdup2(&armed, sizeof(armed)));
}

void ring_poll_multishot(Ring *ring, RingOp *op, int fd, unsigned events)
{
    arm(ring, op, (Armed) { .kind = POLL, .fd = fd, .events = events });
}

/* Only a pager's end asks for it (pager-end.c), and no input has one. */
void ring_poll(Ring *ring, RingOp *op, int fd, unsigned events)
{
    g_assert_not_reached();
}

void ring_connect(Ring *ring, RingOp *op, int fd, const struct sockaddr *addr,
                  socklen_t len)
{
    const struct sockaddr_in *in = (const void *)addr;

    g_assert(addr->sa_family == AF_INET);
    arm(ring, op, (Armed) { .kind = CONNECT, .fd = fd,
                            .port = ntohs(in->sin_port) });
}

void ring_recv(Ring *ring, RingOp *op, int fd, void *buf, size_t len,
               int flags)
{
    arm(ring, op, (Armed) { .kind = RECV, .fd = fd, .buf = buf, .len = len });
}

void ring_sendmsg(Ring *ring, RingOp *op, int fd, const struct msghdr *msg,
                  int flags)
{
    arm(ring, op, (Armed) { .kind = SEND, .fd = fd, .msg = msg });
}

void ring_timeout(Ring *ring, RingOp *op, uint64_t ns)
{
    arm(ring, op, (Armed) { .kind = TIMEOUT, .at = clock_ns + ns });
}

void ring_cancel(Ring *ring, RingOp *op)
{
    for (guint i = 0; i < ring->armed->len; i++) {
        Armed *a = ring->armed->pdata[i];

        a->cancelled |= a->op == op;
    }
}

/* What has become of it; 0 of a RECV or POLL, and 1 of a TIMEOUT: nothing. */
static int outcome(const Armed *a)
{
    struct pollfd pfd = { .fd = a->fd, .events = a->events };
    int n;

    if (a->cancelled) {
        return -ECANCELED;
    }
    switch (a->kind) {
    case POLL:
        return poll(&pfd, 1, 0) == 1 ? pfd.revents : 0;
    case CONNECT:
        return provider_connected(a->fd, a->port) ? 1 : -ECONNREFUSED;
    case RECV:
        n = provider_give(a->fd, a->buf, a->len);
        return n < 0 ? -ECONNRESET : n;
    case SEND:
        return provider_take(a->fd, a->msg->msg_iov, a->msg->msg_iovlen);
    case TIMEOUT:
        return a->at <= clock_ns ? -ETIME : 0;
    }
    return 0;
}

static bool is_armed(const Ring *ring, const Armed *a)
{
    return g_ptr_array_find(ring->armed, a, NULL);
}

/* Of all that wait for a descriptor, in one go: most turns find nothing. */
static struct pollfd *look(Armed *const *all, guint n)
{
    struct pollfd *pfd = g_new(struct pollfd, n);

    for (guint i = 0; i < n; i++) {
        pfd[i] = (struct pollfd) { .fd = -1 };
        if (all[i]->kind == POLL) {
            pfd[i] = (struct pollfd) { all[i]->fd, all[i]->events, 0 };
        }
    }
    poll(pfd, n, 0);
    return pfd;
}

/* @looked: nothing has run since descriptors were found to have nothing. */
static int run_what_is_done(Ring *ring, bool looked)
{
    g_autofree Armed **all = g_memdup2(ring->armed->pdata,
                                       ring->armed->len * sizeof(Armed *));
    guint n = ring->armed->len, run = 0;
    g_autofree struct pollfd *pfd = looked ? NULL : look(all, n);

    for (guint i = 0; i < n; i++) {
        Armed *a = all[i];
        RingOp *op;
        int res;

        if (!is_armed(ring, a)) {
            continue;
        }
        /* What has run may have written to a descriptor. */
        if (a->kind == POLL && !a->cancelled && !run) {
            res = pfd ? pfd[i].revents : 0;
        } else {
            res = outcome(a);
        }
        if (!res) {
            continue;
        }
        run++;
        op = a->op;
        if (a->kind == POLL && !a->cancelled) {
            op->done(op, res, true);
            continue;
        }
        res = a->kind == CONNECT && res > 0 ? 0 : res;
        g_ptr_array_remove(ring->armed, a);
        op->busy = false;
        op->done(op, res, false);
    }
    return run;
}

int ring_run_once(Ring *ring, bool wait)
{
    uint64_t next = UINT64_MAX;
    RingLater *later;
    int run;

    while ((later = g_queue_pop_head(&ring->later))) {
        later->due = false;
        later->run(later);
    }
    run = run_what_is_done(ring, false);
    if (run || !wait) {
        return run;
    }
    for (guint i = 0; i < ring->armed->len; i++) {
        const Armed *a = ring->armed->pdata[i];

        next = a->kind == TIMEOUT ? MIN(next, a->at) : next;
    }
    g_assert(next != UINT64_MAX);       /* nothing would ever wake it */
    clock_ns = MAX(clock_ns, next);
    return run_what_is_done(ring, true);
}
