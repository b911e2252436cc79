/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boot: one id for this boot, and a clock that goes the way of uptime. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/boot.h"

START_TEST(the_id_is_the_kernels)
{
    g_autofree char *text = NULL;
    uint8_t first[UUID_LEN] = { 0 }, again[UUID_LEN] = { 0 };
    char said[UUID_TEXT_LEN];

    ck_assert(g_file_get_contents("/proc/sys/kernel/random/boot_id", &text,
                                  NULL, NULL));
    ck_assert(boot_id_read(first, NULL));
    ck_assert(boot_id_read(again, NULL));
    ck_assert_mem_eq(first, again, UUID_LEN);
    uuid_format(first, said);
    ck_assert_str_eq(said, g_strchomp(text));
}
END_TEST

START_TEST(time_goes_on_in_both_units)
{
    uint64_t ms = boottime_ms(), ns = boottime_ns(), later = boottime_ms();

    ck_assert_uint_gt(ms, 0);
    ck_assert_uint_ge(ns / 1000000, ms);
    ck_assert_uint_ge(later, ns / 1000000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("boot");
    TCase *tc = tcase_create("boot");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, the_id_is_the_kernels);
    tcase_add_test(tc, time_goes_on_in_both_units);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
