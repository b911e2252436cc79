/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest waits as long as any copy of the userfaultfd is open.  When the
 * last one closes, the waiting thread and all later ones read zeros, silently:
 * why QEMU keeps its own copy for the VM's life (rule 1).
 */
#include "platform.h"

int main(void)
{
    Touch touch;
    int kept;
    Ram ram;

    platform_start();
    ram_init(&ram, 2);
    kept = dup(ram.uffd);
    NEED(kept >= 0);

    touch_read(&touch, ram.guest);
    fault_expect(ram.uffd, ram.guest);
    close(ram.uffd);
    EXPECT(!touch_done(&touch, NO_TIME_MS),
           "with a copy open the guest waits");
    EXPECT_EQ(uffd_wake(kept, ram.guest, 1), 0, "WAKE through the copy");
    fault_expect(kept, ram.guest);

    close(kept);
    EXPECT(touch_done(&touch, PATIENCE_MS), "the last close lets it go on");
    EXPECT_EQ(touch.value, 0, "what the hole then reads as");
    EXPECT_EQ(ram.guest[PAGE], 0, "what the next hole reads as");
    return 0;
}
