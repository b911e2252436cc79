/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manager-bus: systemd and logind on the system bus.  See manager-bus.h.
 *
 * A lock of logind is a descriptor: the shutdown waits until it is closed.
 * It is taken at the start, and again when a shutdown was called off.
 */
#include "rcached/manager-bus.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "common/cleanup.h"

#define SYSTEMD         "org.freedesktop.systemd1"
#define SYSTEMD_PATH    "/org/freedesktop/systemd1"
#define LOGIN           "org.freedesktop.login1"
#define LOGIN_PATH      "/org/freedesktop/login1"
#define LOGIN_MANAGER   LOGIN ".Manager"
#define ASK_MS          3000

struct ShutdownWatch {
    ShutdownSoon *soon;
    void *opaque;
    GCancellable *cancel;
    GDBusConnection *bus;       /* NULL until it is there */
    guint signal;
    int lock;                   /* or -1 */
};

/* ------------------------------------------------------------ the manager */

static GVariant *bus_call(GDBusConnection *bus, const char *path,
                          const char *interface, const char *method,
                          GVariant *args, const char *type, GError **errp)
{
    return g_dbus_connection_call_sync(bus, SYSTEMD, path, interface, method,
                                       args, G_VARIANT_TYPE(type),
                                       G_DBUS_CALL_FLAGS_NONE, ASK_MS, NULL,
                                       errp);
}

/* A property, without the variant around it. */
static GVariant *bus_property(GDBusConnection *bus, const char *path,
                              const char *interface, const char *name,
                              const char *type, GError **errp)
{
    g_autoptr(GVariant) answer = NULL, value = NULL;

    answer = bus_call(bus, path, "org.freedesktop.DBus.Properties", "Get",
                      g_variant_new("(ss)", interface, name), "(v)", errp);
    if (!answer) {
        return NULL;
    }
    g_variant_get(answer, "(v)", &value);
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE(type))) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "%s is of type %s", name,
                    g_variant_get_type_string(value));
        return NULL;
    }
    return g_steal_pointer(&value);
}

static char *job_type(GDBusConnection *bus, const char *unit, GError **errp)
{
    g_autoptr(GVariant) job = NULL, type = NULL;
    const char *path;
    guint32 id;

    job = bus_property(bus, unit, SYSTEMD ".Unit", "Job", "(uo)", errp);
    if (!job) {
        return NULL;
    }
    g_variant_get(job, "(u&o)", &id, &path);
    if (!id) {
        return g_strdup("");
    }
    type = bus_property(bus, path, SYSTEMD ".Job", "JobType", "s", errp);
    return type ? g_variant_dup_string(type, NULL) : NULL;
}

/* The system's bus; that it goes away is no reason to end. */
static void bus_outlive(GDBusConnection *bus)
{
    g_dbus_connection_set_exit_on_close(bus, FALSE);
}

char *manager_job(GError **errp)
{
    g_autoptr(GDBusConnection) bus = NULL;
    g_autoptr(GVariant) answer = NULL;
    const char *unit;

    bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, errp);
    if (!bus) {
        return NULL;
    }
    bus_outlive(bus);
    answer = bus_call(bus, SYSTEMD_PATH, SYSTEMD ".Manager", "GetUnitByPID",
                      g_variant_new("(u)", (guint32)getpid()), "(o)", errp);
    if (!answer) {
        return NULL;
    }
    g_variant_get(answer, "(&o)", &unit);
    return job_type(bus, unit, errp);
}

/* --------------------------------------------------------------- shutdown */

static void lock_close(ShutdownWatch *watch)
{
    autofd_close(&watch->lock);
    watch->lock = -1;
}

static void lock_taken(GObject *source, GAsyncResult *result, gpointer opaque)
{
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer = NULL;
    g_autoptr(GError) error = NULL;
    ShutdownWatch *watch = opaque;
    gint32 index;

    answer = g_dbus_connection_call_with_unix_fd_list_finish(
        G_DBUS_CONNECTION(source), &fds, result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        return;                 /* the watch is gone */
    }
    if (answer) {
        g_variant_get(answer, "(h)", &index);
        lock_close(watch);
        watch->lock = fds ? g_unix_fd_list_get(fds, index, &error) : -1;
    }
    if (watch->lock < 0) {
        g_message("a shutdown of this host does not wait for lent memory to "
                  "leave before services are stopped, since logind gives no "
                  "delay lock: %s", error ? error->message : "no descriptor");
    }
}

static void lock_take(ShutdownWatch *watch)
{
    g_dbus_connection_call_with_unix_fd_list(
        watch->bus, LOGIN, LOGIN_PATH, LOGIN_MANAGER, "Inhibit",
        g_variant_new("(ssss)", "shutdown", "rcached",
                      "memory that is lent to other hosts has to leave first",
                      "delay"),
        G_VARIANT_TYPE("(h)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
        watch->cancel, lock_taken, watch);
}

static void shutdown_signalled(GDBusConnection *bus, const char *sender,
                               const char *path, const char *interface,
                               const char *name, GVariant *args,
                               gpointer opaque)
{
    ShutdownWatch *watch = opaque;
    gboolean soon;

    if (!g_variant_is_of_type(args, G_VARIANT_TYPE("(b)"))) {
        return;
    }
    g_variant_get(args, "(b)", &soon);
    if (!soon && watch->lock < 0) {
        lock_take(watch);
    }
    watch->soon(soon, watch->opaque);
}

static void bus_there(GObject *source, GAsyncResult *result, gpointer opaque)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) bus = g_bus_get_finish(result, &error);
    ShutdownWatch *watch = opaque;

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        return;                 /* the watch is gone */
    }
    if (!bus) {
        g_message("nobody tells this daemon of a shutdown before services "
                  "are stopped: %s", error->message);
        return;
    }
    bus_outlive(bus);
    watch->bus = g_steal_pointer(&bus);
    watch->signal = g_dbus_connection_signal_subscribe(
        watch->bus, LOGIN, LOGIN_MANAGER, "PrepareForShutdown", LOGIN_PATH,
        NULL, G_DBUS_SIGNAL_FLAGS_NONE, shutdown_signalled, watch, NULL);
    lock_take(watch);
}

ShutdownWatch *shutdown_watch_new(ShutdownSoon *soon, void *opaque)
{
    ShutdownWatch *watch = g_new0(ShutdownWatch, 1);

    watch->soon = soon;
    watch->opaque = opaque;
    watch->lock = -1;
    watch->cancel = g_cancellable_new();
    g_bus_get(G_BUS_TYPE_SYSTEM, watch->cancel, bus_there, watch);
    return watch;
}

void shutdown_watch_free(ShutdownWatch *watch)
{
    if (!watch) {
        return;
    }
    g_cancellable_cancel(watch->cancel);
    g_object_unref(watch->cancel);
    if (watch->bus) {
        g_dbus_connection_signal_unsubscribe(watch->bus, watch->signal);
        g_object_unref(watch->bus);
    }
    lock_close(watch);
    g_free(watch);
}

void shutdown_watch_release(ShutdownWatch *watch)
{
    if (watch) {
        lock_close(watch);
    }
}
