/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may take how much of a host that has not enough for all. */
#include <check.h>
#include <glib.h>

#include "rcached/agent/divide.h"

#define GIB     (UINT64_C(1) << 30)
#define MIB     (UINT64_C(1) << 20)
#define NR      3

static Divide divide;
static DivideVm vm[NR];
static DivideVm *const all[NR] = { &vm[0], &vm[1], &vm[2] };
static uint64_t now;

static void set_up(void)
{
    divide = (Divide) { 0 };
    now = 5000;
    for (unsigned i = 0; i < NR; i++) {
        vm[i] = (DivideVm) {
            .guest = 8 * GIB, .minimum = GIB, .resident = 8 * GIB,
        };
    }
}

static uint64_t total(void)
{
    return vm[0].limit + vm[1].limit + vm[2].limit;
}

/* Seconds in which each brings back so many pages in each of them. */
static void run(unsigned seconds, uint64_t budget, uint64_t a, uint64_t b,
                uint64_t c)
{
    uint64_t rate[NR] = { a, b, c };

    while (seconds--) {
        now += 1000;
        for (unsigned i = 0; i < NR; i++) {
            vm[i].refaults += rate[i];
        }
        ck_assert(divide_update(&divide, now, budget, all, NR));
        for (unsigned i = 0; i < NR; i++) {
            ck_assert_uint_ge(vm[i].limit, GIB);
            ck_assert_uint_le(vm[i].limit, vm[i].guest);
            vm[i].resident = MIN(vm[i].resident, vm[i].limit);
        }
        ck_assert_uint_le(total(), MAX(budget, NR * GIB));
    }
}

START_TEST(nothing_is_divided_while_there_is_enough)
{
    run(30, 24 * GIB, 100000, 0, 0);
    ck_assert(!divide.is_short && !divide.squeezed);
    ck_assert_uint_eq(total(), 24 * GIB);
}
END_TEST

START_TEST(the_limits_fit_the_budget)
{
    run(1, 12 * GIB, 0, 0, 0);
    ck_assert(divide.is_short);
    ck_assert_uint_eq(total(), 12 * GIB);
    for (unsigned i = 0; i < NR; i++) {
        ck_assert_uint_ge(vm[i].limit, 4 * GIB - 4096);
        ck_assert_uint_le(vm[i].limit, 4 * GIB + 4096);
    }
    run(1, 0, 0, 0, 0);
    ck_assert_uint_eq(total(), 3 * GIB);
}
END_TEST

START_TEST(what_is_not_used_goes_first)
{
    vm[1].resident = 2 * GIB;
    run(1, 20 * GIB, 0, 0, 0);
    ck_assert_uint_eq(vm[0].limit, 8 * GIB);
    ck_assert_uint_eq(vm[1].limit, 4 * GIB);
    ck_assert_uint_eq(vm[2].limit, 8 * GIB);
}
END_TEST

START_TEST(memory_goes_to_who_refaults)
{
    run(5, 12 * GIB, 0, 0, 0);
    run(60, 12 * GIB, 0, 5000, 0);
    ck_assert_uint_eq(vm[1].limit, 8 * GIB);
    ck_assert_uint_eq(total(), 12 * GIB);
    ck_assert_uint_ge(vm[0].limit, GIB);
    /* And to another one, when that one does. */
    run(90, 12 * GIB, 5000, 0, 0);
    ck_assert_uint_eq(vm[0].limit, 8 * GIB);
    ck_assert_uint_eq(total(), 12 * GIB);
}
END_TEST

/* A working set that fits no longer refaults; from then on all stands. */
START_TEST(it_settles)
{
    uint64_t was[NR], moved = 0;

    run(5, 12 * GIB, 0, 0, 0);
    for (unsigned i = 0; i < 60; i++) {
        run(1, 12 * GIB, vm[0].limit < 6 * GIB ? 3000 : 0,
            vm[1].limit < 2 * GIB ? 3000 : 0,
            vm[2].limit < 2 * GIB ? 3000 : 0);
    }
    for (unsigned i = 0; i < 60; i++) {
        for (unsigned k = 0; k < NR; k++) {
            was[k] = vm[k].limit;
        }
        run(1, 12 * GIB, vm[0].limit < 6 * GIB ? 3000 : 0,
            vm[1].limit < 2 * GIB ? 3000 : 0,
            vm[2].limit < 2 * GIB ? 3000 : 0);
        for (unsigned k = 0; k < NR; k++) {
            moved += was[k] > vm[k].limit ? was[k] - vm[k].limit : 0;
        }
    }
    ck_assert_uint_ge(vm[0].limit, 6 * GIB);
    ck_assert_uint_eq(moved, 0);
}
END_TEST

/* All of them want more than there is, much alike: nothing moves. */
START_TEST(equals_do_not_take_from_each_other)
{
    uint64_t was;

    run(5, 12 * GIB, 4000, 4000, 4000);
    was = vm[0].limit;
    for (unsigned i = 0; i < 50; i++) {
        run(1, 12 * GIB, i % 2 ? 3000 : 5000, 4000, i % 2 ? 5000 : 3000);
        ck_assert_uint_eq(vm[0].limit, was);
    }
}
END_TEST

/* What is free goes up and down a little: the limits do not follow it. */
START_TEST(a_noisy_budget_is_no_news)
{
    uint64_t low;

    for (unsigned i = 0; i < 20; i++) {
        run(1, 12 * GIB - (i % 5) * 16 * MIB, 1000, 1000, 1000);
    }
    low = total();
    for (unsigned i = 0; i < 40; i++) {
        run(1, 12 * GIB - (i % 5) * 16 * MIB, 1000, 1000, 1000);
        ck_assert_uint_eq(total(), low);
    }
}
END_TEST

START_TEST(what_is_over_is_given_in_steps)
{
    uint64_t before;

    run(5, 9 * GIB, 0, 2000, 0);
    before = vm[1].limit;
    run(1, 15 * GIB, 0, 2000, 0);
    ck_assert_uint_gt(vm[1].limit, before);
    ck_assert_uint_lt(vm[1].limit, before + GIB);
    run(60, 15 * GIB, 0, 2000, 0);
    ck_assert_uint_eq(vm[1].limit, 8 * GIB);
    /* It is over when there is enough for all, and a little more. */
    run(1, 24 * GIB, 0, 0, 0);
    ck_assert(divide.is_short);
    run(1, 25 * GIB, 0, 0, 0);
    ck_assert(!divide.is_short);
    ck_assert_uint_eq(total(), 24 * GIB);
}
END_TEST

/* Limits that nobody feels are no shortage. */
START_TEST(squeezed_is_who_is_at_its_limit)
{
    for (unsigned i = 0; i < NR; i++) {
        vm[i].resident = GIB;
    }
    run(3, 12 * GIB, 0, 0, 0);
    ck_assert(divide.is_short && !divide.squeezed);
    vm[2].resident = vm[2].limit;
    run(1, 12 * GIB, 0, 0, 0);
    ck_assert(divide.squeezed);
}
END_TEST

START_TEST(too_soon_changes_nothing)
{
    run(1, 12 * GIB, 0, 0, 0);
    ck_assert(!divide_update(&divide, now + 999, 3 * GIB, all, NR));
    ck_assert_uint_eq(total(), 12 * GIB);
    ck_assert(!divide_update(&divide, now - 500, 3 * GIB, all, NR));
}
END_TEST

START_TEST(one_that_comes_later_fits_in)
{
    DivideVm *const one[] = { &vm[0] };

    ck_assert(divide_update(&divide, now, 12 * GIB, one, 1));
    ck_assert_uint_eq(vm[0].limit, 8 * GIB);
    vm[1].resident = 256 * MIB;
    vm[2].resident = 0;
    run(1, 12 * GIB, 0, 0, 0);
    ck_assert_uint_eq(total(), 12 * GIB);
    ck_assert_uint_eq(vm[0].limit, 8 * GIB);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("divide");
    TCase *tc = tcase_create("divide");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, nothing_is_divided_while_there_is_enough);
    tcase_add_test(tc, the_limits_fit_the_budget);
    tcase_add_test(tc, what_is_not_used_goes_first);
    tcase_add_test(tc, memory_goes_to_who_refaults);
    tcase_add_test(tc, it_settles);
    tcase_add_test(tc, equals_do_not_take_from_each_other);
    tcase_add_test(tc, a_noisy_budget_is_no_news);
    tcase_add_test(tc, what_is_over_is_given_in_steps);
    tcase_add_test(tc, squeezed_is_who_is_at_its_limit);
    tcase_add_test(tc, too_soon_changes_nothing);
    tcase_add_test(tc, one_that_comes_later_fits_in);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return !!failed;
}
