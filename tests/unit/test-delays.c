/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a fault waits for: the phases of a fetch, whatever way it takes. */
#include <check.h>

#include "rcached/pager/delays.h"

#define SECOND  UINT64_C(1000000000)
#define PAGE    77u

static Delays d;
static struct RcacheVmmDelays f;

static void set_up(void)
{
    d = (Delays) { .vcpus = 2 };
}

static void fill(uint64_t now)
{
    f = (struct RcacheVmmDelays) { 0 };
    delays_fill(&d, now, &f);
}

static uint64_t in(enum RcachePhase phase)
{
    return f.phase[phase].total;
}

/* Whatever there is adds up, to the nanosecond, and each fault counts once. */
static void expect_sums(void)
{
    uint64_t total = 0, recent = 0, faults = 0;

    for (unsigned b = 0; b < RCACHE_DELAY_BUCKETS; b++) {
        faults += f.whole.bucket[b];
    }
    for (unsigned i = 0; i < RCACHE_NR_PHASES; i++) {
        uint64_t counted = 0;

        total += f.phase[i].total;
        recent += f.phase[i].recent;
        for (unsigned b = 0; b < RCACHE_DELAY_BUCKETS; b++) {
            counted += f.phase[i].bucket[b];
        }
        ck_assert_uint_eq(counted, faults);
    }
    ck_assert_uint_eq(total, f.whole.total);
    ck_assert_uint_eq(recent, f.whole.recent);
}

START_TEST(the_straight_way)
{
    ck_assert_uint_eq(delays_begin(&d, 3, PAGE, 1000), 1000);
    delays_sent(&d, 3, 1010);
    ck_assert(delays_sending(&d));
    delays_handed(&d, 1030);
    ck_assert(!delays_sending(&d));
    delays_answer(&d, 3, 1500, 100, true, 1560);
    delays_enter(&d, 3, RCACHE_PHASE_INSTALL, 1600);
    ck_assert_uint_eq(delays_done(&d, 3, 1700), 700);
    fill(2000);
    ck_assert_uint_eq(in(RCACHE_PHASE_READ), 10);
    ck_assert_uint_eq(in(RCACHE_PHASE_QUEUE), 0);
    ck_assert_uint_eq(in(RCACHE_PHASE_SEND), 20);
    ck_assert_uint_eq(in(RCACHE_PHASE_NETWORK), 370);
    ck_assert_uint_eq(in(RCACHE_PHASE_PROVIDER), 100);
    ck_assert_uint_eq(in(RCACHE_PHASE_RECEIVE), 60);
    ck_assert_uint_eq(in(RCACHE_PHASE_CHECK), 40);
    ck_assert_uint_eq(in(RCACHE_PHASE_INSTALL), 100);
    ck_assert_uint_eq(f.whole.total, 700);
    ck_assert_uint_eq(f.vcpus, 2);
    expect_sums();
}
END_TEST

/* It has waited for room, or for its provider's turn: from its first fault. */
START_TEST(a_fault_that_was_queued)
{
    stalls_begin(&d.stalls, 9, PAGE, 400);
    ck_assert_uint_eq(delays_begin(&d, 0, PAGE, 1000), 400);
    delays_sent(&d, 0, 1100);
    delays_handed(&d, 1100);
    delays_answer(&d, 0, 0, 0, true, 1200);
    ck_assert_uint_eq(delays_done(&d, 0, 1250), 850);
    fill(1250);
    ck_assert_uint_eq(in(RCACHE_PHASE_QUEUE), 700);
    ck_assert_uint_eq(in(RCACHE_PHASE_READ), 0);
    ck_assert_uint_eq(in(RCACHE_PHASE_NETWORK), 100);
    ck_assert_uint_eq(in(RCACHE_PHASE_PROVIDER), 0);
    expect_sums();
}
END_TEST

/* BUSY, wrong bytes, another place that is asked as well, and times that are
 * out of order. */
START_TEST(the_crooked_way)
{
    delays_begin(&d, 1, PAGE, 1000);
    delays_sent(&d, 1, 1000);
    delays_handed(&d, 1010);
    delays_answer(&d, 1, 1100, 1000000, false, 1110);  /* BUSY, and it lies */
    delays_sent(&d, 1, 2110);
    delays_handed(&d, 2120);
    delays_sent(&d, 1, 2500);                           /* the other place */
    delays_answer(&d, 1, 2490, 50, true, 2600);         /* before it is sent */
    delays_enter(&d, 1, RCACHE_PHASE_QUEUE, 2650);      /* wrong bytes */
    delays_handed(&d, 2660);
    delays_sent(&d, 1, 2700);
    delays_handed(&d, 2690);
    delays_answer(&d, 1, 3000, 0, true, 2990);
    delays_enter(&d, 1, RCACHE_PHASE_INSTALL, 3000);
    delays_enter(&d, 1, RCACHE_PHASE_INSTALL, 3500);    /* ENOMEM */
    ck_assert_uint_eq(delays_done(&d, 1, 3600), 2600);
    fill(3600);
    ck_assert_uint_eq(in(RCACHE_PHASE_QUEUE), 1000 + 50);
    ck_assert_uint_eq(in(RCACHE_PHASE_INSTALL), 600);
    ck_assert_uint_eq(in(RCACHE_PHASE_PROVIDER), 90 + 50);
    ck_assert_uint_eq(in(RCACHE_PHASE_NETWORK), 380 - 50 + 290);
    expect_sums();
}
END_TEST

/* What was on its way before the guest came is no wait. */
START_TEST(a_guest_comes_to_wait)
{
    delays_begin(&d, 2, PAGE, 1000);
    delays_sent(&d, 2, 1010);
    delays_handed(&d, 1020);
    delays_wanted(&d, 2, 5000);
    delays_answer(&d, 2, 0, 100000, true, 5100);
    ck_assert_uint_eq(delays_done(&d, 2, 5150), 150);
    fill(6000);
    ck_assert_uint_eq(in(RCACHE_PHASE_PROVIDER), 100);
    ck_assert_uint_eq(in(RCACHE_PHASE_CHECK), 50);
    expect_sums();
}
END_TEST

/* A fetch of nobody's is not counted, nor what an earlier one had. */
START_TEST(numbers_are_used_again)
{
    delays_begin(&d, 2, PAGE, 1000);
    delays_sent(&d, 2, 1010);
    delays_begin(&d, 2, PAGE + 1, 7000);
    delays_handed(&d, 7010);
    delays_sent(&d, 2, 7020);
    for (unsigned i = 0; i < 2 * LOCATION_GETS; i++) {
        delays_answer(&d, 2, 0, 0, false, 7020);
        delays_sent(&d, 2, 7020);
    }
    delays_handed(&d, 7030);
    ck_assert_uint_eq(delays_done(&d, 2, 7100), 100);
    fill(8000);
    expect_sums();
}
END_TEST

/* One thread that does nothing but wait: its stall is faults x mean wait. */
START_TEST(stalls_agree_with_waits)
{
    uint64_t now = 5 * SECOND;
    const uint64_t begun = now;

    for (unsigned i = 0; i < 100; i++, now += 1000) {
        uint64_t answer = now + 10000 + i * 37;

        delays_begin(&d, i, PAGE + i, now);
        stalls_begin(&d.stalls, 4, PAGE + i, now);
        delays_sent(&d, i, now + 100);
        delays_handed(&d, now + 200);
        delays_answer(&d, i, answer - 50, 3000, true, answer);
        now = answer + 2500;
        stalls_end(&d.stalls, PAGE + i, now);
        delays_done(&d, i, now);
    }
    fill(now);
    ck_assert_uint_eq(f.waited, f.whole.total);
    ck_assert_uint_eq(f.waited, now - begun - 100 * 1000);
    ck_assert_uint_eq(f.threads, 0);
    expect_sums();
}
END_TEST

/* One fault a second, of @ns each. */
static void seconds_pass(uint64_t *now, unsigned n, uint64_t ns)
{
    for (unsigned i = 0; i < n; i++, *now += SECOND) {
        delays_tick(&d, *now);
        delays_tick(&d, *now + 5);
        delays_begin(&d, 0, PAGE, *now + 10);
        stalls_begin(&d.stalls, 4, PAGE, *now + 10);
        delays_sent(&d, 0, *now + 10);
        delays_handed(&d, *now + 10);
        delays_answer(&d, 0, 0, 0, true, *now + 10 + ns);
        delays_done(&d, 0, *now + 10 + ns);
        stalls_end(&d.stalls, PAGE, *now + 10 + ns);
    }
}

START_TEST(the_last_minute)
{
    uint64_t now = 100 * SECOND;

    fill(now);
    ck_assert_uint_eq(f.recent, 0);
    seconds_pass(&now, 20, 1000);
    fill(now);
    ck_assert_uint_eq(f.recent, 20 * SECOND);
    ck_assert_uint_eq(f.faults_recent, 20);
    ck_assert_uint_eq(f.waited_recent, 20 * 1000);
    ck_assert_uint_eq(f.phase[RCACHE_PHASE_NETWORK].recent, 20 * 1000);
    expect_sums();
    seconds_pass(&now, 60, 3000);
    fill(now);
    ck_assert_uint_eq(f.recent, 61 * SECOND);
    ck_assert_uint_eq(f.faults_recent, 61);
    ck_assert_uint_eq(f.waited_recent, 1000 + 60 * 3000);
    ck_assert_uint_eq(f.waited, 20 * 1000 + 60 * 3000);
    ck_assert_uint_eq(f.whole.recent, 1000 + 60 * 3000);
    expect_sums();
    seconds_pass(&now, 200, 5000);
    fill(now);
    ck_assert_uint_eq(f.waited_recent, 61 * 5000);
    expect_sums();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delays");
    TCase *tc = tcase_create("delays");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, the_straight_way);
    tcase_add_test(tc, a_fault_that_was_queued);
    tcase_add_test(tc, the_crooked_way);
    tcase_add_test(tc, a_guest_comes_to_wait);
    tcase_add_test(tc, numbers_are_used_again);
    tcase_add_test(tc, stalls_agree_with_waits);
    tcase_add_test(tc, the_last_minute);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
