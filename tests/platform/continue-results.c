/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answers of UFFDIO_CONTINUE: EEXIST for a page that is mapped, and
 * nobody is woken then; EFAULT for a hole; EAGAIN for a range that comes to a
 * hole, with the bytes it did map.
 */
#include "platform.h"

int main(void)
{
    int64_t mapped = 0;
    Touch touch;
    Ram ram;

    platform_start();
    ram_init(&ram, 16);

    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest, 1, 0, NULL), -EFAULT,
              "CONTINUE on a hole");
    EXPECT(!ram_present(&ram, 0), "CONTINUE on a hole allocates nothing");

    touch_read(&touch, ram.guest);
    fault_expect(ram.uffd, ram.guest);
    EXPECT_EQ(uffd_copy_mode(ram.uffd, ram.guest, page_of('a'), 1,
                             UFFDIO_COPY_MODE_DONTWAKE), 0, "quiet COPY");
    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest, 1, 0, NULL), -EEXIST,
              "CONTINUE on a mapped page");
    EXPECT(!touch_done(&touch, NO_TIME_MS), "EEXIST wakes nobody");
    EXPECT_EQ(uffd_wake(ram.uffd, ram.guest, 1), 0, "WAKE");
    EXPECT(touch_done(&touch, PATIENCE_MS), "WAKE wakes");

    memset(ram.other + 4 * PAGE, 'b', 3 * PAGE);
    EXPECT_EQ(uffd_continue(ram.uffd, ram.guest + 4 * PAGE, 8, 0, &mapped),
              -EAGAIN, "CONTINUE of 8 pages with a hole at the fourth");
    EXPECT_EQ(mapped, 3 * PAGE, "the bytes mapped before the hole");
    return 0;
}
