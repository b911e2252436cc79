/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the pages that are waited for the VMM hears of.  report.c alone: the
 * test plays who waits, and where bytes are.
 */
#include <check.h>

#include "rcached/pager/copies-count.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"

#define PAGES       RCACHE_FRAME_PAGES
#define ROOM        5u
#define SLOW        6u
#define GIVEN_UP    7u
#define LOST        8u
#define LOST_LATER  9u
#define BEHIND      10u

static Pager *p;
static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static struct RcacheCounts counts;
static struct RcacheVmmStats stats;
static const uint64_t now = 100 * NS_PER_SEC;

uint64_t pager_resident(const Pager *pager)
{
    return 0;
}

int install_wake(Guest *guest, uint64_t page)
{
    return 0;
}

void install_wake_all(Guest *guest)
{
}

/* The slot is the page's number. */
bool location_is_given_up(const Pager *pager, uint64_t slot, uint64_t at)
{
    return slot == GIVEN_UP;
}

const char *location_host(const Pager *pager, uint64_t slot)
{
    return slot == BEHIND ? "host8" : "host7";
}

void copies_count(const Pager *pager, CopiesCount *count)
{
    *count = (CopiesCount) { 0 };
}

void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd)
{
}

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
}

static void set_up(void)
{
    p = g_new0(Pager, 1);
    p->report.counts = &counts;
    guest_init(&p->guest);
    p->guest.block[0].present = true;
    p->guest.block[0].pages = PAGES;
    p->guest.nr_blocks = 1;
    room_queue_init(&p->faults.room);
    fetch_queue_init(&p->faults.fetch);
    page_errors_init(&p->errors);
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
}

static void tear_down(void)
{
    room_queue_deinit(&p->faults.room);
    fetch_queue_deinit(&p->faults.fetch);
    page_errors_deinit(&p->errors);
    table_deinit(&p->table);
    guest_deinit(&p->guest);
    g_free(p);
}

static void fetch(uint64_t page, unsigned seconds)
{
    p->fetches.entry[p->fetches.nr++] = (Fetch) {
        .used = true, .demand = true, .page = page,
        .word = page_with_slot(page_begin(0, RCACHE_FETCHING), page),
        .started = now - seconds * NS_PER_SEC,
    };
}

static void expect(uint64_t page, unsigned seconds, unsigned nr,
                   unsigned hopeless)
{
    report_stats(p, &stats, now);
    ck_assert_uint_eq(stats.waiting_offset, page * RCACHE_PAGE_SIZE);
    ck_assert_uint_eq(stats.oldest_wait, seconds * NS_PER_SEC);
    ck_assert_uint_eq(stats.waiting_pages, nr);
    ck_assert_uint_eq(stats.hopeless, hopeless);
}

START_TEST(nobody_waits)
{
    expect(0, 0, 0, 0);
}
END_TEST

/* Each is worse than those before it, though they have waited for longer. */
START_TEST(the_worst_counts)
{
    room_queue_add(&p->faults.room, ROOM, now - 40 * NS_PER_SEC);
    expect(ROOM, 40, 1, 0);
    ck_assert_str_eq(stats.waiting_for, "room");
    fetch(GIVEN_UP, 30);
    expect(GIVEN_UP, 30, 2, 1);
    ck_assert_str_eq(stats.waiting_for, "host7");
    lost_wait_add(&p->faults.lost, LOST, now - 20 * NS_PER_SEC);
    expect(LOST, 20, 3, 2);
    ck_assert_str_eq(stats.waiting_for, "a page that is lost");
}
END_TEST

/* Bytes come, but none that are the page. */
START_TEST(wrong_bytes_for_too_long_are_no_better_than_none)
{
    p->copies.give_up_ns = 10 * NS_PER_SEC;
    fetch(SLOW, 30);
    expect(SLOW, 30, 1, 0);
    p->fetches.entry[0].wrong_since = now - 9 * NS_PER_SEC;
    expect(SLOW, 30, 1, 0);
    p->fetches.entry[0].wrong_since = now - 10 * NS_PER_SEC;
    expect(SLOW, 30, 1, 1);
}
END_TEST

START_TEST(of_those_as_bad_the_oldest)
{
    room_queue_add(&p->faults.room, ROOM, now - 1 * NS_PER_SEC);
    fetch(SLOW, 2);
    expect(SLOW, 2, 2, 0);
    lost_wait_add(&p->faults.lost, LOST_LATER, now - 3 * NS_PER_SEC);
    lost_wait_add(&p->faults.lost, LOST, now - 4 * NS_PER_SEC);
    expect(LOST, 4, 4, 2);
}
END_TEST

/* Its provider has as many to answer as it may: nothing is asked for. */
START_TEST(a_page_whose_turn_has_not_come_is_told)
{
    words[BEHIND] = page_with_slot(page_begin(0, RCACHE_REMOTE), BEHIND);
    fetch_queue_add(&p->faults.fetch, &words, BEHIND, now - 2 * NS_PER_SEC);
    expect(BEHIND, 2, 1, 0);
    ck_assert_str_eq(stats.waiting_for, "host8");
    fetch(SLOW, 3);
    expect(SLOW, 3, 2, 0);
}
END_TEST

static Suite *report_suite(void)
{
    Suite *s = suite_create("report");
    TCase *t = tcase_create("report");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, nobody_waits);
    tcase_add_test(t, the_worst_counts);
    tcase_add_test(t, of_those_as_bad_the_oldest);
    tcase_add_test(t, wrong_bytes_for_too_long_are_no_better_than_none);
    tcase_add_test(t, a_page_whose_turn_has_not_come_is_told);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(report_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
