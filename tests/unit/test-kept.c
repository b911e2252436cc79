/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages that are here keep their slots, and when a slot is given back.
 * docs/design.md, "Clean pages".
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "kept-fixture.h"
#include "rcached/pager/arrival.h"

/* ---------------------------------------------------------------- arrival */

static void filling(unsigned page, uint64_t slot)
{
    slots_mark(&p->slots, slot);
    ck_assert(table_step(&p->table, page, words[page],
                         page_with_slot(page_to(words[page], RCACHE_FILLING),
                                        slot)));
}

START_TEST(a_page_that_came_tracked_keeps_its_slot)
{
    uint64_t slot = slot_make(0, 100);

    filling(50, slot);
    sides[50].version = 8;
    arrival_hot(p, 50, slot);
    ck_assert_uint_eq(words[50], page_with_slot(RCACHE_HOT | RCACHE_CLEAN,
                                                slot));
    ck_assert_uint_eq(slots_kept(&p->slots, slot).page, 51);
    ck_assert_uint_eq(slots_kept(&p->slots, slot).version, 8);
    ck_assert_uint_eq(nr_freed, 0);
}
END_TEST

START_TEST(a_page_that_came_plainly_does_not)
{
    uint64_t slot = slot_make(0, 100);

    filling(50, slot);
    arrival_hot(p, 50, 0);
    ck_assert_uint_eq(words[50], RCACHE_HOT);
    ck_assert_uint_eq(nr_freed, 1);
    ck_assert_uint_eq(freed[0], slot);
}
END_TEST

/* The VMM can write to the word, and name a slot that another page keeps. */
START_TEST(a_word_alone_keeps_nothing)
{
    uint64_t slot = slot_make(0, 100);

    filling(50, slot);
    words[50] = page_with_slot(words[50], slot_make(0, 101));
    slots_mark(&p->slots, slot_make(0, 101));
    arrival_hot(p, 50, slot);
    ck_assert_uint_eq(slots_kept(&p->slots, slot_make(0, 101)).page, 0);
    ck_assert_uint_eq(slots_kept(&p->slots, slot).page, 0);
    ck_assert_uint_eq(words[50], RCACHE_HOT);
    words[60] = page_with_slot(RCACHE_ZAPPED | RCACHE_CLEAN, slot_of(2));
    ck_assert(!kept_is_of(&p->slots, 60, words[60]));
    ck_assert(!kept_may_leave(p, 60, words[60], now));
    kept_end(p, 60, words[60]);
    ck_assert(slots_used(&p->slots, slot_of(2)));
}
END_TEST

START_TEST(it_is_kept_where_it_may_stay)
{
    Lease *l = p->leases.entry[0];
    uint64_t slot = slot_of(1);

    ck_assert(kept_may_keep(p, slot));
    remote[0].features = 0;             /* it could not be asked */
    ck_assert(!kept_may_keep(p, slot));
    remote[0].features = RCACHE_FEATURE_SUMS;
    p->kept.wanted = false;
    ck_assert(!kept_may_keep(p, slot));
    p->kept.wanted = true;
    p->limits.size = KEEPERS - 1;
    ck_assert(!kept_may_keep(p, slot));
    p->limits.size = 0;
    ck_assert(!kept_may_keep(p, slot));
    p->limits.size = PAGES;
    excess = 1;
    ck_assert(!kept_may_keep(p, slot));
    excess = 0;
    l->releasing = true;
    ck_assert(!kept_may_keep(p, slot));
    l->releasing = false;
    l->abandoned = true;
    ck_assert(!kept_may_keep(p, slot));
    l->abandoned = false;
    remote[0].own = true;
    ck_assert(!kept_may_keep(p, slot));
    remote[0].own = false;
    slots_freeze(&p->slots, 0, true);
    ck_assert(!kept_may_keep(p, slot));
    slots_freeze(&p->slots, 0, false);
    l->lost = true;                     /* the other place is left (K6) */
    ck_assert(kept_may_keep(p, slot));
    p->leases.entry[1]->lost = true;
    ck_assert(!kept_may_keep(p, slot));
}
END_TEST

START_TEST(nothing_is_tracked_unless_the_kernel_says_so)
{
    GuestBlock *b = &p->guest.block[0];

    b->tracked = false;
    ck_assert(!kept_tracks(p, 1));
    kept_track(p, 0);
    ck_assert(kept_tracks(p, 1));
    track_error = -EPERM;
    kept_track(p, 0);
    ck_assert(!kept_tracks(p, 1));
    track_error = 0;
    p->kept.wanted = false;
    kept_track(p, 0);
    ck_assert(!kept_tracks(p, 1));
}
END_TEST

/* ---------------------------------------------------------- slots given up */

START_TEST(a_slab_that_changes_keeps_none)
{
    ck_assert_uint_eq(kept_slab_changes(p, 0), KEEPERS);
    for (unsigned i = 0; i < KEEPERS; i++) {
        ck_assert_uint_eq(page_state(words[i]), RCACHE_HOT);
        expect_ended(i);
    }
    ck_assert_uint_eq(p->slots.nr_kept, 0);
    ck_assert_uint_eq(kept_slab_changes(p, 0), 0);
}
END_TEST

/* A word that is ZAPPING is the zap's, or its answer would find another. */
START_TEST(a_page_in_a_zap_gives_it_up_with_the_answer)
{
    Zap *z = zap_begin();

    memset(marker, true, KEEPERS);
    ck_assert_uint_eq(kept_slab_changes(p, 0), 0);
    ck_assert_uint_eq(words[4], z->word[4]);
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS);
    zap_answer(0, 0);
    for (unsigned i = 0; i < KEEPERS; i++) {
        ck_assert_uint_eq(page_state(words[i]), RCACHE_ZAPPED);
        expect_ended(i);
    }
}
END_TEST

/* What the VMM is discarding is its own; the slot goes with ZERO, or when the
 * kernel has refused the discard. */
START_TEST(a_page_that_is_discarded_is_left_alone)
{
    words[4] = page_to(words[4], RCACHE_DISCARDING);
    ck_assert_uint_eq(kept_slab_changes(p, 0), KEEPERS - 1);
    ck_assert_uint_eq(words[4],
                      page_with_slot(RCACHE_DISCARDING, slot_of(4)));
    ck_assert(slots_used(&p->slots, slot_of(4)));
    ck_assert_uint_eq(kept_slab_changes(p, 0), 0);
    words[4] = page_to(words[4], RCACHE_HOT);
    ck_assert_uint_eq(kept_slab_changes(p, 0), 1);
    expect_ended(4);
}
END_TEST

/*
 * A discard that the kernel refused: HOT without CLEAN, and the slot.  With 1
 * the pager that kept it is gone: what is being discarded names its slot, and
 * nobody keeps it.
 */
START_TEST(a_slot_that_a_page_does_not_keep_goes_with_the_zap)
{
    words[4] = page_to(words[4], RCACHE_HOT);
    if (_i) {
        slots_unkeep(&p->slots, slot_of(4));
    }
    p->limits.local_max = 32;
    evict_work(p, now);
    ck_assert_uint_eq(page_state(words[4]), RCACHE_ZAPPING);
    expect_ended(4);
    ck_assert_uint_eq(nr_freed, 1);
    ck_assert_uint_eq(words[5] & RCACHE_CLEAN, RCACHE_CLEAN);
    ck_assert_uint_eq(page_slot(words[5]), slot_of(5));
}
END_TEST

START_TEST(kept_slots_are_room)
{
    p->limits.size = 64 * 70;           /* 70 are to be free */
    room = 60;
    kept_make_room(p, now);
    ck_assert_uint_eq(nr_freed, 10);
    ck_assert_uint_eq(nr_flushed, 1);
    kept_make_room(p, now);             /* their FREEs are on their way */
    ck_assert_uint_eq(nr_freed, 10);
    now += NS_PER_SEC;
    room = 70;
    kept_make_room(p, now);
    ck_assert_uint_eq(nr_freed, 10);
}
END_TEST

/* Each that is given up is a page that has to be sent. */
START_TEST(no_more_are_given_up_than_a_burst_needs)
{
    p->limits.size = 1 << 20;
    room = 500;
    kept_make_room(p, now);
    ck_assert_uint_eq(nr_freed, 12);
}
END_TEST

/* A FREE that is not answered is not waited for. */
START_TEST(what_does_not_come_is_not_counted_on)
{
    p->limits.size = 64 * 70;
    room = 60;
    kept_make_room(p, now);
    now += 200 * NS_PER_MS;
    kept_make_room(p, now);
    ck_assert_uint_eq(nr_freed, 10);
    now += 100 * NS_PER_MS;
    kept_make_room(p, now);
    ck_assert_uint_eq(nr_freed, KEEPERS);
}
END_TEST

/* What is kept at a provider that takes nothing is no room, free or not. */
START_TEST(none_is_given_up_where_it_makes_no_room)
{
    p->limits.size = 64 * 70;
    room = 0;
    room_copies = 0;
    kept_make_room(p, now);
    ck_assert_uint_eq(nr_freed + nr_flushed, 0);
    now += NS_PER_SEC;
    room_copies = 1;            /* one of two places is there */
    room = 1;
    kept_make_room(p, now);
    ck_assert_uint_eq(nr_freed, 0);
    now += NS_PER_SEC;
    room = 0;                   /* and it is all there is */
    kept_make_room(p, now);
    ck_assert_uint_eq(nr_freed, KEEPERS);
}
END_TEST

START_TEST(kept_and_away_are_no_more_than_size)
{
    for (unsigned i = 100; i < 110; i++) {
        table_step(&p->table, i, words[i], page_to(words[i], RCACHE_REMOTE));
    }
    p->limits.size = 20;
    kept_tick(p, now);
    ck_assert_uint_eq(p->slots.nr_kept, 10);
    p->limits.size = 0;
    kept_tick(p, now);
    ck_assert_uint_eq(p->slots.nr_kept, 0);
}
END_TEST

START_TEST(where_slabs_are_left_none_is_kept)
{
    kept_tick(p, now);
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS);
    p->leases.entry[0]->lost = true;
    kept_tick(p, now);
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS);       /* K6 */
    p->leases.entry[1]->abandoned = true;
    kept_tick(p, now);
    ck_assert_uint_eq(p->slots.nr_kept, 0);
}
END_TEST

START_TEST(what_nobody_needs_can_be_given_back)
{
    ck_assert_uint_eq(kept_give(p, 127), 0);
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS);
    slots_mark(&p->slots, slot_make(0, 90));
    ck_assert_uint_eq(kept_give(p, 128), 0);
    ck_assert_uint_eq(p->slots.nr_kept, KEEPERS);
    slots_clear(&p->slots, slot_make(0, 90));
    slots_freeze(&p->slots, 0, true);
    ck_assert_uint_eq(kept_give(p, 128), 0);
    slots_freeze(&p->slots, 0, false);
    ck_assert_uint_eq(kept_give(p, 128), 128);
    ck_assert_uint_eq(p->slots.nr_kept, 0);
    ck_assert_uint_eq(kept_give(p, 128), 0);
    frees_answered();
    ck_assert_uint_eq(p->slots.slabs[0].nr_used, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kept");
    TCase *tc = tcase_create("kept");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_page_that_came_tracked_keeps_its_slot);
    tcase_add_test(tc, a_page_that_came_plainly_does_not);
    tcase_add_test(tc, a_word_alone_keeps_nothing);
    tcase_add_test(tc, it_is_kept_where_it_may_stay);
    tcase_add_test(tc, nothing_is_tracked_unless_the_kernel_says_so);
    tcase_add_test(tc, a_slab_that_changes_keeps_none);
    tcase_add_test(tc, a_page_in_a_zap_gives_it_up_with_the_answer);
    tcase_add_test(tc, a_page_that_is_discarded_is_left_alone);
    tcase_add_loop_test(tc, a_slot_that_a_page_does_not_keep_goes_with_the_zap,
                        0, 2);
    tcase_add_test(tc, kept_slots_are_room);
    tcase_add_test(tc, no_more_are_given_up_than_a_burst_needs);
    tcase_add_test(tc, what_does_not_come_is_not_counted_on);
    tcase_add_test(tc, none_is_given_up_where_it_makes_no_room);
    tcase_add_test(tc, kept_and_away_are_no_more_than_size);
    tcase_add_test(tc, where_slabs_are_left_none_is_kept);
    tcase_add_test(tc, what_nobody_needs_can_be_given_back);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
