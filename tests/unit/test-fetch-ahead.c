/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that come back before anybody waits for them, and markers, whose bytes
 * wait for the guest.
 */
#include <check.h>
#include <errno.h>

#include "fetch-fixture.h"

/* PAGE and @n pages behind it; PAGE is the marker. */
static void start_many(unsigned n)
{
    uint64_t page[RCACHE_BATCH_PAGES];

    for (unsigned i = 0; i <= n; i++) {
        page[i] = PAGE + i;
    }
    ck_assert_uint_eq(fetch_ahead(p, page, n + 1, now), n + 1);
    ck_assert_uint_eq(nr_many, n + 1);
    is_out = true;
}

START_TEST(many_are_asked_for_at_once)
{
    uint64_t page[4] = { PAGE, PAGE + 1, PAGE + 2, PAGE + 3 };

    words[PAGE + 1] = RCACHE_HOT;
    words[PAGE + 2] = RCACHE_ZERO;
    ck_assert_uint_eq(fetch_ahead(p, page, 4, now), 4);
    ck_assert_uint_eq(pool, FETCH_AHEAD_MAX - 2);
    ck_assert_uint_eq(nr_many, 2);
    ck_assert_uint_eq(nr_asked, 0);
    ck_assert_uint_eq(p->fetches.nr, 2);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FETCHING);
    ck_assert_uint_eq(page_state(words[PAGE + 1]), RCACHE_HOT);
    ck_assert_uint_eq(page_state(words[PAGE + 3]), RCACHE_FETCHING);
    ck_assert_uint_eq(p->fetches.entry[many[0]].window, 2);
    ck_assert_uint_eq(p->fetches.entry[many[1]].window, 0);
}
END_TEST

START_TEST(no_more_than_may_be_are_read_ahead)
{
    uint64_t page = PAGE;

    may_get = false;
    ck_assert_uint_eq(fetch_ahead(p, &page, 1, now), 0);
    ck_assert_uint_eq(nr_many, 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_REMOTE);
}
END_TEST

/* One provider that answers no frame does not hold up what others have. */
START_TEST(what_does_not_come_is_asked_for_like_any_other)
{
    start_many(2);
    fetch_retry(p, now + NS_PER_SEC / 2);
    ck_assert_uint_eq(nr_get_wanted, 0);
    if (_i) {                           /* at once: they are to come home */
        p->command.homing = true;
        fetch_retry(p, now + NS_PER_SEC / 2);
    } else {
        fetch_retry(p, now + 3 * NS_PER_SEC);
    }
    ck_assert_uint_eq(nr_get_wanted, 3);
    ck_assert_uint_eq(p->fetches.nr_ahead, 3);
    /* Nor what comes home. */
    ck_assert_int_eq(fetch_start(p, PAGE + 9, words[PAGE + 9], false, now), 0);
    ck_assert_uint_eq(pool, FETCH_HOME_MAX + 3);
    fetch_wanted(p, PAGE, now);
    ck_assert_uint_eq(p->fetches.nr_ahead, 2);
}
END_TEST

START_TEST(what_comes_ahead_is_mapped)
{
    start_many(1);
    p->fetches.entry[many[0]].window = 0;       /* as the others are */
    ck_assert(fetch_got(p, many[0], &remote, right));
    ck_assert_uint_eq(nr_installed, 1);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(counts.fetched, 1);
    ck_assert_uint_eq(counts.faults_remote, 0);
    ck_assert_uint_eq(p->report.read_ahead, 1);
}
END_TEST

/* Nothing has been given up: it is where it was. */
START_TEST(what_does_not_come_stays_away)
{
    uint64_t slot = page_slot(words[PAGE]);

    start_many(1);
    if (_i) {
        ck_assert(!fetch_got(p, many[0], &remote, wrong));
        ck_assert_uint_eq(counts.checksum_errors, 1);
    }
    fetch_missing(p, many[0]);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_REMOTE);
    ck_assert_uint_eq(page_slot(words[PAGE]), slot);
    ck_assert_uint_eq(p->fetches.nr, 1);
    ck_assert_uint_eq(g_hash_table_size(p->fetches.by_page), 1);
    ck_assert_uint_eq(nr_installed, 0);
}
END_TEST

START_TEST(but_not_if_a_guest_waits)
{
    start_many(1);
    fetch_wanted(p, PAGE + 1, now);
    fetch_wanted(p, PAGE + 1, now);
    ck_assert_uint_eq(nr_get_wanted, 1);
    fetch_missing(p, many[1]);
    ck_assert_uint_eq(page_state(words[PAGE + 1]), RCACHE_FETCHING);
    is_out = false;
    fetch_retry(p, now + 2 * NS_PER_SEC);
    ck_assert_uint_eq(nr_asked, 1);
}
END_TEST

START_TEST(a_marker_does_not_get_into_the_guest)
{
    start_many(3);
    ck_assert(fetch_got(p, many[0], &remote, right));
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FETCHING);
    ck_assert_uint_eq(p->fetches.nr_kept, 1);
    ck_assert_uint_eq(nr_forgotten, 1);
    memset(right, 0, sizeof(right));    /* it was a buffer of the network's */
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_installed, 0);
    fetch_wanted(p, PAGE, now);
    ck_assert_uint_eq(nr_installed, 1);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(nr_get_wanted + nr_asked, 0);
    ck_assert_uint_eq(p->fetches.nr_kept, 0);
    ck_assert_uint_eq(p->fetches.nr, 3);
    ck_assert_uint_eq(p->report.read_ahead_used, 4);
    ck_assert_uint_eq(p->report.read_ahead_wasted, 0);
}
END_TEST

START_TEST(a_marker_that_a_guest_waits_for_does)
{
    start_many(3);
    fetch_wanted(p, PAGE, now);
    ck_assert_uint_eq(p->report.read_ahead_used, 4);
    ck_assert(fetch_got(p, many[0], &remote, right));
    ck_assert_uint_eq(nr_installed, 1);
    ck_assert_uint_eq(p->fetches.nr_kept, 0);
    ck_assert_uint_eq(counts.faults_remote, 1);
}
END_TEST

START_TEST(a_marker_that_nobody_comes_to_goes_back)
{
    start_many(3);
    ck_assert(fetch_got(p, many[0], &remote, right));
    fetch_retry(p, now + NS_PER_SEC);
    ck_assert_uint_eq(p->fetches.nr_kept, 1);
    ready = false;                      /* it could not be had again */
    fetch_retry(p, now + 3 * NS_PER_SEC);
    ck_assert_uint_eq(p->fetches.nr_kept, 1);
    ready = true;
    fetch_retry(p, now + 3 * NS_PER_SEC);
    ck_assert_uint_eq(p->fetches.nr_kept, 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_REMOTE);
    ck_assert_uint_eq(page_slot(words[PAGE]), 77);
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert_uint_eq(p->report.read_ahead_wasted, 4);
    ck_assert_uint_eq(p->report.read_ahead_used, 0);
    fetch_wanted(p, PAGE, now);         /* too late */
    ck_assert_uint_eq(nr_installed, 0);
}
END_TEST

/* Asked for alone, it came while the frame is out: its slot has one GET. */
START_TEST(a_marker_that_is_out_still_stays)
{
    start_many(0);
    ck_assert(fetch_got(p, many[0], &remote, right));
    busy = many[0];
    now += 10 * NS_PER_SEC;
    fetch_retry(p, now);
    ck_assert_uint_eq(p->fetches.nr_kept, 1);
    busy = FETCH_MAX;
    fetch_retry(p, now);
    ck_assert_uint_eq(p->fetches.nr_kept, 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_REMOTE);
}
END_TEST

/* It was to be asked for like any other, and its provider has gone. */
START_TEST(what_nobody_can_be_asked_for_goes_back)
{
    start_many(1);
    is_out = false;
    fetch_retry(p, now);
    ck_assert_uint_eq(p->fetches.nr + p->fetches.nr_ahead, 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_REMOTE);
}
END_TEST

START_TEST(a_marker_whose_page_is_discarded)
{
    uint64_t zero = page_begin(words[PAGE], RCACHE_ZERO);

    start_many(3);
    ck_assert(fetch_got(p, many[0], &remote, right));
    words[PAGE] = zero;
    fetch_wanted(p, PAGE, now);
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert(!fetch_rescue(p, PAGE));
    fetch_retry(p, now);
    ck_assert_uint_eq(p->fetches.nr_kept, 0);
    ck_assert_uint_eq(words[PAGE], zero);
    ck_assert_uint_eq(nr_installed, 0);
}
END_TEST

START_TEST(an_evict_brings_no_marker)
{
    start_many(0);
    ck_assert(fetch_got(p, many[0], &remote, right));
    p->command.active.kind = COMMAND_EVICT_BYTES;
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert_uint_eq(p->fetches.nr_kept, 1);
}
END_TEST

/* Its providers have lost it, or all has to come home. */
START_TEST(a_marker_is_the_page)
{
    start_many(3);
    ck_assert(!fetch_rescue(p, PAGE));
    ck_assert(fetch_got(p, many[0], &remote, right));
    if (_i) {
        ck_assert(fetch_rescue(p, PAGE));
    } else {
        p->command.homing = true;
        fetch_retry(p, now);
    }
    ck_assert_uint_eq(nr_installed, 1);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(p->fetches.nr_kept, 0);
}
END_TEST

START_TEST(a_marker_of_a_block_that_goes)
{
    start_many(3);
    ck_assert(fetch_got(p, many[0], &remote, right));
    fetch_block_gone(p, PAGE + 1, PAGES);
    ck_assert_uint_eq(p->fetches.nr_kept, 1);
    fetch_block_gone(p, 0, PAGES);
    ck_assert_uint_eq(p->fetches.nr_kept, 0);
    ck_assert_uint_eq(p->fetches.nr, 3);
}
END_TEST

START_TEST(markers_without_memory_in_the_guest)
{
    start_many(3);
    ck_assert(fetch_got(p, many[0], &remote, right));
    install_error = -ENOMEM;
    fetch_wanted(p, PAGE, now);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FILLING);
    install_error = 0;
    is_out = false;
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_installed, 2);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(p->fetches.nr_kept, 0);
}
END_TEST

static Suite *fetch_ahead_suite(void)
{
    Suite *s = suite_create("fetch-ahead");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, many_are_asked_for_at_once);
    tcase_add_test(t, no_more_than_may_be_are_read_ahead);
    tcase_add_loop_test(t, what_does_not_come_is_asked_for_like_any_other, 0,
                        2);
    tcase_add_test(t, what_comes_ahead_is_mapped);
    tcase_add_loop_test(t, what_does_not_come_stays_away, 0, 2);
    tcase_add_test(t, but_not_if_a_guest_waits);
    tcase_add_test(t, a_marker_does_not_get_into_the_guest);
    tcase_add_test(t, a_marker_that_a_guest_waits_for_does);
    tcase_add_test(t, a_marker_that_nobody_comes_to_goes_back);
    tcase_add_test(t, a_marker_that_is_out_still_stays);
    tcase_add_test(t, what_nobody_can_be_asked_for_goes_back);
    tcase_add_test(t, a_marker_whose_page_is_discarded);
    tcase_add_test(t, an_evict_brings_no_marker);
    tcase_add_loop_test(t, a_marker_is_the_page, 0, 2);
    tcase_add_test(t, a_marker_of_a_block_that_goes);
    tcase_add_test(t, markers_without_memory_in_the_guest);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(fetch_ahead_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
