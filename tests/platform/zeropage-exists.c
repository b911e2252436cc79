/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UFFDIO_ZEROPAGE on a page that is there, mapped or not, is EEXIST and
 * leaves its bytes alone: a zero page that somebody filled meanwhile is found
 * out, and CONTINUE maps what is there.
 */
#include "platform.h"

int main(void)
{
    Touch touch;
    Ram ram;

    platform_start();
    ram_init(&ram, 2);

    memset(ram.other, 'z', PAGE);
    EXPECT_EQ(uffd_zeropage(ram.uffd, ram.guest), -EEXIST,
              "ZEROPAGE on a page in the page cache");
    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest, 1, 0, NULL), 0, "CONTINUE");
    EXPECT(page_is(ram.guest, 'z'), "the bytes stay");
    EXPECT_EQ(uffd_zeropage(ram.uffd, ram.guest), -EEXIST,
              "ZEROPAGE on a mapped page");
    EXPECT(page_is(ram.guest, 'z'), "the bytes stay");

    touch_read(&touch, ram.guest + PAGE);
    fault_expect(ram.uffd, ram.guest + PAGE);
    EXPECT_EQ(uffd_zeropage(ram.uffd, ram.guest + PAGE), 0,
              "ZEROPAGE on a hole");
    EXPECT(touch_done(&touch, PATIENCE_MS), "ZEROPAGE wakes");
    EXPECT(touch.value == 0 && touch.whole, "the guest reads zeros");
    EXPECT(ram_present(&ram, 1), "shmem has a page of its own for it");
    return 0;
}
