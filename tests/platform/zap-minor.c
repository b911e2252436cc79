/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After MADV_DONTNEED in QEMU the page stays in the memfd, and the next
 * access, read or write, is a MINOR fault that CONTINUE answers with the same
 * bytes: the zap, and the touch that sampling counts.
 */
#include "platform.h"

int main(void)
{
    Touch touch;
    Ram ram;

    platform_start();
    ram_init(&ram, 2);
    NEED(uffd_copy_mode(ram.uffd, ram.guest, page_of('m'), 1, 0) == 0);
    NEED(uffd_copy_mode(ram.uffd, ram.guest + PAGE, page_of('n'), 1, 0) == 0);

    EXPECT_EQ(madvise(ram.guest, 2 * PAGE, MADV_DONTNEED), 0, "the zap");
    EXPECT(!ram_mapped(ram.guest), "the zap unmaps");
    EXPECT(ram_present(&ram, 0), "the zap keeps the page in the memfd");

    touch_read(&touch, ram.guest);
    EXPECT(fault_is_minor(fault_expect(ram.uffd, ram.guest)),
           "a read after a zap is MINOR");
    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest, 1, 0, NULL), 0, "CONTINUE");
    EXPECT(touch_done(&touch, PATIENCE_MS), "the read comes through");
    EXPECT(touch.value == 'm' && touch.whole, "the bytes are the same");

    touch_write(&touch, ram.guest + PAGE, 'w');
    EXPECT(fault_is_minor(fault_expect(ram.uffd, ram.guest + PAGE)),
           "a write after a zap is MINOR");
    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest + PAGE, 1, 0, NULL), 0,
              "CONTINUE");
    EXPECT(touch_done(&touch, PATIENCE_MS), "the write comes through");
    EXPECT(ram.other[PAGE] == 'w' && ram.other[PAGE + 1] == 'n',
           "the write is in the memfd's page");
    return 0;
}
