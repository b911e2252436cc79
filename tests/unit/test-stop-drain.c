/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long the end of a daemon waits: never past what may be lost for no
 * reason, and never for ever. */
#include <check.h>

#include "rcached/stop-drain.h"

#define MIB     (UINT64_C(1) << 20)
#define S       INT64_C(1000000)

static StopDrain drain;

static StopVerdict look(uint64_t leased, uint64_t stored, int64_t seconds)
{
    return stop_drain_look(&drain, leased * MIB, stored * MIB, seconds * S);
}

START_TEST(nothing_lent_is_over_at_once)
{
    stop_drain_begin(&drain, 60000, 5 * S);
    ck_assert_int_eq(look(0, 0, 5), STOP_EMPTY);
}
END_TEST

/* A PUT may have been on its way when the daemon was told to end. */
START_TEST(nothing_stored_has_to_stay_so)
{
    stop_drain_begin(&drain, 60000, 100 * S);
    ck_assert_int_eq(look(8, 0, 100), STOP_WAITS);
    ck_assert_int_eq(stop_drain_look(&drain, 8 * MIB, 4096,
                                     100 * S + S / 2), STOP_WAITS);
    ck_assert_int_eq(look(8, 0, 101), STOP_WAITS);
    ck_assert_int_eq(look(8, 0, 102), STOP_EMPTY);
}
END_TEST

START_TEST(progress_is_waited_for_however_long)
{
    stop_drain_begin(&drain, 60000, 0);
    for (int64_t t = 0; t < 1000; t++) {
        ck_assert_int_eq(look(5000 - t, 4000, t * 9), STOP_WAITS);
    }
    /* Pages that guests take home are progress too. */
    for (int64_t t = 0; t < 1000; t++) {
        ck_assert_int_eq(look(4001, 3999 - t, 9000 + t * 9), STOP_WAITS);
    }
}
END_TEST

START_TEST(no_progress_is_told_and_then_given_up)
{
    stop_drain_begin(&drain, 60000, 0);
    ck_assert_int_eq(look(100, 90, 0), STOP_WAITS);
    ck_assert_int_eq(look(100, 91, 9), STOP_WAITS);
    ck_assert_int_eq(look(100, 90, 10), STOP_STUCK);
    ck_assert_int_eq(look(100, 90, 11), STOP_WAITS);
    /* Some leaves, and it is told of anew when it stands still again. */
    ck_assert_int_eq(look(96, 86, 50), STOP_WAITS);
    ck_assert_int_eq(stop_drain_still(&drain, 53 * S), 3 * S);
    ck_assert_int_eq(look(96, 86, 61), STOP_STUCK);
    ck_assert_int_eq(look(96, 90, 109), STOP_WAITS);
    ck_assert_int_eq(look(96, 86, 110), STOP_GIVEN_UP);
}
END_TEST

START_TEST(without_a_limit_it_is_never_given_up)
{
    stop_drain_begin(&drain, 0, 0);
    ck_assert_int_eq(look(100, 90, 0), STOP_WAITS);
    ck_assert_int_eq(look(100, 90, 20), STOP_STUCK);
    ck_assert_int_eq(look(100, 90, 1000000), STOP_WAITS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stop-drain");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, nothing_lent_is_over_at_once);
    tcase_add_test(tc, nothing_stored_has_to_stay_so);
    tcase_add_test(tc, progress_is_waited_for_however_long);
    tcase_add_test(tc, no_progress_is_told_and_then_given_up);
    tcase_add_test(tc, without_a_limit_it_is_never_given_up);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
