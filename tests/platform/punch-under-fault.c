/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A punch under a fault in flight: the message said MINOR, the page is gone
 * since.  CONTINUE gives EFAULT, WAKE makes the guest fault again as MISSING,
 * and COPY answers it: the table decides, never the flags of a message.
 */
#include "platform.h"

int main(void)
{
    Touch touch;
    Ram ram;

    platform_start();
    ram_init(&ram, 1);
    NEED(uffd_copy(ram.uffd, ram.guest, page_of('1')) == 0);
    NEED(madvise(ram.guest, PAGE, MADV_DONTNEED) == 0);

    touch_write(&touch, ram.guest, 'w');
    EXPECT(fault_is_minor(fault_expect(ram.uffd, ram.guest)),
           "the fault is MINOR");
    NEED(ram_punch(&ram, 0, 1) == 0);
    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest, 1, 0, NULL), -EFAULT,
              "CONTINUE after the punch");
    EXPECT(!touch_done(&touch, NO_TIME_MS), "the punch wakes nobody");
    EXPECT_EQ(uffd_wake(ram.uffd, ram.guest, 1), 0, "WAKE");
    EXPECT(!fault_is_minor(fault_expect(ram.uffd, ram.guest)),
           "the fault comes again as MISSING");
    EXPECT_EQ(uffd_copy(ram.uffd, ram.guest, page_of('2')), 0, "COPY");
    EXPECT(touch_done(&touch, PATIENCE_MS), "the write comes through");
    EXPECT(ram.other[0] == 'w' && ram.other[1] == '2',
           "it lands on the page copied");
    return 0;
}
