/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For how long threads wait for pages that are away. */
#include <check.h>

#include "rcached/pager/stalls.h"

static Stalls s;

static void set_up(void)
{
    s = (Stalls) { 0 };
}

START_TEST(each_thread_waits)
{
    stalls_begin(&s, 11, 5, 100);
    stalls_begin(&s, 12, 5, 150);
    stalls_begin(&s, 13, 6, 200);
    ck_assert_uint_eq(s.nr, 3);
    ck_assert_uint_eq(stalls_since(&s, 5), 100);
    ck_assert_uint_eq(stalls_since(&s, 6), 200);
    ck_assert_uint_eq(stalls_since(&s, 7), 0);
    /* What goes on counts, too. */
    ck_assert_uint_eq(stalls_total(&s, 300), 200 + 150 + 100);
    stalls_end(&s, 5, 400);
    ck_assert_uint_eq(s.nr, 1);
    ck_assert_uint_eq(stalls_total(&s, 400), 300 + 250 + 200);
    stalls_end(&s, 6, 500);
    stalls_end(&s, 6, 900);
    ck_assert_uint_eq(s.nr, 0);
    ck_assert_uint_eq(stalls_total(&s, 1000), 300 + 250 + 300);
}
END_TEST

/* It was woken, for another reason, and faults on the same page again. */
START_TEST(a_repeated_fault_is_one_wait)
{
    stalls_begin(&s, 11, 5, 100);
    stalls_begin(&s, 11, 5, 200);
    ck_assert_uint_eq(s.nr, 1);
    ck_assert_uint_eq(stalls_since(&s, 5), 100);
    stalls_end(&s, 5, 300);
    ck_assert_uint_eq(stalls_total(&s, 300), 200);
}
END_TEST

/* Then the wait before has ended, whoever woke the thread. */
START_TEST(a_thread_has_one_wait)
{
    stalls_begin(&s, 11, 5, 100);
    stalls_begin(&s, 12, 5, 100);
    stalls_begin(&s, 11, 6, 200);
    ck_assert_uint_eq(s.nr, 2);
    ck_assert_uint_eq(stalls_since(&s, 6), 200);
    stalls_end(&s, 5, 300);
    stalls_end(&s, 6, 300);
    ck_assert_uint_eq(stalls_total(&s, 300), 100 + 100 + 200);
}
END_TEST

START_TEST(unknown_threads_wait_once_a_page)
{
    stalls_begin(&s, 0, 5, 100);
    stalls_begin(&s, 0, 5, 150);
    stalls_begin(&s, 0, 6, 150);
    ck_assert_uint_eq(s.nr, 2);
    stalls_end(&s, 5, 200);
    stalls_end(&s, 6, 200);
    ck_assert_uint_eq(stalls_total(&s, 200), 150);
}
END_TEST

static bool is_five(void *opaque, uint64_t page)
{
    ck_assert_ptr_eq(opaque, &s);
    return page == 5;
}

START_TEST(who_is_gone_waits_no_longer)
{
    stalls_begin(&s, 11, 5, 100);
    stalls_begin(&s, 12, 6, 100);
    stalls_begin(&s, 13, 5, 100);
    stalls_sweep(&s, is_five, &s, 200);
    ck_assert_uint_eq(s.nr, 1);
    ck_assert_uint_eq(stalls_since(&s, 6), 100);
    ck_assert_uint_eq(stalls_total(&s, 200), 300);
}
END_TEST

/* A provider is away: that is no matter of how much memory the guest has. */
START_TEST(long_waits_are_told_apart)
{
    stalls_begin(&s, 11, 5, 100);
    stalls_begin(&s, 12, 6, 200);
    ck_assert_uint_eq(stalls_oldest(&s, 300), 200);
    stalls_end(&s, 6, 200 + STALLS_LONG_NS - 1);
    ck_assert_uint_eq(s.ended_short, STALLS_LONG_NS - 1);
    ck_assert_uint_eq(s.nr_long, 0);
    stalls_end(&s, 5, 100 + STALLS_LONG_NS);
    ck_assert_uint_eq(s.ended_short, STALLS_LONG_NS - 1);
    ck_assert_uint_eq(s.nr_long, 1);
    ck_assert_uint_eq(s.ended, 2 * STALLS_LONG_NS - 1);
    ck_assert_uint_eq(stalls_oldest(&s, 3 * STALLS_LONG_NS), 0);
}
END_TEST

START_TEST(more_than_there_is_room_for)
{
    for (unsigned i = 0; i < STALLS_MAX + 10; i++) {
        stalls_begin(&s, i + 1, i, 100);
    }
    ck_assert_uint_eq(s.nr, STALLS_MAX);
    /* Times that are out of order. */
    ck_assert_uint_eq(stalls_total(&s, 50), 0);
    for (unsigned i = 0; i < STALLS_MAX + 10; i++) {
        stalls_end(&s, i, 101);
    }
    ck_assert_uint_eq(s.nr, 0);
    ck_assert_uint_eq(stalls_total(&s, 200), STALLS_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stalls");
    TCase *tc = tcase_create("stalls");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, each_thread_waits);
    tcase_add_test(tc, a_repeated_fault_is_one_wait);
    tcase_add_test(tc, a_thread_has_one_wait);
    tcase_add_test(tc, unknown_threads_wait_once_a_page);
    tcase_add_test(tc, who_is_gone_waits_no_longer);
    tcase_add_test(tc, long_waits_are_told_apart);
    tcase_add_test(tc, more_than_there_is_room_for);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
