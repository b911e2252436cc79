/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log-limit: so many lines in a window, and then how many there would be. */
#include <check.h>
#include <stdlib.h>

#include "common/log-limit.h"

static unsigned take(LogLimit *limit, unsigned n)
{
    unsigned written = 0;

    while (n--) {
        written += log_limit_take(limit);
    }
    return written;
}

START_TEST(a_window_has_so_many_lines)
{
    LogLimit limit = { 0 };

    ck_assert_uint_eq(log_limit_tick(&limit, 5), 0);
    ck_assert_uint_eq(take(&limit, 3), 3);
    ck_assert_uint_eq(log_limit_tick(&limit, 5 + LOG_LIMIT_MS - 1), 0);
    ck_assert_uint_eq(take(&limit, 100), LOG_LIMIT_LINES - 3);
    ck_assert_uint_eq(log_limit_tick(&limit, 5 + LOG_LIMIT_MS), 93);
    ck_assert_uint_eq(take(&limit, 100), LOG_LIMIT_LINES);
}
END_TEST

START_TEST(nothing_left_out_is_not_told)
{
    LogLimit limit = { 0 };

    log_limit_tick(&limit, 0);
    ck_assert_uint_eq(take(&limit, LOG_LIMIT_LINES), LOG_LIMIT_LINES);
    ck_assert_uint_eq(log_limit_tick(&limit, LOG_LIMIT_MS), 0);
    ck_assert_uint_eq(log_limit_tick(&limit, 5 * LOG_LIMIT_MS), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log-limit");
    TCase *tc = tcase_create("log-limit");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, a_window_has_so_many_lines);
    tcase_add_test(tc, nothing_left_out_is_not_told);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
