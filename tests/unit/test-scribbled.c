/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMM that scribbles over what it shares with its pager, at any time after
 * attach: words of states that do not exist, words of pages in no block, two
 * words with one slot, a slab table that forgets.  Its guest may lose by it,
 * the pager must not.
 */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rcached/pager/pager.h"

#define PAGES   (3 * RCACHE_FRAME_PAGES)
#define SLAB    3u
#define SLOT    slot_make(SLAB, 7)

static uint64_t words[PAGES];
static struct RcacheSide sides[PAGES];
static struct RcacheLease entry;
static Pager *pager;

static void set_up(void)
{
    pager = g_new0(Pager, 1);
    pager->vmm.sock.fd = -1;
    memset(words, 0, sizeof(words));
    memset(&entry, 0, sizeof(entry));
    guest_init(&pager->guest);
    ck_assert_int_eq(table_init(&pager->table, words, sides, PAGES), 0);
    slots_init(&pager->slots);
    page_errors_init(&pager->errors);
    fetches_init(&pager->fetches);
    locations_init(&pager->locations, NULL);
    slots_add(&pager->slots, SLAB, 0, 5, 64);
    pager->leases.entry[0] = lease_new(0, &entry, NULL, 1);
}

static void tear_down(void)
{
    leases_deinit(&pager->leases);
    locations_deinit(&pager->locations);
    slots_deinit(&pager->slots);
    page_errors_deinit(&pager->errors);
    fetches_deinit(&pager->fetches);
    table_deinit(&pager->table);
    guest_deinit(&pager->guest);
    g_free(pager);
}

static guint to_free(void)
{
    return pager->leases.entry[0]->to_free->len;
}

START_TEST(states_that_do_not_exist_are_stepped_from)
{
    Table before;

    /* The VMM's doing: as a BLOCK_DEL finds it. */
    words[600] = RCACHE_NR_STATES + _i;
    before = pager->table;
    ck_assert(table_step(&pager->table, 600, words[600],
                         page_begin(words[600], RCACHE_UNMANAGED)));
    ck_assert_ptr_eq(pager->table.frames, before.frames);
    ck_assert_ptr_eq(pager->table.words, before.words);
    for (unsigned s = 1; s < RCACHE_NR_STATES; s++) {
        ck_assert_int_eq(pager->table.count[s], before.count[s]);
    }
    /* The frame's neighbours were not written to either. */
    table_recount(&pager->table, 0);
    table_recount(&pager->table, 600);
    table_recount(&pager->table, PAGES - 1);
    ck_assert_int_eq(pager->table.count[RCACHE_UNMANAGED], PAGES);
    for (unsigned s = 1; s < RCACHE_NR_STATES; s++) {
        ck_assert_int_eq(pager->table.count[s], 0);
    }
}
END_TEST

START_TEST(pages_in_no_block_have_no_memory)
{
    char bytes[2 * RCACHE_PAGE_SIZE];

    ck_assert_int_eq(guest_read(&pager->guest, 5, 1, bytes), -ENOENT);
    ck_assert_int_eq(guest_punch(&pager->guest, 5, 1), -ENOENT);
    ck_assert_int_eq(guest_keep(&pager->guest, 5, 1), -ENOENT);
    ck_assert_int_eq(guest_next_data(&pager->guest, 5, 6), -ENOENT);
}
END_TEST

/* Two words that name one slot, both discarded. */
START_TEST(a_slot_is_freed_once)
{
    slots_mark(&pager->slots, SLOT);
    location_free(pager, SLOT);
    ck_assert_uint_eq(to_free(), 1);
    location_free(pager, SLOT);
    ck_assert_uint_eq(to_free(), 1);
    /* The provider has freed it: it may be used and freed again. */
    slots_clear(&pager->slots, SLOT);
    slots_mark(&pager->slots, SLOT);
    location_free(pager, SLOT);
    ck_assert_uint_eq(to_free(), 2);
}
END_TEST

START_TEST(a_slot_that_is_being_freed_is_not_fetched)
{
    slots_mark(&pager->slots, SLOT);
    location_free(pager, SLOT);
    words[9] = page_with_slot(RCACHE_REMOTE, SLOT);
    table_recount(&pager->table, 9);
    ck_assert_int_eq(fetch_start(pager, 9, words[9], true, 1), 0);
    ck_assert_int_eq(page_state(words[9]), RCACHE_LOST);
    ck_assert_uint_eq(pager->fetches.nr, 0);
}
END_TEST

/* COPY had no memory; then the block went, and another took its words. */
START_TEST(bytes_of_a_block_that_is_gone_go_nowhere)
{
    Fetch *f = &pager->fetches.entry[4];

    *f = (Fetch) { .used = true, .page = 9, .bytes = g_malloc0(4096),
                   .word = page_with_slot(page_begin(0, RCACHE_FETCHING),
                                          SLOT) };
    pager->fetches.nr = 1;
    words[9] = page_begin(f->word, RCACHE_UNMANAGED);
    if (_i) {
        words[9] = page_begin(words[9], RCACHE_FILLING);
    }
    slots_mark(&pager->slots, SLOT);
    pager->guest.block[0] = (GuestBlock) { .present = true, .fd = -1,
                                           .pages = PAGES };
    pager->guest.nr_blocks = 1;
    fetch_retry(pager, 1);
    ck_assert_uint_eq(pager->fetches.nr, 0);
    ck_assert(!f->used);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scribbled");
    TCase *tcase = tcase_create("scribbled");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, states_that_do_not_exist_are_stepped_from, 0,
                        2);
    tcase_add_test(tcase, pages_in_no_block_have_no_memory);
    tcase_add_test(tcase, a_slot_is_freed_once);
    tcase_add_test(tcase, a_slot_that_is_being_freed_is_not_fetched);
    tcase_add_loop_test(tcase, bytes_of_a_block_that_is_gone_go_nowhere, 0,
                        2);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
