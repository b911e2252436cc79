/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page that is pinned for writing (here by io_uring's fixed buffers) loses
 * its write protection when it is pinned, not when it is written: the kernel
 * faults for writing to pin it.  So what a device writes later, behind the page
 * table, is written to a page that counts as dirty already, and that stays so:
 * a zap leaves no marker.  (K2 of docs/design.md; what a zap does to a pinned
 * page besides is in pinned-page-lost.c.)
 */
#include <liburing.h>

#include "platform.h"

int main(void)
{
    struct page_region region;
    struct io_uring ring;
    struct iovec iov;
    int pagemap, ret;
    Ram ram;

    platform_start();
    ram_init_bare(&ram, 2);
    ram.uffd = uffd_open(UFFD_BASE | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
                         UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC);
    NEED(uffd_register(ram.uffd, ram.guest, 2,
                       UFFD_MODES | UFFDIO_REGISTER_MODE_WP) == 0);
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    NEED(pagemap >= 0);
    ret = io_uring_queue_init(4, &ring, 0);
    if (ret == -EPERM || ret == -ENOSYS) {
        SKIP("no io_uring here: %s", strerror(-ret));
    }
    NEED(ret == 0);
    for (int i = 0; i < 2; i++) {
        NEED(uffd_copy_mode(ram.uffd, ram.guest + i * PAGE, page_of('a' + i), 1,
                            UFFDIO_COPY_MODE_WP) == 0);
    }
    iov = (struct iovec) { ram.guest, PAGE };
    NEED(io_uring_register_buffers(&ring, &iov, 1) == 0);

    NEED(madvise(ram.guest, 2 * PAGE, MADV_DONTNEED) == 0);
    EXPECT_EQ(pages_scan(pagemap, ram.guest, 1, PAGE_IS_SWAPPED, SCAN_ALL,
                         &region), 0,
              "no marker after the zap of a page that is pinned for writing");
    EXPECT_EQ(pages_scan(pagemap, ram.guest + PAGE, 1, PAGE_IS_SWAPPED,
                         SCAN_ALL, &region), 1,
              "and one beside it");
    io_uring_queue_exit(&ring);
    return 0;
}
