/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WP_ASYNC with PAGEMAP_SCAN (Linux 6.7): after a zap the scan tells exactly
 * whether a page was written since it was mapped with CONTINUE_MODE_WP, and
 * the answer stands still until the next CONTINUE.  A CONTINUE with the mode
 * before the scan launders a written page into a clean one, which is why both
 * word and scan are read before any CONTINUE.  Asked for what is there, and not
 * for what is not, the scan names a clean page by its marker.
 */
#include "platform.h"

static int pagemap;

/* As the fast path of the kernel has it: WRITTEN, and no more, is asked for. */
static bool written(const char *addr)
{
    struct page_region region;

    return pages_scan(pagemap, addr, 1, PAGE_IS_WRITTEN, PAGE_IS_WRITTEN,
                      &region) > 0;
}

/* What rcached/pager/written.c takes for clean. */
static bool marked(const char *addr)
{
    struct page_region region;

    return pages_scan(pagemap, addr, 1, PAGE_IS_SWAPPED, SCAN_ALL,
                      &region) == 1 &&
           region.categories == (PAGE_IS_WPALLOWED | PAGE_IS_SWAPPED);
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
    EXPECT(!marked(a) && !marked(b), "a page that is mapped has no marker");
    *(volatile char *)b = 'w';
    EXPECT(*(volatile char *)a == 'a', "a read needs no help");
    NEED(madvise(a, 2 * PAGE, MADV_DONTNEED) == 0);
    EXPECT(!written(a), "after the zap the page only read is clean");
    EXPECT(written(b), "after the zap the page written is dirty");
    EXPECT(!written(a) && written(b), "and stays so until a CONTINUE");
    EXPECT(marked(a) && !marked(b), "the clean one has a marker, no other");

    EXPECT_EQ(uffd_continue(ram.uffd, a, 1, UFFDIO_CONTINUE_MODE_WP, NULL), 0,
              "CONTINUE_MODE_WP");
    EXPECT(!written(a), "a page mapped with it is clean");
    EXPECT_EQ(uffd_continue(ram.uffd, b, 1, UFFDIO_CONTINUE_MODE_WP, NULL), 0,
              "CONTINUE_MODE_WP before the scan");
    EXPECT(!written(b), "launders a written page");

    NEED(madvise(a, PAGE, MADV_DONTNEED) == 0);
    EXPECT_EQ(uffd_continue(ram.uffd, a, 1, 0, NULL), 0, "plain CONTINUE");
    EXPECT(written(a), "drops the write tracking: the page counts as written");
    NEED(madvise(a, PAGE, MADV_DONTNEED) == 0);
    EXPECT(!marked(a), "and the next zap leaves no marker");

    NEED(ram_punch(&ram, 0, 2) == 0);
    NEED(uffd_copy_mode(ram.uffd, a, page_of('a'), 1,
                        UFFDIO_COPY_MODE_WP) == 0);
    NEED(madvise(a, PAGE, MADV_DONTNEED) == 0);
    NEED(ram_punch(&ram, 0, 1) == 0);
    EXPECT(marked(a), "a marker stays where the page has been punched");
    NEED(uffd_copy(ram.uffd, a, page_of('A')) == 0);
    NEED(madvise(a, PAGE, MADV_DONTNEED) == 0);
    EXPECT(!marked(a), "until a plain COPY");
    return 0;
}
