/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memfd sealed against shrinking and growing cannot be cut by whoever holds
 * it, so that no peer can give the other a SIGBUS; holes can still be punched
 * and pages written, and the seals cannot be taken off.
 */
#include "platform.h"

int main(void)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    Ram ram;

    platform_start();
    ram_init_bare(&ram, 4);
    memset(ram.guest, 's', 4 * PAGE);
    EXPECT_EQ(fcntl(ram.memfd, F_ADD_SEALS, seals), 0, "sealing");
    EXPECT_EQ(fcntl(ram.memfd, F_GET_SEALS), seals, "the seals the peer sees");

    EXPECT(ftruncate(ram.memfd, PAGE) < 0 && errno == EPERM,
           "shrinking is refused");
    EXPECT(ftruncate(ram.memfd, 8 * PAGE) < 0 && errno == EPERM,
           "growing is refused");
    EXPECT(fcntl(ram.memfd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EPERM,
           "a further seal is refused");
    EXPECT_EQ(ram_punch(&ram, 1, 1), 0, "a punch");
    EXPECT(page_is(ram.other + PAGE, 0), "the punched page reads as zeros");
    ram.guest[0] = 'w';
    EXPECT_EQ(ram.other[0], 'w', "a write through the mapping");
    return 0;
}
