/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Punching a hole in the memfd raises no event, whoever does it, mapped or
 * not; the page-table entry goes with it and the next touch is MISSING.  So
 * the pager can evict without QEMU, and QEMU has to say when it discards.
 */
#include "platform.h"

static void expect_missing(const Ram *ram, size_t page)
{
    struct uffd_msg msg;
    Touch touch;

    EXPECT(!fault_next(ram->uffd, &msg, NO_TIME_MS), "no event for a punch");
    EXPECT(!ram_mapped(ram->guest + page * PAGE), "the punch unmaps");
    EXPECT(!ram_present(ram, page), "the page is gone");
    touch_read(&touch, ram->guest + page * PAGE);
    EXPECT(!fault_is_minor(fault_expect(ram->uffd,
                                        ram->guest + page * PAGE)),
           "the next touch is MISSING");
    NEED(uffd_zeropage(ram->uffd, ram->guest + page * PAGE) == 0);
    EXPECT(touch_done(&touch, PATIENCE_MS), "the touch comes through");
}

int main(void)
{
    pid_t pid;
    Ram ram;

    platform_start();
    ram_init(&ram, 2);
    NEED(uffd_copy(ram.uffd, ram.guest, page_of('p')) == 0);
    NEED(uffd_copy(ram.uffd, ram.guest + PAGE, page_of('p')) == 0);

    EXPECT_EQ(ram_punch(&ram, 0, 1), 0, "a punch by QEMU");
    expect_missing(&ram, 0);

    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        EXPECT_EQ(ram_punch(&ram, 1, 1), 0, "a punch by the pager");
        _exit(0);
    }
    child_ok(pid);
    expect_missing(&ram, 1);
    return 0;
}
