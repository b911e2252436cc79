/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cap on moves: a minute's worth, evenly. */
#include <check.h>

#include "arbiter/moves.h"

START_TEST(a_minute_at_a_time)
{
    Moves moves;

    moves_init(&moves, 60, 1000);
    ck_assert_uint_eq(moves_left(&moves, 1000), 60);
    moves_take(&moves, 50, 1000);
    ck_assert_uint_eq(moves_left(&moves, 1000), 10);
    moves_take(&moves, 11, 1000);
    ck_assert_uint_eq(moves_left(&moves, 1000), 0);
    ck_assert_uint_eq(moves_left(&moves, 1999), 0);
    ck_assert_uint_eq(moves_left(&moves, 2000), 1);
    ck_assert_uint_eq(moves_left(&moves, 31000), 30);
    /* It does not save up, whatever the clock does. */
    ck_assert_uint_eq(moves_left(&moves, UINT64_MAX), 60);
    ck_assert_uint_eq(moves_left(&moves, 5), 60);
    moves_take(&moves, 1, 5);
    ck_assert_uint_eq(moves_left(&moves, 5), 59);
}
END_TEST

/* A move is a slab of where it comes from, wherever it goes. */
START_TEST(what_is_begun_is_a_move)
{
    ck_assert_uint_eq(moves_of(0, 64), 0);
    ck_assert_uint_eq(moves_of(1, 64), 1);
    ck_assert_uint_eq(moves_of(64, 64), 1);
    ck_assert_uint_eq(moves_of(129, 64), 3);
    ck_assert_uint_eq(moves_of(UINT64_MAX, 2), 1ull << 63);
    ck_assert_uint_eq(moves_of(100, 0), 0);
}
END_TEST

START_TEST(no_cap)
{
    Moves moves;

    moves_init(&moves, 0, 0);
    moves_take(&moves, UINT64_MAX, 0);
    ck_assert_uint_eq(moves_left(&moves, 0), UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("moves");
    TCase *tc = tcase_create("moves");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, a_minute_at_a_time);
    tcase_add_test(tc, what_is_begun_is_a_move);
    tcase_add_test(tc, no_cap);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
