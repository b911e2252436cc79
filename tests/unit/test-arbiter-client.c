/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon and its arbiters: what heartbeats say, leases asked for and given,
 * and arbiters that refuse, fall silent, talk nonsense or come back.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/wire-control.h"
#include "tests/unit/daemon-fixture.h"

#define MIB     (UINT64_C(1) << 20)

static FakeArbiter one, two;
static Daemon daemon_;

static void set_up(void)
{
    fake_arbiter_init(&one);
    fake_arbiter_init(&two);
}

static void tear_down(void)
{
    daemon_stop(&daemon_);
    fake_arbiter_deinit(&one);
    fake_arbiter_deinit(&two);
}

static void start_with(unsigned arbiters, const char *more)
{
    g_autofree char *a = g_strdup_printf("--arbiter=%s",
                                         listener_address(one.listener));
    g_autofree char *b = g_strdup_printf("--arbiter=%s",
                                         listener_address(two.listener));
    const char *options[] = { more ? more : a, a, b, NULL };

    options[1 + arbiters] = NULL;
    daemon_start(&daemon_, more ? options : options + 1);
}

static bool both_beat(void *opaque)
{
    return one.beats && (!opaque || two.beats);
}

static void start(unsigned arbiters)
{
    start_with(arbiters, NULL);
    ck_assert(fake_pump(5000, both_beat, arbiters > 1 ? &two : NULL));
}

static bool has_acks(void *opaque)
{
    return one.acks >= *(unsigned *)opaque;
}

static void wait_for_acks(unsigned n)
{
    ck_assert(fake_pump(5000, has_acks, &n));
}

static bool has_leases(void *opaque)
{
    return one.nr_leases == *(unsigned *)opaque;
}

static bool guest_told(void *opaque)
{
    return one.nr_guests && (one.guest.flags & RCACHE_GUEST_PAGER) &&
           one.nr_held;
}

static bool all_held_told(void *opaque)
{
    return one.nr_held == 1 + LINK_HELD_MAX;
}

/* ------------------------------------------------------------ heartbeats */

START_TEST(a_heartbeat_says_who_and_how_much)
{
    start(1);
    ck_assert_str_eq(one.hello.host, "here");
    ck_assert_uint_eq(one.hello.role, RCACHE_ROLE_HOST);
    ck_assert_str_eq(one.hello.address,
                     provider_address(daemon_.rcached->provider));
    ck_assert_str_eq(one.host.label, "rack7");
    ck_assert_mem_eq(one.hello.boot_id, one.host.boot_id, 16);
    ck_assert_uint_gt(one.host.mem_total, one.host.mem_available);
    ck_assert_uint_eq(one.host.flags, RCACHE_HOST_LENDS);
    ck_assert_uint_eq(one.host.slab_pages, 256);
    ck_assert_uint_le(one.host.offered, 8 * MIB);
    ck_assert_int_eq(one.terms, (int64_t)one.host.offered);
    ck_assert_uint_eq(one.nr_guests + one.nr_held + one.nr_leases, 0);
}
END_TEST

START_TEST(they_come_at_the_period_that_is_asked_for)
{
    unsigned before;

    start(2);
    before = one.beats;
    fake_pump(1050, NULL, NULL);
    ck_assert_uint_ge(one.beats - before, 5);
    ck_assert_uint_le(one.beats - before, 14);
    ck_assert_uint_ge(two.beats, 5);
}
END_TEST

START_TEST(a_vm_is_told_with_its_figures)
{
    int fd, other;

    start(1);
    fd = daemon_vm(&daemon_, 5, "web");
    ck_assert(fake_pump(5000, guest_told, NULL));
    ck_assert_uint_eq(one.nr_guests, 1);
    ck_assert_str_eq(one.guest.name, "web");
    ck_assert_uint_eq(one.guest.vm[15], 5);
    ck_assert_uint_eq(one.guest.flags, RCACHE_GUEST_MANAGED |
                      RCACHE_GUEST_BALLOON | RCACHE_GUEST_PAGER |
                      RCACHE_GUEST_UNSEALED);
    ck_assert_uint_eq(one.guest.guest, FAKE_GUEST);
    ck_assert_uint_eq(one.guest.resident, FAKE_RESIDENT);
    ck_assert_uint_eq(one.guest.remote, FAKE_REMOTE);
    ck_assert_uint_eq(one.guest.local_max, FAKE_GUEST / 4);
    ck_assert_uint_eq(one.guest.faults, 5);
    ck_assert_uint_eq(one.guest.fault_p50_ns, 40000);
    ck_assert_uint_eq(one.guest.balloon_free, FAKE_FREE);
    ck_assert_uint_eq(one.guest.balloon_total, FAKE_TOTAL);
    ck_assert_uint_eq(one.guest.balloon_available, 0);  /* all ones */
    ck_assert_uint_eq(one.guest.pager_restarts, 0);
    ck_assert_uint_eq(one.nr_held, 1);
    ck_assert_uint_eq(one.held.lease, FAKE_LEASE);
    ck_assert_str_eq(one.held.host, "far");
    ck_assert_str_eq(one.held.name, "web");
    ck_assert_uint_eq(one.held.bytes, FAKE_WANT);
    other = daemon_vm(&daemon_, 6, "many");
    ck_assert(fake_pump(5000, all_held_told, NULL));
    close(other);
    close(fd);
}
END_TEST

static bool pager_gone(void *opaque)
{
    return one.nr_guests && !(one.guest.flags & RCACHE_GUEST_PAGER);
}

START_TEST(a_vm_without_its_pager_is_told_as_that)
{
    int fd;

    start(1);
    fd = daemon_vm(&daemon_, 5, "web");
    ck_assert(fake_pump(5000, guest_told, NULL));
    ck_assert(vm_kill_pager(vms_find(daemon_.rcached->vms, "web")));
    ck_assert(fake_pump(5000, pager_gone, NULL));
    ck_assert_uint_eq(one.guest.remote, FAKE_REMOTE);
    ck_assert_uint_eq(one.nr_held, 1);
    close(fd);
    fd = daemon_vm(&daemon_, 5, "web");
    ck_assert(fake_pump(5000, guest_told, NULL));
    ck_assert_uint_eq(one.guest.pager_restarts, 1);
    close(fd);
}
END_TEST

/* ---------------------------------------------------------------- grants */

START_TEST(a_grant_is_given_and_told)
{
    unsigned n = 1;

    start(1);
    fake_arbiter_grant(&one, 0xabc, 3 * MIB + 1);
    wait_for_acks(1);
    ck_assert_uint_eq(one.ack.status, RCACHE_OK);
    ck_assert_uint_eq(one.ack.lease, 0xabc);
    ck_assert_uint_ge(one.ack.bytes, 3 * MIB);
    ck_assert(fake_pump(5000, has_leases, &n));
    ck_assert_uint_eq(one.lease.lease, 0xabc);
    ck_assert_uint_eq(one.lease.state, RCACHE_LEASE_GRANTED);
    ck_assert_str_eq(one.lease.host, "elsewhere");
    ck_assert_uint_eq(one.host.leased, one.ack.bytes);
    ck_assert_int_eq(one.terms, (int64_t)one.host.offered);
}
END_TEST

START_TEST(no_more_is_given_than_is_offered)
{
    start(1);
    fake_arbiter_grant(&one, 1, 8 * MIB);
    fake_arbiter_grant(&one, 2, 8 * MIB);
    wait_for_acks(2);
    ck_assert_uint_eq(one.ack.lease, 2);
    ck_assert_uint_eq(one.ack.status, RCACHE_E_NO_ROOM);
    ck_assert_uint_eq(one.ack.bytes, 0);
}
END_TEST

START_TEST(a_host_that_lends_nothing_does_not_listen)
{
    start_with(1, "--lend=0");
    ck_assert(fake_pump(5000, both_beat, NULL));
    ck_assert_ptr_null(daemon_.rcached->provider);
    ck_assert_str_eq(one.hello.address, "");
    ck_assert_uint_eq(one.host.flags, 0);
    ck_assert_uint_eq(one.host.offered, 0);
    ck_assert_int_eq(one.terms, 0);
    fake_arbiter_grant(&one, 1, MIB);
    wait_for_acks(1);
    ck_assert_uint_eq(one.ack.status, RCACHE_E_REFUSED);
}
END_TEST

/* ---------------------------------------------------------------- leases */

static void expect_event(int fd, const char *text)
{
    g_autofree char *event = daemon_vm_event(fd);

    ck_assert_str_eq(event, text);
}

static void expect_event_with(int fd, const char *start, const char *word)
{
    g_autofree char *event = daemon_vm_event(fd);

    ck_assert_msg(g_str_has_prefix(event, start) && strstr(event, word),
                  "'%s' is not '%s...%s...'", event, start, word);
}

static bool has_request(void *opaque)
{
    const FakeArbiter *a = opaque;

    return a->requests;
}

START_TEST(a_pager_gets_what_it_asks_for)
{
    int fd;

    start(1);
    fd = daemon_vm(&daemon_, 5, "web");
    expect_event(fd, "grants tag=77 status=0 n=1 lease=beef host=far label= "
                     "text=");
    ck_assert_uint_eq(one.requests, 1);
    ck_assert_uint_eq(one.request.bytes, FAKE_WANT);
    ck_assert_uint_eq(one.request.vm[0], 5);
    ck_assert_uint_eq(one.request.copies, 1);
    ck_assert_str_eq(one.request.name, "web");
    close(fd);
}
END_TEST

/* Where the arbiter knows copies; another one is asked for both in one. */
START_TEST(copies_and_labels)
{
    int fd;

    one.features = RCACHE_FEATURE_LABELS;
    start(1);
    ck_assert(one.hello.features & RCACHE_FEATURE_LABELS);
    fd = daemon_vm(&daemon_, 5, "twice");
    expect_event(fd, "grants tag=77 status=0 n=1 lease=beef host=far "
                     "label=rack 7 text=");
    ck_assert_uint_eq(one.request.copies, 2);
    ck_assert_uint_eq(one.request.bytes, FAKE_WANT);
    ck_assert(fake_pump(5000, guest_told, NULL));
    ck_assert_uint_eq(one.held.sole, FAKE_SOLE);
    close(fd);
    daemon_stop(&daemon_);
    one.features = 0;
    one.beats = 0;
    one.last_seq = 0;
    start(1);
    fd = daemon_vm(&daemon_, 5, "twice");
    expect_event(fd, "grants tag=77 status=0 n=1 lease=beef host=far label= "
                     "text=");
    ck_assert_uint_eq(one.request.copies, 1);
    ck_assert_uint_eq(one.request.bytes, 2 * FAKE_WANT);
    close(fd);
}
END_TEST

START_TEST(without_arbiters_it_is_told_so)
{
    int fd;

    daemon_start(&daemon_, NULL);
    fd = daemon_vm(&daemon_, 5, "web");
    expect_event_with(fd, "grants tag=77 status=9 n=0", "is configured");
    close(fd);
}
END_TEST

START_TEST(with_none_connected_it_is_told_so)
{
    int fd;

    one.refuse = RCACHE_E_REFUSED;
    start_with(1, NULL);
    fd = daemon_vm(&daemon_, 5, "web");
    expect_event_with(fd, "grants tag=77 status=9 n=0", "is connected");
    close(fd);
}
END_TEST

START_TEST(a_refusal_reaches_the_pager)
{
    int fd;

    one.reply_status = RCACHE_E_NO_ROOM;
    start(1);
    fd = daemon_vm(&daemon_, 5, "web");
    expect_event_with(fd, "grants tag=77 status=7 n=0", "all is lent");
    close(fd);
}
END_TEST

START_TEST(who_refuses_is_not_the_last_to_be_asked)
{
    int fd;

    one.reply_status = RCACHE_E_NO_ROOM;
    start(2);
    fd = daemon_vm(&daemon_, 5, "web");
    expect_event_with(fd, "grants tag=77 status=0 n=1", "lease=beef");
    ck_assert_uint_eq(one.requests, 1);
    ck_assert_uint_eq(two.requests, 1);
    close(fd);
    /* The one that answered is asked first from now on. */
    fd = daemon_vm(&daemon_, 6, "mail");
    expect_event_with(fd, "grants tag=77 status=0 n=1", "lease=beef");
    ck_assert_uint_eq(one.requests, 1);
    ck_assert_uint_eq(two.requests, 2);
    ck_assert_uint_eq(one.closed + two.closed, 0);
    close(fd);
}
END_TEST

START_TEST(who_does_not_answer_is_not_waited_for)
{
    int fd;

    one.mute = true;
    start(2);
    fd = daemon_vm(&daemon_, 5, "web");
    expect_event_with(fd, "grants tag=77 status=0 n=1", "lease=beef");
    ck_assert_uint_eq(one.requests, 1);
    /* What it says now is too late for anybody, and harms nobody. */
    fake_arbiter_reply(&one);
    fake_pump(100, NULL, NULL);
    ck_assert_uint_eq(one.closed, 0);
    close(fd);
}
END_TEST

static bool is_hung(void *opaque)
{
    return one.hellos && two.beats;
}

/* One that hangs answers no PING either: that is known in half a heartbeat. */
START_TEST(who_hangs_is_not_waited_for)
{
    gint64 began;
    int fd;

    one.hung = two.mute = true;
    start_with(2, NULL);
    ck_assert(fake_pump(5000, is_hung, NULL));
    began = g_get_monotonic_time();
    fd = daemon_vm(&daemon_, 5, "web");
    ck_assert(fake_pump(2500, has_request, &two));
    ck_assert_int_lt(g_get_monotonic_time() - began, 2500000);
    ck_assert_uint_eq(one.requests, 0);
    fake_arbiter_reply(&two);
    expect_event_with(fd, "grants tag=77 status=0 n=1", "lease=beef");
    close(fd);
}
END_TEST

/* Refused at once, since the guest waits; and granted when one is there. */
START_TEST(what_none_was_there_for_is_asked_again)
{
    int fd;

    one.refuse = RCACHE_E_REFUSED;
    start_with(1, NULL);
    fd = daemon_vm(&daemon_, 5, "web");
    expect_event_with(fd, "grants tag=77 status=9 n=0", "is connected");
    one.refuse = 0;
    ck_assert(fake_pump(15000, has_request, &one));
    expect_event_with(fd, "grants tag=0 status=0 n=1", "lease=beef");
    /* Once. */
    fake_pump(300, NULL, NULL);
    ck_assert_uint_eq(one.requests, 1);
    close(fd);
}
END_TEST

START_TEST(when_nobody_answers_it_is_told_so)
{
    int fd;

    one.mute = true;
    start(1);
    fd = daemon_vm(&daemon_, 5, "web");
    expect_event_with(fd, "grants tag=77 status=9 n=0", "in time");
    close(fd);
}
END_TEST

static bool has_requests(void *opaque)
{
    return one.requests >= 1;
}

START_TEST(an_arbiter_that_goes_with_a_request_is_replaced)
{
    int64_t began;
    int fd;

    one.late = true;
    start(2);
    fd = daemon_vm(&daemon_, 5, "web");
    ck_assert(fake_pump(5000, has_requests, NULL));
    began = g_get_monotonic_time();
    g_clear_pointer(&one.frames, control_conn_free);
    expect_event_with(fd, "grants tag=77 status=0 n=1", "lease=beef");
    ck_assert_uint_eq(two.requests, 1);
    /* At once, not when its time to answer was over. */
    ck_assert_int_lt(g_get_monotonic_time() - began, 2 * G_USEC_PER_SEC);
    close(fd);
}
END_TEST

/* ------------------------------------------------------- troubled arbiters */

static bool second_hello(void *opaque)
{
    return one.hellos >= 2 && one.frames;
}

START_TEST(an_arbiter_that_comes_back_is_found)
{
    unsigned before;

    start(1);
    before = one.beats;
    g_clear_pointer(&one.frames, control_conn_free);
    ck_assert(fake_pump(5000, second_hello, NULL));
    fake_pump(300, NULL, NULL);
    ck_assert_uint_gt(one.beats, before);       /* seq has gone on rising */
}
END_TEST

static void send_raw(const void *bytes, size_t len)
{
    g_autoptr(GByteArray) array = g_byte_array_new();

    g_byte_array_append(array, bytes, len);
    ck_assert(control_conn_send(one.frames, array));
}

START_TEST(nonsense_ends_the_connection_not_the_daemon)
{
    uint8_t junk[200];
    GByteArray *hello = g_byte_array_new();
    WireHelloAck ack = { .version = 1, .host = "arbiter" };

    start(1);
    memset(junk, 0xa5, sizeof(junk));
    send_raw(junk, sizeof(junk));
    ck_assert(fake_pump(5000, second_hello, NULL));
    one.hellos = 0;
    /* In form, but a second greeting has no place here. */
    wire_append_hello_ack(hello, 0, 0, &ack);
    send_raw(hello->data, hello->len);
    g_byte_array_unref(hello);
    one.hellos = 1;
    ck_assert(fake_pump(5000, second_hello, NULL));
}
END_TEST

static bool is_left(void *opaque)
{
    ArbiterStatus status;

    arbiter_clients_status(daemon_.rcached->arbiters,
                           arbiter_clients_count(daemon_.rcached->arbiters)
                           - 1, &status);
    return !status.connected && strstr(status.error, opaque);
}

START_TEST(an_arbiter_that_refuses_is_asked_again)
{
    one.refuse = RCACHE_E_VERSION;
    start_with(1, NULL);
    ck_assert(fake_pump(5000, is_left, (char *)"not today"));
    ck_assert_uint_eq(one.hellos, 1);
    one.refuse = 0;
    ck_assert(fake_pump(10000, both_beat, NULL));
}
END_TEST

static bool is_connected(void *opaque)
{
    ArbiterStatus status;

    arbiter_clients_status(daemon_.rcached->arbiters, 1, &status);
    return status.connected;
}

/* Its host is up and its kernel takes everything; PINGs find it out. */
START_TEST(a_silent_arbiter_is_left)
{
    g_autofree char *live = g_strdup_printf("--arbiter=%s",
                                            listener_address(two.listener));

    one.hung = true;
    start_with(1, live);
    ck_assert(fake_pump(5000, is_connected, NULL));
    ck_assert(fake_pump(10000, is_left, (char *)""));
    /* One that has as little to say, but answers, is kept. */
    fake_pump(1000, NULL, NULL);
    ck_assert_uint_eq(two.hellos, 1);
    ck_assert_uint_eq(two.closed, 0);
}
END_TEST

START_TEST(it_can_end_with_everything_under_way)
{
    int fd;

    one.late = true;
    start(1);
    fd = daemon_vm(&daemon_, 5, "web");
    ck_assert(fake_pump(5000, has_requests, NULL));
    for (unsigned i = 1; i <= 5; i++) {
        fake_arbiter_grant(&one, i, MIB);
    }
    for (unsigned i = 0; i < 20; i++) {
        g_main_context_iteration(NULL, FALSE);
    }
    close(fd);
}       /* tear_down() ends it here */
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, a_heartbeat_says_who_and_how_much);
    tcase_add_test(tc, they_come_at_the_period_that_is_asked_for);
    tcase_add_test(tc, a_vm_is_told_with_its_figures);
    tcase_add_test(tc, a_vm_without_its_pager_is_told_as_that);
    tcase_add_test(tc, a_grant_is_given_and_told);
    tcase_add_test(tc, no_more_is_given_than_is_offered);
    tcase_add_test(tc, a_host_that_lends_nothing_does_not_listen);
    tcase_add_test(tc, a_pager_gets_what_it_asks_for);
    tcase_add_test(tc, copies_and_labels);
    tcase_add_test(tc, without_arbiters_it_is_told_so);
    tcase_add_test(tc, with_none_connected_it_is_told_so);
    tcase_add_test(tc, a_refusal_reaches_the_pager);
    tcase_add_test(tc, who_refuses_is_not_the_last_to_be_asked);
    tcase_add_test(tc, who_does_not_answer_is_not_waited_for);
    tcase_add_test(tc, who_hangs_is_not_waited_for);
    tcase_add_test(tc, what_none_was_there_for_is_asked_again);
    tcase_add_test(tc, when_nobody_answers_it_is_told_so);
    tcase_add_test(tc, an_arbiter_that_goes_with_a_request_is_replaced);
    tcase_add_test(tc, an_arbiter_that_comes_back_is_found);
    tcase_add_test(tc, nonsense_ends_the_connection_not_the_daemon);
    tcase_add_test(tc, an_arbiter_that_refuses_is_asked_again);
    tcase_add_test(tc, a_silent_arbiter_is_left);
    tcase_add_test(tc, it_can_end_with_everything_under_way);
    return fake_pager_run("arbiter-client", tc);
}
