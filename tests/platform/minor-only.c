/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A range that is registered for minor faults only: a hole is filled by the
 * kernel, and nobody hears of it; a page that was zapped is a MINOR fault as
 * ever.  ZEROPAGE on what the kernel has filled is EEXIST.  So a guest that is
 * observed pays for what is sampled, and for nothing else.
 */
#include "platform.h"

int main(void)
{
    struct pollfd pfd;
    Touch touch;
    Ram ram;

    platform_start();
    ram_init_bare(&ram, 2);
    ram.uffd = uffd_open(UFFD_BASE);
    NEED(uffd_register(ram.uffd, ram.guest, 2,
                       UFFDIO_REGISTER_MODE_MINOR) == 0);

    touch_write(&touch, ram.guest, 'k');
    EXPECT(touch_done(&touch, PATIENCE_MS), "the kernel fills a hole");
    pfd = (struct pollfd) { .fd = ram.uffd, .events = POLLIN };
    EXPECT_EQ(poll(&pfd, 1, 0), 0, "and says nothing of it");
    EXPECT(ram_present(&ram, 0), "the page is in the memfd");
    EXPECT_EQ(uffd_zeropage(ram.uffd, ram.guest), -EEXIST, "ZEROPAGE there");

    EXPECT_EQ(madvise(ram.guest, PAGE, MADV_DONTNEED), 0, "the zap");
    touch_read(&touch, ram.guest);
    EXPECT(fault_is_minor(fault_expect(ram.uffd, ram.guest)),
           "a touch after a zap is MINOR");
    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest, 1, 0, NULL), 0, "CONTINUE");
    EXPECT(touch_done(&touch, PATIENCE_MS), "the touch comes through");
    EXPECT(touch.value == 'k', "the bytes are the same");
    return 0;
}
