/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page words and their table: steps, counts by frame, discards elsewhere. */
#include <check.h>

#include "rcached/pager/table.h"

#define NR (3 * RCACHE_FRAME_PAGES + 7)

static uint64_t words[NR];
static struct RcacheSide sides[NR];
static Table table;

static void set_up(void)
{
    memset(words, 0, sizeof(words));
    ck_assert_int_eq(table_init(&table, words, sides, NR), 0);
    for (unsigned i = 0; i < NR; i += RCACHE_FRAME_PAGES) {
        table_recount(&table, i);
    }
}

static void tear_down(void)
{
    table_deinit(&table);
}

START_TEST(word_keeps_what_a_step_does_not_change)
{
    uint64_t w = page_with_slot(page_with_credit(0, 3), 0x912345678ull);

    w |= 0x12345ull << RCACHE_GEN_SHIFT | RCACHE_CLEAN | RCACHE_REMOTE;
    ck_assert_uint_eq(page_state(w), RCACHE_REMOTE);
    ck_assert_uint_eq(page_slot(w), 0x912345678ull);
    ck_assert_uint_eq(page_credit(w), 3);

    ck_assert_uint_eq(page_state(page_to(w, RCACHE_HOT)), RCACHE_HOT);
    ck_assert_uint_eq(page_slot(page_to(w, RCACHE_HOT)), page_slot(w));
    ck_assert_uint_eq(page_to(w, RCACHE_HOT) & RCACHE_CLEAN, 0);
    ck_assert_uint_eq(page_to(w, RCACHE_HOT) & RCACHE_GEN_MASK,
                      w & RCACHE_GEN_MASK);
    ck_assert_uint_eq(page_begin(w, RCACHE_FETCHING) & RCACHE_GEN_MASK,
                      (w & RCACHE_GEN_MASK) + (1ull << RCACHE_GEN_SHIFT));
}
END_TEST

START_TEST(generation_wraps_into_itself)
{
    uint64_t w = RCACHE_GEN_MASK | page_with_slot(RCACHE_HOT, 5);

    w = page_begin(w, RCACHE_ZAPPING);
    ck_assert_uint_eq(w & RCACHE_GEN_MASK, 0);
    ck_assert_uint_eq(page_slot(w), 5);
}
END_TEST

START_TEST(step_moves_word_and_counts)
{
    uint64_t old = table_load(&table, 600);
    uint64_t hot = page_to(old, RCACHE_HOT);

    ck_assert(table_step(&table, 600, old, hot));
    ck_assert_uint_eq(words[600], hot);
    ck_assert_int_eq(table.count[RCACHE_HOT], 1);
    ck_assert_int_eq(table.count[RCACHE_UNMANAGED], NR - 1);
    ck_assert_uint_eq(table_resident(&table), 1);

    ck_assert(!table_step(&table, 600, old, page_to(old, RCACHE_ZERO)));
    ck_assert_uint_eq(words[600], hot);
    ck_assert_int_eq(table.count[RCACHE_HOT], 1);
}
END_TEST

START_TEST(recount_finds_what_the_vmm_changed)
{
    for (unsigned i = 512; i < 522; i++) {
        table_step(&table, i, 0, RCACHE_HOT);
    }
    ck_assert_uint_eq(table_resident(&table), 10);
    /* The VMM discards four of them, and one more is stepped meanwhile. */
    for (unsigned i = 512; i < 516; i++) {
        words[i] = RCACHE_ZERO;
    }
    table_step(&table, 512, RCACHE_ZERO, RCACHE_FILLING);
    table_recount(&table, 515);
    ck_assert_int_eq(table.count[RCACHE_HOT], 6);
    ck_assert_int_eq(table.count[RCACHE_ZERO], 3);
    ck_assert_int_eq(table.count[RCACHE_FILLING], 1);
    ck_assert_uint_eq(table_resident(&table), 7);
}
END_TEST

START_TEST(last_frame_may_be_short)
{
    words[NR - 1] = RCACHE_REMOTE;
    table_recount(&table, NR - 1);
    ck_assert_uint_eq(table_away(&table), 1);
    ck_assert_int_eq(table.count[RCACHE_UNMANAGED], NR - 1);
}
END_TEST

/* The VMM can write anything at any time. */
START_TEST(unknown_states_stay_inside)
{
    for (unsigned i = 0; i < 16; i++) {
        words[i] = i;
    }
    table_recount(&table, 0);
    ck_assert_int_eq(table.count[15], 1);
    ck_assert(table_step(&table, 15, 15, RCACHE_LOST));
    ck_assert_int_eq(table.count[15], 0);
    ck_assert_int_eq(table.count[RCACHE_LOST], 2);
}
END_TEST

/* A frame that has not been counted says nothing, and costs nothing. */
START_TEST(frames_count_from_the_first_recount_on)
{
    Table t;

    for (unsigned i = 0; i < NR; i++) {
        words[i] = RCACHE_HOT;
    }
    ck_assert_int_eq(table_init(&t, words, sides, NR), 0);
    ck_assert_uint_eq(table_resident(&t), 0);
    ck_assert(!table_frame_has(&t, 600, RCACHE_HOT));
    table_recount(&t, 600);
    table_recount(&t, 601);
    ck_assert_uint_eq(table_resident(&t), RCACHE_FRAME_PAGES);
    ck_assert(table_frame_has(&t, 512, RCACHE_HOT));
    ck_assert(!table_frame_has(&t, 511, RCACHE_HOT));
    ck_assert(!table_frame_has(&t, 512, RCACHE_ZAPPED));
    table_deinit(&t);
}
END_TEST

START_TEST(all_are_as_the_first_and_the_last)
{
    for (unsigned i = 0; i < 5; i++) {
        words[i] = page_with_slot(RCACHE_REMOTE, i + 1);
    }
    ck_assert(table_all_are(&table, 1, 4, RCACHE_REMOTE));
    ck_assert(table_all_are(&table, 4, 4, RCACHE_HOT));
    words[4] = RCACHE_HOT;
    ck_assert(table_all_are(&table, 1, 4, RCACHE_REMOTE));
    words[3] = RCACHE_HOT;
    ck_assert(!table_all_are(&table, 1, 4, RCACHE_REMOTE));
    words[3] = RCACHE_REMOTE;
    words[1] = RCACHE_ZERO;
    ck_assert(!table_all_are(&table, 1, 4, RCACHE_REMOTE));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("table");
    TCase *tc = tcase_create("table");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, word_keeps_what_a_step_does_not_change);
    tcase_add_test(tc, generation_wraps_into_itself);
    tcase_add_test(tc, step_moves_word_and_counts);
    tcase_add_test(tc, recount_finds_what_the_vmm_changed);
    tcase_add_test(tc, last_frame_may_be_short);
    tcase_add_test(tc, unknown_states_stay_inside);
    tcase_add_test(tc, frames_count_from_the_first_recount_on);
    tcase_add_test(tc, all_are_as_the_first_and_the_last);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
