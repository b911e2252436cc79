/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UFFDIO_COPY fills a hole and never replaces a page: a page that is mapped,
 * or only in the page cache, gives EEXIST and keeps its bytes.  So a second
 * answer to the same fault, and a fetch that comes after an intruder, are
 * noticed instead of overwriting what the guest wrote.
 */
#include "platform.h"

int main(void)
{
    Touch touch;
    Ram ram;

    platform_start();
    ram_init(&ram, 4);

    touch_read(&touch, ram.guest);
    EXPECT(!fault_is_minor(fault_expect(ram.uffd, ram.guest)),
           "a touch of a hole is a MISSING fault");
    EXPECT_EQ(uffd_copy(ram.uffd, ram.guest, page_of('a')), 0,
              "COPY into a hole");
    EXPECT(touch_done(&touch, PATIENCE_MS), "COPY wakes the guest");
    EXPECT(touch.value == 'a' && touch.whole, "the page is the one copied");

    ram.guest[0] = 'g';
    EXPECT_EQ(uffd_copy(ram.uffd, ram.guest, page_of('b')), -EEXIST,
              "COPY onto a mapped page");
    EXPECT_EQ(ram.guest[0], 'g', "what the guest wrote");

    ram.other[PAGE] = 'i';
    EXPECT(!ram_mapped(ram.guest + PAGE), "only the page cache has page 1");
    EXPECT_EQ(uffd_copy(ram.uffd, ram.guest + PAGE, page_of('b')), -EEXIST,
              "COPY onto a page that is only in the page cache");
    EXPECT_EQ(ram.other[PAGE], 'i', "the byte in the page cache");
    return 0;
}
