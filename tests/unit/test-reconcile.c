/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rule 2's table, for every state with and without data, swapped out or not;
 * and the order of things: frame by frame, once each, as somebody asks.
 */
#include <check.h>
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "rcached/pager/reconcile.h"

#define NR      (4 * RCACHE_FRAME_PAGES)
#define SLOT(n) slot_make(2, (n))

/* The memfd: what each page has, and what was done to it. */
enum { HOLE, HERE, SWAPPED };

static struct {
    uint8_t page[NR];
    uint8_t kept[NR];
    unsigned lost, present_calls, seeks, punches;
    bool blind;                 /* mincore tells nothing */
    bool no_memory;             /* fallocate fails */
    uint64_t discard;           /* a page that goes when it is asked about */
} memfd;

static uint64_t words[NR];
static struct RcacheSide sides[NR];
static Table table;
static Slots slots;
static Reconcile r;

static int fake_present(void *owner, uint64_t page, unsigned n, uint8_t *has)
{
    memfd.present_calls++;
    if (memfd.blind) {
        return -EPERM;
    }
    for (unsigned i = 0; i < n; i++) {
        has[i] = memfd.page[page + i] == HERE;
        if (page + i == memfd.discard) {
            /* The VMM, after the memfd was asked. */
            memfd.page[page + i] = HOLE;
            words[page + i] = RCACHE_ZERO | 1ull << RCACHE_GEN_SHIFT;
            memfd.discard = UINT64_MAX;
        }
    }
    return 0;
}

static int64_t fake_next_data(void *owner, uint64_t page, uint64_t end)
{
    memfd.seeks++;
    while (page < end && memfd.page[page] == HOLE) {
        page++;
    }
    return page;
}

static void fake_punch(void *owner, uint64_t page)
{
    memfd.page[page] = HOLE;
    memfd.punches++;
}

static int fake_keep(void *owner, uint64_t page, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_ne(memfd.page[page + i], HOLE);
        memfd.kept[page + i] = !memfd.no_memory;
    }
    return memfd.no_memory ? -ENOMEM : 0;
}

static void fake_lost(void *owner, uint64_t page, const char *why)
{
    memfd.lost++;
}

static const ReconcileOps ops = {
    .present = fake_present, .next_data = fake_next_data,
    .punch = fake_punch, .keep = fake_keep, .lost = fake_lost,
};

static void set_up(void)
{
    memset(&memfd, 0, sizeof(memfd));
    memfd.discard = UINT64_MAX;
    memset(words, 0, sizeof(words));
    ck_assert_int_eq(table_init(&table, words, sides, NR), 0);
    slots_init(&slots);
    slots_add(&slots, 2, 0, 9, 4096);
    slots.partial = true;
    reconcile_init(&r, &table, &slots, &ops, NULL);
}

static void tear_down(void)
{
    reconcile_deinit(&r);
    slots_deinit(&slots);
    table_deinit(&table);
}

static uint64_t word_of(enum RcachePageState state, uint64_t slot)
{
    return page_with_slot(page_with_credit(state, 2), slot);
}

/* What @word becomes in page 700, over @memory. */
static enum RcachePageState becomes(uint64_t word, uint8_t memory)
{
    words[700] = word;
    memfd.page[700] = memory;
    reconcile_add(&r, 0, 0, NR);
    reconcile_page(&r, 0, 700);
    reconcile_remove(&r, 0);
    return page_state(words[700]);
}

/* Each state by the table in docs/vmm-protocol.rst. */
START_TEST(local_words)
{
    static const enum RcachePageState local[] = {
        RCACHE_HOT, RCACHE_ZAPPING, RCACHE_ZAPPED, RCACHE_EVICTING,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(local); i++) {
        uint64_t w = word_of(local[i], 0) | RCACHE_CLEAN;

        ck_assert_uint_eq(becomes(w, HERE), RCACHE_HOT);
        ck_assert_uint_eq(words[700] & RCACHE_CLEAN, 0);
        ck_assert_uint_eq(becomes(w, SWAPPED), RCACHE_HOT);
        ck_assert_uint_eq(memfd.lost, i);
        ck_assert_uint_eq(becomes(w, HOLE), RCACHE_LOST);
        ck_assert_uint_eq(memfd.lost, i + 1);
    }
    ck_assert_uint_eq(memfd.punches, 0);
}
END_TEST

START_TEST(words_with_bytes_elsewhere)
{
    static const enum RcachePageState away[] = {
        RCACHE_REMOTE, RCACHE_PUNCHING, RCACHE_FETCHING,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(away); i++) {
        ck_assert_uint_eq(becomes(word_of(away[i], SLOT(2 * i)), HOLE),
                          RCACHE_REMOTE);
        ck_assert(slots_used(&slots, SLOT(2 * i)));
        /* Bytes there are not ours. */
        ck_assert_uint_eq(becomes(word_of(away[i], SLOT(2 * i + 1)), HERE),
                          RCACHE_REMOTE);
        ck_assert_uint_eq(memfd.page[700], HOLE);
        ck_assert(slots_used(&slots, SLOT(2 * i + 1)));
    }
}
END_TEST

START_TEST(words_in_between)
{
    ck_assert_uint_eq(becomes(word_of(RCACHE_CACHED, SLOT(0)), HOLE),
                      RCACHE_REMOTE);
    ck_assert_uint_eq(becomes(word_of(RCACHE_CACHED, SLOT(1)), HERE),
                      RCACHE_HOT);
    ck_assert_uint_eq(page_slot(words[700]), 0);
    ck_assert_uint_eq(becomes(word_of(RCACHE_FILLING, SLOT(2)), HOLE),
                      RCACHE_REMOTE);
    ck_assert_uint_eq(becomes(word_of(RCACHE_FILLING, SLOT(3)), HERE),
                      RCACHE_HOT);
    /* COPY was done, the guest has written, and all of it was swapped out. */
    ck_assert_uint_eq(becomes(word_of(RCACHE_FILLING, SLOT(4)), SWAPPED),
                      RCACHE_HOT);
    ck_assert(!slots_used(&slots, SLOT(4)));
    ck_assert_uint_eq(becomes(word_of(RCACHE_FILLING, 0), HOLE), RCACHE_ZERO);
    ck_assert_uint_eq(becomes(word_of(RCACHE_PUNCHING, 0), HERE),
                      RCACHE_ZERO);
    ck_assert_uint_eq(memfd.page[700], HOLE);
    ck_assert_uint_eq(memfd.lost, 0);
}
END_TEST

START_TEST(words_without_bytes)
{
    ck_assert_uint_eq(becomes(RCACHE_UNTOUCHED, HOLE), RCACHE_UNTOUCHED);
    ck_assert_uint_eq(becomes(word_of(RCACHE_ZERO, SLOT(0)), HOLE),
                      RCACHE_ZERO);
    ck_assert_uint_eq(page_slot(words[700]), 0);
    ck_assert(!slots_used(&slots, SLOT(0)));
    ck_assert_uint_eq(becomes(RCACHE_UNTOUCHED, HERE), RCACHE_HOT);
    ck_assert_uint_eq(memfd.kept[700], 1);
    ck_assert_uint_eq(becomes(RCACHE_ZERO, SWAPPED), RCACHE_HOT);
    memfd.no_memory = true;
    ck_assert_uint_eq(becomes(RCACHE_UNTOUCHED, HERE), RCACHE_UNTOUCHED);
}
END_TEST

START_TEST(words_of_the_vmm_are_left_alone)
{
    ck_assert_uint_eq(becomes(word_of(RCACHE_DISCARDING, SLOT(0)), HERE),
                      RCACHE_DISCARDING);
    ck_assert(slots_used(&slots, SLOT(0)));
    ck_assert_uint_eq(becomes(RCACHE_UNMANAGED, HERE), RCACHE_UNMANAGED);
    ck_assert(r.managed);
    ck_assert_uint_eq(becomes(RCACHE_LOST, HOLE), RCACHE_LOST);
    ck_assert_uint_eq(memfd.lost, 0);
    ck_assert_uint_eq(memfd.punches, 0);
}
END_TEST

START_TEST(words_that_cannot_be)
{
    ck_assert_uint_eq(becomes(15, HERE), RCACHE_LOST);
    /* A slot of no slab, and one that another page has. */
    ck_assert_uint_eq(becomes(word_of(RCACHE_REMOTE, slot_make(3, 0)), HOLE),
                      RCACHE_LOST);
    slots_mark(&slots, SLOT(7));
    ck_assert_uint_eq(becomes(word_of(RCACHE_REMOTE, SLOT(7)), HOLE),
                      RCACHE_LOST);
    ck_assert_uint_eq(memfd.lost, 3);
}
END_TEST

START_TEST(a_discard_at_the_same_time_wins)
{
    memfd.discard = 700;
    ck_assert_uint_eq(becomes(word_of(RCACHE_HOT, 0), HERE), RCACHE_ZERO);
    ck_assert_uint_eq(memfd.lost, 0);
}
END_TEST

START_TEST(without_mincore_it_is_slower_and_right)
{
    memfd.blind = true;
    for (unsigned i = 0; i < RCACHE_FRAME_PAGES; i++) {
        words[i] = i % 2 ? RCACHE_HOT : word_of(RCACHE_REMOTE, SLOT(i));
        memfd.page[i] = i % 2 ? HERE : HOLE;
    }
    memfd.page[4] = HERE;
    reconcile_add(&r, 0, 0, NR);
    reconcile_page(&r, 0, 1);
    ck_assert_int_eq(table.count[RCACHE_HOT], RCACHE_FRAME_PAGES / 2);
    ck_assert_int_eq(table.count[RCACHE_REMOTE], RCACHE_FRAME_PAGES / 2);
    ck_assert_uint_eq(memfd.punches, 1);
    ck_assert_uint_eq(memfd.lost, 0);
}
END_TEST

/* What it is all for: a frame that is here, or away, costs one question. */
START_TEST(a_frame_is_one_question)
{
    for (unsigned i = 0; i < RCACHE_FRAME_PAGES; i++) {
        words[i] = RCACHE_HOT;
        memfd.page[i] = HERE;
        words[i + RCACHE_FRAME_PAGES] = word_of(RCACHE_REMOTE, SLOT(i));
    }
    reconcile_add(&r, 0, 0, NR);
    reconcile_page(&r, 0, 5);
    reconcile_page(&r, 0, RCACHE_FRAME_PAGES);
    ck_assert_uint_eq(memfd.present_calls, 2);
    ck_assert_uint_eq(memfd.seeks, 0);
    /* Frames that are not managed are not even asked about. */
    while (reconcile_next(&r)) {
    }
    ck_assert_uint_eq(memfd.present_calls, 2);
    ck_assert_uint_eq(table_resident(&table), RCACHE_FRAME_PAGES);
    ck_assert_uint_eq(table_away(&table), RCACHE_FRAME_PAGES);
}
END_TEST

START_TEST(each_frame_once_in_any_order)
{
    for (unsigned i = 0; i < NR; i++) {
        words[i] = RCACHE_HOT;
        memfd.page[i] = HERE;
    }
    /* Two blocks that share a frame. */
    reconcile_add(&r, 3, 100, 1000);
    reconcile_add(&r, 5, 1100, NR - 1100);
    ck_assert_uint_eq(r.left, 3 + 2);
    reconcile_page(&r, 5, NR - 1);
    reconcile_page(&r, 5, NR - 2);
    ck_assert_uint_eq(r.left, 4);
    ck_assert_uint_eq(memfd.present_calls, 1);
    for (unsigned left = 4; left; left--) {
        ck_assert_uint_eq(r.left, left);
        ck_assert(reconcile_next(&r));
    }
    ck_assert(!reconcile_next(&r));
    ck_assert_uint_eq(memfd.present_calls, 5);
    ck_assert_int_eq(table.count[RCACHE_HOT], NR);
    /* Once it is done nothing that changes is undone. */
    ck_assert(table_step(&table, 700, RCACHE_HOT, RCACHE_EVICTING));
    reconcile_page(&r, 3, 700);
    ck_assert_uint_eq(words[700], RCACHE_EVICTING);
}
END_TEST

START_TEST(a_block_that_goes_first_is_only_counted)
{
    for (unsigned i = 0; i < NR; i++) {
        words[i] = word_of(RCACHE_FETCHING, SLOT(i));
    }
    reconcile_add(&r, 1, 0, NR);
    reconcile_next(&r);
    reconcile_remove(&r, 1);
    ck_assert_uint_eq(r.left, 0);
    ck_assert(!reconcile_next(&r));
    ck_assert_uint_eq(page_state(words[NR - 1]), RCACHE_FETCHING);
    ck_assert_int_eq(table.count[RCACHE_FETCHING], NR - RCACHE_FRAME_PAGES);
    ck_assert_uint_eq(slots_used_in(&slots, 0), RCACHE_FRAME_PAGES);
    reconcile_add(&r, 1, 0, NR);        /* the id may be used again */
    reconcile_remove(&r, 1);
}
END_TEST

/* No slot is handed out by half a map. */
START_TEST(a_partial_map_gives_no_slot)
{
    uint64_t slot;

    ck_assert_uint_eq(slots_take(&slots, 0, &slot, 1), 0);
    ck_assert_uint_eq(slots_free_in(&slots, 0), 0);
    slots.partial = false;
    ck_assert_uint_eq(slots_free_in(&slots, 0), 4096);
    ck_assert_uint_eq(slots_take(&slots, 0, &slot, 1), 1);
}
END_TEST

static Suite *reconcile_suite(void)
{
    Suite *s = suite_create("reconcile");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, local_words);
    tcase_add_test(t, words_with_bytes_elsewhere);
    tcase_add_test(t, words_in_between);
    tcase_add_test(t, words_without_bytes);
    tcase_add_test(t, words_of_the_vmm_are_left_alone);
    tcase_add_test(t, words_that_cannot_be);
    tcase_add_test(t, a_discard_at_the_same_time_wins);
    tcase_add_test(t, without_mincore_it_is_slower_and_right);
    tcase_add_test(t, a_frame_is_one_question);
    tcase_add_test(t, each_frame_once_in_any_order);
    tcase_add_test(t, a_block_that_goes_first_is_only_counted);
    tcase_add_test(t, a_partial_map_gives_no_slot);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(reconcile_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
