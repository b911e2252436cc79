/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hole that the kernel itself touches for a system call (as a device model
 * in QEMU does with read(2) into guest RAM) is a fault like any other; the
 * call waits and then has the right bytes.
 */
#include "platform.h"

static void *reader(void *arg)
{
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    NEED(zero >= 0);
    n = read(zero, arg, 8);
    close(zero);
    return (void *)(intptr_t)n;
}

int main(void)
{
    pthread_t thread;
    void *n;
    Ram ram;

    platform_start();
    ram_init(&ram, 1);
    NEED(pthread_create(&thread, NULL, reader, ram.guest) == 0);
    EXPECT(!fault_is_minor(fault_expect(ram.uffd, ram.guest)),
           "read(2) into a hole is a MISSING fault");
    EXPECT_EQ(uffd_copy(ram.uffd, ram.guest, page_of('k')), 0, "COPY");
    NEED(pthread_join(thread, &n) == 0);
    EXPECT_EQ((intptr_t)n, 8, "what read(2) returns");
    EXPECT(ram.other[7] == 0 && ram.other[8] == 'k',
           "its bytes lie on the page copied");
    return 0;
}
