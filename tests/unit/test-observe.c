/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is sampled, and what a VMM is told of it.  observe.c, watch.c alone:
 * guest memory, zaps and touches are played here.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/pager.h"

#define PAGES   4096u
#define FIRST   512u            /* word of the second block */

static Pager *p;
static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static bool data[PAGES];
static uint64_t now;
static unsigned nr_zaps, nr_zapped, nr_told, nr_answers;
static uint64_t answer[64];
static struct RcacheVmmCurve told;

uint64_t pager_now(void)
{
    return now;
}

uint64_t pager_resident(const Pager *pager)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        n += data[i];
    }
    return n;
}

GuestBlock *guest_block_of_page(Guest *guest, uint64_t page)
{
    for (unsigned i = 0; i < guest->nr_blocks; i++) {
        GuestBlock *b = &guest->block[i];

        if (b->present && page - b->first < b->pages) {
            return b;
        }
    }
    return NULL;
}

int guest_present(Guest *guest, uint64_t page, unsigned n, uint8_t *has)
{
    *has = data[page];
    return 0;
}

unsigned evict_zap(Pager *pager, const GuestBlock *b, const uint64_t *page,
                   unsigned n)
{
    nr_zaps++;
    for (unsigned i = 0; i < n; i++) {
        ck_assert(!i || page[i] > page[i - 1]);
        ck_assert(page[i] >= b->first && page[i] < b->first + b->pages);
        ck_assert_int_eq(page_state(words[page[i]]), RCACHE_HOT);
        ck_assert(table_step(&p->table, page[i], words[page[i]],
                             page_begin(words[page[i]], RCACHE_ZAPPING)));
        answer[nr_answers++] = page[i];
        nr_zapped++;
    }
    return n;
}

void takeover_page(Pager *pager, uint64_t page)
{
    ck_assert(data[page]);
    ck_assert(table_step(&p->table, page, words[page],
                         page_to(words[page], RCACHE_HOT)));
}

void fault_page(Pager *pager, uint64_t page, uint64_t at)
{
    ck_assert_int_eq(page_state(words[page]), RCACHE_ZERO);
    takeover_page(pager, page);
}

void fault_poll(Pager *pager)
{
}

void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd)
{
    ck_assert_uint_eq(len, sizeof(told));
    memcpy(&told, msg, len);
    nr_told++;
}

/* The VMM answers all zaps. */
static void zaps_done(void)
{
    while (nr_answers) {
        uint64_t page = answer[--nr_answers];

        ck_assert(table_step(&p->table, page, words[page],
                             page_to(words[page], RCACHE_ZAPPED)));
    }
}

/* The guest touches it, as fault.c answers that. */
static void touch(uint64_t page)
{
    data[page] = true;
    if (page_state(words[page]) == RCACHE_ZAPPED) {
        ck_assert(table_step(&p->table, page, words[page],
                             page_to(words[page], RCACHE_HOT)));
        watch_touched(p, page);
    }
}

static void set_up(void)
{
    p = g_new0(Pager, 1);
    memset(words, 0, sizeof(words));
    memset(data, 0, sizeof(data));
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    p->guest.nr_blocks = 3;
    p->guest.block[0] = (GuestBlock) {
        .present = true, .registered = true, .pages = FIRST / 2, .fd = -1,
    };
    p->guest.block[2] = (GuestBlock) {
        .present = true, .registered = true, .first = FIRST,
        .pages = PAGES - FIRST, .fd = -1,
    };
    p->limits.ram = FIRST / 2 + PAGES - FIRST;
    p->limits.local_max = 16;
    p->watch.on = true;
    p->vmm.features = RCACHE_VMM_F_CURVE;
    now = 1000 * NS_PER_SEC;
    nr_zaps = nr_zapped = nr_told = nr_answers = 0;
}

static void tear_down(void)
{
    watch_deinit(&p->watch);
    table_deinit(&p->table);
    g_free(p);
}

/* All pages of its blocks have data. */
static void fill(enum RcachePageState state)
{
    for (unsigned i = 0; i < PAGES; i++) {
        if (guest_block_of_page(&p->guest, i)) {
            data[i] = true;
            words[i] = state;
        }
    }
    for (unsigned i = 0; i < PAGES; i += RCACHE_FRAME_PAGES) {
        table_recount(&p->table, i);
    }
}

/* So long, with ticks, while the guest goes through its memory once a second
 * up to page @to. */
static void run(unsigned seconds, uint64_t to)
{
    for (unsigned i = 0; i < seconds * 100; i++) {
        for (uint64_t k = i % 100; k < to; k += 100) {
            if (guest_block_of_page(&p->guest, k)) {
                touch(k);
            }
        }
        if (i % 10 == 0) {
            observe_tick(p, now);
            zaps_done();
        }
        now += 10 * NS_PER_MS;
    }
}

/* No more faults than so, whatever the guest does. */
START_TEST(samples_have_a_pace)
{
    fill(RCACHE_HOT);
    run(10, PAGES);
    ck_assert_uint_ge(nr_zapped, 500);
    ck_assert_uint_le(nr_zapped, 640);
    ck_assert_uint_le(p->watch.curve.nr, 120);
    /* The clock stood still for a minute: that is not made up for. */
    now += 60 * NS_PER_SEC;
    nr_zapped = 0;
    observe_tick(p, now);
    zaps_done();
    ck_assert_uint_le(nr_zapped, 16);
}
END_TEST

/* What nobody touches stays zapped, and is sampled again for nothing. */
START_TEST(cold_pages_are_zapped_once)
{
    fill(RCACHE_HOT);
    run(100, 0);
    ck_assert_uint_le(nr_zapped, p->limits.ram);
    ck_assert_uint_gt(p->watch.curve.number, 6000);
    ck_assert_uint_lt(nr_zapped, p->watch.curve.number);
    ck_assert_uint_le(told.watched, nr_zapped);
    ck_assert_uint_ge(told.watched + 64, nr_zapped);
}
END_TEST

START_TEST(no_figures_too_soon)
{
    fill(RCACHE_HOT);
    run(10, PAGES);
    ck_assert_uint_ge(nr_told, 9);
    ck_assert_uint_eq(told.hdr.type, RCACHE_VMM_CURVE);
    ck_assert_uint_eq(told.source, RCACHE_CURVE_SAMPLED);
    ck_assert_uint_gt(told.wait, 19 * NS_PER_SEC);
    ck_assert_uint_lt(told.wait, 22 * NS_PER_SEC);
    for (unsigned i = 0; i < RCACHE_CURVE_STEPS; i++) {
        ck_assert_uint_eq(told.rate[i], RCACHE_CURVE_UNKNOWN);
    }
    ck_assert_uint_eq(told.hot, RCACHE_CURVE_UNKNOWN);
    run(25, PAGES);
    ck_assert_uint_eq(told.wait, 0);
    ck_assert_uint_ne(told.rate[10], RCACHE_CURVE_UNKNOWN);
}
END_TEST

/* Half of it once a second: that much is hot, and costs its size a second until
 * all of it is here. */
START_TEST(half_is_hot)
{
    uint64_t half = p->limits.ram / 2, hot;

    fill(RCACHE_HOT);
    run(60, FIRST + half - FIRST / 2);
    hot = told.hot / RCACHE_PAGE_SIZE;
    ck_assert_msg(hot >= half && hot < half + half / 8, "%lu of %lu", hot,
                  half);
    ck_assert_uint_eq(told.rate[RCACHE_CURVE_STEPS - 1], 0);
    ck_assert_uint_gt(told.rate[RCACHE_CURVE_STEPS / 4], half * 800);
    ck_assert_uint_lt(told.rate[RCACHE_CURVE_STEPS / 4], half * 1200);
    ck_assert_uint_lt(told.rate[RCACHE_CURVE_STEPS * 5 / 8], half * 20);
    ck_assert(told.bound >> (RCACHE_CURVE_STEPS * 5 / 8) & 1);
}
END_TEST

/* Pages that the kernel has filled, and zeros; what is not here is no page. */
START_TEST(pages_that_the_table_does_not_know)
{
    for (unsigned i = FIRST; i < PAGES; i += 4) {
        data[i] = true;
        words[i] = i % 8 ? RCACHE_UNMANAGED : RCACHE_ZERO;
    }
    for (unsigned i = 0; i < PAGES; i += RCACHE_FRAME_PAGES) {
        table_recount(&p->table, i);
    }
    p->guest.block[0].registered = false;
    run(20, 0);
    ck_assert_uint_gt(nr_zapped, 400);
    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert(data[i] || page_state(words[i]) == RCACHE_UNMANAGED);
    }
    ck_assert_uint_eq(told.used, pager_resident(p) * RCACHE_PAGE_SIZE);
}
END_TEST

/* What is discarded, or is gone with its block, was not touched. */
START_TEST(gone_is_not_touched)
{
    fill(RCACHE_HOT);
    run(20, 0);
    ck_assert_uint_gt(p->watch.curve.nr, 1000);
    for (unsigned i = 0; i < PAGES; i++) {
        words[i] = page_state(words[i]) == RCACHE_ZAPPED ? RCACHE_ZERO
                                                         : words[i];
        data[i] = page_state(words[i]) != RCACHE_ZERO;
    }
    now += NS_PER_SEC;
    nr_zapped = 0;
    observe_tick(p, now);
    zaps_done();
    ck_assert_uint_le(p->watch.curve.nr, 32);
    run(20, 0);
    ck_assert(told.hot == RCACHE_CURVE_UNKNOWN ||
              told.hot < told.used / 20);
}
END_TEST

/* --------------------------------------------------- without observe=on */

static void leave(uint64_t page)
{
    words[page] = RCACHE_REMOTE;
    data[page] = false;
    watch_left(p, page);
}

static void come_back(uint64_t page)
{
    words[page] = RCACHE_HOT;
    data[page] = true;
    watch_back(p, page);
}

/* Nothing is zapped; a page is away for two seconds, 512 of them at a time. */
static void paged(unsigned seconds)
{
    for (unsigned i = 0; i < seconds * 256; i++) {
        come_back(FIRST + i % 512);
        leave(FIRST + i % 512);
        if (i % 25 == 0) {
            table_recount(&p->table, FIRST);
            observe_tick(p, now);
        }
        now += NS_PER_SEC / 256;
    }
}

START_TEST(returns_are_of_more_memory_only)
{
    unsigned local = RCACHE_CURVE_STEPS / 2;
    uint64_t step = p->limits.ram / RCACHE_CURVE_STEPS;

    p->watch.on = false;
    p->limits.local_max = p->limits.ram / 2;
    fill(RCACHE_HOT);
    for (unsigned i = 0; i < 512; i++) {
        words[FIRST + i] = RCACHE_REMOTE;
    }
    table_recount(&p->table, FIRST);
    observe_tick(p, now);
    paged(30);
    ck_assert_uint_eq(told.source, RCACHE_CURVE_RETURNS);
    ck_assert_uint_gt(told.wait, 25 * NS_PER_SEC);
    paged(40);
    ck_assert_uint_eq(nr_zapped, 0);
    ck_assert_uint_eq(told.wait, 0);
    ck_assert_uint_eq(told.hot, RCACHE_CURVE_UNKNOWN);
    ck_assert_uint_eq(told.rate[local - 2], RCACHE_CURVE_UNKNOWN);
    ck_assert_msg(told.rate[local - 1] > 220000 &&
                  told.rate[local - 1] < 300000, "%lu", told.rate[local - 1]);
    /* 512 more would have kept them all. */
    ck_assert_uint_lt(told.rate[local + 512 / step + 2], 10000);
    /* Another limit: what was seen says nothing of it. */
    p->limits.local_max += p->limits.ram / 8;
    paged(2);
    ck_assert_uint_gt(told.wait, 50 * NS_PER_SEC);
}
END_TEST

START_TEST(nothing_away_is_no_curve)
{
    p->watch.on = false;
    fill(RCACHE_HOT);
    run(5, PAGES);
    ck_assert_uint_eq(told.source, RCACHE_CURVE_NONE);
    ck_assert_uint_eq(nr_zapped, 0);
    ck_assert_uint_eq(told.wait, 0);
}
END_TEST

/* What is brought home is not what the guest asked for. */
START_TEST(coming_home_is_no_return)
{
    p->watch.on = false;
    p->limits.local_max = p->limits.ram / 2;
    fill(RCACHE_HOT);
    observe_tick(p, now);
    for (unsigned i = 0; i < 512; i++) {
        leave(FIRST + i);
    }
    p->command.homing = true;
    now += NS_PER_SEC;
    for (unsigned i = 0; i < 512; i++) {
        come_back(FIRST + i);
    }
    p->command.homing = false;
    ck_assert_uint_eq(p->watch.curve.nr, 0);
    now += 70 * NS_PER_SEC;
    observe_tick(p, now);
    ck_assert_uint_eq(told.wait, 0);
    ck_assert(told.bound >> (RCACHE_CURVE_STEPS / 2 - 1) & 1);
    ck_assert_uint_lt(told.rate[RCACHE_CURVE_STEPS / 2 - 1], 1000);
}
END_TEST

START_TEST(an_old_vmm_is_told_nothing)
{
    p->vmm.features = 0;
    fill(RCACHE_HOT);
    run(5, PAGES);
    ck_assert_uint_eq(nr_told, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("observe");
    TCase *tc = tcase_create("observe");
    SRunner *r = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, samples_have_a_pace);
    tcase_add_test(tc, cold_pages_are_zapped_once);
    tcase_add_test(tc, no_figures_too_soon);
    tcase_add_test(tc, half_is_hot);
    tcase_add_test(tc, pages_that_the_table_does_not_know);
    tcase_add_test(tc, gone_is_not_touched);
    tcase_add_test(tc, returns_are_of_more_memory_only);
    tcase_add_test(tc, nothing_away_is_no_curve);
    tcase_add_test(tc, coming_home_is_no_return);
    tcase_add_test(tc, an_old_vmm_is_told_nothing);
    suite_add_tcase(suite, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
