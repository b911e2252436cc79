/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control connections: framing, limits, ends, and connecting. */
#include <check.h>
#include <string.h>

#include "common/control-conn.h"
#include "common/control-dial.h"
#include "common/listener.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"

/* One end, and what it has seen. */
typedef struct End {
    ControlConn *frames;
    unsigned control_conn_seen;
    uint64_t last_tag;
    unsigned closed;
    char reason[128];
    bool free_in_frame;
} End;

static Listener *listener;
static GSocketConnection *accepted_conn, *dialed_conn;
static GError *dial_error;
static unsigned dials;
static End arbiter;             /* a ControlConn */
static GSocket *host;           /* the bare socket of the other side */

static void on_frame(ControlConn *frames, const WireHead *head,
                     const uint8_t *payload, void *opaque)
{
    End *end = opaque;

    ck_assert_int_eq(end->closed, 0);
    end->control_conn_seen++;
    end->last_tag = head->tag;
    if (end->free_in_frame) {
        g_clear_pointer(&end->frames, control_conn_free);
    }
}

static void on_closed(ControlConn *frames, const char *reason, void *opaque)
{
    End *end = opaque;

    end->closed++;
    g_strlcpy(end->reason, reason, sizeof(end->reason));
    g_clear_pointer(&end->frames, control_conn_free);
}

static const ControlConnOps ops = {on_frame, on_closed};

static void on_accept(GSocketConnection *conn, void *opaque)
{
    accepted_conn = g_object_ref(conn);
}

static void on_dialed(GSocketConnection *conn, const GError *error,
                      void *opaque)
{
    ck_assert_int_eq(!conn, !!error);
    dials++;
    dialed_conn = conn ? g_object_ref(conn) : NULL;
    dial_error = error ? g_error_copy(error) : NULL;
}

static void spin(unsigned ms)
{
    gint64 until = g_get_monotonic_time() + ms * 1000;

    do {
        while (g_main_context_iteration(NULL, FALSE)) {
            continue;
        }
        g_usleep(500);
    } while (g_get_monotonic_time() < until);
}

#define wait_for(what) \
    do { \
        for (int i_ = 0; i_ < 5000 && !(what); i_++) { \
            spin(1); \
        } \
        ck_assert_msg(what, "%s", #what); \
    } while (0)

static void set_up(void)
{
    listener = listener_new_tcp("127.0.0.1:0", 1, on_accept, NULL, NULL);
    ck_assert_ptr_nonnull(listener);
    control_dial(listener_address(listener), 0, 1000, on_dialed, NULL);
    wait_for(dialed_conn && accepted_conn);
    host = g_socket_connection_get_socket(dialed_conn);
    g_socket_set_blocking(host, FALSE);
    arbiter.frames =
        control_conn_new(accepted_conn, WIRE_ARBITER, &ops, &arbiter);
}

static void tear_down(void)
{
    control_conn_free(arbiter.frames);
    g_object_unref(accepted_conn);
    g_clear_object(&dialed_conn);
    listener_free(listener);
}

static void push(const void *bytes, size_t len)
{
    ck_assert_int_eq(g_socket_send(host, bytes, len, NULL, NULL), len);
}

static GByteArray *ping(uint64_t tag)
{
    GByteArray *out = g_byte_array_new();
    WireHead head = { .type = RCACHE_PING, .tag = tag };

    wire_append_bare(out, &head);
    return out;
}

static GByteArray *hello(uint64_t tag)
{
    WireHello h = { .version_min = 1, .version_max = 1,
                    .role = RCACHE_ROLE_HOST, .host = "h" };
    GByteArray *out = g_byte_array_new();

    wire_append_hello(out, tag, &h);
    return out;
}

/* What the host's side has got by now; -1: the end. */
static gssize pull(void *bytes, size_t len)
{
    gssize n = g_socket_receive(host, bytes, len, NULL, NULL);

    return n == 0 ? -1 : MAX(n, 0);
}

START_TEST(frames_come_whole)
{
    g_autoptr(GByteArray) one = hello(1), two = hello(2);

    ck_assert(
        g_str_has_prefix(control_conn_peer(arbiter.frames), "127.0.0.1:"));
    ck_assert_str_eq(control_conn_peer_host(arbiter.frames), "127.0.0.1");
    /* In single bytes, and then two in one piece. */
    for (guint i = 0; i < one->len; i++) {
        ck_assert_uint_eq(arbiter.control_conn_seen, 0);
        push(one->data + i, 1);
        spin(0);
    }
    wait_for(arbiter.control_conn_seen == 1);
    g_byte_array_append(one, two->data, two->len);
    push(one->data, one->len);
    wait_for(arbiter.control_conn_seen == 3);
    ck_assert_uint_eq(arbiter.last_tag, 2);
    ck_assert_ptr_nonnull(arbiter.frames);
}
END_TEST

START_TEST(pings_are_answered)
{
    g_autoptr(GByteArray) p = ping(42);
    uint8_t bytes[100];
    gssize n = 0;
    WireHead head;

    push(p->data, p->len);
    wait_for(n || (n = pull(bytes, sizeof(bytes))));
    ck_assert_int_eq(n, WIRE_HEAD_LEN);
    ck_assert_int_eq(wire_head_decode(bytes, WIRE_HOST, &head), WIRE_OK);
    ck_assert_int_eq(head.type, RCACHE_PONG);
    ck_assert_uint_eq(head.tag, 42);
    ck_assert_uint_eq(arbiter.control_conn_seen, 0);
}
END_TEST

START_TEST(ends_have_reasons)
{
    g_autoptr(GByteArray) h = hello(1);

    switch (_i) {
    case 0:
        g_socket_close(host, NULL);
        wait_for(arbiter.closed);
        ck_assert_str_eq(arbiter.reason, "the peer closed the connection");
        break;
    case 1:
        push(h->data, 50);
        spin(5);
        g_socket_shutdown(host, FALSE, TRUE, NULL);
        wait_for(arbiter.closed);
        ck_assert_str_eq(arbiter.reason,
                         "the peer closed the connection in the middle of "
                         "a frame");
        break;
    case 2:
        h->data[0] ^= 1;
        push(h->data, h->len);
        wait_for(arbiter.closed);
        ck_assert(g_str_has_prefix(arbiter.reason, "a bad frame"));
        break;
    case 3:
        control_conn_set_deadline(arbiter.frames, 100);
        for (int i = 0; i < 3; i++) {   /* each frame starts it anew */
            spin(60);
            ck_assert_uint_eq(arbiter.closed, 0);
            push(h->data, h->len);
        }
        push(h->data, 10);              /* a part of one does not */
        wait_for(arbiter.closed);
        ck_assert(g_str_has_prefix(arbiter.reason, "nothing heard for 0."));
        break;
    }
    spin(5);
    ck_assert_uint_eq(arbiter.closed, 1);
}
END_TEST

static void push_bare(uint8_t type)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireHead head = { .type = type };

    wire_append_bare(out, &head);
    /* It may have been ended just now. */
    g_socket_send(host, (char *)out->data, out->len, NULL, NULL);
}

/* A peer that says only that it is there. */
START_TEST(a_ping_says_nothing)
{
    gint64 until = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

    control_conn_set_deadline(arbiter.frames, 100);
    while (!arbiter.closed && g_get_monotonic_time() < until) {
        push_bare(_i ? RCACHE_PONG : RCACHE_PING);
        spin(20);
    }
    ck_assert_uint_eq(arbiter.closed, 1);
    ck_assert(g_str_has_prefix(arbiter.reason, "nothing heard for "));
}
END_TEST

/* A peer that is not known: no room is made for what it announces. */
START_TEST(a_stranger_gets_little)
{
    g_autoptr(GByteArray) beat = g_byte_array_new();
    guint start;

    control_conn_limit(arbiter.frames, 1024);
    if (_i) {
        g_byte_array_set_size(beat, CONTROL_QUEUE_LIMITED + 1);
        ck_assert(!control_conn_send(arbiter.frames, beat));
        return;
    }
    start = wire_beat_begin(beat);
    g_byte_array_set_size(beat, WIRE_HEAD_LEN + 200000);
    wire_beat_end(beat, start);
    push(beat->data, WIRE_HEAD_LEN);
    wait_for(arbiter.closed);
    ck_assert_str_eq(arbiter.reason, "a bad frame (HEARTBEAT): 200000 bytes, "
                                     "and no HELLO before it");
}
END_TEST

/* What was queued arrives, and then the end. */
START_TEST(close_sends_first)
{
    g_autoptr(GByteArray) big = g_byte_array_new(), more = hello(3);
    static uint8_t bytes[1 << 16];
    size_t got = 0;
    gssize n = 0;

    g_byte_array_set_size(big, 3 << 20);
    ck_assert(control_conn_send(arbiter.frames, big));
    control_conn_close(arbiter.frames, "enough");
    ck_assert(!control_conn_send(arbiter.frames, big));
    push(more->data, more->len);
    spin(20);
    ck_assert_uint_eq(arbiter.closed, 0);
    while (n >= 0) {
        n = pull(bytes, sizeof(bytes));
        got += MAX(n, 0);
        spin(0);
    }
    ck_assert_uint_eq(got, 3 << 20);
    ck_assert_uint_eq(arbiter.closed, 0);
    g_socket_close(host, NULL);
    wait_for(arbiter.closed);
    ck_assert_str_eq(arbiter.reason, "enough");
    ck_assert_uint_eq(arbiter.control_conn_seen, 0);
}
END_TEST

/* A peer that neither reads nor closes is not waited for. */
START_TEST(close_ends_in_time)
{
    gint64 start = g_get_monotonic_time();

    control_conn_set_deadline(arbiter.frames, 20000);
    control_conn_close(arbiter.frames, "enough");
    wait_for(arbiter.closed);
    ck_assert_int_ge(g_get_monotonic_time() - start, 1900000);
    ck_assert_int_lt(g_get_monotonic_time() - start, 4000000);
}
END_TEST

START_TEST(queue_has_an_end)
{
    g_autoptr(GByteArray) big = g_byte_array_new();
    unsigned sent = 0;

    g_byte_array_set_size(big, 1 << 20);
    while (sent < 100 && control_conn_send(arbiter.frames, big)) {
        sent++;
    }
    /* What the kernel took, and the queue. */
    ck_assert_uint_ge(sent, 4);
    ck_assert_uint_lt(sent, 30);
    ck_assert_uint_eq(arbiter.closed, 0);   /* not from within the call */
    wait_for(arbiter.closed);
    ck_assert_str_eq(arbiter.reason, "the peer does not read what it is sent");
}
END_TEST

START_TEST(freed_from_its_callback)
{
    g_autoptr(GByteArray) two = hello(1), h = hello(2);

    g_byte_array_append(two, h->data, h->len);
    arbiter.free_in_frame = true;
    push(two->data, two->len);
    wait_for(arbiter.control_conn_seen);
    spin(5);
    ck_assert_uint_eq(arbiter.control_conn_seen, 1);
    ck_assert_uint_eq(arbiter.closed, 0);
}
END_TEST

START_TEST(dialing)
{
    ControlDial *dial;

    g_clear_object(&dialed_conn);
    dials = 0;
    control_dial("nowhere", 1, 1000, on_dialed, NULL);
    ck_assert_uint_eq(dials, 0);        /* not from within the call */
    wait_for(dials == 1);
    ck_assert_ptr_nonnull(strstr(dial_error->message, "is not an address"));
    g_clear_error(&dial_error);

    control_dial("127.0.0.1:1", 0, 1000, on_dialed, NULL);
    wait_for(dials == 2);
    ck_assert_ptr_nonnull(dial_error);
    g_clear_error(&dial_error);

    dial = control_dial(listener_address(listener), 0, 1000, on_dialed, NULL);
    control_dial_cancel(dial);
    spin(20);
    ck_assert_uint_eq(dials, 2);
}
END_TEST

/* Who sends too fast waits, however long that takes, and is answered all the
 * same. */
START_TEST(who_sends_too_fast_is_not_read)
{
    enum { SENT = 1500, REST = 400 };
    static const unsigned paces[] = { 1000, 500 };
    unsigned pace_of = paces[_i];
    gint64 owes_us = (SENT - pace_of) * G_USEC_PER_SEC / pace_of;
    g_autoptr(GByteArray) pings = g_byte_array_new();
    WireHead one = { .type = RCACHE_PING };
    gint64 began = g_get_monotonic_time();
    FramePace pace;
    unsigned got = 0;
    char buf[4096];

    for (unsigned i = 0; i < SENT; i++) {
        wire_append_bare(pings, &one);
    }
    frame_pace_init(&pace, pace_of, began);
    control_conn_pace(arbiter.frames, &pace);
    push(pings->data, pings->len);
    spin(20);
    push(pings->data, REST * WIRE_HEAD_LEN);
    while (got < (SENT + REST) * WIRE_HEAD_LEN) {
        gssize n = pull(buf, sizeof(buf));

        ck_assert_int_ge(n, 0);
        got += n;
        spin(1);
        ck_assert_int_lt(g_get_monotonic_time() - began, 30000000);
    }
    /* What was over the pace had to be made up for before the rest was read. */
    ck_assert_int_gt(g_get_monotonic_time() - began, owes_us * 9 / 10);
    ck_assert_uint_eq(arbiter.closed, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("frames");
    TCase *tc = tcase_create("frames");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, frames_come_whole);
    tcase_add_test(tc, pings_are_answered);
    tcase_add_loop_test(tc, ends_have_reasons, 0, 4);
    tcase_add_loop_test(tc, a_ping_says_nothing, 0, 2);
    tcase_add_loop_test(tc, a_stranger_gets_little, 0, 2);
    tcase_add_test(tc, close_sends_first);
    tcase_add_test(tc, close_ends_in_time);
    tcase_add_test(tc, queue_has_an_end);
    tcase_add_test(tc, freed_from_its_callback);
    tcase_add_loop_test(tc, who_sends_too_fast_is_not_read, 0, 2);
    tcase_add_test(tc, dialing);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
