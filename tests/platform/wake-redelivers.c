/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fault message that a pager had read when it was killed is not delivered
 * again; one it had not read is still queued.  UFFDIO_WAKE over the range
 * makes every waiter fault anew: rule 2's last step of the attach.
 */
#include "platform.h"

/* Reads one message and waits to be killed. */
static void pager(const Ram *ram, int ready)
{
    fault_expect(ram->uffd, ram->guest);
    NEED(write(ready, "", 1) == 1);
    pause();
    _exit(0);
}

int main(void)
{
    Touch held, queued;
    int ready[2];
    char byte;
    pid_t pid;
    Ram ram;

    platform_start();
    ram_init(&ram, 2);
    NEED(pipe(ready) == 0);

    touch_read(&held, ram.guest);
    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        pager(&ram, ready[1]);
    }
    NEED(read(ready[0], &byte, 1) == 1);
    touch_read(&queued, ram.guest + PAGE);
    sleep_ms(NO_TIME_MS);
    child_kill(pid);

    fault_expect(ram.uffd, ram.guest + PAGE);
    EXPECT_EQ(uffd_zeropage(ram.uffd, ram.guest + PAGE), 0, "ZEROPAGE");
    EXPECT(touch_done(&queued, PATIENCE_MS), "the queued fault is answered");

    struct uffd_msg msg;
    EXPECT(!fault_next(ram.uffd, &msg, NO_TIME_MS),
           "the fault the dead pager had read does not come again");
    EXPECT(!touch_done(&held, 0), "its guest waits");
    EXPECT_EQ(uffd_wake(ram.uffd, ram.guest, ram.pages), 0, "WAKE");
    fault_expect(ram.uffd, ram.guest);
    EXPECT_EQ(uffd_copy(ram.uffd, ram.guest, page_of('k')), 0, "COPY");
    EXPECT(touch_done(&held, PATIENCE_MS), "after WAKE it is answered");
    EXPECT(held.value == 'k' && held.whole, "with the right bytes");
    return 0;
}
