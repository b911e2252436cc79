/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page filled by COPY through the pager's own mapping, with a userfaultfd of
 * its own, is in the memfd and not mapped in QEMU; filling it again is EEXIST,
 * so a prefetch cannot overwrite what the guest has written meanwhile.
 */
#include "platform.h"

int main(void)
{
    Touch touch;
    int own;
    Ram ram;

    platform_start();
    ram_init(&ram, 1);
    own = uffd_open(UFFD_BASE);
    NEED(uffd_register(own, ram.other, 1, UFFDIO_REGISTER_MODE_MISSING) == 0);

    EXPECT_EQ(uffd_copy(own, ram.other, page_of('o')), 0,
              "COPY through the own mapping");
    EXPECT(ram_present(&ram, 0), "the page is in the memfd");
    EXPECT(!ram_mapped(ram.guest), "QEMU's mapping stays empty");

    touch_read(&touch, ram.guest);
    EXPECT(fault_is_minor(fault_expect(ram.uffd, ram.guest)),
           "the first touch is MINOR: a prefetch hit can be counted");
    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest, 1, 0, NULL), 0, "CONTINUE");
    EXPECT(touch_done(&touch, PATIENCE_MS), "the touch comes through");
    EXPECT(touch.value == 'o' && touch.whole, "with the page prefetched");

    ram.guest[0] = 'g';
    NEED(madvise(ram.other, PAGE, MADV_DONTNEED) == 0);
    EXPECT_EQ(uffd_copy(own, ram.other, page_of('p')), -EEXIST,
              "COPY of a page the guest has");
    EXPECT_EQ(ram.guest[0], 'g', "what the guest wrote");
    return 0;
}
