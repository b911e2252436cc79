/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the answer to a zap does to the words it is about (rule 14): with real
 * guests an answer that comes after the next zap of the same page is too rare
 * to be waited for.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/pager.h"

#define PAGES   16u
#define SEQ     7u

static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static Pager *pager;
static uint64_t zapping;        /* the word that zap SEQ put on every page */

static struct {
    struct RcacheVmmZapDone done;
    uint32_t pinned[PAGES];
} answer;

static void set_up(void)
{
    Zap *z;

    pager = g_new0(Pager, 1);
    zapping = page_begin(RCACHE_HOT | 5ull << RCACHE_GEN_SHIFT,
                         RCACHE_ZAPPING);
    memset(&answer, 0, sizeof(answer));
    answer.done.seq = SEQ;
    z = &pager->evictor.zap[1];
    z->seq = SEQ;
    z->n = PAGES;
    for (unsigned i = 0; i < PAGES; i++) {
        words[i] = zapping;
        z->page[i] = i;
        z->word[i] = zapping;
    }
    ck_assert_int_eq(table_init(&pager->table, words, sides, PAGES), 0);
}

static void tear_down(void)
{
    table_deinit(&pager->table);
    g_free(pager);
}

static void answer_comes(void)
{
    evict_zap_done(pager, &answer.done);
}

/* The VMM has cleared the words, and the new page is evicted as the old was. */
START_TEST(a_put_of_a_block_that_is_gone_commits_nothing)
{
    static struct RcacheCounts counts;
    Batch *b = &pager->evictor.batch[0];
    uint64_t word = page_begin(zapping, RCACHE_EVICTING);

    pager->report.counts = &counts;
    pager->guest.uffd = -1;
    *b = (Batch) { .used = true, .n = 2, .page = { 3, 12 },
                   .word = { word, word },
                   .slot = { slot_make(1, 1), slot_make(1, 2) },
                   .sum = { 33, 44 } };
    evict_block_gone(pager, 0, 8);
    words[3] = word;
    evict_stored(pager, 0, true);
    ck_assert_uint_eq(words[3], word);
    ck_assert_uint_eq(sides[3].sum, 0);
    ck_assert(!b->used);
}
END_TEST

START_TEST(its_own_words_are_zapped)
{
    answer.done.nr_pinned = 1;
    answer.pinned[0] = 3;
    answer_comes();
    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert_uint_eq(words[i], page_to(zapping, i == 3 ? RCACHE_HOT
                                                            : RCACHE_ZAPPED));
    }
    ck_assert_uint_eq(pager->evictor.zap[1].seq, 0);
}
END_TEST

START_TEST(a_zap_that_failed_leaves_pages_hot)
{
    answer.done.status = -2;
    answer_comes();
    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert_uint_eq(words[i], page_to(zapping, RCACHE_HOT));
    }
}
END_TEST

START_TEST(pages_touched_meanwhile_are_left_alone)
{
    static const enum RcachePageState states[] = {
        RCACHE_HOT, RCACHE_ZAPPED, RCACHE_EVICTING, RCACHE_PUNCHING,
        RCACHE_REMOTE, RCACHE_FETCHING, RCACHE_FILLING, RCACHE_ZERO,
        RCACHE_DISCARDING,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(states); i++) {
        words[i] = page_to(zapping, states[i]);
    }
    answer_comes();
    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert_uint_eq(words[i],
                          page_to(zapping, i < G_N_ELEMENTS(states)
                                               ? states[i] : RCACHE_ZAPPED));
    }
}
END_TEST

START_TEST(another_zap_of_the_page_waits_for_its_own_answer)
{
    uint64_t again = page_begin(page_to(zapping, RCACHE_HOT), RCACHE_ZAPPING);

    words[4] = again;
    answer_comes();
    ck_assert_uint_eq(words[4], again);
    ck_assert_uint_eq(page_state(words[5]), RCACHE_ZAPPED);
}
END_TEST

START_TEST(an_answer_to_no_zap_does_nothing)
{
    answer.done.seq = SEQ - 1;
    answer_comes();
    answer.done.seq = 0;        /* what a free entry has */
    answer_comes();
    for (unsigned i = 0; i < PAGES; i++) {
        ck_assert_uint_eq(words[i], zapping);
    }
    ck_assert_uint_eq(pager->evictor.zap[1].seq, SEQ);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("zap");
    TCase *tc = tcase_create("zap");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_put_of_a_block_that_is_gone_commits_nothing);
    tcase_add_test(tc, its_own_words_are_zapped);
    tcase_add_test(tc, a_zap_that_failed_leaves_pages_hot);
    tcase_add_test(tc, pages_touched_meanwhile_are_left_alone);
    tcase_add_test(tc, another_zap_of_the_page_waits_for_its_own_answer);
    tcase_add_test(tc, an_answer_to_no_zap_does_nothing);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
