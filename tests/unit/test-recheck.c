/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which connections have still to be judged, and what it costs to know. */
#include <check.h>
#include <stdbool.h>

#include "rcached/provider/recheck.h"

#define MANY    20000u

static Recheck r;
static RecheckMember member[MANY];
static unsigned judged[MANY];

static void set_up(void)
{
    recheck_init(&r);
    for (unsigned i = 0; i < MANY; i++) {
        recheck_add(&r, &member[i], &judged[i]);
        judged[i] = 0;
    }
}

static void tear_down(void)
{
    for (unsigned i = 0; i < MANY; i++) {
        recheck_remove(&r, &member[i]);
    }
    ck_assert_uint_eq(r.all.length, 0);
}

static bool judge(void)
{
    unsigned *conn = recheck_next(&r);

    if (conn) {
        (*conn)++;
    }
    return conn;
}

/* Some come, some end and some are refused meanwhile. */
START_TEST(each_is_judged_once)
{
    ck_assert(!judge());
    recheck_begin(&r);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(judge());
    }
    recheck_remove(&r, &member[5]);
    recheck_add(&r, &member[5], &judged[5]);
    recheck_remove(&r, &member[MANY - 1]);
    recheck_remove(&r, &member[MANY - 1]);
    while (judge()) {
    }
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(judged[i], i != MANY - 1);
    }
}
END_TEST

/* Whoever has not had his turn is judged by the last ones only. */
START_TEST(twice_in_a_row)
{
    recheck_begin(&r);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(judge());
    }
    recheck_begin(&r);
    while (judge()) {
    }
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(judged[i], i < 10 ? 2 : 1);
    }
}
END_TEST

/* It is not a look at all others for each: there may be a million. */
START_TEST(one_look_each)
{
    for (unsigned times = 1; times <= 3; times++) {
        recheck_begin(&r);
        while (judge()) {
        }
        ck_assert_uint_eq(r.looks, times * (MANY + 1));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recheck");
    TCase *tc = tcase_create("recheck");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, each_is_judged_once);
    tcase_add_test(tc, twice_in_a_row);
    tcase_add_test(tc, one_look_each);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
