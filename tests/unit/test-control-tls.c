/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control connections with TLS: both ends, over the loopback interface. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/control-conn.h"
#include "common/control-dial.h"
#include "common/listener.h"
#include "common/wire-control.h"
#include "tests/unit/tls-fixture.h"

static const TlsWanted host = { .role = TLS_ROLE_HOST };
static const TlsWanted arbiter = { .role = TLS_ROLE_ARBITER };

/* One end, and what it has seen. */
typedef struct End {
    ControlConn *conn;
    unsigned frames;
    uint64_t tag;
    bool closed;
    char reason[300];
} End;

typedef struct Pair {
    Listener *listener;
    GSocketConnection *accepted, *dialed;
    End host, arbiter;
} Pair;

static void on_frame(ControlConn *conn, const WireHead *head,
                     const uint8_t *payload, void *opaque)
{
    End *end = opaque;

    end->frames++;
    end->tag = head->tag;
}

static void on_closed(ControlConn *conn, const char *reason, void *opaque)
{
    End *end = opaque;

    end->closed = true;
    g_strlcpy(end->reason, reason, sizeof(end->reason));
}

static const ControlConnOps ops = { on_frame, on_closed };

static void on_accept(GSocketConnection *conn, void *opaque)
{
    Pair *pair = opaque;

    pair->accepted = g_object_ref(conn);
}

static void on_dialed(GSocketConnection *conn, const GError *error,
                      void *opaque)
{
    Pair *pair = opaque;

    ck_assert_ptr_nonnull(conn);
    pair->dialed = g_object_ref(conn);
}

#define wait_for(what) \
    do { \
        for (int i_ = 0; i_ < 20000 && !(what); i_++) { \
            if (!g_main_context_iteration(NULL, FALSE)) { \
                g_usleep(500); \
            } \
        } \
        ck_assert_msg(what, "%s", #what); \
    } while (0)

/* Credentials may be NULL: that end speaks without TLS. */
static void pair_open(Pair *pair, TlsCredentials *of_host,
                      TlsCredentials *of_arbiter)
{
    *pair = (Pair) { 0 };
    pair->listener = listener_new_tcp("127.0.0.1:0", 1, on_accept, pair, NULL);
    control_dial(listener_address(pair->listener), 0, 30000, on_dialed, pair);
    wait_for(pair->accepted && pair->dialed);
    pair->host.conn = control_conn_new(pair->dialed, WIRE_HOST, &ops,
                                       &pair->host);
    pair->arbiter.conn = control_conn_new(pair->accepted, WIRE_ARBITER, &ops,
                                          &pair->arbiter);
    control_conn_start_tls(pair->arbiter.conn, of_arbiter, TLS_SERVER, &host);
    control_conn_start_tls(pair->host.conn, of_host, TLS_CLIENT, &arbiter);
}

static void pair_close(Pair *pair)
{
    control_conn_free(pair->host.conn);
    control_conn_free(pair->arbiter.conn);
    listener_free(pair->listener);
    g_object_unref(pair->accepted);
    g_object_unref(pair->dialed);
}

static void send_hello(ControlConn *conn)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireHello hello = { .role = RCACHE_ROLE_HOST, .host = "a" };

    hello.version_min = hello.version_max = 1;
    wire_append_hello(out, 77, &hello);
    control_conn_send(conn, out);
}

static void send_drain(ControlConn *conn)
{
    g_autoptr(GByteArray) out = g_byte_array_new();

    wire_append_drain(out, true);
    ck_assert(control_conn_send(conn, out));
}

static TlsCredentials *arbiter_credentials(const PkiPair *ca)
{
    PkiRequest request = tls_fixture_request("arb");

    request.roles = TLS_ROLE_ARBITER;
    return tls_fixture_credentials(ca, "arb", &request);
}

START_TEST(frames_go_through)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) arb = arbiter_credentials(ca);
    char why[300];
    Pair pair;

    pair_open(&pair, a, arb);
    send_hello(pair.host.conn);         /* before anything has been agreed */
    wait_for(pair.arbiter.frames == 1);
    ck_assert_uint_eq(pair.arbiter.tag, 77);
    ck_assert(control_conn_is(pair.arbiter.conn, "a", why, sizeof(why)));
    ck_assert(!control_conn_is(pair.arbiter.conn, "b", why, sizeof(why)));
    ck_assert(control_conn_is(pair.host.conn, "arb", why, sizeof(why)));
    ck_assert_int_gt(control_conn_expires(pair.arbiter.conn), 0);
    for (int i = 0; i < 1000; i++) {
        send_drain(pair.arbiter.conn);
    }
    wait_for(pair.host.frames == 1000);
    control_conn_close(pair.host.conn, "over");
    wait_for(pair.host.closed && pair.arbiter.closed);
    ck_assert_str_eq(pair.host.reason, "over");
    ck_assert_str_eq(pair.arbiter.reason, "the peer closed the connection");
    pair_close(&pair);
}
END_TEST

/* A frame of the largest kind takes many records, and many reads. */
START_TEST(large_frames_go_through)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) arb = arbiter_credentials(ca);
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireHead head = { .type = RCACHE_HEARTBEAT, .length = 200000, .tag = 5 };
    Pair pair;

    g_byte_array_set_size(out, WIRE_HEAD_LEN + head.length);
    memset(out->data, 0, out->len);
    wire_head_encode(out->data, &head);
    pair_open(&pair, a, arb);
    for (int i = 0; i < 10; i++) {
        ck_assert(control_conn_send(pair.host.conn, out));
    }
    wait_for(pair.arbiter.frames == 10);
    ck_assert_uint_eq(pair.arbiter.tag, 5);
    pair_close(&pair);
}
END_TEST

START_TEST(no_frame_goes_to_a_stranger)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    Pair pair;

    pair_open(&pair, a, b);             /* b is no arbiter */
    send_hello(pair.host.conn);
    wait_for(pair.host.closed && pair.arbiter.closed);
    ck_assert_uint_eq(pair.arbiter.frames, 0);
    ck_assert(strstr(pair.host.reason, "only an arbiter's is taken") != NULL);
    ck_assert(strstr(pair.arbiter.reason, "has refused the TLS") != NULL);
    pair_close(&pair);
}
END_TEST

START_TEST(both_logs_say_who_has_no_tls)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) arb = arbiter_credentials(ca);
    Pair pair;

    pair_open(&pair, NULL, arb);
    send_hello(pair.host.conn);
    wait_for(pair.host.closed && pair.arbiter.closed);
    ck_assert(strstr(pair.arbiter.reason, "the peer speaks without TLS"));
    ck_assert_msg(strstr(pair.host.reason, "bytes of TLS") != NULL, "%s",
                  pair.host.reason);
    pair_close(&pair);
    pair_open(&pair, a, NULL);
    send_hello(pair.host.conn);
    wait_for(pair.host.closed && pair.arbiter.closed);
    ck_assert(strstr(pair.arbiter.reason, "bytes of TLS") != NULL);
    ck_assert_msg(strstr(pair.host.reason, "does it speak without") != NULL,
                  "%s", pair.host.reason);
    pair_close(&pair);
}
END_TEST

START_TEST(who_is_revoked_is_put_out)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) ma = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsMaterial) mb = tls_fixture_material(ca, "b", NULL);
    g_autoptr(TlsCredentials) a = tls_credentials_new(ma, NULL);
    g_autoptr(TlsCredentials) arb = arbiter_credentials(ca);
    g_autoptr(TlsCredentials) new = NULL;
    const char *revoked[] = { ma->client_cert };
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    Pair pair;

    mb->crl = pki_cert_revoke(ca, revoked, 1, 1, now, now + DAY, NULL);
    new = tls_credentials_new(mb, NULL);
    pair_open(&pair, a, arb);
    send_hello(pair.host.conn);
    wait_for(pair.arbiter.frames == 1);
    control_conn_recheck(pair.arbiter.conn, arb);
    ck_assert(!pair.arbiter.closed);
    control_conn_recheck(pair.arbiter.conn, new);
    wait_for(pair.host.closed && pair.arbiter.closed);
    ck_assert(strstr(pair.arbiter.reason, "revoked") != NULL);
    pair_close(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control-tls");
    TCase *tc = tcase_create("control-tls");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, frames_go_through);
    tcase_add_test(tc, large_frames_go_through);
    tcase_add_test(tc, no_frame_goes_to_a_stranger);
    tcase_add_test(tc, both_logs_say_who_has_no_tls);
    tcase_add_test(tc, who_is_revoked_is_put_out);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
