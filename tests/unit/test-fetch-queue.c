/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that wait for a provider: in order at each, none behind another
 * provider's, and a turn that ends even if all come to wait again.
 */
#include <check.h>

#include "rcached/pager/fetch-queue.h"

#define LANES   3u

static FetchQueue queue;
static const char lane[LANES];          /* only their addresses */
static bool closed[LANES];              /* this provider takes no more */
static unsigned left;                   /* how many may be answered yet */
static bool again;                      /* they come to wait again */
static GArray *answered;

/* A page's hundreds say which provider has it. */
static unsigned lane_of(uint64_t page)
{
    return page / 100;
}

static void add(uint64_t page)
{
    fetch_queue_add(&queue, &lane[lane_of(page)], page, 1);
}

static bool can(void *owner, uint64_t page)
{
    ck_assert_ptr_eq(owner, &queue);
    return !closed[lane_of(page)] && left;
}

static void answer(void *owner, uint64_t page, uint64_t now)
{
    left--;
    g_array_append_val(answered, page);
    if (again) {
        add(page);
    }
}

static void serve(void)
{
    g_array_set_size(answered, 0);
    fetch_queue_serve(&queue, 2, can, answer, &queue);
}

static void set_up(void)
{
    fetch_queue_init(&queue);
    answered = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    for (unsigned i = 0; i < LANES; i++) {
        closed[i] = false;
    }
    left = 10000;
    again = false;
}

static void tear_down(void)
{
    fetch_queue_deinit(&queue);
    g_array_free(answered, TRUE);
}

/* The answered pages of lane @i are these, in this order. */
static void expect(unsigned i, uint64_t first, unsigned n)
{
    for (guint k = 0; k < answered->len; k++) {
        uint64_t page = g_array_index(answered, uint64_t, k);

        if (lane_of(page) == i) {
            ck_assert_uint_eq(page, first++);
            ck_assert_uint_ne(n--, 0);
        }
    }
    ck_assert_uint_eq(n, 0);
}

START_TEST(a_closed_lane_is_in_nobodys_way)
{
    for (unsigned k = 0; k < 50; k++) {
        for (unsigned i = 0; i < LANES; i++) {
            add(100 * i + k);
        }
    }
    ck_assert_uint_eq(queue.len, 150);
    closed[1] = true;
    serve();
    expect(0, 0, 50);
    expect(1, 0, 0);
    expect(2, 200, 50);
    ck_assert_uint_eq(queue.len, 50);
    ck_assert(!fetch_queue_waits(&queue, &lane[0]));
    ck_assert(fetch_queue_waits(&queue, &lane[1]));
    closed[1] = false;
    serve();
    expect(1, 100, 50);
    ck_assert_uint_eq(queue.len, 0);
    ck_assert_uint_eq(queue.lanes->len, 0);
}
END_TEST

START_TEST(first_come_first_served)
{
    for (unsigned k = 0; k < 20; k++) {
        add(k);
    }
    for (unsigned k = 0; k < 20; k += 5) {
        left = 5;
        serve();
        expect(0, k, 5);
    }
}
END_TEST

START_TEST(a_page_waits_once)
{
    add(7);
    add(7);
    ck_assert_uint_eq(queue.len, 1);
    serve();
    ck_assert_uint_eq(answered->len, 1);
    add(7);
    ck_assert_uint_eq(queue.len, 1);
}
END_TEST

static void expect_oldest(uint64_t page, uint64_t since)
{
    uint64_t is, at;

    ck_assert(fetch_queue_oldest(&queue, &is, &at));
    ck_assert_uint_eq(is, page);
    ck_assert_uint_eq(at, since);
}

/* A lane waits since it was last served: its first page is the oldest. */
START_TEST(the_oldest_is_of_the_lane_not_served_for_longest)
{
    uint64_t page, since;

    ck_assert(!fetch_queue_oldest(&queue, &page, &since));
    for (unsigned k = 0; k < 3; k++) {
        add(k);
        add(100 + k);
    }
    closed[1] = true;
    left = 1;
    serve();
    expect_oldest(100, 1);
    left = 10000;
    closed[1] = false;
    closed[0] = true;
    serve();
    expect_oldest(1, 2);
}
END_TEST

START_TEST(a_turn_ends_though_all_come_again)
{
    for (unsigned i = 0; i < LANES; i++) {
        for (unsigned k = 0; k < 30; k++) {
            add(100 * i + k);
        }
    }
    again = true;
    serve();
    ck_assert_uint_eq(answered->len, 90);
    ck_assert_uint_eq(queue.len, 90);
    serve();
    expect(2, 200, 30);                 /* and in the same order */
}
END_TEST

static Suite *fetch_queue_suite(void)
{
    Suite *s = suite_create("fetch-queue");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_closed_lane_is_in_nobodys_way);
    tcase_add_test(t, first_come_first_served);
    tcase_add_test(t, a_page_waits_once);
    tcase_add_test(t, the_oldest_is_of_the_lane_not_served_for_longest);
    tcase_add_test(t, a_turn_ends_though_all_come_again);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(fetch_queue_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
