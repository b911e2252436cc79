/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a fault is answered with, by the page's word alone (rule 5), and who
 * waits for what.  fault.c alone: the guest's memory and what fetches are
 * played here.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "rcached/pager/ahead.h"
#include "rcached/pager/arrival.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/uffd.h"

#define PAGES   RCACHE_FRAME_PAGES
#define PAGE    5u
#define SLOT    77u

#define KEPT    slot_make(0, 9)

static Pager *p;
static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static struct RcacheCounts counts;
static uint64_t now, resident, freed;
static unsigned nr_present, nr_zero, nr_fetched, nr_wanted, nr_lost, nr_taken;
static unsigned nr_woken, nr_all_woken, nr_ahead;
static int present, fetched;
static bool was_protected;      /* the page that was mapped last */
static uint64_t kept_ended;

uint64_t pager_now(void)
{
    return now;
}

void pager_soon(Pager *pager)
{
}

void pager_quit(Pager *pager, const char *fmt, ...)
{
    ck_abort_msg("pager_quit");
}

uint64_t pager_resident(const Pager *pager)
{
    return resident;
}

int uffd_read(int fd, uint64_t *out, uint32_t *thread)
{
    return 0;
}

int install_zero(Guest *guest, uint64_t page)
{
    ck_assert_int_eq(page_state(words[page]), RCACHE_FILLING);
    ck_assert_uint_eq(page_slot(words[page]), 0);
    nr_zero++;
    return 0;
}

int install_wake(Guest *guest, uint64_t page)
{
    nr_woken++;
    return 0;
}

void install_wake_all(Guest *guest)
{
    nr_all_woken++;
}

int install_present(Guest *guest, uint64_t page, bool protect)
{
    ck_assert_int_eq(page_state(words[page]), RCACHE_HOT);
    nr_present++;
    was_protected = protect;
    return present;
}

void arrival_hot(Pager *pager, uint64_t page, uint64_t slot)
{
    words[page] = page_to(words[page], RCACHE_HOT);
}

void arrival_passed(Pager *pager, uint64_t page)
{
}

bool arrival_failed(Pager *pager, uint64_t page, int err)
{
    return true;
}

void attach_page(Pager *pager, uint64_t page)
{
}

void takeover_page(Pager *pager, uint64_t page)
{
    words[page] = RCACHE_UNTOUCHED;
    nr_taken++;
}

int fetch_start(Pager *pager, uint64_t page, uint64_t word, bool demand,
                uint64_t at)
{
    ck_assert(demand);
    nr_fetched++;
    return fetched;
}

void fetch_wanted(Pager *pager, uint64_t page, uint64_t at)
{
    nr_wanted++;
}

void ahead_fault(Pager *pager, uint64_t page, uint64_t at)
{
    nr_ahead++;
}

Remote *location_remote(const Pager *pager, uint64_t slot)
{
    return NULL;
}

bool location_may_get(const Pager *pager, uint64_t slot, unsigned pool)
{
    return true;
}

void location_free(Pager *pager, uint64_t slot)
{
    freed = slot;
}

void kept_end(Pager *pager, uint64_t page, uint64_t word)
{
    kept_ended = page_slot(word);
}

bool location_has_room(const Pager *pager)
{
    return true;
}

uint64_t location_overdue(const Pager *pager, uint64_t at)
{
    return 0;
}

void uplink_auto(Pager *pager)
{
}

bool lease_is_coming(const Pager *pager)
{
    return false;
}

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    nr_lost += event == RCACHE_EVENT_PAGE_LOST && page == PAGE;
}

static void set_up(void)
{
    p = g_new0(Pager, 1);
    p->report.counts = &counts;
    guest_init(&p->guest);
    p->guest.block[0].present = true;
    p->guest.block[0].pages = PAGES;
    p->guest.nr_blocks = 1;
    faults_init(&p->faults);
    page_errors_init(&p->errors);
    memset(words, 0, sizeof(words));
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    p->limits.ram = p->limits.size = PAGES;
    p->limits.local_max = PAGES / 2;
    now = 100 * NS_PER_SEC;
    resident = freed = 0;
    nr_present = nr_zero = nr_fetched = nr_wanted = nr_lost = nr_taken = 0;
    nr_woken = nr_all_woken = nr_ahead = 0;
    present = fetched = 0;
    kept_ended = 0;
    was_protected = false;
}

static void tear_down(void)
{
    faults_deinit(&p->faults);
    page_errors_deinit(&p->errors);
    table_deinit(&p->table);
    guest_deinit(&p->guest);
    g_free(p);
}

static void fault(enum RcachePageState state, uint64_t slot)
{
    words[PAGE] = page_with_slot(page_begin(0, state), slot);
    fault_page(p, PAGE, now);
}

static void expect(unsigned a, unsigned z, unsigned f)
{
    ck_assert_uint_eq(nr_present, a);
    ck_assert_uint_eq(nr_zero, z);
    ck_assert_uint_eq(nr_fetched, f);
}

START_TEST(what_is_here_is_mapped)
{
    static const enum RcachePageState here[] = {
        RCACHE_HOT, RCACHE_ZAPPING, RCACHE_ZAPPED, RCACHE_EVICTING,
        RCACHE_CACHED,
    };

    resident = PAGES;                   /* it takes no room */
    fault(here[_i], SLOT);
    expect(1, 0, 0);
    ck_assert_int_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(page_slot(words[PAGE]), 0);
    ck_assert_uint_eq(kept_ended, SLOT);
    ck_assert_uint_eq(page_credit(words[PAGE]), _i >= 2);
}
END_TEST

/* PAGE keeps KEPT, if the map of slots says so. */
static SlotSlab *keep(SlotKept *kept)
{
    SlotSlab *slabs = g_new0(SlotSlab, 1);

    kept[slot_page(KEPT)] = (SlotKept) { PAGE + 1, 1 };
    slabs[0] = (SlotSlab) { .pages = 64, .kept = kept };
    p->slots.slabs = slabs;
    p->slots.nr = 1;
    return slabs;
}

static void fault_clean(enum RcachePageState state)
{
    freed = kept_ended = 0;
    words[PAGE] = page_with_slot(page_begin(0, state), KEPT) | RCACHE_CLEAN;
    fault_page(p, PAGE, now);
    ck_assert_int_eq(page_state(words[PAGE]), RCACHE_HOT);
}

/*
 * A page that the scan has proved clean stays so, mapped write-protected.  In
 * any other state nobody has looked: protecting it would hide a write (K2).
 */
START_TEST(only_what_is_proved_clean_is_protected_again)
{
    static const enum RcachePageState unproved[] = {
        RCACHE_HOT, RCACHE_ZAPPING,
    };
    static const enum RcachePageState proved[] = {
        RCACHE_ZAPPED, RCACHE_EVICTING,
    };
    SlotKept kept[64] = { 0 };
    SlotSlab *slabs = keep(kept);

    for (unsigned i = 0; i < G_N_ELEMENTS(proved); i++) {
        fault_clean(proved[i]);
        ck_assert(was_protected);
        ck_assert_uint_eq(page_slot(words[PAGE]), KEPT);
        ck_assert_uint_eq(words[PAGE] & RCACHE_CLEAN, RCACHE_CLEAN);
        ck_assert_uint_eq(kept_ended, 0);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(unproved); i++) {
        fault_clean(unproved[i]);
        ck_assert(!was_protected);
        ck_assert_uint_eq(page_slot(words[PAGE]), 0);
        ck_assert_uint_eq(words[PAGE] & RCACHE_CLEAN, 0);
        ck_assert_uint_eq(kept_ended, KEPT);
    }
    kept[slot_page(KEPT)].page = PAGE + 2;      /* it is another page's */
    fault_clean(RCACHE_ZAPPED);
    ck_assert(!was_protected);
    ck_assert_uint_eq(page_slot(words[PAGE]), 0);
    p->slots = (Slots) { 0 };
    g_free(slabs);
}
END_TEST

START_TEST(zeros_only_where_there_was_nothing)
{
    static const enum RcachePageState none[] = {
        RCACHE_ZERO, RCACHE_UNTOUCHED, RCACHE_UNMANAGED,
    };

    fault(none[_i], none[_i] == RCACHE_ZERO ? SLOT : 0);
    expect(0, 1, 0);
    ck_assert_int_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(freed, none[_i] == RCACHE_ZERO ? SLOT : 0);
    ck_assert_uint_eq(nr_taken, none[_i] == RCACHE_UNMANAGED);
}
END_TEST

START_TEST(what_is_away_is_fetched)
{
    fault(RCACHE_REMOTE, SLOT);
    expect(0, 0, 1);
    ck_assert_uint_eq(nr_ahead, 1);
    fault(RCACHE_FETCHING, SLOT);       /* another CPU touches it */
    expect(0, 0, 1);
    ck_assert_uint_eq(nr_wanted, 1);
    ck_assert_uint_eq(nr_ahead, 2);     /* or it is a marker */
}
END_TEST

START_TEST(what_is_under_way_is_left_alone)
{
    static const enum RcachePageState way[] = {
        RCACHE_FILLING, RCACHE_PUNCHING, RCACHE_DISCARDING, 14,
    };

    fault(way[_i], SLOT);
    expect(0, 0, 0);
    ck_assert_int_eq(page_state(words[PAGE]), way[_i]);
    ck_assert_uint_eq(p->faults.lost.nr + freed, 0);
}
END_TEST

START_TEST(what_is_lost_waits)
{
    fault(RCACHE_LOST, 0);
    fault(RCACHE_LOST, 0);
    expect(0, 0, 0);
    ck_assert_int_eq(page_state(words[PAGE]), RCACHE_LOST);
    ck_assert_uint_eq(p->faults.lost.nr, 1);
}
END_TEST

/* Who still waits for it comes back when woken; who has gone does not. */
START_TEST(what_is_lost_is_asked_for_again)
{
    fault(RCACHE_LOST, 0);
    stalls_begin(&p->delays.stalls, 7, PAGE, now);
    lost_wait_tick(p, now);
    ck_assert_uint_eq(nr_woken, 0);
    for (unsigned i = 1; i <= 8; i++) {
        now += LOST_WAIT_ASK_NS;
        lost_wait_tick(p, now);
        ck_assert_uint_eq(nr_woken, i);
        lost_wait_tick(p, now + 1);     /* not again at once */
        ck_assert_uint_eq(nr_woken, i);
        fault(RCACHE_LOST, 0);
    }
    ck_assert_uint_eq(lost_wait_oldest(&p->faults.lost)->page, PAGE);
    ck_assert_uint_eq(lost_wait_oldest(&p->faults.lost)->since,
                      100 * NS_PER_SEC);
    now += LOST_WAIT_GONE_NS - 1;
    lost_wait_tick(p, now);
    ck_assert_uint_eq(p->faults.lost.nr, 1);
    ck_assert_uint_eq(p->delays.stalls.nr, 1);
    lost_wait_tick(p, now + 1);
    ck_assert_uint_eq(p->faults.lost.nr, 0);
    ck_assert_uint_eq(p->delays.stalls.nr, 0);  /* it does not stall on */
    ck_assert_ptr_null(lost_wait_oldest(&p->faults.lost));
}
END_TEST

/* 0: it is discarded; 1: its block goes. */
START_TEST(what_is_lost_is_given_up)
{
    fault(RCACHE_LOST, 0);
    if (_i) {
        p->guest.block[0].present = false;
    } else {
        words[PAGE] = page_begin(0, RCACHE_ZERO);
    }
    lost_wait_tick(p, now + LOST_WAIT_ASK_NS);
    ck_assert_uint_eq(p->faults.lost.nr + nr_woken, 0);
}
END_TEST

/* Nobody is forgotten for good. */
START_TEST(more_wait_for_lost_pages_than_are_noted)
{
    LostWaits *lost = &p->faults.lost;

    for (unsigned i = 0; i <= LOST_WAITS_MAX; i++) {
        lost_wait_add(lost, i % PAGES, now);
        lost_wait_add(lost, PAGES + i, now);
    }
    ck_assert_uint_eq(lost->nr, LOST_WAITS_MAX);
    lost_wait_tick(p, now + 1);         /* none of them is LOST */
    ck_assert_uint_eq(lost->nr, 0);
    ck_assert_uint_eq(nr_all_woken, 1);
    lost_wait_tick(p, now + 2);
    ck_assert_uint_eq(nr_all_woken, 1);
}
END_TEST

/* 0: a page of zeros; 1: one that is away. */
START_TEST(above_local_max_it_waits)
{
    resident = PAGES;
    fault(_i ? RCACHE_REMOTE : RCACHE_ZERO, _i ? SLOT : 0);
    expect(0, 0, 0);
    ck_assert_uint_eq(room_queue_len(&p->faults.room), 1);
    fault_work(p, now);
    expect(0, 0, 0);
    resident = 0;
    fault_work(p, now);
    expect(0, !_i, _i);
    ck_assert_uint_eq(room_queue_len(&p->faults.room), 0);
}
END_TEST

/* With all of size away: 0: a page of zeros; 1: one that is away. */
START_TEST(at_size_each_may_take_a_little_more)
{
    p->limits.size = 0;
    resident = p->limits.local_max + 10;
    fault(_i ? RCACHE_REMOTE : RCACHE_ZERO, _i ? SLOT : 0);
    expect(0, !_i, _i);
}
END_TEST

/* There is room again, but it is that of those that have waited for it. */
START_TEST(nobody_passes_those_that_wait)
{
    resident = PAGES;
    fault(RCACHE_ZERO, 0);
    resident = 0;
    words[PAGE + 1] = page_with_slot(page_begin(0, RCACHE_REMOTE), SLOT);
    fault_page(p, PAGE + 1, now);
    expect(0, 0, 0);
    ck_assert_uint_eq(room_queue_len(&p->faults.room), 2);
    fault_work(p, now);
    expect(0, 1, 1);
}
END_TEST

static void work_for(unsigned ms)
{
    for (unsigned i = 0; i < ms; i += 10) {
        now += 10 * NS_PER_MS;
        fault_work(p, now);
    }
}

/* A guest that has waited in vain gets a little, and then more and more. */
START_TEST(in_vain_it_waits_for_a_while)
{
    resident = PAGES;
    fault(RCACHE_ZERO, 0);
    work_for(400);
    expect(0, 0, 0);
    work_for(200);
    expect(0, 1, 0);
    ck_assert_uint_lt(stretch_limit(&p->faults.stretch, p->limits.local_max),
                      PAGES + 200);
}
END_TEST

/* While the pager is not run nothing can go, and that proves nothing. */
START_TEST(time_in_which_it_was_not_run_does_not_count)
{
    resident = PAGES;
    fault(RCACHE_ZERO, 0);
    for (int i = 0; i < 3; i++) {
        now += 60 * NS_PER_SEC;
        fault_work(p, now);
        expect(0, 0, 0);
    }
    work_for(300);
    expect(0, 1, 0);            /* but no fault waits for ever */
}
END_TEST

START_TEST(a_provider_that_is_asked_for_enough)
{
    fetched = -EBUSY;
    fault(RCACHE_REMOTE, SLOT);
    ck_assert_uint_eq(p->faults.fetch.len, 1);
    fault_page(p, PAGE + 1, now);
    fetched = 0;
    fault_work(p, now);
    expect(0, 1, 2);
    ck_assert_uint_eq(p->faults.fetch.len, 0);
}
END_TEST

START_TEST(a_block_that_is_gone_is_not_answered)
{
    resident = PAGES;
    fault(RCACHE_ZERO, 0);
    p->guest.block[0].present = false;
    resident = 0;
    fault_work(p, now);
    expect(0, 0, 0);
}
END_TEST

static Suite *fault_suite(void)
{
    Suite *s = suite_create("fault");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, what_is_here_is_mapped, 0, 5);
    tcase_add_test(t, only_what_is_proved_clean_is_protected_again);
    tcase_add_loop_test(t, zeros_only_where_there_was_nothing, 0, 3);
    tcase_add_test(t, what_is_away_is_fetched);
    tcase_add_loop_test(t, what_is_under_way_is_left_alone, 0, 4);
    tcase_add_test(t, what_is_lost_waits);
    tcase_add_test(t, what_is_lost_is_asked_for_again);
    tcase_add_loop_test(t, what_is_lost_is_given_up, 0, 2);
    tcase_add_test(t, more_wait_for_lost_pages_than_are_noted);
    tcase_add_loop_test(t, above_local_max_it_waits, 0, 2);
    tcase_add_loop_test(t, at_size_each_may_take_a_little_more, 0, 2);
    tcase_add_test(t, nobody_passes_those_that_wait);
    tcase_add_test(t, in_vain_it_waits_for_a_while);
    tcase_add_test(t, time_in_which_it_was_not_run_does_not_count);
    tcase_add_test(t, a_provider_that_is_asked_for_enough);
    tcase_add_test(t, a_block_that_is_gone_is_not_answered);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(fault_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
