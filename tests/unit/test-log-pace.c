/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many lines a daemon's log gets. */
#include <check.h>

#include "common/log-pace.h"

#define NOW     UINT64_C(1000000)

START_TEST(a_flood)
{
    LogPace pace = { 0 };
    uint64_t left_out;
    unsigned lines = 0;

    for (unsigned i = 0; i < 1000; i++) {
        bool may = log_pace_take(&pace, NOW, &left_out);

        ck_assert_int_eq(may, i < LOG_PACE_BURST);
        ck_assert_uint_eq(left_out, may ? 0 : i - LOG_PACE_BURST + 1);
    }
    /* For ten seconds, a line each millisecond. */
    for (unsigned i = 0; i < 10000; i++) {
        lines += log_pace_take(&pace, NOW + i, &left_out);
    }
    ck_assert_uint_le(lines, 10 * LOG_PACE_LINES);
    ck_assert_uint_ge(lines, 10 * LOG_PACE_LINES - 1);
}
END_TEST

START_TEST(what_was_left_out_is_said)
{
    LogPace pace = { 0 };
    uint64_t left_out;

    for (unsigned i = 0; i < LOG_PACE_BURST + 7; i++) {
        log_pace_take(&pace, NOW, &left_out);
    }
    ck_assert_uint_eq(left_out, 7);
    ck_assert(log_pace_take(&pace, NOW + 100, &left_out));
    ck_assert_uint_eq(left_out, 7);
    ck_assert(log_pace_take(&pace, NOW + 200, &left_out));
    ck_assert_uint_eq(left_out, 0);
    /* After a quiet time there is room for a bad moment again. */
    for (unsigned i = 0; i < LOG_PACE_BURST; i++) {
        ck_assert(log_pace_take(&pace, NOW + 60000, &left_out));
    }
    ck_assert(!log_pace_take(&pace, NOW + 60000, &left_out));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log-pace");
    TCase *tc = tcase_create("log-pace");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_test(tc, a_flood);
    tcase_add_test(tc, what_was_left_out_is_said);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
