/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When local_max gives way, and how it comes to hold again. */
#include <check.h>

#include "rcached/pager/stretch.h"

#define MS      UINT64_C(1000000)
#define MAX_    1000u           /* local_max */

/* A guest that takes all that it may, for @ms; @flow pages go each 100 ms. */
static void greedy(Stretch *s, StretchInput *in, uint64_t *now, unsigned ms,
                   unsigned flow)
{
    in->stuck = false;
    for (unsigned i = 0; i < ms; i += 10) {
        uint64_t limit;

        in->evicted += flow / 10;
        in->resident -= flow / 10;
        limit = stretch_limit(s, MAX_);
        in->waiting = limit <= in->resident + 100;
        in->resident = limit < in->resident + 100 ? limit : in->resident + 100;
        *now += 10 * MS;
        stretch_look(s, in, *now);
    }
}

START_TEST(off)
{
    Stretch s = { 0 };
    StretchInput in = { .waiting = true, .resident = MAX_, .local_max = MAX_ };
    uint64_t now = 1000 * MS;

    greedy(&s, &in, &now, 1000, 100);
    ck_assert_int_eq(s.state, STRETCH_OFF);
    ck_assert_uint_eq(stretch_limit(&s, MAX_), MAX_);
    ck_assert_uint_le(in.resident, MAX_);
}
END_TEST

START_TEST(nothing_goes)
{
    Stretch s = { 0 };
    StretchInput in = { .waiting = true, .stuck = true, .resident = MAX_,
                        .local_max = MAX_ };
    uint64_t now = 1000 * MS, was;

    stretch_look(&s, &in, now);
    ck_assert_int_eq(s.state, STRETCH_OPEN);
    /* At first it is a little, since pages may only be late. */
    greedy(&s, &in, &now, 600, 0);
    ck_assert_uint_gt(in.resident, MAX_);
    ck_assert_uint_lt(in.resident, 2 * MAX_);
    /* A trickle is none; then it is as much as the guest takes. */
    greedy(&s, &in, &now, 1400, 10);
    was = in.resident;
    greedy(&s, &in, &now, 500, 10);
    ck_assert_uint_gt(in.resident, was + 4500);
}
END_TEST

/* Pages go again before the guest has gone far beyond. */
START_TEST(pages_were_late)
{
    Stretch s = { 0 };
    StretchInput in = { .waiting = true, .stuck = true, .resident = MAX_,
                        .local_max = MAX_ };
    uint64_t now = 1000 * MS;

    stretch_look(&s, &in, now);
    greedy(&s, &in, &now, 250, 0);
    greedy(&s, &in, &now, 400, 500);
    ck_assert_int_eq(s.state, STRETCH_CLOSING);
    ck_assert_uint_lt(in.resident, MAX_ + 500);
}
END_TEST

/* A little goes whenever a little has come back: that is not enough. */
START_TEST(too_little_room)
{
    Stretch s = { 0 };
    StretchInput in = { .waiting = true, .resident = MAX_,
                        .local_max = MAX_ };
    uint64_t now = 1000 * MS;

    for (int i = 0; i < 10; i++) {
        in.waiting = in.stuck = true;
        stretch_look(&s, &in, now);
        greedy(&s, &in, &now, 300, 100);
        ck_assert_int_eq(s.state, STRETCH_CLOSING);
        now += 500 * MS;
    }
    ck_assert_uint_gt(in.resident, 5 * MAX_);
    /* Once pages have gone for a while a new delay is only that. */
    greedy(&s, &in, &now, 2000, 100);
    in.waiting = in.stuck = true;
    stretch_look(&s, &in, now);
    ck_assert_uint_lt(stretch_limit(&s, MAX_), in.resident + 100);
}
END_TEST

/* What a guest does not ask for is not added up for it. */
START_TEST(nobody_waits)
{
    Stretch s = { 0 };
    StretchInput in = { .waiting = true, .stuck = true, .resident = MAX_,
                        .local_max = MAX_ };
    uint64_t now = 1000 * MS, limit;

    stretch_look(&s, &in, now);
    limit = stretch_limit(&s, MAX_);
    in.waiting = in.stuck = false;
    for (int i = 0; i < 100; i++) {
        now += 100 * MS;
        stretch_look(&s, &in, now);
    }
    ck_assert_uint_eq(stretch_limit(&s, MAX_), limit);
}
END_TEST

/* A guest faster than its eviction: memory comes down all the same. */
START_TEST(pages_go_again)
{
    Stretch s = { 0 };
    StretchInput in = { .waiting = true, .stuck = true, .resident = MAX_,
                        .local_max = MAX_ };
    uint64_t now = 1000 * MS, most, last;

    stretch_look(&s, &in, now);
    greedy(&s, &in, &now, 2000, 0);
    greedy(&s, &in, &now, 400, 500);
    ck_assert_int_eq(s.state, STRETCH_CLOSING);
    most = last = in.resident;
    for (unsigned i = 0; i < 200 && in.resident > MAX_; i++) {
        greedy(&s, &in, &now, 100, 500);
        ck_assert_uint_le(in.resident, last);
        last = in.resident;
    }
    ck_assert_uint_gt(most, 2 * MAX_);
    ck_assert_uint_eq(stretch_limit(&s, MAX_), MAX_);
    /* Below it for a moment, with nobody waiting: it holds again. */
    in.waiting = false;
    in.resident = MAX_ - 1;
    stretch_look(&s, &in, now + MS);
    ck_assert_int_eq(s.state, STRETCH_OFF);
}
END_TEST

/* One that goes on pressing, so that something waits at every look. */
START_TEST(holds_under_pressure)
{
    Stretch s = { 0 };
    StretchInput in = { .waiting = true, .stuck = true, .resident = MAX_,
                        .local_max = MAX_, .slack = 10 };
    uint64_t now = 1000 * MS;

    stretch_look(&s, &in, now);
    greedy(&s, &in, &now, 250, 0);
    greedy(&s, &in, &now, 1000, 500);
    ck_assert_uint_le(in.resident, MAX_);
    ck_assert_int_eq(s.state, STRETCH_CLOSING);
    /* Above it again: the time begins anew; within the slack it does not. */
    in.resident = MAX_ + 11;
    stretch_look(&s, &in, now);
    greedy(&s, &in, &now, 1800, 500);
    ck_assert_int_eq(s.state, STRETCH_CLOSING);
    in.resident = MAX_ + 10;
    stretch_look(&s, &in, now);
    /* Not while nothing goes. */
    greedy(&s, &in, &now, 1000, 0);
    ck_assert_int_eq(s.state, STRETCH_CLOSING);
    greedy(&s, &in, &now, 400, 500);
    ck_assert(in.waiting);
    ck_assert_int_eq(s.state, STRETCH_OFF);
    ck_assert_uint_eq(stretch_limit(&s, MAX_), MAX_);
}
END_TEST

START_TEST(stuck_again)
{
    Stretch s = { 0 };
    StretchInput in = { .waiting = true, .stuck = true, .resident = MAX_,
                        .local_max = MAX_ };
    uint64_t now = 1000 * MS;

    stretch_look(&s, &in, now);
    greedy(&s, &in, &now, 2000, 0);
    greedy(&s, &in, &now, 500, 500);
    ck_assert_int_eq(s.state, STRETCH_CLOSING);
    in.stuck = in.waiting = true;
    stretch_look(&s, &in, now);
    ck_assert_int_eq(s.state, STRETCH_OPEN);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stretch");
    TCase *tc = tcase_create("stretch");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, off);
    tcase_add_test(tc, nothing_goes);
    tcase_add_test(tc, pages_were_late);
    tcase_add_test(tc, too_little_room);
    tcase_add_test(tc, nobody_waits);
    tcase_add_test(tc, pages_go_again);
    tcase_add_test(tc, holds_under_pressure);
    tcase_add_test(tc, stuck_again);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
