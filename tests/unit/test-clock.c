/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two hands: order, credit, the way between them, laps. */
#include <check.h>
#include <sys/mman.h>

#include "rcached/pager/clock.h"

#define NR 1024

static uint64_t words[NR], out[NR];
static struct RcacheSide sides[NR];
static Table table;
static Clock hands;

static void set_up(void)
{
    for (unsigned i = 0; i < NR; i++) {
        words[i] = RCACHE_HOT;
    }
    ck_assert_int_eq(table_init(&table, words, sides, NR), 0);
    for (unsigned i = 0; i < NR; i += RCACHE_FRAME_PAGES) {
        table_recount(&table, i);
    }
    hands = (Clock) { 0 };
}

static void tear_down(void)
{
    table_deinit(&table);
}

static void set_state(uint64_t page, enum RcachePageState state)
{
    uint64_t w = table_load(&table, page);

    ck_assert(table_step(&table, page, w, page_to(w, state)));
}

START_TEST(front_picks_hot_pages_in_order)
{
    set_state(1, RCACHE_REMOTE);
    ck_assert_uint_eq(clock_front(&hands, &table, 0, NR, out, 3), 3);
    ck_assert_uint_eq(out[0], 0);
    ck_assert_uint_eq(out[1], 2);
    ck_assert_uint_eq(out[2], 3);
    ck_assert_uint_eq(hands.between, 4);
}
END_TEST

START_TEST(front_stops_at_the_end_of_a_block)
{
    ck_assert_uint_eq(clock_front(&hands, &table, 0, 5, out, 100), 5);
    ck_assert_uint_eq(clock_front(&hands, &table, 0, 5, out, 100), 0);
    ck_assert_uint_eq(clock_front(&hands, &table, 5, NR, out, 1), 1);
    ck_assert_uint_eq(out[0], 5);
}
END_TEST

START_TEST(hands_start_where_they_are_told)
{
    clock_start(&hands, 700);
    ck_assert_uint_eq(clock_back(&hands, &table, 0, NR, out, NR), 0);
    ck_assert_uint_eq(clock_front(&hands, &table, 0, NR, out, 2), 2);
    ck_assert_uint_eq(out[0], 700);
    ck_assert_uint_eq(hands.between, 2);
}
END_TEST

START_TEST(credit_is_a_turn_each)
{
    words[0] = clock_credit(clock_credit(words[0]));
    for (int turn = 0; turn < 2; turn++) {
        clock_front(&hands, &table, 0, NR, out, NR);
        ck_assert_uint_eq(out[0], 1);
        hands = (Clock) { 0 };
    }
    ck_assert_uint_eq(page_credit(words[0]), 0);
    clock_front(&hands, &table, 0, NR, out, NR);
    ck_assert_uint_eq(out[0], 0);
}
END_TEST

/* It was zapped when the back hand had just passed it. */
START_TEST(a_page_left_behind_comes_up_again)
{
    unsigned found = 0;

    for (uint64_t i = 0; i < NR; i++) {
        set_state(i, RCACHE_REMOTE);
    }
    set_state(5, RCACHE_ZAPPED);
    hands = (Clock) { .front = 5, .back = 6, .between = NR - 1 };
    for (int round = 0; round < 3 && !found; round++) {
        found = clock_back(&hands, &table, 0, NR, out, 1);
        clock_front(&hands, &table, 0, NR, out + 1, NR - 1);
    }
    ck_assert_uint_eq(found, 1);
    ck_assert_uint_eq(out[0], 5);
}
END_TEST

START_TEST(credit_has_a_top)
{
    uint64_t w = RCACHE_HOT;

    for (int i = 0; i < 20; i++) {
        w = clock_credit(w);
    }
    ck_assert_uint_eq(page_credit(w), CLOCK_CREDIT_MAX);
    ck_assert_uint_eq(page_state(w), RCACHE_HOT);
}
END_TEST

START_TEST(back_follows_and_never_passes)
{
    ck_assert_uint_eq(clock_back(&hands, &table, 0, NR, out, NR), 0);
    clock_front(&hands, &table, 0, NR, out, 8);
    set_state(2, RCACHE_ZAPPED);
    set_state(5, RCACHE_ZAPPED);
    set_state(9, RCACHE_ZAPPED);        /* before the front hand */
    ck_assert_uint_eq(clock_back(&hands, &table, 0, NR, out, NR), 2);
    ck_assert_uint_eq(out[0], 2);
    ck_assert_uint_eq(out[1], 5);
    ck_assert_uint_eq(hands.between, 0);
    ck_assert_uint_eq(hands.back, hands.front);
}
END_TEST

START_TEST(back_waits_for_a_zap_without_answer)
{
    clock_front(&hands, &table, 0, NR, out, 8);
    set_state(1, RCACHE_ZAPPED);
    set_state(2, RCACHE_ZAPPING);
    set_state(3, RCACHE_ZAPPED);
    ck_assert_uint_eq(clock_back(&hands, &table, 0, NR, out, NR), 1);
    set_state(2, RCACHE_ZAPPED);
    ck_assert_uint_eq(clock_back(&hands, &table, 0, NR, out, NR), 2);
    ck_assert_uint_eq(out[0], 2);
}
END_TEST

START_TEST(front_that_laps_pushes_the_back_hand)
{
    for (int i = 0; i < 3 * NR; i++) {
        clock_front(&hands, &table, 0, NR, out, 1);
        ck_assert_uint_lt(hands.between, NR);
        ck_assert_uint_eq((hands.back + hands.between) % NR, hands.front);
    }
}
END_TEST

START_TEST(a_call_looks_at_a_bounded_number_of_words)
{
    static uint64_t many[CLOCK_SCAN_MAX * 2];
    Table big;

    ck_assert_int_eq(table_init(&big, many, NULL, CLOCK_SCAN_MAX * 2), 0);
    for (unsigned i = 0; i < CLOCK_SCAN_MAX * 2; i++) {
        many[i] = page_with_credit(RCACHE_HOT, 1);
    }
    for (unsigned i = 0; i < CLOCK_SCAN_MAX * 2; i += RCACHE_FRAME_PAGES) {
        table_recount(&big, i);
    }
    ck_assert_uint_eq(clock_front(&hands, &big, 0, CLOCK_SCAN_MAX * 2, out,
                                  1), 0);
    ck_assert_uint_eq(hands.front, CLOCK_SCAN_MAX);
    table_deinit(&big);
}
END_TEST

/* @each pages of every frame are hot: what a call finds, and where it ends. */
static unsigned found_in_frames(unsigned each, unsigned *frames)
{
    enum { PAGES = 16 * RCACHE_FRAME_PAGES };
    static uint64_t many[PAGES];
    uint64_t found[256];
    Table big;
    unsigned n;

    ck_assert_int_eq(table_init(&big, many, NULL, PAGES), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        many[i] = i % RCACHE_FRAME_PAGES < each ? RCACHE_HOT : RCACHE_REMOTE;
    }
    for (unsigned i = 0; i < PAGES; i += RCACHE_FRAME_PAGES) {
        table_recount(&big, i);
    }
    clock_start(&hands, 0);
    n = clock_front(&hands, &big, 0, PAGES, found, 256);
    *frames = hands.front / RCACHE_FRAME_PAGES;
    table_deinit(&big);
    return n;
}

/* Near pages are zapped together, and few are not worth a call of their own. */
START_TEST(a_call_ends_with_a_frame_of_which_it_has_enough)
{
    unsigned frames;

    ck_assert_uint_eq(found_in_frames(100, &frames), 100);
    ck_assert_uint_eq(frames, 1);
    ck_assert_uint_eq(found_in_frames(20, &frames), 80);
    ck_assert_uint_eq(frames, 4);
    ck_assert_uint_eq(found_in_frames(1, &frames), 16);
    ck_assert_uint_eq(frames, 15);      /* less than a turn */
}
END_TEST

/*
 * A table for 64 GiB with a few pages in its last frame: one call of each
 * hand gets there.  Their words are the only ones that are read: the others
 * cannot be.
 */
START_TEST(frames_without_pages_cost_nothing)
{
    enum { PAGES = 16u << 20, AT = PAGES - 7 };
    uint64_t *none = mmap(NULL, PAGES * 8ul, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    Table big;

    ck_assert(none != MAP_FAILED);
    ck_assert_int_eq(mprotect(none + PAGES - RCACHE_FRAME_PAGES, 4096,
                              PROT_READ | PROT_WRITE), 0);
    none[AT] = RCACHE_HOT;
    ck_assert_int_eq(table_init(&big, none, NULL, PAGES), 0);
    table_recount(&big, AT);
    for (int i = 0; i < 2; i++) {
        clock_skip_front(&hands, &big, 100 * RCACHE_FRAME_PAGES);
        clock_front(&hands, &big, 0, PAGES / 2, out, 1);
        clock_front(&hands, &big, PAGES / 2, PAGES, out, 1);
        if (hands.front != AT + 1) {
            clock_front(&hands, &big, PAGES / 2, PAGES, out, 1);
        }
        ck_assert_uint_eq(out[0], AT);
        ck_assert_uint_eq(hands.front, AT + 1);
    }
    ck_assert(table_step(&big, AT, RCACHE_HOT, RCACHE_ZAPPED));
    while (hands.between) {
        clock_skip_back(&hands, &big, hands.back);
        if (clock_back(&hands, &big, 0, PAGES, out, 1)) {
            break;
        }
    }
    ck_assert_uint_eq(out[0], AT);
    table_deinit(&big);
    munmap(none, PAGES * 8ul);
}
END_TEST

START_TEST(a_skipped_stretch_counts_as_passed)
{
    clock_front(&hands, &table, 0, 5, out, 100);
    clock_skip_front(&hands, &table, 700);
    ck_assert_uint_eq(hands.front, 700);
    ck_assert_uint_eq(hands.between, 700);
    clock_skip_back(&hands, &table, 600);
    ck_assert_uint_eq(hands.back, 600);
    ck_assert_uint_eq(hands.between, 100);
    clock_skip_back(&hands, &table, 900);       /* no further than the front */
    ck_assert_uint_eq(hands.back, 700);
    clock_skip_front(&hands, &table, 10);       /* round the end */
    ck_assert_uint_eq(hands.between, NR - 690);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clock");
    TCase *tc = tcase_create("clock");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, front_picks_hot_pages_in_order);
    tcase_add_test(tc, front_stops_at_the_end_of_a_block);
    tcase_add_test(tc, hands_start_where_they_are_told);
    tcase_add_test(tc, credit_is_a_turn_each);
    tcase_add_test(tc, a_page_left_behind_comes_up_again);
    tcase_add_test(tc, credit_has_a_top);
    tcase_add_test(tc, back_follows_and_never_passes);
    tcase_add_test(tc, back_waits_for_a_zap_without_answer);
    tcase_add_test(tc, front_that_laps_pushes_the_back_hand);
    tcase_add_test(tc, a_call_looks_at_a_bounded_number_of_words);
    tcase_add_test(tc, a_call_ends_with_a_frame_of_which_it_has_enough);
    tcase_add_test(tc, frames_without_pages_cost_nothing);
    tcase_add_test(tc, a_skipped_stretch_counts_as_passed);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
