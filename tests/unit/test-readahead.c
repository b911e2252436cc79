/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages are read ahead: runs of all kinds, several at a time, what is no
 * run, and what becomes of windows that are of no use.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/readahead.h"

#define PAGES   100000u
#define MS      UINT64_C(1000000)

static Readahead ra;
static uint64_t now, x;
/* What a guest has of its memory; what it had to wait for, and why. */
static bool here[PAGES];
static bool marker[PAGES];
static unsigned window_of[PAGES];
static unsigned nr_faults, nr_marked, nr_asked, nr_windows;

static void set_up(void)
{
    readahead_init(&ra);
    now = 1000 * MS;
    x = 88172645463325252ull;
    memset(here, 0, sizeof(here));
    memset(marker, 0, sizeof(marker));
    nr_faults = nr_marked = nr_asked = nr_windows = 0;
}

static uint64_t next_random(void)
{
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x >> 8;
}

static void ask(uint64_t page)
{
    ReadaheadWindow w;
    unsigned n = 0;

    if (!readahead_fault(&ra, page, now, &w)) {
        return;
    }
    ck_assert_uint_le(w.n, READAHEAD_MOST);
    for (; n < w.n; n++) {
        uint64_t next = w.first + (int64_t)n * w.stride;

        if (next >= PAGES) {
            break;
        }
        nr_asked += !here[next];
        marker[next] = !here[next] && n == 0;
        here[next] = true;
    }
    if (n) {
        window_of[w.first] = n;
        nr_windows++;
    }
    readahead_asked(&ra, &w, n);
}

/* The guest touches a page; as here nothing goes, it is new or was read ahead.
 */
static void touch(uint64_t page)
{
    now += MS / 100;
    if (marker[page]) {
        marker[page] = false;
        nr_marked++;
        readahead_used(&ra, window_of[page]);
        ask(page);
    } else if (!here[page]) {
        here[page] = true;
        nr_faults++;
        ask(page);
    }
}

/* Whoever has not come to it by now never will. */
static void let_go(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        if (marker[i]) {
            marker[i] = false;
            readahead_wasted(&ra, window_of[i]);
        }
    }
    memset(here, 0, sizeof(here));
}

START_TEST(a_scan_waits_for_a_few_pages_only)
{
    for (unsigned i = 0; i < 10000; i++) {
        touch(500 + i);
    }
    ck_assert_uint_le(nr_faults, 5);
    ck_assert_uint_le(nr_marked, 10000 / READAHEAD_MOST + 5);
    ck_assert_uint_le(nr_asked, 10000 + 2 * READAHEAD_MOST);
}
END_TEST

/* So that the next window is on its way while the guest is in this one. */
START_TEST(there_is_a_window_before_the_guest)
{
    for (unsigned i = 0; i < 10000; i++) {
        touch(500 + i);
        if (i > 200) {
            ck_assert(here[500 + i + READAHEAD_MOST]);
        }
    }
}
END_TEST

START_TEST(it_goes_down_as_well)
{
    for (unsigned i = 0; i < 10000; i++) {
        touch(10000 - i);
    }
    ck_assert_uint_le(nr_faults, 5);
}
END_TEST

START_TEST(it_ends_at_the_first_page)
{
    for (unsigned i = 0; i <= 100; i++) {
        touch(100 - i);
    }
    ck_assert_uint_le(nr_faults, 5);
    ck_assert_uint_le(nr_asked, 100);
}
END_TEST

START_TEST(strides_are_runs)
{
    static const int stride[] = { 2, 3, 7, 33, 500, -5 };
    int step = stride[_i];

    for (int i = 0; i < 150; i++) {
        touch(step > 0 ? 1000 + i * step : 90000 + i * step);
    }
    ck_assert_uint_le(nr_faults, 5);
    ck_assert_uint_le(nr_asked, 150 + 2 * READAHEAD_MOST);
}
END_TEST

START_TEST(several_runs_at_a_time)
{
    for (unsigned i = 0; i < 2000; i++) {
        for (unsigned k = 0; k < 6; k++) {
            touch(k * 15000 + i);
        }
    }
    ck_assert_uint_le(nr_faults, 6 * 5);
}
END_TEST

START_TEST(runs_that_are_near_each_other)
{
    for (unsigned i = 0; i < 400; i++) {
        touch(1000 + i);
        touch(1600 + i);
        touch(3000 - i);
    }
    ck_assert_uint_le(nr_faults, 3 * 8);
}
END_TEST

START_TEST(a_run_among_faults_that_are_none)
{
    unsigned random = 0;

    for (unsigned i = 0; i < 4000; i++) {
        touch(1000 + i);
        if (i % 2) {
            uint64_t page = 10000 + next_random() % (PAGES - 10000);

            random += !here[page];
            touch(page);
        }
    }
    ck_assert_uint_le(nr_faults - random, 50);
}
END_TEST

START_TEST(random_faults_are_no_run)
{
    for (unsigned i = 0; i < 50000; i++) {
        uint64_t page = next_random() % PAGES;

        here[page] = false;
        touch(page);
    }
    ck_assert_uint_le(nr_asked, nr_faults / 1000);
}
END_TEST

/* In a small place a run looks likely, and is none. */
START_TEST(nor_are_they_in_a_small_place)
{
    for (unsigned i = 0; i < 50000; i++) {
        uint64_t page = next_random() % 2000;

        here[page] = false;
        touch(page);
    }
    ck_assert_uint_le(nr_asked, nr_faults / 100);
}
END_TEST

START_TEST(a_fault_that_comes_twice_is_one)
{
    for (unsigned i = 0; i < 100; i++) {
        here[500] = false;
        touch(500);
    }
    ck_assert_uint_eq(nr_asked, 0);
}
END_TEST

static void short_runs(unsigned n, unsigned length)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t page = next_random() % (PAGES - 200);

        for (unsigned k = 0; k < length; k++) {
            touch(page + k);
        }
        let_go();
    }
}

START_TEST(what_is_wasted_ends)
{
    unsigned before;

    short_runs(50, 4);
    before = nr_asked;
    ck_assert_uint_eq(ra.most, 0);
    short_runs(20, 4);
    ck_assert_uint_eq(nr_asked, before);
}
END_TEST

START_TEST(and_begins_again)
{
    short_runs(50, 4);
    ck_assert_uint_eq(ra.most, 0);
    for (unsigned i = 0; i < 4000; i++) {
        touch(500 + i);
    }
    ck_assert_uint_eq(ra.most, READAHEAD_MOST);
    ck_assert_uint_le(nr_faults, 50 * 4 + 300);
}
END_TEST

/* Where no page may come there is none to be of use. */
START_TEST(a_window_that_is_not_asked_for_is_asked_for_later)
{
    ReadaheadWindow w;
    uint64_t first = 0;

    for (unsigned i = 0; i < 10; i++) {
        if (readahead_fault(&ra, 500 + i, now, &w)) {
            first = w.first;
            readahead_asked(&ra, &w, 0);
        }
    }
    ck_assert_uint_eq(first, 510);
    ck_assert(readahead_fault(&ra, 510, now, &w));
    readahead_asked(&ra, &w, 3);
    ck_assert(readahead_fault(&ra, 511, now, &w));
    ck_assert_uint_eq(w.first, 514);
}
END_TEST

static Suite *readahead_suite(void)
{
    Suite *s = suite_create("readahead");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, NULL);
    tcase_add_test(t, a_scan_waits_for_a_few_pages_only);
    tcase_add_test(t, there_is_a_window_before_the_guest);
    tcase_add_test(t, it_goes_down_as_well);
    tcase_add_test(t, it_ends_at_the_first_page);
    tcase_add_loop_test(t, strides_are_runs, 0, 6);
    tcase_add_test(t, several_runs_at_a_time);
    tcase_add_test(t, runs_that_are_near_each_other);
    tcase_add_test(t, a_run_among_faults_that_are_none);
    tcase_add_test(t, random_faults_are_no_run);
    tcase_add_test(t, nor_are_they_in_a_small_place);
    tcase_add_test(t, a_fault_that_comes_twice_is_one);
    tcase_add_test(t, what_is_wasted_ends);
    tcase_add_test(t, and_begins_again);
    tcase_add_test(t, a_window_that_is_not_asked_for_is_asked_for_later);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(readahead_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
