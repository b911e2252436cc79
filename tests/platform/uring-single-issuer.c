/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The io_uring set-up the daemons use: SINGLE_ISSUER with DEFER_TASKRUN
 * (Linux 6.1).  Such a ring cannot be used by a child after fork(), so a
 * process forks first and makes its ring then.
 */
#include <liburing.h>

#include "platform.h"

static int nop(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;
    int ret;

    NEED(sqe != NULL);
    io_uring_prep_nop(sqe);
    ret = io_uring_submit(ring);
    if (ret < 0) {
        return ret;
    }
    ret = io_uring_wait_cqe(ring, &cqe);
    if (ret == 0) {
        io_uring_cqe_seen(ring, cqe);
    }
    return ret;
}

int main(void)
{
    struct io_uring ring;
    pid_t pid;
    int ret;

    platform_start();
    ret = io_uring_queue_init(8, &ring, 0);
    if (ret == -EPERM || ret == -ENOSYS) {
        SKIP("no io_uring here: %s", strerror(-ret));
    }
    NEED(ret == 0);
    io_uring_queue_exit(&ring);

    EXPECT_EQ(io_uring_queue_init(8, &ring, IORING_SETUP_SINGLE_ISSUER |
                                  IORING_SETUP_DEFER_TASKRUN), 0,
              "SINGLE_ISSUER | DEFER_TASKRUN");
    EXPECT_EQ(nop(&ring), 0, "a NOP");
    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        EXPECT_EQ(nop(&ring), -EEXIST, "a NOP by a child");
        _exit(0);
    }
    child_ok(pid);
    EXPECT_EQ(nop(&ring), 0, "a NOP by the parent afterwards");
    io_uring_queue_exit(&ring);
    return 0;
}
