/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which connections have still to be looked at, and what it costs to know. */
#include <check.h>
#include <stdbool.h>

#include "rcached/provider/patrol.h"

#define MANY    20000u

static Patrol p;
static PatrolMember member[MANY];
static unsigned seen[MANY];

static void set_up(void)
{
    patrol_init(&p);
    for (unsigned i = 0; i < MANY; i++) {
        patrol_add(&p, &member[i], &seen[i]);
        seen[i] = 0;
    }
}

static void tear_down(void)
{
    for (unsigned i = 0; i < MANY; i++) {
        patrol_remove(&p, &member[i]);
    }
    ck_assert_uint_eq(p.all.length, 0);
}

static bool look(void)
{
    unsigned *conn = patrol_next(&p);

    if (conn) {
        (*conn)++;
    }
    return conn;
}

/* Some come and some end meanwhile. */
START_TEST(each_is_seen_once)
{
    ck_assert(!look());
    patrol_begin(&p);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(look());
    }
    patrol_remove(&p, &member[5]);
    patrol_add(&p, &member[5], &seen[5]);
    patrol_remove(&p, &member[MANY - 1]);
    patrol_remove(&p, &member[MANY - 1]);
    while (look()) {
    }
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(seen[i], i != MANY - 1);
    }
}
END_TEST

/* Whoever has not been seen the first time is seen once in all. */
START_TEST(twice_in_a_row)
{
    patrol_begin(&p);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(look());
    }
    patrol_begin(&p);
    while (look()) {
    }
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(seen[i], i < 10 ? 2 : 1);
    }
}
END_TEST

/* It is not a look at all others for each: there may be a million. */
START_TEST(one_look_each)
{
    for (unsigned times = 1; times <= 3; times++) {
        patrol_begin(&p);
        while (look()) {
        }
        ck_assert_uint_eq(p.looks, times * (MANY + 1));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("patrol");
    TCase *tc = tcase_create("patrol");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, each_is_seen_once);
    tcase_add_test(tc, twice_in_a_row);
    tcase_add_test(tc, one_look_each);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
