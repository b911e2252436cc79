/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SEEK_DATA and SEEK_HOLE on a memfd are exact to the page, whatever maps it:
 * how a pager finds out at attach, and when a range comes under management,
 * which pages have bytes.
 */
#include "platform.h"

static off_t seek_page(const Ram *ram, size_t from, int whence)
{
    off_t at = lseek(ram->memfd, from * PAGE, whence);

    return at < 0 ? -errno : at / (off_t)PAGE;
}

int main(void)
{
    Ram ram;

    platform_start();
    ram_init(&ram, 64);
    EXPECT_EQ(seek_page(&ram, 0, SEEK_DATA), -ENXIO, "data in an empty memfd");
    NEED(uffd_copy(ram.uffd, ram.guest + 5 * PAGE, page_of('s')) == 0);
    NEED(uffd_zeropage(ram.uffd, ram.guest + 9 * PAGE) == 0);
    NEED(madvise(ram.guest, 64 * PAGE, MADV_DONTNEED) == 0);

    EXPECT_EQ(seek_page(&ram, 0, SEEK_DATA), 5, "the first page with data");
    EXPECT_EQ(seek_page(&ram, 5, SEEK_HOLE), 6, "the hole after it");
    EXPECT_EQ(seek_page(&ram, 6, SEEK_DATA), 9, "a page of zeros is data");
    EXPECT_EQ(seek_page(&ram, 10, SEEK_DATA), -ENXIO, "nothing after it");
    NEED(ram_punch(&ram, 5, 1) == 0);
    EXPECT_EQ(seek_page(&ram, 0, SEEK_DATA), 9, "the first after a punch");
    return 0;
}
