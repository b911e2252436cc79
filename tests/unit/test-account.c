/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each host has of a provider. */
#include <check.h>
#include <string.h>

#include "rcached/provider/account.h"

#define NOW     UINT64_C(1000000)

static Account a;
static AccountMember m[80];
static PeerLimit limit;

static void set_up(void)
{
    const ProviderLimits limits = {
        .conns = 24, .conns_host = 10, .idle_host = 4,
        .answers = 1000, .answers_host = 400,
        .pages_host = 1000, .pings_host = 100,
    };

    account_init(&a, &limits);
    memset(m, 0, sizeof(m));
}

static void tear_down(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(m); i++) {
        account_leave(&a, &m[i]);
    }
    account_deinit(&a);
}

/* One comes, and whoever gives way goes: its number, -1: nobody, -2: it is
 * refused. */
static int enter(unsigned i, const char *host, bool entitled)
{
    AccountMember *victim;
    int nr;

    if (!account_enter(&a, &m[i], host, &m[i], entitled, NOW, &limit,
                       &victim)) {
        ck_assert_ptr_null(m[i].host);
        return -2;
    }
    nr = victim ? (int)((AccountMember *)victim->conn - m) : -1;
    if (victim) {
        account_leave(&a, victim);
    }
    return nr;
}

static void enter_leased(unsigned i, const char *host)
{
    ck_assert_int_eq(enter(i, host, true), -1);
}

/* A host's oldest without a lease gives way to its newest, and to nobody
 * else's. */
START_TEST(connections_of_a_host)
{
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(enter(i, "one", false), -1);
        ck_assert_int_eq(limit, NR_PEER_LIMITS);
    }
    ck_assert_int_eq(enter(4, "one", false), 0);
    ck_assert_int_eq(limit, PEER_LIMIT_IDLE_HOST);
    ck_assert_int_eq(enter(5, "other", false), -1);
    /* With a lease it does not give way, and makes room for others. */
    account_claims(&a, &m[1], true, NOW);
    ck_assert_int_eq(enter(6, "one", false), -1);
    ck_assert_int_eq(enter(7, "one", false), 2);
    for (unsigned i = 3; i < 8; i++) {
        account_claims(&a, &m[i], true, NOW);
    }
    for (unsigned i = 8; i < 13; i++) {
        enter_leased(i, "one");
    }
    ck_assert_int_eq(enter(13, "one", true), -2);
    ck_assert_int_eq(limit, PEER_LIMIT_CONNS_HOST);
    /* And whose lease is gone is one without. */
    account_claims(&a, &m[9], false, NOW + ACCOUNT_CLAIM_MS);
    ck_assert_int_eq(enter(13, "one", true), 9);
    ck_assert_int_eq(limit, PEER_LIMIT_CONNS_HOST);
}
END_TEST

/* Those without a lease have a part of all places, and the host that has most
 * of them makes room. */
START_TEST(idle_connections_in_all)
{
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(enter(i, "one", false), -1);
    }
    ck_assert_int_eq(enter(4, "two", false), -1);
    ck_assert_int_eq(enter(5, "two", false), -1);
    ck_assert_int_eq(enter(6, "three", false), 0);
    ck_assert_int_eq(limit, PEER_LIMIT_CONNS);
    ck_assert_int_eq(enter(7, "three", false), 1);
    ck_assert_uint_eq(a.conns, 6);
    ck_assert_uint_eq(a.idle, 6);
}
END_TEST

/* Few hosts cannot fill all places: who has a lease gets his part. */
START_TEST(places_for_who_has_a_lease)
{
    a.limits.conns = 60;
    a.limits.conns_host = 40;
    for (unsigned i = 0; i < 60; i++) {
        enter_leased(i, i < 34 ? "one" : i < 48 ? "two" : "three");
    }
    ck_assert_int_eq(enter(60, "four", false), -2);
    ck_assert_int_eq(limit, PEER_LIMIT_CONNS);
    for (unsigned i = 0; i < 9; i++) {
        ck_assert_int_eq(enter(60 + i, "four", true), 33 - i);
    }
    /* It has not much less any more, and who has most takes nothing. */
    ck_assert_int_eq(enter(69, "four", true), -2);
    ck_assert_int_eq(enter(69, "one", true), -2);
    ck_assert_int_eq(enter(69, "five", true), 24);
    ck_assert_uint_eq(a.conns, 60);
}
END_TEST

/* The other connection of @i's session, which ends with it. */
static unsigned other_of(unsigned i)
{
    return i ^ 1;
}

/* There are more sessions than places, each of two connections; and whoever
 * has lost one comes again with both.  That has to end. */
START_TEST(sessions_do_not_chase_each_other)
{
    static const char *const hosts[] = { "one", "two", "three" };
    unsigned closed = 0;

    a.limits.conns = 58;
    a.limits.conns_host = 40;
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 64; i++) {
            int victim = m[i].host ? -1 : enter(i, hosts[i / 2 % 3], true);

            if (victim >= 0) {
                account_leave(&a, &m[other_of(victim)]);
                closed++;
            }
        }
    }
    ck_assert_msg(!closed, "%u have been closed", closed);
}
END_TEST

/* All sessions come back at once, and none has claimed anything yet: nobody
 * gives way to somebody who has no more right to the place. */
START_TEST(who_has_a_lease_may_claim_late)
{
    for (unsigned i = 0; i < 24; i++) {
        enter_leased(i, i < 8 ? "one" : i < 16 ? "two" : "three");
        ck_assert_int_eq(limit, NR_PEER_LIMITS);
    }
    ck_assert_uint_eq(a.idle, 0);
    ck_assert_int_eq(enter(30, "four", false), -2);
    ck_assert_int_eq(enter(30, "three", true), -2);
}
END_TEST

/* But has to, in the end: else it is one of those without. */
START_TEST(who_does_not_claim_has_no_lease)
{
    enter_leased(0, "one");
    enter_leased(1, "one");
    account_claims(&a, &m[0], false, NOW + ACCOUNT_CLAIM_MS - 1);
    ck_assert_uint_eq(a.idle, 0);
    account_claims(&a, &m[0], false, NOW + ACCOUNT_CLAIM_MS);
    account_claims(&a, &m[1], true, NOW + ACCOUNT_CLAIM_MS);
    ck_assert_uint_eq(a.idle, 1);
    ck_assert(!m[0].leased && m[1].leased);
    ck_assert_int_eq(enter(2, "one", false), -1);
    account_claims(&a, &m[2], false, NOW);
    ck_assert_uint_eq(a.idle, 2);
    /* Who has claimed one and has lost it has none at once. */
    enter_leased(3, "one");
    account_claims(&a, &m[3], true, NOW);
    account_claims(&a, &m[3], false, NOW);
    ck_assert_uint_eq(a.idle, 3);
}
END_TEST

START_TEST(answers)
{
    enter_leased(0, "one");
    enter_leased(1, "one");
    enter_leased(2, "two");
    enter_leased(3, "three");
    account_answers(&a, &m[0], 400);
    ck_assert(!account_full(&a, &m[0], &limit));
    account_answers(&a, &m[1], 1);
    ck_assert(account_full(&a, &m[0], &limit));
    ck_assert_int_eq(limit, PEER_LIMIT_ANSWERS_HOST);
    ck_assert(account_full(&a, &m[1], &limit));
    ck_assert(!account_full(&a, &m[2], &limit));
    account_answers(&a, &m[1], -1);
    ck_assert(!account_full(&a, &m[0], &limit));
    account_answers(&a, &m[2], 400);
    account_answers(&a, &m[3], 201);
    ck_assert(account_full(&a, &m[3], &limit));
    ck_assert_int_eq(limit, PEER_LIMIT_ANSWERS);
    /* Who leaves takes his with him; what is told of them later is nothing. */
    account_leave(&a, &m[2]);
    ck_assert(!account_full(&a, &m[3], &limit));
    account_answers(&a, &m[2], -400);
    ck_assert_uint_eq(a.answers, 601);
}
END_TEST

START_TEST(paces)
{
    enter_leased(0, "one");
    enter_leased(1, "one");
    enter_leased(2, "two");
    account_charge(&a, &m[0], 1000, 400, NOW);
    ck_assert_uint_eq(account_wait(&a, &m[0], NOW, &limit), 0);
    /* All connections of a host are one. */
    account_charge(&a, &m[1], 100, 0, NOW);
    ck_assert_uint_eq(account_wait(&a, &m[0], NOW, &limit), 100);
    ck_assert_int_eq(limit, PEER_LIMIT_PAGES_HOST);
    ck_assert_uint_eq(account_wait(&a, &m[2], NOW, &limit), 0);
    ck_assert_uint_eq(account_wait(&a, &m[0], NOW + 99, &limit), 1);
    ck_assert_uint_eq(account_wait(&a, &m[0], NOW + 100, &limit), 0);
    account_charge(&a, &m[0], 0, 60, NOW + 100);
    ck_assert_uint_eq(account_wait(&a, &m[0], NOW + 100, &limit), 500);
    ck_assert_int_eq(limit, PEER_LIMIT_PINGS_HOST);
    ck_assert_uint_eq(account_wait(&a, &m[0], NOW + 600, &limit), 0);
    /* Nor is there more in it after a day. */
    account_charge(&a, &m[0], 1001, 0, NOW + 86400000);
    ck_assert_uint_eq(account_wait(&a, &m[0], NOW + 86400000, &limit), 1);
}
END_TEST

/* Who hangs up and comes again has not become another one. */
START_TEST(hosts_are_remembered)
{
    enter_leased(0, "one");
    account_charge(&a, &m[0], 0, 500, NOW);
    account_leave(&a, &m[0]);
    account_tick(&a, NOW);
    enter_leased(0, "one");
    ck_assert_uint_eq(account_wait(&a, &m[0], NOW, &limit), 1000);
    account_leave(&a, &m[0]);
    account_tick(&a, NOW + 60000);
    ck_assert_uint_eq(g_hash_table_size(a.hosts), 0);
}
END_TEST

/* How many handshakes may begin in the second from @now on. */
static unsigned begun_in_a_second(Strangers *s, Stranger *one, uint64_t now)
{
    unsigned begun = 0;

    for (unsigned ms = 1; ms <= 1000; ms++) {
        while (strangers_may_begin(s, one, now + ms) == STRANGERS_MAY) {
            begun++;
        }
    }
    return begun;
}

/* An address may begin as many as are written, and not a round number. */
START_TEST(handshakes_as_configured)
{
    struct sockaddr_storage from = { .ss_family = AF_INET };
    StrangersLimits shakes;
    ProviderLimits limits;
    Stranger one = { 0 };
    Strangers s;

    provider_limits_init(&limits);
    limits.handshakes_address = 600;
    limits.handshakes = 1000;
    provider_limits_strangers(&limits, &shakes);
    strangers_init(&s, &shakes);
    strangers_add(&s, &one, &one, &from);
    ck_assert_uint_eq(begun_in_a_second(&s, &one, NOW),
                      600 * (PROVIDER_HANDSHAKES_ADDRESS_S + 1) - 1);
    ck_assert_uint_eq(begun_in_a_second(&s, &one, NOW + 1000), 600);
    strangers_remove(&s, &one);
    strangers_deinit(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("account");
    TCase *tc = tcase_create("account");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, connections_of_a_host);
    tcase_add_test(tc, idle_connections_in_all);
    tcase_add_test(tc, places_for_who_has_a_lease);
    tcase_add_test(tc, sessions_do_not_chase_each_other);
    tcase_add_test(tc, who_has_a_lease_may_claim_late);
    tcase_add_test(tc, who_does_not_claim_has_no_lease);
    tcase_add_test(tc, answers);
    tcase_add_test(tc, paces);
    tcase_add_test(tc, hosts_are_remembered);
    tcase_add_test(tc, handshakes_as_configured);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
