/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shutdown that logind tells of, and one that is called off: a bus of the
 * test's own, on which the test plays logind.
 */
#include <check.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "rcached/host-json.h"
#include "rcached/stopping.h"
#include "tests/unit/daemon-fixture.h"

#define PATIENCE_US     (60 * G_USEC_PER_SEC)

static Daemon daemon_;
static GTestDBus *bus;
static GDBusConnection *logind;
static Stopping *stopping;
static int lock = -1;           /* the other end of what was given last */
static unsigned locks, overs;

static void inhibit(GDBusConnection *conn, const char *sender,
                    const char *path, const char *interface,
                    const char *method, GVariant *args,
                    GDBusMethodInvocation *call, gpointer opaque)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(g_unix_fd_list_append(fds, ends[1], NULL), 0);
    close(ends[1]);
    if (lock >= 0) {
        close(lock);
    }
    lock = ends[0];
    locks++;
    g_dbus_method_invocation_return_value_with_unix_fd_list(
        call, g_variant_new("(h)", 0), fds);
}

static void logind_start(void)
{
    static const GDBusInterfaceVTable vtable = { .method_call = inhibit };
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(
        "<node><interface name='org.freedesktop.login1.Manager'>"
        "<method name='Inhibit'><arg type='s' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='s' direction='in'/>"
        "<arg type='s' direction='in'/><arg type='h' direction='out'/>"
        "</method></interface></node>", NULL);
    g_autoptr(GVariant) owned = NULL;

    logind = g_dbus_connection_new_for_address_sync(
        g_test_dbus_get_bus_address(bus),
        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
        G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL, NULL);
    ck_assert_ptr_nonnull(logind);
    ck_assert_uint_ne(g_dbus_connection_register_object(
        logind, "/org/freedesktop/login1", node->interfaces[0], &vtable,
        NULL, NULL, NULL), 0);
    owned = g_dbus_connection_call_sync(
        logind, "org.freedesktop.DBus", "/org/freedesktop/DBus",
        "org.freedesktop.DBus", "RequestName",
        g_variant_new("(su)", "org.freedesktop.login1", 0), NULL,
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
    ck_assert_ptr_nonnull(owned);
}

static void shutdown_is_near(bool near)
{
    ck_assert(g_dbus_connection_emit_signal(
        logind, NULL, "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager", "PrepareForShutdown",
        g_variant_new("(b)", near), NULL));
}

/* Does the daemon hold the lock that it was given last? */
static bool is_held(void)
{
    struct pollfd fd = { .fd = lock };

    return lock >= 0 && poll(&fd, 1, 0) == 0;
}

/* As everybody who asks is told. */
static bool is_stopping(void)
{
    g_autoptr(JsonObject) o = host_json_host(daemon_.rcached);
    bool stopping_now = policy_state(daemon_.rcached->policy)->stopping;

    ck_assert_int_eq(json_object_get_boolean_member(o, "draining"),
                     stopping_now);
    return stopping_now;
}

static void expect(unsigned nr_locks, bool held, bool leaves)
{
    int64_t until = g_get_monotonic_time() + PATIENCE_US;

    while (locks != nr_locks || is_held() != held ||
           is_stopping() != leaves) {
        ck_assert_msg(g_get_monotonic_time() < until,
                      "%u locks, held: %d, stopping: %d", locks, is_held(),
                      is_stopping());
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
}

static void over(bool lost, void *opaque)
{
    overs++;
}

static void set_up(void)
{
    const char *const none[] = { NULL };

    bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(bus);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address(bus), 1);
    logind_start();
    daemon_start(&daemon_, none);
    /* Who is started by a service manager holds shutdowns up. */
    setenv("NOTIFY_SOCKET", "/nowhere", 1);
    stopping = stopping_new(&(StoppingConfig) {
        .policy = daemon_.rcached->policy,
        .provider = daemon_.rcached->provider, .over = over,
    });
    unsetenv("NOTIFY_SOCKET");
    expect(1, true, false);
}

static void tear_down(void)
{
    stopping_free(stopping);
    daemon_stop(&daemon_);
    g_object_unref(logind);
    g_test_dbus_stop(bus);
    g_object_unref(bus);
    close(lock);
}

static bool ticks(void)
{
    g_autofree char *text = stopping_tick(stopping, g_get_monotonic_time());

    return text;
}

/* When all has left the host may go down. */
START_TEST(a_shutdown_waits_until_all_has_left)
{
    shutdown_is_near(true);
    expect(1, true, true);
    ck_assert(ticks());         /* nothing is lent */
    expect(1, false, true);
    ck_assert_uint_eq(overs, 0);        /* SIGTERM is still to come */
    stopping_asked(stopping);
    ck_assert_uint_eq(overs, 1);
}
END_TEST

/* It lends again, and the next shutdown waits too. */
START_TEST(a_shutdown_is_called_off)
{
    shutdown_is_near(true);
    expect(1, true, true);
    shutdown_is_near(false);
    expect(1, true, false);
    ck_assert(!ticks());
    shutdown_is_near(true);
    expect(1, true, true);
    ck_assert(ticks());
    expect(1, false, true);
    shutdown_is_near(false);
    expect(2, true, false);
    ck_assert(!ticks());
    ck_assert_uint_eq(overs, 0);
    shutdown_is_near(true);
    expect(2, true, true);
    ck_assert(ticks());
    expect(2, false, true);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shutdown");
    TCase *t = tcase_create("core");
    SRunner *runner;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_shutdown_waits_until_all_has_left);
    tcase_add_test(t, a_shutdown_is_called_off);
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
