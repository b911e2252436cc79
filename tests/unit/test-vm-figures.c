/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VM figures: how old they are, and whom that makes stuck. */
#include <check.h>
#include <stdlib.h>

#include "rcached/vm-figures.h"

#define SECOND  G_USEC_PER_SEC

static VmFigures figures;

static void set_up(void)
{
    vm_figures_init(&figures);
}

static void tear_down(void)
{
    vm_figures_deinit(&figures);
}

static void report(int64_t now)
{
    struct LinkStats msg = { .attached = 1 };

    vm_figures_stats(&figures, &msg, now);
}

/* A pager of an older build says nothing of delays, one of a newer may say
 * more than is known here. */
START_TEST(delays_of_pagers_of_other_builds)
{
    struct {
        struct LinkStats stats;
        struct LinkHeld held[2];
        struct LinkAhead ahead;
        struct RcacheVmmDelays delays;
        struct LinkHolds holds;
        uint64_t more;
    } msg = {
        .stats = { .attached = 1, .nr_held = 2 }, .ahead = { .used = 5 },
        .delays = { .vcpus = 6 }, .holds = { .held = 1, .bytes = 7 },
    };
    size_t without = sizeof(msg.stats) + sizeof(msg.held);

    msg.stats.hdr.size = without;
    vm_figures_stats(&figures, &msg.stats, SECOND);
    ck_assert(!figures.has_delays);
    ck_assert_uint_eq(figures.ahead.used, 0);
    without += sizeof(msg.ahead);
    msg.stats.hdr.size = without + sizeof(msg.delays);
    vm_figures_stats(&figures, &msg.stats, SECOND);
    ck_assert(figures.has_delays);
    ck_assert_uint_eq(figures.ahead.used, 5);
    ck_assert_uint_eq(figures.delays.vcpus, 6);
    ck_assert_uint_eq(figures.held->len, 2);
    ck_assert(!figures.has_holds);
    msg.stats.hdr.size = sizeof(msg);
    vm_figures_stats(&figures, &msg.stats, SECOND);
    ck_assert_uint_eq(figures.delays.vcpus, 6);
    ck_assert(figures.has_holds);
    ck_assert_uint_eq(figures.holds.held, 1);
    ck_assert_uint_eq(figures.holds.bytes, 7);
    msg.stats.hdr.size = sizeof(msg) - sizeof(msg.more) - 1;
    vm_figures_stats(&figures, &msg.stats, SECOND);
    ck_assert(!figures.has_holds);
    msg.stats.hdr.size = without + sizeof(msg.delays) - 1;
    vm_figures_stats(&figures, &msg.stats, SECOND);
    ck_assert(!figures.has_delays);
}
END_TEST

START_TEST(without_a_pager_nobody_is_late)
{
    ck_assert_uint_eq(vm_figures_age_ms(&figures, 100 * SECOND), 0);
    report(1 * SECOND);
    ck_assert(!vm_figures_stuck(&figures, 100 * SECOND));
    vm_figures_owed(&figures, 1 * SECOND);
    vm_figures_end(&figures);
    ck_assert(!vm_figures_stuck(&figures, 100 * SECOND));
    ck_assert(!figures.attached);
}
END_TEST

START_TEST(a_pager_that_never_reports_is_stuck)
{
    vm_figures_owed(&figures, 10 * SECOND);
    ck_assert_uint_eq(vm_figures_age_ms(&figures, 9 * SECOND), 0);
    ck_assert_uint_eq(vm_figures_age_ms(&figures, 12 * SECOND), 2000);
    ck_assert(!vm_figures_stuck(&figures, 15 * SECOND - 1000));
    ck_assert(vm_figures_stuck(&figures, 15 * SECOND));
}
END_TEST

START_TEST(a_report_makes_it_well_again)
{
    vm_figures_owed(&figures, 10 * SECOND);
    report(20 * SECOND);
    ck_assert_uint_eq(vm_figures_age_ms(&figures, 20 * SECOND), 0);
    ck_assert(!vm_figures_stuck(&figures, 24 * SECOND));
    ck_assert(vm_figures_stuck(&figures, 25 * SECOND));
    vm_figures_heard(&figures, 25 * SECOND);
    ck_assert(!vm_figures_stuck(&figures, 29 * SECOND));
}
END_TEST

START_TEST(a_pause_of_ours_is_not_theirs)
{
    vm_figures_owed(&figures, 10 * SECOND);
    vm_figures_pause(&figures, 60 * SECOND);
    ck_assert_uint_eq(vm_figures_age_ms(&figures, 71 * SECOND), 1000);
    /* And none owes anything because of it. */
    vm_figures_end(&figures);
    vm_figures_pause(&figures, 60 * SECOND);
    ck_assert(!vm_figures_stuck(&figures, 900 * SECOND));
}
END_TEST

START_TEST(another_start_has_no_figures_but_owes_them)
{
    vm_figures_owed(&figures, 10 * SECOND);
    report(11 * SECOND);
    vm_figures_hello(&figures, &(struct LinkHello) { .seal = LINK_SEAL_ON });
    vm_figures_end(&figures);
    ck_assert_uint_eq(figures.seal, LINK_SEAL_ON);
    vm_figures_owed(&figures, 10 * SECOND);
    vm_figures_clear(&figures);
    ck_assert(!figures.has_stats && !figures.attached);
    ck_assert_uint_eq(figures.seal, LINK_SEAL_UNKNOWN);
    ck_assert(vm_figures_stuck(&figures, 17 * SECOND));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("vm-figures");
    TCase *tc = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, delays_of_pagers_of_other_builds);
    tcase_add_test(tc, without_a_pager_nobody_is_late);
    tcase_add_test(tc, a_pager_that_never_reports_is_stuck);
    tcase_add_test(tc, a_report_makes_it_well_again);
    tcase_add_test(tc, a_pause_of_ours_is_not_theirs);
    tcase_add_test(tc, another_start_has_no_figures_but_owes_them);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
