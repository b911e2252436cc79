/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A range belongs to one userfaultfd: registering it with a second one is
 * EBUSY.  rcached and QEMU's own users (post-copy, background snapshots)
 * exclude each other, and two remote-cache objects do on the same RAM.
 */
#include "platform.h"

int main(void)
{
    int second;
    Ram ram;

    platform_start();
    ram_init(&ram, 2);
    second = uffd_open(UFFD_BASE);
    EXPECT_EQ(uffd_register(second, ram.guest, 2, UFFD_MODES), -EBUSY,
              "a second userfaultfd on the range");
    EXPECT_EQ(uffd_register(second, ram.guest + PAGE, 1, UFFD_MODES), -EBUSY,
              "and on a part of it");
    EXPECT_EQ(uffd_register(ram.uffd, ram.guest, 2, UFFD_MODES), 0,
              "the first one again");
    return 0;
}
