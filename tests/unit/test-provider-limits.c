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

#include "rcached/provider/account.h"

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
    enum { EACH = 20, N = EACH + 10 };
    Client silent[N], other;
    unsigned i;
    char byte;

    provider_free(provider);
    config.hello_ms = 60 * 60 * 1000;   /* nobody's time is up */
    config.limits.hellos_address = EACH;
    fixture_start();
    other = client_connect_from(provider_address(provider), "127.0.0.2:0");
    for (i = 0; i < N; i++) {
        silent[i] = client_connect_plain(provider_address(provider));
    }
    for (i = 0; i < N - EACH; i++) {
        ck_assert(client_ended(&silent[i]));
    }
    WAIT_FOR(snapshot().conns == EACH + 1);
    ck_assert_int_eq(recv(other.fd, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
    for (i = 0; i < N; i++) {
        client_close(&silent[i]);
    }
    client_close(&other);
}
END_TEST

/* Who has a lease keeps his place; others give way to who comes after them. */
START_TEST(connections_are_capped)
{
    enum { MOST = 16, IDLE = MOST / ACCOUNT_IDLE_PART };
    Client good, c[IDLE + 2];
    unsigned i;

    provider_free(provider);
    config.limits.conns = MOST;
    fixture_start();
    good = leased(1, 1);
    for (i = 0; i < IDLE + 2; i++) {
        c[i] = client_session(provider_address(provider), VM_B, i + 1);
    }
    ck_assert(client_ended(&c[0]));
    ck_assert(client_ended(&c[1]));
    WAIT_FOR(snapshot().conns == 1 + IDLE);
    ck_assert_uint_eq(snapshot().hits.of[PEER_LIMIT_CONNS].count, 2);
    ck_assert_str_eq(snapshot().hits.of[PEER_LIMIT_CONNS].who[0].who,
                     our_host());
    ck_assert_uint_eq(client_bare(&good, RCACHE_PING), 0);
    for (i = 2; i < IDLE + 2; i++) {
        ck_assert_uint_eq(client_bare(&c[i], RCACHE_PING), 0);
    }
    for (i = 0; i < IDLE + 2; i++) {
        client_close(&c[i]);
    }
    client_close(&good);
}
END_TEST

START_TEST(connections_of_a_host_are_capped)
{
    Client c[4], other;
    unsigned i;

    provider_free(provider);
    config.limits.idle_host = 3;
    fixture_start();
    other = as_other_host();
    ck_assert_uint_eq(client_hello(&other, VM_B, 1), RCACHE_OK);
    for (i = 0; i < 4; i++) {
        c[i] = client_session(provider_address(provider), VM_A, 1);
    }
    ck_assert(client_ended(&c[0]));
    ck_assert_uint_eq(client_bare(&other, RCACHE_PING), 0);
    ck_assert_uint_eq(client_bare(&c[3], RCACHE_PING), 0);
    ck_assert_uint_eq(snapshot().hits.of[PEER_LIMIT_IDLE_HOST].count, 1);
    for (i = 0; i < 4; i++) {
        client_close(&c[i]);
    }
    client_close(&other);
}
END_TEST

static bool is_open(const Client *c)
{
    struct pollfd pfd = { .fd = c->fd, .events = POLLRDHUP };

    return !poll(&pfd, 1, 0);
}

/* One lease, claimed on many connections and released on one, does not keep
 * the places of the others. */
START_TEST(whose_lease_has_ended_has_none)
{
    enum { IDLE = 3, N = 4 };
    int64_t end = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
    Client c[N];
    unsigned i;

    provider_free(provider);
    config.limits.idle_host = IDLE;
    fixture_start();
    c[0] = leased(1, 1);
    for (i = 1; i < N; i++) {
        c[i] = client_session(provider_address(provider), VM_A, 1);
        ck_assert_uint_eq(client_claim(&c[i], 1), RCACHE_OK);
    }
    ck_assert_uint_eq(client_bare(&c[N - 1], RCACHE_RELEASE), RCACHE_OK);
    while (is_open(&c[0])) {
        Client other = client_session(provider_address(provider), VM_B, 1);

        ck_assert_int_lt(g_get_monotonic_time(), end);
        client_close(&other);
        g_usleep(10000);
    }
    for (i = 0; i < N; i++) {
        client_close(&c[i]);
    }
}
END_TEST

static uint64_t pongs(Client *c, unsigned ms)
{
    int64_t end = g_get_monotonic_time() + ms * 1000;
    struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
    uint64_t bytes = 0;
    char buf[4096];

    while (g_get_monotonic_time() < end) {
        if (poll(&pfd, 1, 10) == 1) {
            bytes += recv(c->fd, buf, sizeof(buf), 0);
        }
    }
    return bytes / WIRE_HEAD_LEN;
}

/* Who asks for nothing but time gets so much of it, and TCP makes it wait; all
 * that it has asked for is answered in the end, and others notice nothing. */
START_TEST(a_flood_of_pings_is_paced)
{
    enum { PACE = 100, FLOOD = 1000 };
    Client c, other;
    uint64_t got;
    unsigned i;

    provider_free(provider);
    config.limits.pings_host = PACE;
    fixture_start();
    c = client_session(provider_address(provider), VM_A, 1);
    other = as_other_host();
    ck_assert_uint_eq(client_hello(&other, VM_B, 1), RCACHE_OK);
    for (i = 0; i < FLOOD; i++) {
        WireHead ping = { .type = RCACHE_PING, .tag = i };

        client_send_head(&c, &ping);
    }
    got = pongs(&c, 1000);
    ck_assert_uint_ge(got, PACE * ACCOUNT_PINGS_S - 1);
    ck_assert_uint_lt(got, FLOOD);
    ck_assert_uint_ge(snapshot().hits.of[PEER_LIMIT_PINGS_HOST].count, 1);
    for (i = 0; i < 20; i++) {
        ck_assert_uint_eq(client_bare(&other, RCACHE_PING), 0);
    }
    while (got < FLOOD) {
        got += pongs(&c, 100);
    }
    ck_assert_uint_eq(got, FLOOD);
    client_close(&c);
    client_close(&other);
}
END_TEST

/* Nor is what it is not entitled to had for nothing. */
START_TEST(refused_requests_are_paced)
{
    enum { PACE = 100 };
    Client c;
    RcacheSlot slot;
    int64_t before;

    provider_free(provider);
    config.limits.pings_host = PACE;
    fixture_start();
    c = leased(1, 1);
    slot = client_slot(&c, 1);
    c.epoch = 77;
    before = g_get_monotonic_time();
    for (unsigned i = 0; i < PACE * (ACCOUNT_PINGS_S + 1); i++) {
        ck_assert_uint_ne(client_free(&c, &slot, 1), RCACHE_OK);
    }
    ck_assert_int_gt(g_get_monotonic_time() - before, 500000);
    ck_assert_uint_ge(snapshot().hits.of[PEER_LIMIT_PINGS_HOST].count, 1);
    client_close(&c);
}
END_TEST

START_TEST(pages_are_paced)
{
    enum { PACE = 4 * RCACHE_BATCH_PAGES }; /* slow machines ask for more */
    Client c;
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    uint8_t pages[RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE];
    int64_t before;

    provider_free(provider);
    config.limits.pages_host = PACE;
    fixture_start();
    c = leased(1, 1);
    for (unsigned i = 0; i < RCACHE_BATCH_PAGES; i++) {
        slots[i] = client_slot(&c, i);
    }
    client_put(&c, slots, RCACHE_BATCH_PAGES, 1);
    before = g_get_monotonic_time();
    for (unsigned i = 0; i < 2 * PACE / RCACHE_BATCH_PAGES; i++) {
        ck_assert_uint_eq(client_get(&c, slots, RCACHE_BATCH_PAGES, pages),
                          RCACHE_OK);
    }
    ck_assert_int_gt(g_get_monotonic_time() - before, 800000);
    ck_assert_uint_ge(snapshot().hits.of[PEER_LIMIT_PAGES_HOST].count, 1);
    client_close(&c);
}
END_TEST

/* On all its connections together a host that reads nothing has so much
 * waiting for it; and one more answer on each. */
START_TEST(unread_answers_of_a_host_are_bounded)
{
    enum { CONNS = 8, GETS = 4000 };
    Client c[CONNS];
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    uint64_t first, done = 0;
    unsigned i, sent = 0;

    provider_free(provider);
    config.limits.answers_host = 1 << 15;
    config.stall_ms = 60 * 1000;
    fixture_start();
    c[0] = leased(1, 1);
    for (i = 1; i < CONNS; i++) {
        c[i] = client_session(provider_address(provider), VM_A, 1);
        ck_assert_uint_eq(client_claim(&c[i], 1), RCACHE_OK);
    }
    for (i = 0; i < RCACHE_BATCH_PAGES; i++) {
        slots[i] = client_slot(&c[0], i);
    }
    client_put(&c[0], slots, RCACHE_BATCH_PAGES, 1);
    first = c[CONNS - 1].tag + 1;
    for (i = 0; i < GETS; i++) {
        struct pollfd pfd = { .fd = c[i % CONNS].fd, .events = POLLOUT };

        if (poll(&pfd, 1, 20) == 1) {
            client_send_slots(&c[i % CONNS], RCACHE_GET, slots,
                              RCACHE_BATCH_PAGES);
            sent += i % CONNS == CONNS - 1;
        }
    }
    WAIT_FOR(snapshot().hits.of[PEER_LIMIT_ANSWERS_HOST].count > 0);
    /* One that reads goes on nevertheless, though the others do not. */
    while (done < sent) {
        g_autofree uint8_t *payload = NULL;
        WireHead head;

        ck_assert(client_try_recv(&c[CONNS - 1], &head, &payload));
        ck_assert_uint_eq(head.tag, first + done);
        ck_assert_uint_eq(head.status, RCACHE_OK);
        done++;
    }
    for (i = 0; i < CONNS; i++) {
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
    Client c;
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    long before;
    uint64_t first, done = 0;
    unsigned i, sent = 0;

    provider_free(provider);
    config.stall_ms = 60 * 1000;        /* this test may be slow as well */
    fixture_start();
    c = leased(1, 1);
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

    tcase_set_timeout(tc, 180);
    tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
    tcase_add_test(tc, silent_connections_do_not_hurt);
    tcase_add_test(tc, silent_connections_give_way_to_their_own);
    tcase_add_test(tc, connections_are_capped);
    tcase_add_test(tc, connections_of_a_host_are_capped);
    tcase_add_test(tc, whose_lease_has_ended_has_none);
    if (!g_getenv("RCACHED_TEST_TLS")) {    /* it counts bytes on the socket */
        tcase_add_test(tc, a_flood_of_pings_is_paced);
    }
    tcase_add_test(tc, refused_requests_are_paced);
    tcase_add_test(tc, pages_are_paced);
    tcase_add_test(tc, unread_answers_of_a_host_are_bounded);
    tcase_add_test(tc, one_session_has_few_connections);
    tcase_add_test(tc, a_slow_reader_is_bounded);
    tcase_add_test(tc, stuck_connections_are_closed);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
