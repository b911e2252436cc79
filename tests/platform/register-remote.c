/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whoever holds the userfaultfd can register ranges of the process that made
 * it, and answer their faults: the pager brings ranges under management from
 * outside, without QEMU's help.
 */
#include "platform.h"

static void pager(const Ram *ram, int ready)
{
    EXPECT_EQ(uffd_register(ram->uffd, ram->guest + PAGE, 1, UFFD_MODES), 0,
              "REGISTER from another process");
    NEED(write(ready, "", 1) == 1);
    fault_expect(ram->uffd, ram->guest + PAGE);
    EXPECT_EQ(uffd_copy(ram->uffd, ram->guest + PAGE, page_of('r')), 0,
              "COPY from another process");
    _exit(0);
}

int main(void)
{
    Touch touch;
    int ready[2];
    char byte;
    pid_t pid;
    Ram ram;

    platform_start();
    ram_init_bare(&ram, 2);
    ram.uffd = uffd_open(UFFD_BASE);
    EXPECT_EQ(ram.guest[0], 0, "an unmanaged page is plain memory");

    NEED(pipe(ready) == 0);
    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        pager(&ram, ready[1]);
    }
    NEED(read(ready[0], &byte, 1) == 1);
    touch_read(&touch, ram.guest + PAGE);
    child_ok(pid);
    EXPECT(touch_done(&touch, PATIENCE_MS), "the fault is answered");
    EXPECT(touch.value == 'r' && touch.whole, "with the pager's page");
    return 0;
}
