/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole provider on loopback, and what peers may not take of it: there are
 * too many of them, they say nothing, or read nothing.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "provider-fixture.h"

#include "rcached/provider/peer.h"

START_TEST(silent_connections_do_not_hurt)
{
    enum { N = 2000 };
    g_autofree Client *silent = g_new0(Client, N);
    int64_t before, took;
    Client c = leased(1, 1);
    RcacheSlot x = client_slot(&c, 1);
    unsigned i;

    for (i = 0; i < N; i++) {
        silent[i] = client_connect_plain(provider_address(provider));
    }
    ck_assert(client_put(&c, &x, 1, 1) == RCACHE_OK);
    before = g_get_monotonic_time();
    still_serves();
    took = g_get_monotonic_time() - before;
    ck_assert_msg(took < 2000000, "a HELLO took %d us", (int)took);
    ck_assert_uint_lt(snapshot().conns, 300);
    /* And the rest go when their time is up; the good one stays. */
    WAIT_FOR(snapshot().conns == 1);
    ck_assert(client_has(&c, x, 1));
    for (i = 0; i < N; i++) {
        ck_assert(client_ended(&silent[i]));
        client_close(&silent[i]);
    }
    client_close(&c);
}
END_TEST

/* Who floods takes places from itself, and not from other hosts. */
START_TEST(silent_connections_give_way_to_their_own)
{
    enum { N = PEER_HELLOS_EACH + 10 };
    Client silent[N], other;
    unsigned i;
    char byte;

    provider_free(provider);
    config.hello_ms = 60 * 60 * 1000;   /* nobody's time is up */
    fixture_start();
    other = client_connect_from(provider_address(provider), "127.0.0.2:0");
    for (i = 0; i < N; i++) {
        silent[i] = client_connect_plain(provider_address(provider));
    }
    for (i = 0; i < N - PEER_HELLOS_EACH; i++) {
        ck_assert(client_ended(&silent[i]));
    }
    WAIT_FOR(snapshot().conns == PEER_HELLOS_EACH + 1);
    ck_assert_int_eq(recv(other.fd, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
    for (i = 0; i < N; i++) {
        client_close(&silent[i]);
    }
    client_close(&other);
}
END_TEST

START_TEST(connections_are_capped)
{
    Client c[6];
    unsigned i;

    provider_free(provider);
    config.conns_max = 5;
    fixture_start();
    for (i = 0; i < 5; i++) {
        c[i] = client_session(provider_address(provider), VM_A, 1);
    }
    c[5] = client_connect_plain(provider_address(provider));
    ck_assert(client_ended(&c[5]));
    client_close(&c[0]);
    client_close(&c[5]);
    WAIT_FOR(snapshot().conns == 4);
    c[0] = client_session(provider_address(provider), VM_A, 1);
    for (i = 0; i < 5; i++) {
        client_close(&c[i]);
    }
}
END_TEST

START_TEST(one_session_has_few_connections)
{
    Client c[17];
    unsigned i;

    for (i = 0; i < 16; i++) {
        c[i] = client_session(provider_address(provider), VM_A, 1);
    }
    c[16] = client_connect(provider_address(provider));
    ck_assert_uint_eq(client_hello(&c[16], VM_A, 1), RCACHE_E_REFUSED);
    for (i = 0; i < 17; i++) {
        client_close(&c[i]);
    }
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
const char *__asan_default_options(void);

/* It would keep what has been freed, and that is counted here. */
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1";
}
#endif

static long resident_kib(void)
{
    g_autofree char *text = NULL;
    long size, pages;

    ck_assert(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    ck_assert_int_eq(sscanf(text, "%ld %ld", &size, &pages), 2);
    return pages * 4;
}

/* It asks for a lot and reads nothing: it is read no more, and costs little;
 * when it reads at last, every answer comes. */
START_TEST(a_slow_reader_is_bounded)
{
    enum { GETS = 4000 };
    Client c = leased(1, 1);
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    long before;
    uint64_t first, done = 0;
    unsigned i, sent = 0;

    for (i = 0; i < RCACHE_BATCH_PAGES; i++) {
        slots[i] = client_slot(&c, i);
    }
    client_put(&c, slots, RCACHE_BATCH_PAGES, 1);
    first = c.tag + 1;
    before = resident_kib();
    for (i = 0; i < GETS; i++, sent++) {
        struct pollfd pfd = { .fd = c.fd, .events = POLLOUT };

        if (poll(&pfd, 1, 20) != 1) {
            break;
        }
        client_send_slots(&c, RCACHE_GET, slots, RCACHE_BATCH_PAGES);
    }
    g_usleep(50000);
    ck_assert_uint_lt(snapshot().get_pages, 1000 * RCACHE_BATCH_PAGES);
    ck_assert_int_lt(resident_kib() - before, 8192);
    while (done < sent) {
        g_autofree uint8_t *payload = NULL;
        WireHead head;

        ck_assert(client_try_recv(&c, &head, &payload));
        ck_assert_uint_eq(head.tag, first + done);
        ck_assert_uint_eq(head.status, RCACHE_OK);
        done++;
    }
    ck_assert_uint_eq(snapshot().get_pages, sent * RCACHE_BATCH_PAGES);
    client_close(&c);
}
END_TEST

START_TEST(stuck_connections_are_closed)
{
    Client half = client_session(provider_address(provider), VM_A, 1);
    Client idle = client_session(provider_address(provider), VM_A, 1);

    client_send(&half, "RCA1", 4);
    ck_assert(client_ended(&half));
    /* Nothing to say is no fault. */
    ck_assert_uint_eq(client_bare(&idle, RCACHE_PING), 0);
    client_close(&half);
    client_close(&idle);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider-limits");
    TCase *tc = tcase_create("provider-limits");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
    tcase_add_test(tc, silent_connections_do_not_hurt);
    tcase_add_test(tc, silent_connections_give_way_to_their_own);
    tcase_add_test(tc, connections_are_capped);
    tcase_add_test(tc, one_session_has_few_connections);
    tcase_add_test(tc, a_slow_reader_is_bounded);
    tcase_add_test(tc, stuck_connections_are_closed);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
