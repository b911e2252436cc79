/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many frames a peer may send. */
#include <check.h>

#include "common/frame-pace.h"

#define NOW     INT64_C(5000000)
#define S       INT64_C(1000000)
#define PACE    100u

static void take(FramePace *p, unsigned n)
{
    while (n--) {
        frame_pace_take(p);
    }
}

START_TEST(a_second_at_once)
{
    FramePace p;

    frame_pace_init(&p, PACE, NOW);
    take(&p, PACE);
    ck_assert_uint_eq(frame_pace_wait(&p, NOW), 0);
    take(&p, 1);
    ck_assert_uint_eq(frame_pace_wait(&p, NOW), 11);
    ck_assert_uint_ge(frame_pace_wait(&p, NOW + 9000), 1);
    ck_assert_uint_eq(frame_pace_wait(&p, NOW + 10000), 0);
    /* Nor is there more in it after a day. */
    ck_assert_uint_eq(frame_pace_wait(&p, NOW + 86400 * S), 0);
    take(&p, PACE + 1);
    ck_assert_uint_ne(frame_pace_wait(&p, NOW + 86400 * S), 0);
}
END_TEST

/* All of it has to be made up for, but nobody is left out for long. */
START_TEST(a_debt_has_an_end)
{
    FramePace p;

    frame_pace_init(&p, PACE, NOW);
    take(&p, 6 * PACE);
    ck_assert_uint_eq(frame_pace_wait(&p, NOW), 5001);
    ck_assert_uint_ne(frame_pace_wait(&p, NOW + 4 * S), 0);
    ck_assert_uint_eq(frame_pace_wait(&p, NOW + 5 * S), 0);
    take(&p, 100 * PACE);
    ck_assert_uint_eq(frame_pace_wait(&p, NOW + 5 * S),
                      FRAME_PACE_DEBT_S * 1000 + 1);
}
END_TEST

START_TEST(any_number)
{
    FramePace p = { 0 };

    take(&p, 1000);
    ck_assert_uint_eq(frame_pace_wait(&p, NOW), 0);
}
END_TEST

/* Who hangs up and comes again has not become another one. */
START_TEST(peers_are_remembered)
{
    FramePaces all = { 0 };
    FramePace p;

    frame_paces_take(&all, "one", PACE, NOW, &p);
    take(&p, 3 * PACE);
    frame_paces_keep(&all, "one", &p, NOW);
    frame_paces_take(&all, "two", PACE, NOW, &p);
    ck_assert_int_eq(p.bucket.missing, 0);
    frame_paces_take(&all, "one", PACE, NOW + S, &p);
    ck_assert_uint_eq(frame_pace_wait(&p, NOW + S), 1001);
    /* And is forgotten once it owes nothing. */
    frame_paces_keep(&all, "one", &p, NOW + S);
    frame_paces_take(&all, "two", PACE, NOW + 9 * S, &p);
    take(&p, 1);
    frame_paces_keep(&all, "two", &p, NOW + 9 * S);
    ck_assert_uint_eq(g_hash_table_size(all.by_name), 1);
    frame_paces_keep(&all, "three", &p, NOW + 20 * S);
    ck_assert_uint_eq(g_hash_table_size(all.by_name), 1);
    frame_paces_clear(&all);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame-pace");
    TCase *tc = tcase_create("frame-pace");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_test(tc, a_second_at_once);
    tcase_add_test(tc, a_debt_has_an_end);
    tcase_add_test(tc, any_number);
    tcase_add_test(tc, peers_are_remembered);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
