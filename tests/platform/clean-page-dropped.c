/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page of a memfd that was only ever read is clean, and reclaim drops it,
 * swap or no swap: a hole is left, which reads as zeros as the page did.
 * fallocate(2) over it marks it dirty, and then it stays; so do pages that
 * ZEROPAGE, COPY or CONTINUE have mapped.  The pager leans on that: a word
 * that says HOT has a page under it.
 */
#include "platform.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static bool has_data(const Ram *ram, size_t page)
{
    return lseek(ram->memfd, page * PAGE, SEEK_DATA) == (off_t)(page * PAGE);
}

/* Ask for the page's memory, as reclaim under pressure would. */
static void reclaim(char *map, size_t page)
{
    for (int i = 0; i < 3; i++) {
        NEED(madvise(map + page * PAGE, PAGE, MADV_PAGEOUT) == 0);
    }
}

int main(void)
{
    Ram ram;
    char *own;

    platform_start();
    ram_init(&ram, 16);
    own = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ram.memfd,
               0);
    NEED(own != MAP_FAILED);

    /* Read natively, before any management. */
    (void)*(volatile char *)(own + 1 * PAGE);
    NEED(has_data(&ram, 1));
    reclaim(own, 1);
    EXPECT_EQ(has_data(&ram, 1), 0, "a page that was only read");

    (void)*(volatile char *)(own + 2 * PAGE);
    NEED(fallocate(ram.memfd, FALLOC_FL_KEEP_SIZE, 2 * PAGE, PAGE) == 0);
    reclaim(own, 2);
    EXPECT_EQ(has_data(&ram, 2), 1, "the same after fallocate");

    NEED(uffd_zeropage(ram.uffd, ram.guest + 3 * PAGE) == 0);
    reclaim(ram.guest, 3);
    EXPECT_EQ(has_data(&ram, 3), 1, "a page of ZEROPAGE");

    NEED(uffd_copy(ram.uffd, ram.guest + 4 * PAGE, page_of('c')) == 0);
    reclaim(ram.guest, 4);
    EXPECT_EQ(has_data(&ram, 4), 1, "a page of COPY");

    (void)*(volatile char *)(own + 5 * PAGE);
    NEED(uffd_continue(ram.uffd, ram.guest + 5 * PAGE, 1, 0, NULL) == 0);
    reclaim(ram.guest, 5);
    EXPECT_EQ(has_data(&ram, 5), 1, "a page of CONTINUE");
    return 0;
}
