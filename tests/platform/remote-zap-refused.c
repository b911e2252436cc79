/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One process cannot zap another's page-table entries: process_madvise(2)
 * refuses MADV_DONTNEED for a foreign process.  Hence the thread in QEMU that
 * zaps on request.
 */
#include <sys/uio.h>

#include "platform.h"

int main(void)
{
    int advice[] = { MADV_DONTNEED, MADV_REMOVE };
    struct iovec iov;
    int pidfd;
    pid_t pid;
    Ram ram;

    platform_start();
    ram_init_bare(&ram, 1);
    ram.guest[0] = 'r';
    iov = (struct iovec) { ram.guest, PAGE };
    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    pidfd = syscall(SYS_pidfd_open, pid, 0);
    NEED(pidfd >= 0);
    for (size_t i = 0; i < 2; i++) {
        long ret = syscall(SYS_process_madvise, pidfd, &iov, 1ul, advice[i],
                           0);

        EXPECT(ret < 0 && errno == EINVAL,
               "advice %d for another process is refused", advice[i]);
    }
    child_kill(pid);
    return 0;
}
