/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that come back: what is done with their bytes, right and wrong ones,
 * and with a page whose word has changed meanwhile.  fetch.c alone: where the
 * bytes come from and what takes them into the guest are played here.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "common/wire-check.h"
#include "rcached/pager/arrival.h"
#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"

#define PAGES   1024u
#define PAGE    5u

static Pager *p;
static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static struct RcacheCounts counts;
static Remote remote;
static const uint8_t key[RCACHE_KEY_SIZE] = { 1 }, vm[16] = { 2 };
/* The page, what is stored of it, and what is not. */
static uint8_t plain[RCACHE_PAGE_SIZE];
static uint8_t right[RCACHE_PAGE_SIZE], wrong[RCACHE_PAGE_SIZE];
static uint64_t now;
static unsigned nr_asked, nr_installed, nr_events, nr_forgotten;
static unsigned asked;                  /* its number */
static unsigned busy = FETCH_MAX;       /* a number that is */
static int install_error;
static bool known, may_get;
static unsigned pool;                   /* that was asked about */
static unsigned nr_many, nr_get_wanted;
static unsigned many[RCACHE_BATCH_PAGES];   /* numbers, in one frame */
static bool ready;                      /* a place can be asked */

uint64_t pager_now(void)
{
    return now;
}

void report_event(Pager *pager, enum RcacheVmmEvent event, uint64_t page,
                  const char *fmt, ...)
{
    nr_events++;
}

bool providers_may_tell(Remote *r, const Pager *pager)
{
    return true;
}

bool location_knows(const Pager *pager, uint64_t slot)
{
    return known;
}

bool location_may_get(const Pager *pager, uint64_t slot, unsigned of)
{
    ck_assert_uint_eq(slot, 77);
    pool = of;
    return may_get;
}

void location_get(Pager *pager, unsigned i, uint64_t slot)
{
    ck_assert_uint_eq(slot, 77);
    asked = i;
    nr_asked++;
}

void location_get_many(Pager *pager, const unsigned *i, const uint64_t *slot,
                       unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        ck_assert_uint_eq(slot[k], 77);
        many[nr_many++] = i[k];
    }
}

void location_get_wanted(Pager *pager, unsigned i, uint64_t at)
{
    nr_get_wanted++;
}

int get_choose(const Pager *pager, uint64_t slot, unsigned not)
{
    return ready ? 0 : -1;
}

bool location_get_is_out(const Pager *pager, unsigned i)
{
    return false;
}

bool location_get_is_busy(const Pager *pager, unsigned i)
{
    return i == busy;
}

void location_forget(Pager *pager, unsigned i)
{
    nr_forgotten++;
}

int install_bytes(Guest *guest, uint64_t page, const void *bytes,
                  unsigned *intruders)
{
    ck_assert_uint_eq(page, PAGE);
    ck_assert_int_eq(memcmp(bytes, plain, sizeof(plain)), 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FILLING);
    nr_installed++;
    return install_error;
}

void arrival_hot(Pager *pager, uint64_t page)
{
    words[page] = page_with_slot(page_to(words[page], RCACHE_HOT), 0);
}

void arrival_passed(Pager *pager, uint64_t page)
{
}

bool arrival_failed(Pager *pager, uint64_t page, int err)
{
    return err == -ENOMEM;
}

static void set_up(void)
{
    SealMark mark;

    p = g_new0(Pager, 1);
    p->report.counts = &counts;
    page_errors_init(&p->errors);
    fetches_init(&p->fetches);
    memset(words, 0, sizeof(words));
    memset(&counts, 0, sizeof(counts));
    memset(plain, 0x5a, sizeof(plain));
    memcpy(right, plain, sizeof(right));
    memset(sides, 0, sizeof(sides));
    p->seal = seal_new(key, true, vm, 3, NULL);
    ck_assert(seal_page(p->seal, PAGE, &sides[PAGE], right, &mark));
    ck_assert(seal_store(&sides[PAGE], &mark, 0));
    memcpy(wrong, right, sizeof(wrong));
    wrong[77] ^= 4;
    for (unsigned i = 0; i < PAGES; i++) {
        words[i] = page_with_slot(RCACHE_REMOTE, 77);
    }
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    now = 100 * NS_PER_SEC;
    nr_asked = nr_installed = nr_events = nr_forgotten = 0;
    nr_many = nr_get_wanted = 0;
    install_error = 0;
    known = may_get = ready = true;
    readahead_init(&p->ahead);
}

static void tear_down(void)
{
    fetches_deinit(&p->fetches);
    page_errors_deinit(&p->errors);
    table_deinit(&p->table);
    seal_free(p->seal);
    g_free(p);
}

static void start(void)
{
    ck_assert_int_eq(fetch_start(p, PAGE, words[PAGE], true, now), 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FETCHING);
    ck_assert_uint_eq(nr_asked, 1);
}

START_TEST(right_bytes_are_installed)
{
    start();
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(nr_installed, 1);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(counts.fetched, 1);
    ck_assert_uint_eq(counts.faults_remote, 1);
    ck_assert_uint_eq(p->fetches.nr, 0);
}
END_TEST

START_TEST(wrong_bytes_never_are)
{
    start();
    for (unsigned i = 0; i < 10; i++) {
        unsigned before = nr_asked;

        ck_assert(!fetch_got(p, asked, &remote, wrong));
        fetch_missing(p, asked);
        if (nr_asked == before) {       /* held back after a few */
            now += 2 * NS_PER_SEC;
            fetch_retry(p, now);
        }
        ck_assert_uint_eq(nr_asked, before + 1);
    }
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert_uint_eq(p->fetches.entry[asked].wrong_since, 100 * NS_PER_SEC);
    ck_assert_uint_eq(counts.checksum_errors, 10);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_FETCHING);
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(nr_installed, 1);
}
END_TEST

/* Anybody can make a page that has the sum of another one. */
START_TEST(a_right_sum_is_not_enough)
{
    start();
    sides[PAGE].sum = wire_page_sum(wrong);
    ck_assert(!fetch_got(p, asked, &remote, wrong));
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert_uint_eq(counts.checksum_errors, 1);
}
END_TEST

START_TEST(no_bytes_are_asked_for_again_later)
{
    start();
    fetch_missing(p, asked);
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_asked, 1);
    fetch_retry(p, now + 2 * NS_PER_SEC);
    ck_assert_uint_eq(nr_asked, 2);
}
END_TEST

START_TEST(a_page_that_was_discarded_is_left_alone)
{
    uint64_t zero = page_begin(words[PAGE], RCACHE_ZERO);

    start();
    words[PAGE] = zero;
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(nr_installed, 0);
    ck_assert_uint_eq(words[PAGE], zero);
    ck_assert_uint_eq(p->fetches.nr, 0);
}
END_TEST

START_TEST(one_that_waits_and_is_discarded_is_forgotten)
{
    start();
    words[PAGE] = page_begin(words[PAGE], RCACHE_ZERO);
    fetch_retry(p, now);
    ck_assert_uint_eq(p->fetches.nr, 0);
    ck_assert_uint_eq(nr_forgotten, 1);
}
END_TEST

START_TEST(bytes_without_memory_for_them_are_kept)
{
    start();
    install_error = -ENOMEM;
    fetch_got(p, asked, &remote, right);
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_installed, 2);
    install_error = 0;
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_asked, 1);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(p->fetches.nr, 0);
}
END_TEST

START_TEST(a_page_whose_block_has_gone_is_given_up)
{
    start();
    install_error = -ENOENT;
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(p->fetches.nr, 0);
}
END_TEST

START_TEST(a_slot_that_is_not_leased_is_a_lost_page)
{
    known = false;
    ck_assert_int_eq(fetch_start(p, PAGE, words[PAGE], true, now), 0);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_LOST);
    ck_assert_uint_eq(nr_events, 1);
    ck_assert_uint_eq(nr_asked, 0);
}
END_TEST

START_TEST(there_is_a_bound)
{
    for (unsigned i = 0; i < FETCH_MAX; i++) {
        ck_assert_int_eq(fetch_start(p, i, words[i], false, now), 0);
    }
    ck_assert_int_eq(fetch_start(p, FETCH_MAX, words[FETCH_MAX], true, now),
                     -EBUSY);
    ck_assert_uint_eq(page_state(words[FETCH_MAX]), RCACHE_REMOTE);
}
END_TEST

/* A page is discarded while its GET is out, evicted, and wanted again. */
START_TEST(who_waits_waits_for_the_later_fetch)
{
    unsigned first;

    ck_assert_int_eq(fetch_start(p, PAGE, words[PAGE], false, now), 0);
    first = asked;
    words[PAGE] = page_with_slot(page_begin(words[PAGE], RCACHE_REMOTE), 77);
    ck_assert_int_eq(fetch_start(p, PAGE, words[PAGE], false, now), 0);
    ck_assert_uint_ne(asked, first);
    fetch_got(p, first, &remote, right);
    ck_assert_uint_eq(nr_installed, 0);
    fetch_wanted(p, PAGE, now);
    fetch_wanted(p, PAGE + 1, now);     /* nobody fetches that one */
    ck_assert(p->fetches.entry[asked].demand);
    fetch_got(p, asked, &remote, right);
    ck_assert_uint_eq(counts.faults_remote, 1);
    ck_assert_uint_eq(p->fetches.nr, 0);
    ck_assert_uint_eq(g_hash_table_size(p->fetches.by_page), 0);
}
END_TEST

START_TEST(a_provider_that_is_asked_for_enough_is_not_asked)
{
    uint64_t word = words[PAGE];

    may_get = false;
    ck_assert_int_eq(fetch_start(p, PAGE, word, true, now), -EBUSY);
    ck_assert_uint_eq(pool, FETCH_MAX);
    ck_assert_int_eq(fetch_start(p, PAGE, word, false, now), -EBUSY);
    ck_assert_uint_lt(pool, FETCH_MAX);     /* for guests that wait */
    ck_assert_uint_eq(words[PAGE], word);
    ck_assert_uint_eq(p->fetches.nr + nr_asked, 0);
}
END_TEST

/* ------------------------------------------------------------- read ahead */

/* PAGE and @n pages behind it; PAGE is the marker. */
static void start_many(unsigned n)
{
    uint64_t page[RCACHE_BATCH_PAGES];

    for (unsigned i = 0; i <= n; i++) {
        page[i] = PAGE + i;
    }
    ck_assert_uint_eq(fetch_ahead(p, page, n + 1, now), n + 1);
    ck_assert_uint_eq(nr_many, n + 1);
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
    fetch_retry(p, now);
    ck_assert_uint_eq(nr_installed, 2);
    ck_assert_uint_eq(page_state(words[PAGE]), RCACHE_HOT);
    ck_assert_uint_eq(p->fetches.nr_kept, 0);
}
END_TEST

static void add_ahead(TCase *t)
{
    tcase_add_test(t, many_are_asked_for_at_once);
    tcase_add_test(t, no_more_than_may_be_are_read_ahead);
    tcase_add_test(t, what_comes_ahead_is_mapped);
    tcase_add_loop_test(t, what_does_not_come_stays_away, 0, 2);
    tcase_add_test(t, but_not_if_a_guest_waits);
    tcase_add_test(t, a_marker_does_not_get_into_the_guest);
    tcase_add_test(t, a_marker_that_a_guest_waits_for_does);
    tcase_add_test(t, a_marker_that_nobody_comes_to_goes_back);
    tcase_add_test(t, a_marker_whose_page_is_discarded);
    tcase_add_loop_test(t, a_marker_is_the_page, 0, 2);
    tcase_add_test(t, a_marker_of_a_block_that_goes);
    tcase_add_test(t, markers_without_memory_in_the_guest);
}

static Suite *fetch_suite(void)
{
    Suite *s = suite_create("fetch");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, right_bytes_are_installed);
    tcase_add_test(t, wrong_bytes_never_are);
    tcase_add_test(t, a_right_sum_is_not_enough);
    tcase_add_test(t, no_bytes_are_asked_for_again_later);
    tcase_add_test(t, a_page_that_was_discarded_is_left_alone);
    tcase_add_test(t, one_that_waits_and_is_discarded_is_forgotten);
    tcase_add_test(t, bytes_without_memory_for_them_are_kept);
    tcase_add_test(t, a_page_whose_block_has_gone_is_given_up);
    tcase_add_test(t, a_slot_that_is_not_leased_is_a_lost_page);
    tcase_add_test(t, there_is_a_bound);
    tcase_add_test(t, who_waits_waits_for_the_later_fetch);
    tcase_add_test(t, a_provider_that_is_asked_for_enough_is_not_asked);
    add_ahead(t);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(fetch_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
