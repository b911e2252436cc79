/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poller: an epoll set in GLib's main loop.  See poller.h.
 *
 * The source's ready time is never later than the earliest deadline.  When it
 * has come all deadlines are looked through once and the next earliest is
 * found; to put one off therefore costs nothing, and it is rounded up so that
 * many different ones are found together.
 */
#include "common/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH           64
#define GRAIN_US        20000

typedef struct PollerSource {
    GSource source;
    Poller *poller;
} PollerSource;

struct Poller {
    unsigned refs;
    int epoll;
    GSource *source;
    GPtrArray *fds;             /* of PollerFd, not owned */
    gint64 ready_us;            /* of the source; 0: none */
    struct epoll_event event[BATCH];
    unsigned full;              /* batches in a row that were */
    int nr_events, at;          /* being dispatched */
    uint8_t *buffer;
};

/* ------------------------------------------------------------------ times */

static void ready_at(Poller *poller, gint64 due_us)
{
    gint64 rounded = (due_us + GRAIN_US - 1) / GRAIN_US * GRAIN_US;

    if (!poller->ready_us || rounded < poller->ready_us) {
        poller->ready_us = rounded;
        g_source_set_ready_time(poller->source, rounded);
    }
}

static void check_deadlines(Poller *poller, gint64 now)
{
    gint64 next = G_MAXINT64;

    poller->ready_us = 0;
    g_source_set_ready_time(poller->source, -1);
    /* Backwards: one that goes is replaced by the last, already seen. */
    for (guint i = poller->fds->len; i-- > 0;) {
        PollerFd *fd;

        if (i >= poller->fds->len) {
            continue;           /* a callback has removed several */
        }
        fd = poller->fds->pdata[i];
        if (fd->due_us && fd->due_us <= now) {
            fd->due_us = 0;
            fd->ops->on_late(fd);
        } else if (fd->due_us) {
            next = MIN(next, fd->due_us);
        }
    }
    if (next != G_MAXINT64) {
        ready_at(poller, next);
    }
}

/* --------------------------------------------------------------- dispatch */

static gboolean dispatch(GSource *source, GSourceFunc callback, void *opaque)
{
    Poller *poller = poller_ref(((PollerSource *)source)->poller);
    gint64 now = g_get_monotonic_time();
    int n;

    do {
        n = epoll_wait(poller->epoll, poller->event, BATCH, 0);
    } while (n < 0 && errno == EINTR);
    poller->nr_events = MAX(n, 0);
    for (poller->at = 0; poller->at < poller->nr_events; poller->at++) {
        const struct epoll_event *event = &poller->event[poller->at];
        PollerFd *fd = event->data.ptr;

        if (fd) {
            fd->ops->on_ready(fd, event->events);
        }
    }
    poller->nr_events = 0;
    poller->full = n == BATCH ? poller->full + 1 : 0;
    /* The set goes round: by then whoever had something has been read. */
    if (poller->ready_us && now >= poller->ready_us &&
        (!poller->full || poller->full > poller->fds->len / BATCH + 1)) {
        poller->full = 0;
        check_deadlines(poller, now);
    }
    poller_unref(poller);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .dispatch = dispatch };

/* ---------------------------------------------------------------- set-up */

Poller *poller_new(void)
{
    Poller *poller = g_new0(Poller, 1);

    poller->refs = 1;
    poller->fds = g_ptr_array_new();
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    poller->source = g_source_new(&source_funcs, sizeof(PollerSource));
    ((PollerSource *)poller->source)->poller = poller;
    if (poller->epoll >= 0) {
        g_source_add_unix_fd(poller->source, poller->epoll, G_IO_IN);
    }
    g_source_attach(poller->source, NULL);
    return poller;
}

Poller *poller_ref(Poller *poller)
{
    poller->refs++;
    return poller;
}

void poller_unref(Poller *poller)
{
    if (!poller || --poller->refs) {
        return;
    }
    g_source_destroy(poller->source);
    g_source_unref(poller->source);
    if (poller->epoll >= 0) {
        close(poller->epoll);
    }
    g_ptr_array_unref(poller->fds);
    g_free(poller->buffer);
    g_free(poller);
}

static int control(PollerFd *fd, int op)
{
    struct epoll_event event = { .events = fd->events, .data.ptr = fd };

    return epoll_ctl(fd->poller->epoll, op, fd->fd, &event) < 0 ? -errno : 0;
}

int poller_add(Poller *poller, PollerFd *fd, int number, uint32_t events,
               const PollerOps *ops)
{
    int err;

    fd->ops = ops;
    fd->poller = poller;
    fd->fd = number;
    fd->events = events;
    err = control(fd, EPOLL_CTL_ADD);
    if (err) {
        fd->poller = NULL;
        return err;
    }
    fd->index = poller->fds->len;
    g_ptr_array_add(poller->fds, fd);
    poller_ref(poller);
    return 0;
}

void poller_set_events(PollerFd *fd, uint32_t events)
{
    if (fd->poller && fd->events != events) {
        fd->events = events;
        control(fd, EPOLL_CTL_MOD);
    }
}

void poller_set_due(PollerFd *fd, gint64 due_us)
{
    fd->due_us = due_us;
    if (fd->poller && due_us) {
        ready_at(fd->poller, due_us);
    }
}

void poller_remove(PollerFd *fd)
{
    Poller *poller = fd->poller;
    PollerFd *last;

    if (!poller) {
        return;
    }
    control(fd, EPOLL_CTL_DEL);
    fd->poller = NULL;
    last = poller->fds->pdata[poller->fds->len - 1];
    last->index = fd->index;
    g_ptr_array_remove_index_fast(poller->fds, fd->index);
    for (int i = poller->at; i < poller->nr_events; i++) {
        if (poller->event[i].data.ptr == fd) {
            poller->event[i].data.ptr = NULL;
        }
    }
    poller_unref(poller);
}

void *poller_buffer(Poller *poller)
{
    if (!poller->buffer) {
        poller->buffer = g_malloc(POLLER_BUFFER);
    }
    return poller->buffer;
}
