/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fills at a pace. */
#include <check.h>
#include <limits.h>

#include "common/bucket.h"

#define NOW     INT64_C(5000000)
#define MS      INT64_C(1000)
#define S       INT64_C(1000000)

static const BucketRate rate = { .pace = 100, .most = 300 };

START_TEST(all_of_it_at_once)
{
    Bucket b = { 0 };

    ck_assert_int_eq(bucket_missing(&b, &rate, NOW), 0);
    ck_assert(bucket_has(&b, &rate, 300, NOW));
    ck_assert(!bucket_has(&b, &rate, 301, NOW));
    bucket_take(&b, &rate, 300, NOW);
    ck_assert_int_eq(bucket_wait(&b, &rate, NOW), 0);
    ck_assert(!bucket_has(&b, &rate, 1, NOW));
    ck_assert(!bucket_has(&b, &rate, 1, NOW + 10 * MS - 1));
    ck_assert(bucket_has(&b, &rate, 1, NOW + 10 * MS));
    ck_assert(!bucket_has(&b, &rate, 2, NOW + 10 * MS));
    ck_assert_int_eq(bucket_missing(&b, &rate, NOW + 3 * S - 1), 100);
    ck_assert_int_eq(bucket_missing(&b, &rate, NOW + 3 * S), 0);
}
END_TEST

START_TEST(there_is_never_more_in_it)
{
    Bucket b = { 0 };

    bucket_take(&b, &rate, 200, NOW);
    for (int64_t later = 3 * S; later < INT64_MAX / 4; later *= 16) {
        ck_assert_int_eq(bucket_missing(&b, &rate, NOW + later), 0);
        ck_assert(!bucket_has(&b, &rate, 301, NOW + later));
    }
}
END_TEST

START_TEST(what_is_owed)
{
    const BucketRate odd = { .pace = 7, .most = 1 };
    Bucket b = { 0 }, other = { 0 };

    bucket_take(&other, &odd, 2, NOW);
    ck_assert_int_eq(bucket_wait(&other, &odd, NOW), 142858);
    bucket_take(&b, &rate, 301, NOW);
    ck_assert_int_eq(bucket_wait(&b, &rate, NOW), 10 * MS);
    ck_assert_int_eq(bucket_wait(&b, &rate, NOW + 10 * MS - 1), 1);
    ck_assert_int_eq(bucket_wait(&b, &rate, NOW + 10 * MS), 0);
    bucket_take(&b, &rate, UINT_MAX, NOW);
    ck_assert_int_gt(bucket_wait(&b, &rate, NOW + 3600 * S), 0);
    bucket_forgive(&b, &rate, 1000);
    ck_assert_int_eq(bucket_wait(&b, &rate, NOW), 10 * S);
    /* Nobody is forgiven what he does not owe. */
    bucket_forgive(&b, &rate, 2000);
    ck_assert_int_eq(bucket_wait(&b, &rate, NOW), 10 * S);
}
END_TEST

/* It is no other pace for being no part of a second, or looked at often. */
START_TEST(nothing_is_cut_off)
{
    static const unsigned paces[] = { 1, 3, 7, 600, 999, 1001, 100000000 };

    for (unsigned i = 0; i < sizeof(paces) / sizeof(*paces); i++) {
        BucketRate odd = { paces[i], paces[i] };
        Bucket b = { 0 };
        int64_t step = 10 * S / 99991;

        bucket_take(&b, &odd, paces[i], NOW);
        for (int64_t t = step; t < S; t += step) {
            bucket_take(&b, &odd, 0, NOW + t);
        }
        ck_assert_int_gt(bucket_missing(&b, &odd, NOW + S - 1), 0);
        ck_assert_int_eq(bucket_missing(&b, &odd, NOW + S), 0);
    }
}
END_TEST

START_TEST(time_that_stands_still)
{
    Bucket b = { 0 };

    bucket_take(&b, &rate, 100, NOW);
    ck_assert_int_eq(bucket_missing(&b, &rate, NOW - S), 100 * 1000000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bucket");
    TCase *tc = tcase_create("bucket");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_test(tc, all_of_it_at_once);
    tcase_add_test(tc, there_is_never_more_in_it);
    tcase_add_test(tc, what_is_owed);
    tcase_add_test(tc, nothing_is_cut_off);
    tcase_add_test(tc, time_that_stands_still);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
