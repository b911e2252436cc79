/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pread(2) of a hole gives zeros and allocates nothing; a touch through any
 * other mapping allocates a zero page without an event, and the guest is then
 * told MINOR: the intruder of rules 5 and 15.
 */
#include "platform.h"

int main(void)
{
    struct stat before, after;
    char page[PAGE];
    Touch touch;
    pid_t pid;
    Ram ram;

    platform_start();
    ram_init(&ram, 2);

    NEED(fstat(ram.memfd, &before) == 0);
    EXPECT_EQ(pread(ram.memfd, page, PAGE, 0), PAGE, "pread of a hole");
    EXPECT(page_is(page, 0), "a hole reads as zeros");
    NEED(fstat(ram.memfd, &after) == 0);
    EXPECT_EQ(after.st_blocks, before.st_blocks, "blocks after the pread");
    EXPECT(!ram_present(&ram, 0), "the hole is still one");

    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        char *map = ram_map(ram.memfd, ram.pages);

        _exit(((volatile char *)map)[PAGE]);
    }
    child_ok(pid);
    EXPECT(ram_present(&ram, 1), "a touch from elsewhere allocates a page");
    touch_read(&touch, ram.guest + PAGE);
    EXPECT(fault_is_minor(fault_expect(ram.uffd, ram.guest + PAGE)),
           "and the guest is told MINOR");
    NEED(uffd_continue(ram.uffd, ram.guest + PAGE, 1, 0, NULL) == 0);
    EXPECT(touch_done(&touch, PATIENCE_MS), "the touch comes through");
    return 0;
}
