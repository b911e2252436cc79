/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VM retry: pauses between pagers that fail. */
#include <check.h>
#include <glib.h>
#include <stdlib.h>

#include "rcached/vm-retry.h"

#define SECOND  G_USEC_PER_SEC

static VmRetry retry;

static const PagerEnd
    said = { .how = "no io_uring", .failed = true, .said = true },
    crashed = { .how = "signal 11", .failed = true },
    died = { .how = "signal 9", .failed = true, .served = true },
    gone = { .how = "exit status 0", .served = true },
    unused = { .how = "exit status 0" };

static void tear_down(void)
{
    vm_retry_reset(&retry);
}

static int64_t ended(const PagerEnd *end, int64_t now)
{
    vm_retry_ended(&retry, end, now);
    return vm_retry_left(&retry, now);
}

START_TEST(one_that_says_why_is_believed_at_once)
{
    ck_assert_int_eq(vm_retry_left(&retry, 0), 0);
    ck_assert_int_eq(ended(&said, 10 * SECOND), SECOND / 2);
    ck_assert_str_eq(retry.problem, "no io_uring");
    ck_assert_int_eq(vm_retry_left(&retry, 10 * SECOND + SECOND / 2), 0);
    ck_assert_int_eq(ended(&said, 20 * SECOND), SECOND);
}
END_TEST

START_TEST(pauses_double_up_to_half_a_minute)
{
    for (unsigned i = 0; i < 99; i++) {
        ended(&said, 0);
    }
    ck_assert_int_eq(ended(&said, 0), 32 * SECOND);
}
END_TEST

START_TEST(a_few_crashes_are_followed_at_once)
{
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(ended(&crashed, SECOND), 0);
    }
    ck_assert_int_eq(ended(&crashed, SECOND), SECOND / 2);
}
END_TEST

START_TEST(one_that_serves_ends_it)
{
    ended(&said, SECOND);
    ck_assert_int_gt(ended(&unused, SECOND), 0);    /* its VMM hung up */
    ck_assert_int_eq(ended(&gone, SECOND), 0);
    ck_assert_ptr_null(retry.problem);
    ck_assert_uint_eq(retry.failures, 0);
}
END_TEST

/* It had served, so what kept others from starting is over. */
START_TEST(one_that_was_ready_is_followed_at_once)
{
    for (unsigned i = 0; i < 20; i++) {
        ended(&said, SECOND);
    }
    ck_assert_int_eq(ended(&died, 60 * SECOND), 0);
    ck_assert_uint_eq(retry.failures, 0);
    ck_assert_str_eq(retry.problem, "signal 9");
    /* One a second, for ever. */
    for (int64_t s = 60; s < 3600; s++) {
        ck_assert_int_eq(ended(&died, s * SECOND), 0);
    }
}
END_TEST

/* Each dies at its READY, 80 ms after it was started. */
START_TEST(pagers_that_die_at_once_come_once_a_second)
{
    unsigned first = 0, all = 0;

    for (int64_t now = SECOND; now < 61 * SECOND; all++) {
        int64_t pause;

        now += 80000;
        pause = ended(&died, now);
        ck_assert_int_le(pause, SECOND);
        first += !pause && all == first;
        now += pause;
    }
    ck_assert_uint_ge(first, 10);
    ck_assert_uint_ge(all, 60);
    ck_assert_uint_le(all, 75);
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
    tcase_add_test(tc, one_that_was_ready_is_followed_at_once);
    tcase_add_test(tc, pagers_that_die_at_once_come_once_a_second);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
