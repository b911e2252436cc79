/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No more is offered than what else there is leaves; a term says why. */
#include <check.h>
#include <stdlib.h>

#include "rcached/giveback.h"

#define GIB     (UINT64_C(1) << 30)

static MemorySample sample;
static PredictOutput out;

static void cap(GiveBackInput in, uint64_t offered)
{
    GiveBack giveback;

    giveback_init(&giveback, 100, 100);
    in.sample = &sample;
    out = (PredictOutput) { .offered = offered };
    giveback_cap(&giveback, &in, &out);
}

START_TEST(all_that_is_predicted)
{
    cap((GiveBackInput) { .keepable = UINT64_MAX }, 9 * GIB);
    ck_assert_uint_eq(out.offered, 9 * GIB);
    ck_assert_uint_eq(out.nr_terms, 0);
}
END_TEST

START_TEST(what_the_next_daemon_is_given)
{
    cap((GiveBackInput) { .keepable = 4 * GIB, .leased = GIB }, 9 * GIB);
    ck_assert_uint_eq(out.offered, 4 * GIB);
    ck_assert_uint_eq(out.nr_terms, 1);
    ck_assert_str_eq(out.term[0].name, "kept slabs");
    ck_assert_int_eq(out.term[0].bytes, -(int64_t)(5 * GIB));
    /* What is lent already is not taken back for that. */
    cap((GiveBackInput) { .keepable = 4 * GIB, .leased = 6 * GIB }, 9 * GIB);
    ck_assert_uint_eq(out.offered, 6 * GIB);
}
END_TEST

START_TEST(what_the_spill_file_takes)
{
    cap((GiveBackInput) { .keepable = UINT64_MAX, .spill_size = 8 * GIB,
                          .own = 2 * GIB }, 9 * GIB);
    ck_assert_uint_eq(out.offered, 6 * GIB);
    ck_assert_str_eq(out.term[0].name, "spill file");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("giveback");
    TCase *tc = tcase_create("giveback");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, all_that_is_predicted);
    tcase_add_test(tc, what_the_next_daemon_is_given);
    tcase_add_test(tc, what_the_spill_file_takes);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
