/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small things that every file may use: descriptors that close themselves
 * (GLib 2.74 has no g_autofd yet), container_of, and static assertions.
 */
#ifndef RCACHE_CLEANUP_H
#define RCACHE_CLEANUP_H

#include <stddef.h>
#include <unistd.h>

/** autofd_close() - close a descriptor, unless it is negative */
static inline void autofd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

/* A descriptor that is closed at the end of its scope; start it with -1. */
#define autofd __attribute__((cleanup(autofd_close))) int

/** fd_steal() - take the descriptor out of an autofd variable */
static inline int fd_steal(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#ifndef container_of
#define container_of(ptr, type, member) \
    ((type *)((char *)(ptr) - offsetof(type, member)))
#endif

#endif
