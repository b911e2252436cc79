/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guests of scripts/bench peers visit, and the best choice there is
 * for that. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/access.h"
#include "tests/bench/belady.h"

#define PAGES   1024u
#define DRAWS   200000u

static AccessPlan plan_of(const char *words)
{
    AccessPlan plan = { .pages = PAGES };

    ck_assert(access_parse(&plan, words));
    return plan;
}

START_TEST(what_cannot_be_is_refused)
{
    AccessPlan plan = { .pages = PAGES };

    ck_assert(!access_parse(&plan, "stats"));
    ck_assert(!access_parse(&plan, "access backwards 1 0 1 1 1"));
    ck_assert(!access_parse(&plan, "access uniform 0 0 1 1 1"));
    ck_assert(!access_parse(&plan, "access uniform 65 0 1 1 1"));
    ck_assert(!access_parse(&plan, "access uniform 1 101 1 1 1"));
    /* There are no locks. */
    ck_assert(!access_parse(&plan, "access uniform 2 1 1 1 1"));
    ck_assert(!access_parse(&plan, "access sequential 2 0 1 1 1"));
}
END_TEST

START_TEST(scans_visit_each_page_once)
{
    static const char *const scans[] = {
        "access sequential 1 0 1 1 1", "access strided 1 0 1 1 1",
        "access interleaved 1 0 1 1 1",
    };

    for (unsigned i = 0; i < 3; i++) {
        AccessPlan plan = plan_of(scans[i]);
        unsigned visits[PAGES] = { 0 };
        AccessOrder order;
        bool write;

        access_order_init(&order, &plan, 0);
        for (unsigned n = 0; n < 2 * PAGES; n++) {
            uint64_t page = access_next(&order, &write);

            ck_assert_uint_eq(page, access_at(&plan, n));
            ck_assert_uint_lt(page, PAGES);
            visits[page]++;
            ck_assert(!write);
        }
        for (unsigned page = 0; page < PAGES; page++) {
            ck_assert_uint_eq(visits[page], 2);
        }
    }
}
END_TEST

START_TEST(scans_have_their_order)
{
    AccessPlan strided = plan_of("access strided 1 0 1 1 1");
    AccessPlan four = plan_of("access interleaved 1 0 1 1 1");

    ck_assert_uint_eq(access_at(&strided, 1), ACCESS_STRIDE);
    ck_assert_uint_eq(access_at(&strided, PAGES / ACCESS_STRIDE), 1);
    ck_assert_uint_eq(access_at(&four, 1), PAGES / ACCESS_CURSORS);
    ck_assert_uint_eq(access_at(&four, ACCESS_CURSORS), 1);
}
END_TEST

static void draw(const AccessPlan *plan, unsigned thread, unsigned *visits,
                 unsigned *writes)
{
    AccessOrder order;
    bool write;

    access_order_init(&order, plan, thread);
    for (unsigned n = 0; n < DRAWS; n++) {
        visits[access_next(&order, &write)]++;
        *writes += write;
    }
}

START_TEST(zipf_is_skewed)
{
    AccessPlan plan = plan_of("access zipf 1 10 1 1 1");
    unsigned visits[PAGES] = { 0 }, writes = 0, best = 0;
    double share;

    draw(&plan, 0, visits, &writes);
    ck_assert_uint_gt(writes, DRAWS * 9 / 100);
    ck_assert_uint_lt(writes, DRAWS * 11 / 100);
    /* 1 / (1 + 1/2^0.99 + ... + 1/1024^0.99) = 0.1279 */
    share = visits[access_ranked(&plan, 0)] / (double)DRAWS;
    ck_assert_double_eq_tol(share, 0.1279, 0.004);
    share = visits[access_ranked(&plan, 1)] / (double)DRAWS;
    ck_assert_double_eq_tol(share, 0.0644, 0.003);
    for (unsigned rank = 0; rank < PAGES / 4; rank++) {
        best += visits[access_ranked(&plan, rank)];
    }
    ck_assert_double_eq_tol(best / (double)DRAWS, 0.81, 0.02);
}
END_TEST

START_TEST(uniform_is_not)
{
    AccessPlan plan = plan_of("access uniform 4 0 1 1 1");
    unsigned visits[PAGES] = { 0 }, writes = 0;

    draw(&plan, 3, visits, &writes);
    ck_assert_uint_eq(writes, 0);
    for (unsigned page = 0; page < PAGES; page++) {
        ck_assert_uint_gt(visits[page], DRAWS / PAGES / 2);
        ck_assert_uint_lt(visits[page], DRAWS / PAGES * 2);
    }
}
END_TEST

START_TEST(seeds_and_threads_differ)
{
    AccessPlan one = plan_of("access uniform 2 0 1 1 1");
    AccessPlan two = plan_of("access uniform 2 0 1 1 2");
    unsigned same[3] = { 0 };
    AccessOrder order[4];
    bool write;

    access_order_init(&order[0], &one, 0);
    access_order_init(&order[1], &one, 0);
    access_order_init(&order[2], &one, 1);
    access_order_init(&order[3], &two, 0);
    for (unsigned n = 0; n < 1000; n++) {
        uint64_t page = access_next(&order[0], &write);

        for (unsigned i = 0; i < 3; i++) {
            same[i] += access_next(&order[i + 1], &write) == page;
        }
    }
    ck_assert_uint_eq(same[0], 1000);
    ck_assert_uint_lt(same[1], 20);
    ck_assert_uint_lt(same[2], 20);
}
END_TEST

/* All choices there are; @here: a bit for each page. */
static unsigned fewest(const uint32_t *trace, unsigned n, unsigned here)
{
    unsigned best = UINT32_MAX;

    if (!n) {
        return 0;
    }
    if (here & 1u << *trace) {
        return fewest(trace + 1, n - 1, here);
    }
    for (unsigned gone = here; gone; gone &= gone - 1) {
        unsigned next = (here & ~(gone & -gone)) | 1u << *trace;
        unsigned misses = 1 + fewest(trace + 1, n - 1, next);

        best = misses < best ? misses : best;
    }
    return best;
}

START_TEST(no_choice_is_better_than_belady)
{
    enum { SMALL = 6, ROOM = 3, LENGTH = 12 };

    srandom(1);
    for (unsigned i = 0; i < 300; i++) {
        uint32_t trace[LENGTH];

        for (unsigned n = 0; n < LENGTH; n++) {
            trace[n] = random() % SMALL;
        }
        /* The last three are here. */
        ck_assert_uint_eq(belady_misses(trace, LENGTH, 0, SMALL, ROOM),
                          fewest(trace, LENGTH, 7u << (SMALL - ROOM)));
    }
}
END_TEST

START_TEST(belady_counts_from_where_it_is_told)
{
    static const uint32_t trace[] = { 0, 1, 2, 3, 0, 1, 2, 3 };

    ck_assert_uint_eq(belady_misses(trace, 8, 0, 4, 4), 0);
    ck_assert_uint_eq(belady_misses(trace, 8, 0, 4, 1), 8);
    ck_assert_uint_eq(belady_misses(trace, 8, 6, 4, 1), 2);
    ck_assert_uint_eq(belady_misses(trace, 8, 8, 4, 1), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access");
    TCase *tc = tcase_create("access");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, what_cannot_be_is_refused);
    tcase_add_test(tc, scans_visit_each_page_once);
    tcase_add_test(tc, scans_have_their_order);
    tcase_add_test(tc, zipf_is_skewed);
    tcase_add_test(tc, uniform_is_not);
    tcase_add_test(tc, seeds_and_threads_differ);
    tcase_add_test(tc, no_choice_is_better_than_belady);
    tcase_add_test(tc, belady_counts_from_where_it_is_told);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
