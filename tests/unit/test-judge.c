/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which provider is slow: compared with others, and not for a blip. */
#include <check.h>

#include "rcached/pager/judge.h"

#define US      UINT64_C(1000)
#define MS      (1000 * US)

static Judge judge[4];
static bool changed[4];
static uint64_t now;

static void set_up(void)
{
    for (unsigned i = 0; i < 4; i++) {
        judge[i] = (Judge) { 0 };
    }
    now = 0;
}

static void answers(unsigned one, unsigned n, uint64_t ns)
{
    while (n--) {
        judge_add(&judge[one], ns);
    }
}

static bool turn(unsigned nr)
{
    Judge *all[] = { &judge[0], &judge[1], &judge[2], &judge[3] };

    now += 10000 * MS;
    return judge_turn(all, nr, now, changed);
}

/* One window in which the first takes @first and the others 200 us. */
static bool window(unsigned nr, uint64_t first)
{
    answers(0, 20, first);
    for (unsigned i = 1; i < nr; i++) {
        answers(i, 20, 200 * US);
    }
    return turn(nr);
}

START_TEST(who_stays_slow_is_found)
{
    for (unsigned i = 1; i < JUDGE_WINDOWS; i++) {
        ck_assert(!window(3, 30 * MS));
        ck_assert(!judge[0].slow);
    }
    ck_assert(window(3, 30 * MS));
    ck_assert(changed[0] && !changed[1] && !changed[2]);
    ck_assert(judge[0].slow && !judge[1].slow && !judge[2].slow);
    ck_assert_uint_eq(judge[0].since, now);
    ck_assert(judge[0].median >= 30 * MS && judge[0].median < 38 * MS);
}
END_TEST

START_TEST(of_two_the_slow_one_is_found)
{
    for (unsigned i = 0; i < JUDGE_WINDOWS; i++) {
        window(2, 30 * MS);
    }
    ck_assert(judge[0].slow && !judge[1].slow);
}
END_TEST

START_TEST(two_slow_ones_of_three_do_not_hide_one_another)
{
    for (unsigned i = 0; i < JUDGE_WINDOWS; i++) {
        answers(1, 100, 30 * MS);
        window(3, 30 * MS);
    }
    ck_assert(judge[0].slow && judge[1].slow && !judge[2].slow);
}
END_TEST

START_TEST(a_blip_is_ignored)
{
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned k = 1; k < JUDGE_WINDOWS; k++) {
            window(3, 30 * MS);
        }
        window(3, 200 * US);
        ck_assert(!judge[0].slow);
    }
    /* Some slow answers among many are no slow provider. */
    for (unsigned i = 0; i < 10; i++) {
        answers(0, 9, 500 * MS);
        window(3, 200 * US);
        ck_assert(!judge[0].slow);
    }
}
END_TEST

START_TEST(a_multiple_of_little_is_little)
{
    for (unsigned i = 0; i < 10; i++) {
        window(3, 1800 * US);
        ck_assert(!judge[0].slow);
    }
}
END_TEST

START_TEST(far_away_all_are_slow_and_none_is)
{
    for (unsigned i = 0; i < 10; i++) {
        answers(0, 20, 60 * MS);
        answers(1, 20, 30 * MS);
        answers(2, 20, 30 * MS);
        ck_assert(!turn(3));
    }
}
END_TEST

START_TEST(it_recovers_but_not_at_once)
{
    for (unsigned i = 0; i < JUDGE_WINDOWS; i++) {
        window(3, 30 * MS);
    }
    for (unsigned i = 0; i < 10; i++) {
        window(3, 200 * US);
        window(3, 1900 * US);   /* between the limits: not a good one */
        ck_assert(judge[0].slow);
    }
    for (unsigned i = 1; i < JUDGE_WINDOWS; i++) {
        ck_assert(!window(3, 200 * US));
    }
    ck_assert(window(3, 200 * US));
    ck_assert(changed[0] && !judge[0].slow);
}
END_TEST

START_TEST(alone_it_is_not_slow)
{
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(!window(1, 900 * MS));
    }
    ck_assert(!judge[0].slow);
    ck_assert(!turn(0));
}
END_TEST

START_TEST(few_answers_are_no_judgement)
{
    for (unsigned i = 0; i < JUDGE_WINDOWS * (JUDGE_SAMPLES - 1); i++) {
        answers(0, 1, 30 * MS);
        answers(1, 20, 200 * US);
        turn(2);
        ck_assert(!judge[0].slow);
    }
    /* But they add up. */
    for (unsigned i = 0; i < JUDGE_WINDOWS * JUDGE_SAMPLES; i++) {
        answers(0, 1, 30 * MS);
        answers(1, 20, 200 * US);
        turn(2);
    }
    ck_assert(judge[0].slow);
}
END_TEST

START_TEST(a_new_connection_begins_anew)
{
    for (unsigned i = 1; i < JUDGE_WINDOWS; i++) {
        window(3, 30 * MS);
    }
    judge_forget(&judge[0]);
    ck_assert(!window(3, 30 * MS));
    ck_assert(!judge[0].slow);
}
END_TEST

START_TEST(what_answers_take_lately)
{
    judge_add(&judge[0], MS);
    ck_assert_uint_eq(judge[0].recent, MS);
    for (unsigned i = 0; i < 16; i++) {
        judge_add(&judge[0], 100 * MS);
    }
    ck_assert_uint_gt(judge[0].recent, 80 * MS);
    for (unsigned i = 0; i < 80; i++) {
        judge_add(&judge[0], MS);
    }
    ck_assert_uint_lt(judge[0].recent, 2 * MS);
    judge_forget(&judge[0]);
    ck_assert_uint_eq(judge[0].recent, 0);
}
END_TEST

START_TEST(any_time_has_its_bucket)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t ns = UINT64_C(1) << bit;

        set_up();
        answers(0, 9, ns);
        turn(1);
        ck_assert_uint_ge(judge[0].median, ns);
        ck_assert_uint_le(judge[0].median - ns, ns / 4);
    }
    answers(0, 9, UINT64_MAX);
    answers(0, 5, 0);
    turn(1);
    ck_assert_uint_eq(judge[0].median, UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("judge");
    TCase *tc = tcase_create("judge");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, who_stays_slow_is_found);
    tcase_add_test(tc, of_two_the_slow_one_is_found);
    tcase_add_test(tc, two_slow_ones_of_three_do_not_hide_one_another);
    tcase_add_test(tc, a_blip_is_ignored);
    tcase_add_test(tc, a_multiple_of_little_is_little);
    tcase_add_test(tc, far_away_all_are_slow_and_none_is);
    tcase_add_test(tc, it_recovers_but_not_at_once);
    tcase_add_test(tc, alone_it_is_not_slow);
    tcase_add_test(tc, few_answers_are_no_judgement);
    tcase_add_test(tc, a_new_connection_begins_anew);
    tcase_add_test(tc, what_answers_take_lately);
    tcase_add_test(tc, any_time_has_its_bucket);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
