/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A real arbiter with hosts that are mad, silent, late, or impostors. */
#include <check.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "tests/integration/fake-host.h"

#define MIB     (1ull << 20)

static ArbiterProcess arbiter;
static FakeHost me, a, b;

static void set_up(void)
{
    arbiter_start(&arbiter, 100);
    fake_host_init(&me, "me", 0);
    fake_host_init(&a, "a", 1024 * MIB);
    fake_host_init(&b, "b", 1024 * MIB);
    me.vm = true;
}

static void tear_down(void)
{
    fake_host_deinit(&me);
    fake_host_deinit(&a);
    fake_host_deinit(&b);
    arbiter_stop(&arbiter);
}

static void join_all(void)
{
    fake_host_join(&me, &arbiter);
    fake_host_join(&a, &arbiter);
    fake_host_join(&b, &arbiter);
}

static gint64 host_int(const char *name, const char *field)
{
    g_autoptr(JsonObject) o = arbiter_host(&arbiter, name);

    ck_assert_ptr_nonnull(o);
    return json_object_get_int_member(o, field);
}

static bool host_is(const char *name, const char *state)
{
    g_autoptr(JsonObject) o = arbiter_host(&arbiter, name);

    return o ? !strcmp(json_object_get_string_member(o, "state"), state)
             : !strcmp(state, "forgotten");
}

static bool text_has(const char *command, const char *part)
{
    g_autofree char *text = arbiter_text(&arbiter, command);

    return strstr(text, part);
}

/* --------------------------------------------------------------- bad hosts */

typedef void Spoil(GByteArray *frame);

static void bad_magic(GByteArray *f)
{
    f->data[0] ^= 1;
}

static void bad_version(GByteArray *f)
{
    f->data[4] = 9;
}

static void bad_type(GByteArray *f)
{
    f->data[5] = RCACHE_PUT;
}

static void too_long(GByteArray *f)
{
    f->data[11] = 0x7f;         /* the top byte of its length */
}

static void short_section(GByteArray *f)
{
    f->data[WIRE_HEAD_LEN + 4] -= 1;
}

static void endless_section(GByteArray *f)
{
    memset(f->data + WIRE_HEAD_LEN + 4, 0xff, 4);
}

static void no_host_section(GByteArray *f)
{
    f->data[WIRE_HEAD_LEN] = RCACHE_SECTION_TERM;
}

static void other_boot(GByteArray *f)
{
    f->data[WIRE_HEAD_LEN + 8 + 8] ^= 1;
}

static void loose_text(GByteArray *f)
{
    size_t label = WIRE_HEAD_LEN + 8 +
                   offsetof(struct RcacheBeatHost, label);

    memset(f->data + label, 'x', RCACHE_NAME_MAX);
}

static void again_hello(GByteArray *f)
{
    WireHello hello = { .version_min = 1, .version_max = 1,
                        .role = RCACHE_ROLE_HOST, .host = "bad" };

    g_byte_array_set_size(f, 0);
    wire_append_hello(f, 1, &hello);
}

static Spoil *const spoils[] = {
    bad_magic, bad_version, bad_type, too_long, short_section,
    endless_section, no_host_section, other_boot, loose_text, again_hello,
};

START_TEST(a_bad_host_ends_alone)
{
    g_autoptr(GByteArray) frame = NULL;
    uint64_t sent;
    FakeHost bad;

    fake_host_join(&a, &arbiter);
    fake_host_init(&bad, "bad", 64 * MIB);
    fake_host_join(&bad, &arbiter);
    bad.beats = false;
    frame = fake_host_frame(&bad);
    spoils[_i](frame);
    control_conn_send(bad.frames, frame);
    fake_wait(!bad.frames);
    /* At once: a host that stays away is forgotten. */
    ck_assert_int_eq(host_int("bad", "offered_bytes"), 64 * MIB);
    sent = a.beats_sent;
    fake_wait(a.beats_sent > sent + 2);
    ck_assert_ptr_nonnull(a.frames);
    ck_assert(host_is("a", "alive"));
    fake_host_deinit(&bad);
}
END_TEST

/* Any byte of a heartbeat, any value: nothing but that connection ends. */
START_TEST(mutated_heartbeats)
{
    GRand *rand = g_rand_new_with_seed(4711);

    fake_host_join(&a, &arbiter);
    for (int i = 0; i < 150; i++) {
        g_autoptr(GByteArray) frame = NULL;
        FakeHost bad;

        fake_host_init(&bad, "bad", 64 * MIB);
        bad.vm = true;
        bad.beats = false;
        fake_host_connect(&bad, &arbiter);
        fake_wait(bad.welcome || !bad.frames);
        frame = fake_host_frame(&bad);
        for (int j = g_rand_int_range(rand, 1, 9); j > 0; j--) {
            frame->data[g_rand_int_range(rand, 0, frame->len)] =
                g_rand_int(rand);
        }
        if (g_rand_boolean(rand)) {
            g_byte_array_set_size(frame, g_rand_int_range(rand, 1,
                                                          frame->len));
        }
        control_conn_send(bad.frames, frame);
        fake_spin(2);
        fake_host_deinit(&bad);
    }
    g_rand_free(rand);
    ck_assert_ptr_nonnull(a.frames);
    ck_assert(host_is("a", "alive"));
    g_free(arbiter_text(&arbiter, "vms"));
    g_free(arbiter_text(&arbiter, "status"));
}
END_TEST

START_TEST(hello_comes_first)
{
    gint64 start = g_get_monotonic_time();

    a.rude = true;
    fake_host_connect(&a, &arbiter);
    fake_wait(!a.frames);
    ck_assert_int_lt(g_get_monotonic_time() - start, 3 * G_USEC_PER_SEC);
    ck_assert(host_is("a", "forgotten"));
}
END_TEST

START_TEST(refused_hellos)
{
    static const struct {
        uint16_t version_min, version_max;
        uint32_t role;
        const char *address;
        uint16_t status;
        const char *text;
    } cases[] = {
        { 2, 3, RCACHE_ROLE_HOST, "", RCACHE_E_VERSION,
          "no protocol version in common" },
        { 1, 1, RCACHE_ROLE_BULK, "", RCACHE_E_REFUSED,
          "this is an arbiter" },
        { 1, 1, RCACHE_ROLE_HOST, "nowhere", RCACHE_E_REFUSED,
          "is no address" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        WireHello hello = { .version_min = cases[i].version_min,
                            .version_max = cases[i].version_max,
                            .role = cases[i].role, .host = "h", .vm = "v",
                            .incarnation = 1, .session = 1 };
        g_autoptr(GByteArray) out = g_byte_array_new();
        g_autoptr(GSocketClient) client = g_socket_client_new();
        g_autoptr(GSocketConnection) conn = NULL;
        uint8_t bytes[4096];
        gint64 start = g_get_monotonic_time();
        gsize n = 0;
        WireHelloAck ack;
        WireHead head;

        g_strlcpy(hello.address, cases[i].address, sizeof(hello.address));
        wire_append_hello(out, 9, &hello);
        conn = g_socket_client_connect_to_host(client, arbiter.listen, 0,
                                               NULL, NULL);
        ck_assert_ptr_nonnull(conn);
        ck_assert(g_output_stream_write_all(
            g_io_stream_get_output_stream(G_IO_STREAM(conn)), out->data,
            out->len, NULL, NULL, NULL));
        /* All of it, to the end: it is closed after the answer. */
        g_input_stream_read_all(
            g_io_stream_get_input_stream(G_IO_STREAM(conn)), bytes,
            sizeof(bytes), &n, NULL, NULL);
        ck_assert_int_lt(g_get_monotonic_time() - start, 3 * G_USEC_PER_SEC);
        ck_assert_uint_ge(n, WIRE_HEAD_LEN);
        ck_assert_int_eq(wire_head_decode(bytes, WIRE_HOST, &head), WIRE_OK);
        ck_assert_uint_eq(n, WIRE_HEAD_LEN + head.length);
        ck_assert_uint_eq(head.type, RCACHE_HELLO_ACK);
        ck_assert_uint_eq(head.tag, 9);
        ck_assert_uint_eq(head.status, cases[i].status);
        ck_assert_int_eq(wire_hello_ack_decode(bytes + WIRE_HEAD_LEN,
                                               head.length, &ack), WIRE_OK);
        ck_assert_ptr_nonnull(strstr(ack.text, cases[i].text));
    }
}
END_TEST

START_TEST(figures_that_no_host_has)
{
    a.offered = b.offered = 1ull << 50;
    join_all();
    ck_assert_int_eq(host_int("a", "free_bytes"), 0);
    ck_assert(text_has("status", "host a is asked for nothing: it offers "
                                 "more memory than it has"));
    fake_host_request(&me, 1, MIB, 1);
    fake_wait(me.replies == 1);
    ck_assert_uint_eq(me.reply.status, RCACHE_E_NO_ROOM);
    ck_assert_ptr_nonnull(strstr(me.reply.text, "2 not lending"));
    ck_assert_uint_eq(a.grants + b.grants, 0);
    /* What it says next may be true. */
    a.offered = 128 * MIB;
    fake_wait(host_int("a", "free_bytes") == 128 * MIB);
}
END_TEST

START_TEST(an_arbiter_that_was_stopped)
{
    uint64_t sent;

    join_all();
    g_subprocess_send_signal(arbiter.process, SIGSTOP);
    sent = b.beats_sent;
    fake_wait(b.beats_sent > sent + 30);        /* ten are dead */
    g_subprocess_send_signal(arbiter.process, SIGCONT);
    ck_assert(!host_is("b", "dead"));
    sent = b.beats_sent;
    fake_wait(b.beats_sent > sent + 5);
    ck_assert(host_is("b", "alive"));
    ck_assert_ptr_nonnull(b.frames);
    ck_assert_ptr_nonnull(a.frames);
}
END_TEST

/* ----------------------------------------------------- said twice, too much */

/* A period that nobody misses who is silent for a moment. */
static void be_patient(void)
{
    arbiter_stop(&arbiter);
    arbiter_start(&arbiter, 3000);
}

static void send_ack(FakeHost *h, uint64_t lease, uint64_t bytes)
{
    WireGrantAck ack = { .lease = lease, .bytes = bytes, .ttl_ms = 30000 };
    g_autoptr(GByteArray) out = g_byte_array_new();

    wire_append_grant_ack(out, lease, &ack);
    ck_assert(control_conn_send(h->frames, out));
}

/*
 * A heartbeat that comes again is dropped.  An answer that comes again, or
 * from another than was asked, changes nothing: tokens and leases are of who
 * they were given to.
 */
START_TEST(replayed_frames)
{
    g_autoptr(GByteArray) old = NULL, new = NULL;
    uint64_t lease;

    be_patient();
    join_all();
    a.beats = false;
    old = fake_host_frame(&a);
    a.offered = 256 * MIB;
    new = fake_host_frame(&a);
    control_conn_send(a.frames, new);
    control_conn_send(a.frames, old);
    fake_wait(host_int("a", "offered_bytes") == 256 * MIB);
    fake_spin(50);
    ck_assert_int_eq(host_int("a", "offered_bytes"), 256 * MIB);
    a.beats = true;

    a.answer = b.answer = FAKE_SILENT;
    fake_host_request(&me, 1, 64 * MIB, 1);
    fake_wait(a.grants + b.grants == 1);
    lease = a.grants ? a.grant.lease : b.grant.lease;
    send_ack(a.grants ? &b : &a, lease, 64 * MIB);      /* not its own */
    send_ack(&me, lease, 64 * MIB);
    fake_wait(me.replies == 1);         /* when the provider was late */
    ck_assert_uint_eq(me.reply.nr_grants, 0);
    for (unsigned i = 0; i < 3; i++) {
        send_ack(a.grants ? &a : &b, lease, 64 * MIB);
    }
    send_ack(&a, 12345, 64 * MIB);      /* nobody's */
    fake_wait(text_has("status", "\"pending_bytes\" : 67108864"));
    fake_spin(50);
    ck_assert(text_has("status", "\"pending_bytes\" : 67108864"));
    ck_assert_uint_eq(me.replies, 1);
    ck_assert(a.frames && b.frames && me.frames);
}
END_TEST

/* All bits set wherever a figure may be: shown, and not a negative one. */
START_TEST(figures_without_end)
{
    static const char *const commands[] = { "status", "hosts", "leases",
                                            "vms" };
    g_autoptr(GByteArray) out = g_byte_array_new();
    WireBeatHost host = { .slab_pages = UINT32_MAX, .seq = INT64_MAX,
                          .flags = RCACHE_HOST_LENDS };
    WireBeatGuest guest = { .name = "g", .vm = "v" };
    WireBeatLease lease = { .lease = INT64_MAX, .name = "g", .host = "me",
                            .state = RCACHE_LEASE_CLAIMED };
    WireBeatTerm term = { .name = "t", .bytes = INT64_MIN };
    guint start;

    be_patient();
    fake_host_join(&b, &arbiter);
    fake_host_join(&a, &arbiter);
    a.beats = false;
    memcpy(host.boot_id, a.boot_id, RCACHE_UUID_LEN);
    memset(&host.mem_total, 0xff, 6 * sizeof(uint64_t));
    host.psi_some_avg10 = host.psi_full_avg10 = 10000;
    memset(&guest.flags, 0xff, sizeof(guest) -
                               offsetof(WireBeatGuest, flags));
    lease.bytes = lease.stored = lease.expires_ms = UINT64_MAX;
    start = wire_beat_begin(out);
    ck_assert(wire_beat_host(out, start, &host));
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(wire_beat_guest(out, start, &guest));
        ck_assert(wire_beat_lease(out, start, RCACHE_SECTION_LEASE, &lease));
        ck_assert(wire_beat_lease(out, start, RCACHE_SECTION_HELD, &lease));
    }
    ck_assert(wire_beat_term(out, start, &term));
    wire_beat_end(out, start);
    control_conn_send(a.frames, out);
    fake_wait(host_int("a", "mem_total_bytes") == INT64_MAX);
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *text = arbiter_text(&arbiter, commands[i]);
        char *end = strstr(text, "-9223372036854775808");

        /* The term is the one figure that has a sign. */
        ck_assert_int_eq(!!end, !strcmp(commands[i], "hosts"));
        ck_assert_ptr_null(strstr(end ? end + 2 : text, " : -"));
    }
    ck_assert_int_eq(host_int("a", "free_bytes"), 0);
    fake_host_join(&me, &arbiter);
    fake_host_request(&me, 1, 64 * MIB, 1);
    fake_wait(me.replies == 1);
    ck_assert_str_eq(me.reply.grant[0].host, "b");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arbiter-hostile");
    TCase *tc = tcase_create("arbiter-hostile");
    SRunner *r = srunner_create(s);
    int failed;

    if (!g_getenv("ARBITER")) {
        puts("skipped: ARBITER does not name the program");
        return 77;
    }
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_bad_host_ends_alone, 0, G_N_ELEMENTS(spoils));
    tcase_add_test(tc, mutated_heartbeats);
    tcase_add_test(tc, hello_comes_first);
    tcase_add_test(tc, refused_hellos);
    tcase_add_test(tc, figures_that_no_host_has);
    tcase_add_test(tc, an_arbiter_that_was_stopped);
    tcase_add_test(tc, replayed_frames);
    tcase_add_test(tc, figures_without_end);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
