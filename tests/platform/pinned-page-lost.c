/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page that is pinned (here by io_uring's fixed buffers, elsewhere by VFIO
 * or a device's DMA) can be zapped and punched all the same; what is written
 * through the pin afterwards lands in a page nobody will ever read.  No call
 * reports the pin: rule 4 has QEMU count its DMA mappings instead.
 */
#include <liburing.h>

#include "platform.h"

/* "The device": reads 6 bytes of SOURCE into the pinned page. */
static int dma_write(struct io_uring *ring, int source, char *page)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;
    int res;

    io_uring_prep_read_fixed(sqe, source, page, 6, 0, 0);
    NEED(io_uring_submit(ring) == 1);
    NEED(io_uring_wait_cqe(ring, &cqe) == 0);
    res = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return res;
}

int main(void)
{
    int source = memfd_create("source", MFD_CLOEXEC);
    struct io_uring ring;
    struct iovec iov;
    Ram ram;
    int ret;

    platform_start();
    ram_init(&ram, 1);
    NEED(write(source, "PINNED", 6) == 6);
    NEED(uffd_copy(ram.uffd, ram.guest, page_of('p')) == 0);
    ret = io_uring_queue_init(4, &ring, 0);
    if (ret == -EPERM || ret == -ENOSYS) {
        SKIP("no io_uring here: %s", strerror(-ret));
    }
    NEED(ret == 0);
    iov = (struct iovec) { ram.guest, PAGE };
    NEED(io_uring_register_buffers(&ring, &iov, 1) == 0);

    EXPECT_EQ(dma_write(&ring, source, ram.guest), 6, "DMA before");
    EXPECT(memcmp(ram.other, "PINNED", 6) == 0, "it reaches the memfd");

    EXPECT_EQ(madvise(ram.guest, PAGE, MADV_DONTNEED), 0,
              "the zap of a pinned page");
    EXPECT_EQ(ram_punch(&ram, 0, 1), 0, "the punch of a pinned page");
    EXPECT_EQ(dma_write(&ring, source, ram.guest), 6,
              "DMA after, which says that all is well");
    EXPECT(!ram_present(&ram, 0), "and the memfd has none of it");
    io_uring_queue_exit(&ring);
    return 0;
}
