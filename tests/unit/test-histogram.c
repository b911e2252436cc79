/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quantiles within a bucket's width; windows that pass. */
#include <check.h>

#include "common/histogram.h"

static Histogram h;

static void set_up(void)
{
    h = (Histogram) { 0 };
}

START_TEST(quantiles_are_within_a_bucket)
{
    for (uint64_t v = 1; v <= 100000; v++) {
        histogram_add(&h, v, 1);
    }
    for (int q = 1; q < 100; q++) {
        uint64_t exact = q * 1000, got = histogram_quantile(&h, q / 100.0);

        ck_assert_uint_ge(got, exact);
        ck_assert_uint_le(got, exact + exact / 15 + 1);
    }
    ck_assert_uint_eq(histogram_max(&h), 100000);
}
END_TEST

START_TEST(every_value_has_a_place)
{
    histogram_add(&h, 0, 1);
    histogram_add(&h, UINT64_MAX, 1);
    ck_assert_uint_eq(histogram_max(&h), UINT64_MAX);
    ck_assert_uint_eq(histogram_quantile(&h, 0), 0);
}
END_TEST

START_TEST(nothing_is_nothing)
{
    ck_assert_uint_eq(histogram_quantile(&h, 0.5), 0);
}
END_TEST

START_TEST(old_values_are_forgotten)
{
    uint64_t t = 1000;

    histogram_add(&h, 1000000, t);
    histogram_add(&h, 10, t + HISTOGRAM_WINDOW_NS);
    ck_assert_uint_eq(histogram_max(&h), 1000000);
    histogram_add(&h, 10, t + 2 * HISTOGRAM_WINDOW_NS);
    ck_assert_uint_eq(histogram_max(&h), 10);

    histogram_add(&h, 77, t + 3 * HISTOGRAM_WINDOW_NS);
    histogram_add(&h, 5, t + 9 * HISTOGRAM_WINDOW_NS);
    ck_assert_uint_eq(histogram_max(&h), 5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("histogram");
    TCase *tc = tcase_create("histogram");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, quantiles_are_within_a_bucket);
    tcase_add_test(tc, every_value_has_a_place);
    tcase_add_test(tc, nothing_is_nothing);
    tcase_add_test(tc, old_values_are_forgotten);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
