/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poller: many descriptors and their deadlines as one source of GLib's main
 * loop.
 *
 * GLib asks every source at every turn, so ten thousand sockets that are each
 * a source cost more than what they bring.  Here they are in an epoll set,
 * and deadlines are looked through only when one may be due.
 *
 * Callbacks run from the main loop, with nothing of the poller's in hand:
 * they may add and remove any descriptor, their own as well.  A deadline is
 * looked at only when all that waited has been read once, so that a process
 * that was stopped for a while does not take its peers for silent, and peers
 * that always have more to say do not hold the deadlines up.
 */
#ifndef RCACHE_POLLER_H
#define RCACHE_POLLER_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLLER_BUFFER   65536u

typedef struct Poller Poller;
typedef struct PollerFd PollerFd;

typedef struct PollerOps {
    /* @events: of epoll's; EPOLLERR and EPOLLHUP come unasked. */
    void (*on_ready)(PollerFd *fd, uint32_t events);
    /* Its deadline is over, and is forgotten. */
    void (*on_late)(PollerFd *fd);
} PollerOps;

/* To be part of what belongs to a descriptor; its fields are the poller's. */
struct PollerFd {
    const PollerOps *ops;
    Poller *poller;             /* NULL: it is in none */
    int fd;
    uint32_t events;
    unsigned index;
    gint64 due_us;              /* monotonic; 0: no deadline */
};

/** poller_new() - in the default main context; one reference */
Poller *poller_new(void);
Poller *poller_ref(Poller *poller);
void poller_unref(Poller *poller);

/**
 * poller_add() - watch a descriptor
 * @fd: set to zeros by the caller
 * @ops: must outlive it
 *
 * Return: 0 or -errno
 */
int poller_add(Poller *poller, PollerFd *fd, int number, uint32_t events,
               const PollerOps *ops);

/** poller_set_events() - watch for these from now on */
void poller_set_events(PollerFd *fd, uint32_t events);

/** poller_set_due() - call on_late then; within 20 ms; 0: never */
void poller_set_due(PollerFd *fd, gint64 due_us);

/** poller_remove() - before it is closed; no callback comes any more */
void poller_remove(PollerFd *fd);

/** poller_buffer() - POLLER_BUFFER bytes to read into, for one callback */
void *poller_buffer(Poller *poller);

#endif
