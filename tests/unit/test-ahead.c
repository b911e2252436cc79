/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When pages are read ahead, and when there is no room for that.  ahead.c
 * alone: which pages fits, and the fetches, are played here.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/ahead.h"
#include "rcached/pager/pager.h"

#define PAGES   1000u           /* of the block, from FIRST on */
#define FIRST   512u

static Pager *p;
static uint64_t now, room;
static unsigned nr_pages, taken;
static uint64_t first;

uint64_t limit_room(const Pager *pager)
{
    return room;
}

unsigned fetch_ahead(Pager *pager, const uint64_t *page, unsigned n,
                     uint64_t at)
{
    nr_pages = n;
    first = n ? page[0] : 0;
    return MIN(n, taken);
}

static void set_up(void)
{
    p = g_new0(Pager, 1);
    guest_init(&p->guest);
    p->guest.block[0].present = true;
    p->guest.block[0].first = FIRST;
    p->guest.block[0].pages = PAGES;
    p->guest.nr_blocks = 1;
    room_queue_init(&p->faults.room);
    readahead_init(&p->ahead);
    room = 10000;
    taken = RCACHE_BATCH_PAGES;
    now = 100 * NS_PER_SEC;
    nr_pages = 0;
}

static void tear_down(void)
{
    room_queue_deinit(&p->faults.room);
    guest_deinit(&p->guest);
    g_free(p);
}

/* Faults on pages from @page on, until there is a trend. */
static void run(uint64_t page, int step)
{
    for (unsigned i = 0; i < 4; i++) {
        nr_pages = 0;
        ahead_fault(p, page + (int64_t)i * step, now);
    }
}

START_TEST(a_window_is_fetched)
{
    run(FIRST + 100, 1);
    ck_assert_uint_eq(nr_pages, READAHEAD_LEAST);
    ck_assert_uint_eq(first, FIRST + 104);
    ahead_fault(p, FIRST + 104, now);
    ck_assert_uint_eq(nr_pages, 2 * READAHEAD_LEAST);
    ck_assert_uint_eq(first, FIRST + 104 + READAHEAD_LEAST);
}
END_TEST

START_TEST(no_more_than_half_of_the_room)
{
    room = 6;
    run(FIRST + 100, 1);
    ck_assert_uint_eq(nr_pages, 3);
    room = 1;
    ahead_fault(p, FIRST + 104, now);
    ck_assert_uint_eq(nr_pages, 0);
    /* With what has been taken before: not half of what is left each time. */
    room = 6;
    p->fetches.nr_ahead = 4;
    run(FIRST + 200, 1);
    ck_assert_uint_eq(nr_pages, 1);
    p->fetches.nr_ahead = 6;
    run(FIRST + 300, 1);
    ck_assert_uint_eq(nr_pages, 0);
}
END_TEST

START_TEST(what_is_not_fetched_is_fetched_next_time)
{
    taken = 3;                  /* the provider is asked for enough */
    run(FIRST + 100, 1);
    taken = RCACHE_BATCH_PAGES;
    ahead_fault(p, FIRST + 105, now);
    ck_assert_uint_eq(first, FIRST + 107);
}
END_TEST

START_TEST(no_page_beyond_the_block)
{
    run(FIRST + PAGES - 7, 1);
    ck_assert_uint_eq(nr_pages, 3);
    run(FIRST + 5, -1);
    ck_assert_uint_eq(nr_pages, 2);
    ck_assert_uint_eq(first, FIRST + 1);
}
END_TEST

START_TEST(not_while_something_is_in_the_way)
{
    switch (_i) {
    case 0:
        p->command.active.kind = COMMAND_EVICT_BYTES;
        break;
    case 1:
        p->command.homing = true;
        break;
    case 2:
        room_queue_add(&p->faults.room, 7, now);
        break;
    case 3:
        p->faults.stretch.state = STRETCH_OPEN;
        break;
    case 4:
        p->locations.many.refused_at = now - NS_PER_SEC / 2;
        break;
    }
    run(FIRST + 100, 1);
    ck_assert_uint_eq(nr_pages, 0);
}
END_TEST

START_TEST(a_refusal_is_forgotten)
{
    p->locations.many.refused_at = now - NS_PER_SEC;
    run(FIRST + 100, 1);
    ck_assert_uint_gt(nr_pages, 0);
}
END_TEST

static Suite *ahead_suite(void)
{
    Suite *s = suite_create("ahead");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_window_is_fetched);
    tcase_add_test(t, no_more_than_half_of_the_room);
    tcase_add_test(t, what_is_not_fetched_is_fetched_next_time);
    tcase_add_test(t, no_page_beyond_the_block);
    tcase_add_loop_test(t, not_while_something_is_in_the_way, 0, 5);
    tcase_add_test(t, a_refusal_is_forgotten);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(ahead_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
