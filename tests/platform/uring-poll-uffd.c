/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A multishot poll on a non-blocking userfaultfd completes once for each
 * round of faults and stays armed, also when the fault comes between two
 * reads.
 */
#include <liburing.h>

#include "platform.h"

/* Waits for one completion of the poll; is it still armed? */
static bool poll_fires(struct io_uring *ring)
{
    struct __kernel_timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
    struct io_uring_cqe *cqe;
    bool more;

    EXPECT_EQ(io_uring_wait_cqe_timeout(ring, &cqe, &patience), 0,
              "the poll completes");
    EXPECT(cqe->res > 0 && (cqe->res & POLLIN), "it says POLLIN");
    more = cqe->flags & IORING_CQE_F_MORE;
    io_uring_cqe_seen(ring, cqe);
    return more;
}

int main(void)
{
    struct io_uring_sqe *sqe;
    struct io_uring ring;
    Ram ram;
    int ret;

    platform_start();
    ram_init(&ram, 8);
    ret = io_uring_queue_init(8, &ring, IORING_SETUP_SINGLE_ISSUER |
                              IORING_SETUP_DEFER_TASKRUN);
    if (ret == -EPERM || ret == -ENOSYS) {
        SKIP("no io_uring here: %s", strerror(-ret));
    }
    NEED(ret == 0);
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_poll_multishot(sqe, ram.uffd, POLLIN);
    NEED(io_uring_submit(&ring) == 1);

    for (size_t i = 0; i < ram.pages; i++) {
        Touch touch;

        touch_read(&touch, ram.guest + i * PAGE);
        EXPECT(poll_fires(&ring), "the poll stays armed after fault %zu", i);
        fault_expect(ram.uffd, ram.guest + i * PAGE);
        NEED(uffd_zeropage(ram.uffd, ram.guest + i * PAGE) == 0);
        EXPECT(touch_done(&touch, PATIENCE_MS), "fault %zu is answered", i);
    }
    io_uring_queue_exit(&ring);
    return 0;
}
