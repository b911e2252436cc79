/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connections of hosts: whose frames are whose. */
#include <check.h>
#include <string.h>

#include "arbiter/control.h"
#include "common/wire-control.h"
#include "common/wire-version.h"

#define PACE    100u

static Control *control;
static HostConn *there;

static void *on_hello(HostConn *conn, const WireHello *hello, char *text,
                      void *opaque)
{
    if (there) {
        control_drop(there, "it has connected again");
    }
    there = conn;
    return conn;
}

static void on_gone(HostConn *conn, const char *reason, void *opaque)
{
    there = there == conn ? NULL : there;
}

static const ControlOps ops = { .on_hello = on_hello, .on_gone = on_gone };

static void set_up(void)
{
    ControlConfig config = {
        .listen = "127.0.0.1:0", .conns_max = 8, .heartbeat_ms = 1000,
        .silence_ms = 60000, .host = "arbiter",
        .limits = {
            .hellos_address = 8, .handshakes = 100, .handshakes_address = 50,
            .frames_host = PACE,
        },
    };

    there = NULL;
    control = control_new(&config, &ops, NULL, NULL);
    ck_assert_ptr_nonnull(control);
}

static void tear_down(void)
{
    control_free(control);
}

/* Say HELLO and send some PINGs. */
static GSocketConnection *come(const char *name, unsigned pings)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    GSocketConnection *c = g_socket_client_connect_to_host(
        client, control_address(control), 0, NULL, NULL);
    WireHello hello = {
        .version_min = wire_version_highest(),
        .version_max = wire_version_highest(), .role = RCACHE_ROLE_HOST,
    };
    WireHead ping = { .type = RCACHE_PING };

    ck_assert_ptr_nonnull(c);
    g_strlcpy(hello.host, name, sizeof(hello.host));
    wire_append_hello(out, 1, &hello);
    for (unsigned i = 0; i < pings; i++) {
        wire_append_bare(out, &ping);
    }
    ck_assert(g_output_stream_write_all(
        g_io_stream_get_output_stream(G_IO_STREAM(c)), out->data, out->len,
        NULL, NULL, NULL));
    return c;
}

/* Until there are as many PONGs.  Return: us that it took */
static int64_t answered(GSocketConnection *c, unsigned pongs)
{
    GSocket *socket = g_socket_connection_get_socket(c);
    g_autoptr(GByteArray) in = g_byte_array_new();
    int64_t began = g_get_monotonic_time();
    size_t at = 0;
    WireHead head;
    char buf[4096];

    g_socket_set_blocking(socket, FALSE);
    while (pongs) {
        gssize n = g_socket_receive(socket, buf, sizeof(buf), NULL, NULL);

        ck_assert_int_ne(n, 0);
        ck_assert_int_lt(g_get_monotonic_time() - began, 20000000);
        if (n < 0) {
            g_main_context_iteration(NULL, FALSE);
            g_usleep(1000);
            continue;
        }
        g_byte_array_append(in, (const uint8_t *)buf, n);
        while (pongs && in->len - at >= WIRE_HEAD_LEN) {
            ck_assert(wire_head_decode(in->data + at, WIRE_HOST, &head) ==
                      WIRE_OK);
            if (in->len - at < WIRE_HEAD_LEN + head.length) {
                break;
            }
            at += WIRE_HEAD_LEN + head.length;
            pongs -= head.type == RCACHE_PONG;
        }
    }
    return g_get_monotonic_time() - began;
}

/* It owes two seconds, whatever connection it comes with; others do not. */
START_TEST(who_comes_again_owes_what_it_owed)
{
    g_autoptr(GSocketConnection) first = come("one", 3 * PACE);
    g_autoptr(GSocketConnection) again = NULL, more = NULL;
    g_autoptr(GByteArray) ping = g_byte_array_new();
    WireHead head = { .type = RCACHE_PING };

    answered(first, 3 * PACE);
    again = come("one", 1);
    /* What comes with its HELLO is read; then it waits. */
    answered(again, 1);
    wire_append_bare(ping, &head);
    ck_assert(g_output_stream_write_all(
        g_io_stream_get_output_stream(G_IO_STREAM(again)), ping->data,
        ping->len, NULL, NULL, NULL));
    ck_assert_int_gt(answered(again, 1), 1000000);
    more = come("other", PACE);
    ck_assert_int_lt(answered(more, PACE), 1000000);
}
END_TEST

START_TEST(handshakes_as_configured)
{
    const ControlLimits limits = { .handshakes = 999,
                                   .handshakes_address = 600 };
    StrangersLimits shakes;

    control_limits_strangers(&limits, &shakes);
    ck_assert_uint_eq(shakes.own.pace, 600);
    ck_assert_uint_eq(shakes.own.most, 600 * CONTROL_HANDSHAKES_S);
    ck_assert_uint_eq(shakes.all.pace, 999);
    ck_assert_uint_eq(shakes.all.most, 999 * CONTROL_HANDSHAKES_S);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("control");
    TCase *tc = tcase_create("control");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, who_comes_again_owes_what_it_owed);
    tcase_add_test(tc, handshakes_as_configured);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
