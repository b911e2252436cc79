/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory-watch: woken when memory gets tight.  See memory-watch.h. */
#include "rcached/agent/memory-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PSI_TRIGGER     "some 200000 2000000"   /* us, of so many */
#define REST_MS         250u                    /* after a call */

struct MemoryWatch {
    MemoryPressed *pressed;
    void *opaque;
    int fd;                     /* the pressure file's, or an eventfd */
    int level_fd;               /* version 1: what the eventfd is for */
    guint source;
    guint rest;
};

static bool watch_error(GError **errp, const char *path)
{
    g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s",
                path, g_strerror(errno));
    return false;
}

static void watch_arm(MemoryWatch *watch);

static gboolean watch_rested(gpointer opaque)
{
    MemoryWatch *watch = opaque;

    watch->rest = 0;
    watch_arm(watch);
    return G_SOURCE_REMOVE;
}

static gboolean watch_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    MemoryWatch *watch = opaque;
    uint64_t count;

    watch->source = 0;
    if (condition & (G_IO_ERR | G_IO_HUP | G_IO_NVAL)) {
        g_message("the kernel no longer reports memory pressure, since the "
                  "watched file is gone: this daemon looks twice a second "
                  "instead");
        return G_SOURCE_REMOVE;
    }
    if (watch->level_fd >= 0 && read(fd, &count, sizeof(count)) < 0) {
        g_debug("eventfd: %s", g_strerror(errno));
    }
    watch->rest = g_timeout_add(REST_MS, watch_rested, watch);
    watch->pressed(watch->opaque);
    return G_SOURCE_REMOVE;
}

static void watch_arm(MemoryWatch *watch)
{
    watch->source = g_unix_fd_add(watch->fd,
                                  watch->level_fd >= 0 ? G_IO_IN : G_IO_PRI,
                                  watch_ready, watch);
}

static bool watch_psi(MemoryWatch *watch, const char *path, GError **errp)
{
    watch->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (watch->fd < 0 ||
        write(watch->fd, PSI_TRIGGER, sizeof(PSI_TRIGGER)) < 0) {
        return watch_error(errp, path);
    }
    return true;
}

/* cgroup-v1/memory.rst, "Memory Pressure". */
static bool watch_v1(MemoryWatch *watch, const char *cgroup, GError **errp)
{
    g_autofree char *level = g_build_filename(cgroup,
                                              "memory.pressure_level", NULL);
    g_autofree char *control = g_build_filename(cgroup,
                                                "cgroup.event_control", NULL);
    g_autofree char *text = NULL;
    bool registered;
    int fd;

    watch->level_fd = open(level, O_RDONLY | O_CLOEXEC);
    if (watch->level_fd < 0) {
        return watch_error(errp, level);
    }
    watch->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    fd = open(control, O_WRONLY | O_CLOEXEC);
    if (watch->fd < 0 || fd < 0) {
        return watch_error(errp, control);
    }
    text = g_strdup_printf("%d %d low", watch->fd, watch->level_fd);
    registered = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (!registered) {
        watch_error(errp, control);
    }
    close(fd);
    return registered;
}

MemoryWatch *memory_watch_new(const MemorySource *source,
                              MemoryPressed *pressed, void *opaque,
                              GError **errp)
{
    g_autoptr(MemoryWatch) watch = g_new0(MemoryWatch, 1);
    g_autofree char *path = NULL;
    bool v1 = memory_source_watched(source, &path);

    watch->pressed = pressed;
    watch->opaque = opaque;
    watch->fd = watch->level_fd = -1;
    if (v1 ? !watch_v1(watch, path, errp) : !watch_psi(watch, path, errp)) {
        return NULL;
    }
    watch_arm(watch);
    return g_steal_pointer(&watch);
}

void memory_watch_free(MemoryWatch *watch)
{
    if (!watch) {
        return;
    }
    g_clear_handle_id(&watch->source, g_source_remove);
    g_clear_handle_id(&watch->rest, g_source_remove);
    if (watch->fd >= 0) {
        close(watch->fd);
    }
    if (watch->level_fd >= 0) {
        close(watch->level_fd);
    }
    g_free(watch);
}
