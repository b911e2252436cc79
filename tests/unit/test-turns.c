/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose turn it is on the provider's thread. */
#include <check.h>

#include "rcached/provider/turns.h"

static Turns turns;
static int64_t now;
static TurnsHost flooder, vm, third;
static Turn floods[40], fault, bulk, other;

static void set_up(void)
{
    now = 1000000;
    turns_init(&turns);
    turns_host_init(&flooder);
    turns_host_init(&vm);
    turns_host_init(&third);
}

static void tear_down(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(floods); i++) {
        turns_remove(&turns, &floods[i]);
    }
    turns_remove(&turns, &fault);
    turns_remove(&turns, &bulk);
    turns_remove(&turns, &other);
    turns_host_deinit(&flooder);
    turns_host_deinit(&vm);
    turns_host_deinit(&third);
}

/* One turn; the pages it costs. */
static Turn *take(unsigned pages)
{
    TurnsLane *lane;
    Turn *turn = turns_next(&turns, &lane);

    if (turn) {
        turns_charge(&turns, lane, pages, lane->host == &vm, now);
    }
    return turn;
}

static bool is_flood(const Turn *turn)
{
    return turn >= floods && turn < floods + G_N_ELEMENTS(floods);
}

START_TEST(one_after_the_other)
{
    ck_assert(!turns_wait(&turns));
    ck_assert_ptr_null(take(1));
    turns_add(&turns, &fault, &vm, TURN_FAULT, now);
    turns_add(&turns, &fault, &vm, TURN_FAULT, now);
    turns_add(&turns, &bulk, &vm, TURN_BULK, now);
    ck_assert(turns_wait(&turns));
    ck_assert_ptr_eq(take(1), &fault);
    ck_assert_ptr_eq(take(1), &bulk);
    ck_assert(!turns_wait(&turns));
    ck_assert_ptr_null(take(1));
    /* Who is removed is not called. */
    turns_add(&turns, &fault, &vm, TURN_FAULT, now);
    turns_remove(&turns, &fault);
    turns_remove(&turns, &fault);
    ck_assert(!turns_wait(&turns));
    ck_assert_ptr_null(take(1));
    ck_assert(!turns_compete(&turns, &vm, now));
}
END_TEST

/* However many connections have something to do, what a VM waits for is next:
 * it asks for less than its part. */
START_TEST(a_fault_is_next)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(floods); i++) {
        turns_add(&turns, &floods[i], &flooder, TURN_FAULT, now);
    }
    for (unsigned round = 0; round < 500; round++) {
        Turn *turn = take(64);

        ck_assert(is_flood(turn));
        turns_add(&turns, turn, &flooder, TURN_FAULT, now);
        now += 100;             /* a guest that has one page asks again */
        turns_add(&turns, &fault, &vm, TURN_FAULT, now);
        turn = take(1);
        if (is_flood(turn)) {
            /* It was served just now, and stands behind one other at most. */
            turns_add(&turns, turn, &flooder, TURN_FAULT, now);
            turn = take(1);
        }
        ck_assert_ptr_eq(turn, &fault);
    }
    /* It waits for page after page; and is not in its own way. */
    ck_assert(turns_compete(&turns, &flooder, now));
    ck_assert(!turns_compete(&turns, &vm, now));
    ck_assert(!turns_compete(&turns, &flooder, now + 2 * TURNS_DENSE_US));
}
END_TEST

/* PINGs of a thousand VMs are no guest that waits: nobody makes room for them,
 * however many they are. */
START_TEST(pings_are_no_faults)
{
    TurnsLane *lane;

    for (unsigned i = 0; i < 1000; i++) {
        now += TURNS_DENSE_US / 100;
        turns_add(&turns, &fault, &third, TURN_FAULT, now);
        ck_assert_ptr_eq(turns_next(&turns, &lane), &fault);
        turns_charge(&turns, lane, 1, false, now);
        ck_assert(!turns_compete(&turns, &vm, now));
    }
    /* Whose answers are sent is none either, but what was asked for is. */
    for (unsigned i = 0; i < 100; i++) {
        now += TURNS_DENSE_US / TURNS_DENSE / 2;
        turns_add(&turns, &fault, &third, TURN_FAULT, now);
        ck_assert_ptr_eq(turns_next(&turns, &lane), &fault);
        turns_charge(&turns, lane, 1, i % 2, now);
    }
    ck_assert(turns_compete(&turns, &vm, now));
}
END_TEST

/* Two that ask without end have the same part, by what they cost and not by
 * how many connections they have. */
START_TEST(parts_are_equal)
{
    unsigned of_flooder = 0, of_vm = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(floods); i++) {
        turns_add(&turns, &floods[i], &flooder, TURN_BULK, now);
    }
    turns_add(&turns, &bulk, &vm, TURN_BULK, now);
    for (unsigned i = 0; i < 10000; i++) {
        TurnsLane *lane;
        Turn *turn = turns_next(&turns, &lane);
        bool flood = is_flood(turn);

        turns_add(&turns, turn, flood ? &flooder : &vm, TURN_BULK, now);
        turns_charge(&turns, lane, flood ? 65 : 9, false, now);
        *(flood ? &of_flooder : &of_vm) += flood ? 65 : 9;
    }
    ck_assert_uint_gt(of_flooder, of_vm / 10 * 9);
    ck_assert_uint_lt(of_flooder, of_vm / 10 * 11);
}
END_TEST

/* Newcomers of many hosts are in one lane, and have the parts of as many. */
START_TEST(newcomers_have_their_parts)
{
    unsigned of_newcomers = 0, of_each[9] = { 0 };
    TurnsHost host[9];

    flooder.parts = 3;
    turns_add(&turns, &bulk, &flooder, TURN_BULK, now);
    for (unsigned i = 0; i < 9; i++) {
        turns_host_init(&host[i]);
        turns_add(&turns, &floods[i], &host[i], TURN_BULK, now);
    }
    for (unsigned i = 0; i < 10000; i++) {
        TurnsLane *lane;
        Turn *turn = turns_next(&turns, &lane);
        unsigned cost = is_flood(turn) ? 9 : 33;

        turns_add(&turns, turn, lane->host, TURN_BULK, now);
        turns_charge(&turns, lane, cost, false, now);
        *(is_flood(turn) ? &of_each[turn - floods] : &of_newcomers) += cost;
    }
    for (unsigned i = 0; i < 9; i++) {
        ck_assert_uint_gt(of_newcomers, 3 * of_each[i] / 10 * 9);
        ck_assert_uint_lt(of_newcomers, 3 * of_each[i] / 10 * 11);
        turns_remove(&turns, &floods[i]);
        turns_host_deinit(&host[i]);
    }
}
END_TEST

/* What somebody waits for comes first, and yet others go on. */
START_TEST(faults_before_others)
{
    unsigned faults = 0, others = 0;

    turns_add(&turns, &other, &third, TURN_BULK, now);
    for (unsigned i = 0; i < 1000; i++) {
        Turn *turn;

        turns_add(&turns, &fault, &vm, TURN_FAULT, now);
        turns_add(&turns, &other, &third, TURN_BULK, now);
        turn = take(1);
        faults += turn == &fault;
        others += turn == &other;
    }
    ck_assert_uint_gt(faults, others * (TURNS_FAULTS - 2));
    ck_assert_uint_gt(others, 10);
}
END_TEST

/* What somebody owes is not forgotten for a moment without anything to do. */
START_TEST(debts_stay)
{
    TurnsLane *lane;
    unsigned of_vm = 0;

    turns_add(&turns, &floods[0], &flooder, TURN_BULK, now);
    ck_assert(is_flood(take(1000)));
    ck_assert_ptr_null(take(1));
    turns_add(&turns, &floods[0], &flooder, TURN_BULK, now);
    turns_add(&turns, &bulk, &vm, TURN_BULK, now);
    while (turns_next(&turns, &lane) == &bulk) {
        of_vm++;
        turns_add(&turns, &bulk, &vm, TURN_BULK, now);
        turns_charge(&turns, lane, TURNS_QUANTUM, false, now);
    }
    ck_assert_uint_gt(of_vm, 1000 / TURNS_QUANTUM - 5);
}
END_TEST

/* Bulk goes on though the connections that others fault over never stop. */
START_TEST(faults_without_end_stop_nobody)
{
    unsigned others = 0;

    for (unsigned i = 0; i < 20; i++) {
        turns_add(&turns, &floods[i], &flooder, TURN_FAULT, now);
    }
    turns_add(&turns, &other, &third, TURN_BULK, now);
    for (unsigned i = 0; i < 1000; i++) {
        Turn *turn;

        now += 20;
        turns_add(&turns, &fault, &vm, TURN_FAULT, now);
        turn = take(20);
        if (turn == &other) {
            others++;
            turns_add(&turns, turn, &third, TURN_BULK, now);
        } else if (is_flood(turn)) {
            turns_add(&turns, turn, &flooder, TURN_FAULT, now);
        }
    }
    ck_assert_uint_gt(others, 100);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turns");
    TCase *tc = tcase_create("turns");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, one_after_the_other);
    tcase_add_test(tc, a_fault_is_next);
    tcase_add_test(tc, pings_are_no_faults);
    tcase_add_test(tc, parts_are_equal);
    tcase_add_test(tc, newcomers_have_their_parts);
    tcase_add_test(tc, faults_before_others);
    tcase_add_test(tc, debts_stay);
    tcase_add_test(tc, faults_without_end_stop_nobody);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
