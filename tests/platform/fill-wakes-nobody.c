/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes that reach the page cache do not wake the guest by themselves; an
 * ioctl (CONTINUE, COPY or WAKE) has to.  A second thread that faults while
 * the page is there but not mapped is told MINOR where the first was told
 * MISSING, so the flags of a message may be out of date.
 */
#include "platform.h"

int main(void)
{
    Touch first, second;
    Ram ram;

    platform_start();
    ram_init(&ram, 2);

    touch_read(&first, ram.guest);
    EXPECT(!fault_is_minor(fault_expect(ram.uffd, ram.guest)),
           "the first fault is MISSING");
    memset(ram.other, 'x', PAGE);
    EXPECT(!touch_done(&first, NO_TIME_MS), "a fill alone does not wake");

    touch_read(&second, ram.guest);
    EXPECT(fault_is_minor(fault_expect(ram.uffd, ram.guest)),
           "the second fault on the same page is MINOR");
    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest, 1, 0, NULL), 0, "CONTINUE");
    EXPECT(touch_done(&first, PATIENCE_MS), "CONTINUE wakes the first");
    EXPECT(touch_done(&second, PATIENCE_MS), "CONTINUE wakes the second");
    EXPECT(first.value == 'x' && first.whole, "the first reads the page");
    EXPECT(second.value == 'x' && second.whole, "the second reads the page");
    return 0;
}
