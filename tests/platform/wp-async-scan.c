/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WP_ASYNC with PAGEMAP_SCAN (Linux 6.7): after a zap the scan tells exactly
 * whether a page was written since it was mapped with CONTINUE_MODE_WP, and
 * the answer stands still until the next CONTINUE.  A CONTINUE with the mode
 * before the scan launders a written page into a clean one, which is why both
 * word and scan are read before any CONTINUE.
 */
#include "platform.h"

#ifndef PAGEMAP_SCAN
struct page_region {
    uint64_t start, end, categories;
};
struct pm_scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask;
    uint64_t return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN 2
#endif

static int pagemap;

static bool written(const char *addr)
{
    struct page_region region;
    struct pm_scan_arg scan = {
        .size = sizeof(scan),
        .start = (uintptr_t)addr,
        .end = (uintptr_t)addr + PAGE,
        .vec = (uintptr_t)&region,
        .vec_len = 1,
        .category_mask = PAGE_IS_WRITTEN,
        .return_mask = PAGE_IS_WRITTEN,
    };
    int ret = ioctl(pagemap, PAGEMAP_SCAN, &scan);

    NEED(ret >= 0);
    return ret > 0;
}

int main(void)
{
    char *a, *b;
    Ram ram;

    platform_start();
    ram_init_bare(&ram, 2);
    ram.uffd = uffd_open(UFFD_BASE | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
                         UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC);
    NEED(uffd_register(ram.uffd, ram.guest, 2,
                       UFFD_MODES | UFFDIO_REGISTER_MODE_WP) == 0);
    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    NEED(pagemap >= 0);
    a = ram.guest;
    b = ram.guest + PAGE;

    NEED(uffd_copy_mode(ram.uffd, a, page_of('a'), 1,
                        UFFDIO_COPY_MODE_WP) == 0);
    NEED(uffd_copy_mode(ram.uffd, b, page_of('b'), 1,
                        UFFDIO_COPY_MODE_WP) == 0);
    EXPECT(!written(a) && !written(b), "both are clean after COPY_MODE_WP");
    *(volatile char *)b = 'w';
    EXPECT(*(volatile char *)a == 'a', "a read needs no help");
    NEED(madvise(a, 2 * PAGE, MADV_DONTNEED) == 0);
    EXPECT(!written(a), "after the zap the page only read is clean");
    EXPECT(written(b), "after the zap the page written is dirty");
    EXPECT(!written(a) && written(b), "and stays so until a CONTINUE");

    EXPECT_EQ(uffd_continue(ram.uffd, a, 1, UFFDIO_CONTINUE_MODE_WP, NULL), 0,
              "CONTINUE_MODE_WP");
    EXPECT(!written(a), "a page mapped with it is clean");
    EXPECT_EQ(uffd_continue(ram.uffd, b, 1, UFFDIO_CONTINUE_MODE_WP, NULL), 0,
              "CONTINUE_MODE_WP before the scan");
    EXPECT(!written(b), "launders a written page");

    NEED(madvise(a, PAGE, MADV_DONTNEED) == 0);
    EXPECT_EQ(uffd_continue(ram.uffd, a, 1, 0, NULL), 0, "plain CONTINUE");
    EXPECT(written(a), "drops the write tracking: the page counts as written");
    return 0;
}
