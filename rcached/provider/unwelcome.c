/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unwelcome: connections that nobody speaks to.  See unwelcome.h. */
#include "rcached/provider/unwelcome.h"

#include <unistd.h>

static void end_oldest(Unwelcome *u)
{
    close(u->fd[u->oldest]);
    u->oldest = (u->oldest + 1) % UNWELCOME_MAX;
    u->nr--;
}

void unwelcome_add(Unwelcome *u, int fd)
{
    if (u->nr == UNWELCOME_MAX) {
        end_oldest(u);
    }
    u->fd[(u->oldest + u->nr++) % UNWELCOME_MAX] = fd;
}

void unwelcome_end(Unwelcome *u)
{
    while (u->nr) {
        end_oldest(u);
    }
}
