/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pidfd is readable once the process is dead, and not before; signals sent
 * through it cannot hit another process.  It is the proof of death that rule 3
 * asks for before descriptors go to a new pager, and a child that is dead but
 * not yet reaped counts as dead.
 */
#include "platform.h"

static bool readable(int fd, int ms)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, ms) == 1 && (pfd.revents & POLLIN);
}

int main(void)
{
    pid_t pid;
    int pidfd;

    platform_start();
    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        pause();
        _exit(0);
    }
    pidfd = syscall(SYS_pidfd_open, pid, 0);
    NEED(pidfd >= 0);
    EXPECT(!readable(pidfd, NO_TIME_MS), "not readable while it lives");
    EXPECT_EQ(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0), 0,
              "SIGKILL through the pidfd");
    EXPECT(readable(pidfd, PATIENCE_MS), "readable after death");
    NEED(waitpid(pid, NULL, 0) == pid);
    EXPECT(readable(pidfd, 0), "and after the child was reaped");
    EXPECT(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0 &&
           errno == ESRCH, "nobody else takes its place");
    return 0;
}
