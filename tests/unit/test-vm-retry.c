/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VM retry: pauses between pagers that cannot serve. */
#include <check.h>
#include <glib.h>
#include <stdlib.h>

#include "rcached/vm-retry.h"

#define SECOND  G_USEC_PER_SEC

static VmRetry retry;

static void tear_down(void)
{
    vm_retry_reset(&retry);
}

START_TEST(one_that_says_why_is_believed_at_once)
{
    ck_assert_int_eq(vm_retry_left(&retry, 0), 0);
    vm_retry_failed(&retry, "no io_uring", true, 10 * SECOND);
    ck_assert_str_eq(retry.problem, "no io_uring");
    ck_assert_int_eq(vm_retry_left(&retry, 10 * SECOND), SECOND / 2);
    ck_assert_int_eq(vm_retry_left(&retry, 10 * SECOND + SECOND / 2), 0);
    vm_retry_failed(&retry, "no io_uring", true, 20 * SECOND);
    ck_assert_int_eq(vm_retry_left(&retry, 20 * SECOND), SECOND);
}
END_TEST

START_TEST(pauses_double_up_to_half_a_minute)
{
    for (unsigned i = 0; i < 100; i++) {
        vm_retry_failed(&retry, "no io_uring", true, 0);
    }
    ck_assert_int_eq(vm_retry_left(&retry, 0), 32 * SECOND);
}
END_TEST

START_TEST(a_few_crashes_are_followed_at_once)
{
    for (unsigned i = 0; i < 5; i++) {
        vm_retry_failed(&retry, "signal 11", false, SECOND);
        ck_assert_int_eq(vm_retry_left(&retry, SECOND), 0);
    }
    vm_retry_failed(&retry, "signal 11", false, SECOND);
    ck_assert_int_eq(vm_retry_left(&retry, SECOND), SECOND / 2);
}
END_TEST

START_TEST(one_that_serves_ends_it)
{
    vm_retry_failed(&retry, "no io_uring", true, SECOND);
    vm_retry_reset(&retry);
    ck_assert_ptr_null(retry.problem);
    ck_assert_uint_eq(retry.failures, 0);
    ck_assert_int_eq(vm_retry_left(&retry, SECOND), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vm-retry");
    TCase *tc = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, NULL, tear_down);
    tcase_add_test(tc, one_that_says_why_is_believed_at_once);
    tcase_add_test(tc, pauses_double_up_to_half_a_minute);
    tcase_add_test(tc, a_few_crashes_are_followed_at_once);
    tcase_add_test(tc, one_that_serves_ends_it);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
