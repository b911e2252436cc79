/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much a VM leases: ahead of need, and given back when it is not used. */
#include <check.h>
#include <glib.h>

#include "rcached/pager/demand.h"

#define SECOND  UINT64_C(1000000000)
#define LIMIT   1000000u
#define LEAST   (LIMIT / 16)
#define KEEP    (60 * SECOND)

static Demand d;
static DemandInput in;
static DemandOutput out;
static uint64_t now;

static void set_up(void)
{
    demand_init(&d, KEEP);
    in = (DemandInput) { .limit = LIMIT };
    now = 1000 * SECOND;
}

static void step(uint64_t ns)
{
    now += ns;
    demand_update(&d, &in, now, &out);
}

START_TEST(the_first_pages_find_room)
{
    step(0);
    ck_assert_uint_eq(out.ask, LEAST);
    in.have = LEAST;
    step(SECOND / 10);
    ck_assert_uint_eq(out.ask, 0);
    in.excess = 5000;
    step(SECOND / 10);
    ck_assert_uint_eq(out.ask, 5000);
}
END_TEST

START_TEST(small_vms_get_some_as_well)
{
    in.limit = 10000;
    step(0);
    ck_assert_uint_eq(out.target, 4096);
    in.limit = 100;
    step(SECOND);
    ck_assert_uint_eq(out.target, 100);
    in.limit = 0;
    step(SECOND);
    ck_assert_uint_eq(out.target, 0);
}
END_TEST

/* By the time that an assignment is there its pages have gone. */
START_TEST(a_rise_is_run_ahead_of)
{
    const uint64_t rate = 50000;

    in.have = LEAST;
    step(0);
    demand_asked(&d, now);
    in.pending = true;
    step(2 * SECOND);
    in.pending = false;
    step(0);
    for (int i = 0; i < 5; i++) {
        in.used += rate;
        step(SECOND);
    }
    /* Twice what goes in the two seconds that it took. */
    ck_assert_uint_ge(out.target, in.used + 4 * rate - 10);
    ck_assert_uint_le(out.target, in.used + 4 * rate + 10);
    /* The rate fades when nothing goes any more. */
    for (int i = 0; i < 60; i++) {
        step(SECOND);
    }
    ck_assert_uint_eq(out.target, in.used + LEAST);
}
END_TEST

START_TEST(never_more_than_the_limit)
{
    step(0);
    in.used = LIMIT - 10;
    step(SECOND / 5);
    ck_assert_uint_eq(out.target, LIMIT);
    in.have = LIMIT + 70;
    step(SECOND / 5);
    ck_assert_uint_eq(out.give, 70);    /* at once */
}
END_TEST

START_TEST(too_much_goes_after_a_while)
{
    in.have = 500000;
    step(0);
    step(KEEP - 1);
    ck_assert_uint_eq(out.give, 0);
    step(1);
    ck_assert_uint_eq(out.give, 500000 - LEAST - LEAST / 4);
    demand_given(&d);
    in.have -= out.give;
    step(10 * KEEP);
    ck_assert_uint_eq(out.give, 0);
    ck_assert_uint_eq(out.ask, 0);
}
END_TEST

/* Use that comes and goes within the time: nothing is given or asked. */
START_TEST(no_oscillation)
{
    in.have = 500000;
    for (int i = 0; i < 100; i++) {
        in.used = i % 2 ? 400000 : 0;
        d.rate = 0;                     /* it is not about bursts */
        step(KEEP / 2);
        ck_assert_uint_eq(out.give, 0);
        ck_assert(!out.ask || in.used);
    }
    /* At a steady use inside the margin nothing ever moves. */
    in.used = 400000;
    for (int i = 0; i < 100; i++) {
        d.rate = 0;
        step(KEEP);
        ck_assert_uint_eq(out.give, 0);
        ck_assert_uint_eq(out.ask, 0);
    }
}
END_TEST

START_TEST(slow_assignments_are_remembered_for_a_while)
{
    uint64_t assign;

    step(0);
    demand_asked(&d, now);
    in.pending = true;
    step(9 * SECOND);
    in.pending = false;
    step(0);
    ck_assert_uint_eq(d.assign_ns, 9 * SECOND);
    assign = d.assign_ns;
    demand_asked(&d, now);
    step(SECOND / 10);
    ck_assert_uint_eq(d.assign_ns, assign - assign / 4);
    demand_asked(&d, now);
    in.pending = true;
    step(1000 * SECOND);
    in.pending = false;
    step(0);
    ck_assert_uint_eq(d.assign_ns, 15 * SECOND);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("demand");
    TCase *tc = tcase_create("demand");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, the_first_pages_find_room);
    tcase_add_test(tc, small_vms_get_some_as_well);
    tcase_add_test(tc, a_rise_is_run_ahead_of);
    tcase_add_test(tc, never_more_than_the_limit);
    tcase_add_test(tc, too_much_goes_after_a_while);
    tcase_add_test(tc, no_oscillation);
    tcase_add_test(tc, slow_assignments_are_remembered_for_a_while);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
