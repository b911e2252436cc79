/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that are near each other are zapped and punched as one, and nothing
 * else with them: zap-send.c and punch.c; the guest is a memfd.
 */
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rcached/pager/install.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/punch.h"
#include "rcached/pager/zap-send.h"

#define PAGES   2048u

static Pager *p;
static GuestBlock *block;
static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static struct RcacheCounts counts;
static struct RcacheState state;

/* What the last zap names. */
static struct RcacheZapRange range[ZAP_PAGES];
static unsigned nr_ranges;

void seqsock_send(SeqSock *sock, const void *msg, size_t len, int fd)
{
    const struct RcacheVmmZap *zap = msg;

    nr_ranges = zap->nr_ranges;
    ck_assert_uint_le(nr_ranges, G_N_ELEMENTS(range));
    ck_assert_uint_eq(len, sizeof(*zap) + nr_ranges * sizeof(range[0]));
    memcpy(range, zap->range, nr_ranges * sizeof(range[0]));
}

int install_wake(Guest *guest, uint64_t page)
{
    ck_abort();
}

/* All pages are HOT, and have data. */
static void set_up(void)
{
    p = g_new0(Pager, 1);
    memset(&counts, 0, sizeof(counts));
    p->report.counts = &counts;
    guest_init(&p->guest);
    block = &p->guest.block[0];
    *block = (GuestBlock) { .present = true, .pages = PAGES,
                            .fd = memfd_create("guest", MFD_CLOEXEC |
                                                  MFD_ALLOW_SEALING) };
    p->guest.nr_blocks = 1;
    p->guest.state = &state;
    ck_assert_int_eq(ftruncate(block->fd, PAGES * RCACHE_PAGE_SIZE), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert_int_eq(pwrite(block->fd, "x", 1, i * RCACHE_PAGE_SIZE), 1);
        words[i] = RCACHE_HOT;
    }
    ck_assert_int_eq(table_init(&p->table, words, sides, PAGES), 0);
    p->evictor.stuck = g_array_new(FALSE, FALSE, sizeof(uint64_t));
}

static void tear_down(void)
{
    p->guest.state = NULL;
    g_array_free(p->evictor.stuck, TRUE);
    table_deinit(&p->table);
    guest_deinit(&p->guest);
    g_free(p);
}

/* -------------------------------------------------------------------- zap */

/* Zap every @step'th page from 1024 on, @n in all; the others are away. */
static unsigned zap_sparse(unsigned step, unsigned n)
{
    Zap z = { .n = n };
    unsigned pages = 0;

    for (unsigned i = 1024; i < PAGES; i++) {
        words[i] = RCACHE_REMOTE;
    }
    for (unsigned i = 0; i < n; i++) {
        z.page[i] = 1024 + i * step;
        words[z.page[i]] = RCACHE_ZAPPING;
    }
    zap_send(p, &z, block);
    for (unsigned i = 0; i < nr_ranges; i++) {
        pages += range[i].count;
    }
    return pages;
}

START_TEST(near_pages_are_zapped_as_one)
{
    ck_assert_uint_eq(zap_sparse(8, 64), 505);
    ck_assert_uint_eq(nr_ranges, 1);
    ck_assert_uint_eq(range[0].first, 1024);
    ck_assert_uint_eq(zap_sparse(1, 64), 64);
    ck_assert_uint_eq(nr_ranges, 1);
}
END_TEST

/* The VMM ends the session for more. */
START_TEST(a_zap_names_no_more_than_may_be)
{
    ck_assert_uint_le(zap_sparse(85, 10), RCACHE_ZAP_PAGES_MAX);
    ck_assert_uint_eq(nr_ranges, 5);
    ck_assert_uint_eq(range[4].first, 1024 + 9 * 85);
    ck_assert_uint_le(zap_sparse(4, ZAP_PAGES), RCACHE_ZAP_PAGES_MAX);
}
END_TEST

static const enum RcachePageState in_use[] = {
    RCACHE_UNMANAGED, RCACHE_UNTOUCHED, RCACHE_ZERO, RCACHE_FILLING,
    RCACHE_HOT, RCACHE_ZAPPING, RCACHE_ZAPPED, RCACHE_EVICTING,
    RCACHE_PUNCHING, RCACHE_FETCHING, RCACHE_CACHED, RCACHE_DISCARDING,
    RCACHE_LOST,
};

START_TEST(what_is_not_away_is_not_zapped_along)
{
    Zap z = { .n = 2, .page = { 1024, 1032 } };

    zap_sparse(8, 2);
    ck_assert_uint_eq(nr_ranges, 1);
    words[1028] = in_use[_i];
    zap_send(p, &z, block);
    ck_assert_uint_eq(nr_ranges, 2);
    ck_assert_uint_eq(range[0].count, 1);
    ck_assert_uint_eq(range[1].count, 1);
}
END_TEST

/* ------------------------------------------------------------------ punch */

/* Pages 10 and 20 have gone, and those between were away before; but one. */
static void punch_both(enum RcachePageState between)
{
    uint64_t page[] = { 10, 20 };
    bool go[] = { true, true };

    for (unsigned i = 11; i < 20; i++) {
        words[i] = page_with_slot(RCACHE_REMOTE, slot_make(1, i));
        ck_assert(i == 15 || guest_punch(&p->guest, i, 1) == 0);
    }
    words[15] = between;
    words[10] = page_with_slot(RCACHE_PUNCHING, slot_make(1, 10));
    words[20] = RCACHE_PUNCHING;
    punch_marked(p, page, go, 2);
    ck_assert_uint_eq(words[10], page_with_slot(RCACHE_REMOTE,
                                                slot_make(1, 10)));
    ck_assert_uint_eq(words[20], RCACHE_ZERO);
    ck_assert_int_eq(guest_has_data(&p->guest, 9), 1);
    ck_assert_int_eq(guest_has_data(&p->guest, 10), 0);
    ck_assert_int_eq(guest_has_data(&p->guest, 20), 0);
    ck_assert_int_eq(guest_has_data(&p->guest, 21), 1);
    ck_assert_uint_eq(words[14], page_with_slot(RCACHE_REMOTE,
                                                slot_make(1, 14)));
    ck_assert_uint_eq(words[15], between);
    ck_assert_uint_eq(p->evictor.stuck->len, 0);
}

/* Else it would lose what it has. */
START_TEST(what_is_not_away_is_not_punched_along)
{
    char byte;

    punch_both(in_use[_i]);
    ck_assert_int_eq(pread(block->fd, &byte, 1, 15 * RCACHE_PAGE_SIZE), 1);
    ck_assert_int_eq(byte, 'x');
    ck_assert(!punch_joins(p, 10, 20));
}
END_TEST

/* What is in memory where a page is away is nobody's. */
START_TEST(what_is_away_is_punched_along)
{
    punch_both(RCACHE_REMOTE);
    ck_assert_int_eq(guest_has_data(&p->guest, 15), 0);
    ck_assert(punch_joins(p, 10, 20));
}
END_TEST

/* Of a page that is not marked nothing is known. */
START_TEST(only_what_is_marked_is_punched)
{
    uint64_t page[] = { 10, 11, 12 };
    bool go[] = { true, false, true };

    words[10] = words[12] = page_with_slot(RCACHE_PUNCHING, slot_make(1, 10));
    words[11] = RCACHE_REMOTE;
    punch_marked(p, page, go, 3);
    ck_assert_uint_eq(page_state(words[10]), RCACHE_REMOTE);
    ck_assert_uint_eq(page_state(words[12]), RCACHE_REMOTE);
    ck_assert_int_eq(guest_has_data(&p->guest, 11), 1);
}
END_TEST

START_TEST(what_cannot_be_punched_stays)
{
    uint64_t page[] = { 10, 12 };
    bool go[] = { true, true };

    words[10] = words[12] = page_with_slot(RCACHE_PUNCHING, slot_make(1, 10));
    words[11] = page_with_slot(RCACHE_REMOTE, slot_make(1, 11));
    ck_assert_int_eq(fcntl(block->fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    punch_marked(p, page, go, 2);
    ck_assert_uint_eq(page_state(words[10]), RCACHE_PUNCHING);
    ck_assert_uint_eq(page_state(words[11]), RCACHE_REMOTE);
    ck_assert_uint_eq(page_state(words[12]), RCACHE_PUNCHING);
    ck_assert_uint_eq(p->evictor.stuck->len, 2);
    ck_assert_uint_eq(g_array_index(p->evictor.stuck, uint64_t, 1), 12);
}
END_TEST

START_TEST(pages_of_two_blocks_are_not_joined)
{
    GuestBlock *next = block + 1;

    ck_assert(punch_joins(p, 600, 601));
    ck_assert(!punch_joins(p, 600, 602));       /* 601 is HOT */
    *next = *block;
    next->first = block->pages = 601;
    next->pages = 100;
    p->guest.nr_blocks = 2;
    ck_assert(!punch_joins(p, 600, 601));
    ck_assert(punch_joins(p, 601, 602));
    ck_assert(!punch_joins(p, 601, 601));
    ck_assert(!punch_joins(p, 602, 601));
    ck_assert(!punch_joins(p, 900, 901));       /* of none */
    p->guest.nr_blocks = 1;
}
END_TEST

START_TEST(pages_far_from_each_other_are_not_joined)
{
    for (unsigned i = 601; i < 900; i++) {
        words[i] = RCACHE_REMOTE;
    }
    ck_assert(punch_joins(p, 600, 600 + 129));
    ck_assert(!punch_joins(p, 600, 600 + 130));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("near");
    TCase *tc = tcase_create("near");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, near_pages_are_zapped_as_one);
    tcase_add_test(tc, a_zap_names_no_more_than_may_be);
    tcase_add_loop_test(tc, what_is_not_away_is_not_zapped_along, 0,
                        G_N_ELEMENTS(in_use));
    tcase_add_loop_test(tc, what_is_not_away_is_not_punched_along, 0,
                        G_N_ELEMENTS(in_use));
    tcase_add_test(tc, what_is_away_is_punched_along);
    tcase_add_test(tc, only_what_is_marked_is_punched);
    tcase_add_test(tc, what_cannot_be_punched_stays);
    tcase_add_test(tc, pages_of_two_blocks_are_not_joined);
    tcase_add_test(tc, pages_far_from_each_other_are_not_joined);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
