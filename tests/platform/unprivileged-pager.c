/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pager without any privilege can do all of its work with descriptors that
 * were passed to it: COPY, CONTINUE, ZEROPAGE, WAKE on another process's
 * memory, and the punch; and an open /dev/userfaultfd, passed on, makes new
 * userfaultfds where the user could not make one by himself.
 */
#include "platform.h"

#define NOBODY 65534

static void pager(const Ram *ram, int dev)
{
    int made;

    NEED(setgid(NOBODY) == 0);
    NEED(setuid(NOBODY) == 0);
    EXPECT(open("/dev/userfaultfd", O_RDWR) < 0, "the device is closed to us");
    made = ioctl(dev, USERFAULTFD_IOC_NEW, O_NONBLOCK | O_CLOEXEC);
    EXPECT(made >= 0, "an open device that was passed on makes one");

    EXPECT_EQ(uffd_copy(ram->uffd, ram->guest, page_of('u')), 0, "COPY");
    EXPECT_EQ(uffd_zeropage(ram->uffd, ram->guest + PAGE), 0, "ZEROPAGE");
    EXPECT_EQ(ram_punch(ram, 1, 1), 0, "the punch");
    EXPECT_EQ(uffd_continue(ram->uffd, ram->guest + PAGE, 1, 0, NULL),
              -EFAULT, "CONTINUE, on a hole");
    EXPECT_EQ(uffd_wake(ram->uffd, ram->guest, ram->pages), 0, "WAKE");
    _exit(0);
}

int main(void)
{
    pid_t pid;
    Ram ram;
    int dev;

    platform_start();
    if (geteuid() != 0) {
        SKIP("only root can become somebody else");
    }
    dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (dev < 0) {
        SKIP("no /dev/userfaultfd (Linux 6.1): %s", strerror(errno));
    }
    ram_init(&ram, 2);
    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        pager(&ram, dev);
    }
    child_ok(pid);
    EXPECT(page_is(ram.other, 'u'), "the page copied is there");
    EXPECT(!ram_present(&ram, 1), "the page punched is gone");
    return 0;
}
