/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saturate: no sum comes round, no difference goes below 0. */
#include <check.h>
#include <stdlib.h>

#include "common/saturate.h"

START_TEST(sums_stay_at_the_top)
{
    ck_assert_uint_eq(saturating_add(2, 3), 5);
    ck_assert_uint_eq(saturating_add(UINT64_MAX - 3, 3), UINT64_MAX);
    ck_assert_uint_eq(saturating_add(UINT64_MAX - 3, 4), UINT64_MAX);
    ck_assert_uint_eq(saturating_add(UINT64_MAX, UINT64_MAX), UINT64_MAX);
}
END_TEST

START_TEST(differences_stay_at_the_bottom)
{
    ck_assert_uint_eq(saturating_sub(5, 3), 2);
    ck_assert_uint_eq(saturating_sub(3, 3), 0);
    ck_assert_uint_eq(saturating_sub(3, 5), 0);
    ck_assert_uint_eq(saturating_sub(UINT64_MAX, 1), UINT64_MAX - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("saturate");
    TCase *tc = tcase_create("saturate");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, sums_stay_at_the_top);
    tcase_add_test(tc, differences_stay_at_the_bottom);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
