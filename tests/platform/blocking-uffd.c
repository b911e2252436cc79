/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A userfaultfd without O_NONBLOCK polls POLLERR at once and never POLLIN: a
 * pager that is handed one has to refuse it.  Setting the flag afterwards
 * mends it.
 */
#include "platform.h"

static int poll_now(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    NEED(poll(&pfd, 1, NO_TIME_MS) >= 0);
    return pfd.revents;
}

int main(void)
{
    int uffd, flags;

    platform_start();
    close(uffd_open(UFFD_BASE));
    uffd = uffd_try(UFFD_BASE, 0);
    NEED(uffd >= 0);
    EXPECT_EQ(poll_now(uffd), POLLERR, "poll of a blocking userfaultfd");
    flags = fcntl(uffd, F_GETFL);
    NEED(fcntl(uffd, F_SETFL, flags | O_NONBLOCK) == 0);
    EXPECT_EQ(poll_now(uffd), 0, "poll of a non-blocking one");
    return 0;
}
