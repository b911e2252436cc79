/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of what is lent must come back, and when no more of it. */
#include <check.h>

#include "rcached/agent/pressure.h"

#define GIB     (UINT64_C(1) << 30)

static Pressure pressure;

static void set_up(void)
{
    pressure_init(&pressure, 1000, 500);
}

static uint64_t keep(double available, double leased)
{
    PressureInput in = {
        .available = available * GIB, .reserve = 8 * GIB,
        .leased = leased * GIB,
    };

    return pressure_update(&pressure, &in);
}

START_TEST(all_is_kept_while_there_is_enough)
{
    ck_assert_uint_eq(keep(8, 16), PRESSURE_KEEP_ALL);
    ck_assert_uint_eq(keep(100, 0), PRESSURE_KEEP_ALL);
}
END_TEST

/* The asking stands still while slabs come, and ends when there is enough. */
START_TEST(what_is_short_is_asked_back)
{
    ck_assert_uint_eq(keep(6, 16), 13 * GIB);
    ck_assert_uint_eq(keep(7, 15), 13 * GIB);
    ck_assert_uint_eq(keep(8.5, 13.5), 13 * GIB);
    ck_assert_uint_eq(keep(9, 13), PRESSURE_KEEP_ALL);
    ck_assert_uint_eq(keep(8.5, 13), PRESSURE_KEEP_ALL);
    ck_assert_uint_eq(keep(7.5, 13), 11.5 * GIB);
}
END_TEST

START_TEST(it_ends_when_the_host_needs_less)
{
    ck_assert_uint_eq(keep(2, 16), 9 * GIB);
    ck_assert_uint_eq(keep(5, 16), 12 * GIB);
    ck_assert_uint_eq(keep(12, 16), PRESSURE_KEEP_ALL);
}
END_TEST

START_TEST(never_more_than_is_lent)
{
    ck_assert_uint_eq(keep(0, 4), 0);
    ck_assert_uint_eq(keep(0, 0), 0);
}
END_TEST

/* Under pressure it begins earlier and goes further. */
START_TEST(pressure_asks_for_more)
{
    PressureInput in = {
        .available = 10 * GIB, .reserve = 8 * GIB, .leased = 16 * GIB,
    };

    ck_assert_uint_eq(pressure_update(&pressure, &in), PRESSURE_KEEP_ALL);
    in.psi_some = 1001;
    ck_assert_uint_eq(pressure_update(&pressure, &in), 14 * GIB);
    in.psi_some = 1000;
    in.psi_full = 501;
    ck_assert_uint_eq(pressure_update(&pressure, &in), 14 * GIB);
    in.psi_full = 500;
    ck_assert_uint_eq(pressure_update(&pressure, &in), PRESSURE_KEEP_ALL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pressure");
    TCase *tc = tcase_create("pressure");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, all_is_kept_while_there_is_enough);
    tcase_add_test(tc, what_is_short_is_asked_back);
    tcase_add_test(tc, it_ends_when_the_host_needs_less);
    tcase_add_test(tc, never_more_than_is_lent);
    tcase_add_test(tc, pressure_asks_for_more);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
