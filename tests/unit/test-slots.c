/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots: never twice, never outside, all of them, per lease. */
#include <check.h>

#include "rcached/pager/slots.h"

static Slots slots;

static void set_up(void)
{
    slots_init(&slots);
    slots_add(&slots, 0, 7, 100, 100);          /* not a multiple of 64 */
    slots_add(&slots, 2, 9, 5, 64);
}

static void tear_down(void)
{
    slots_deinit(&slots);
}

START_TEST(numbers_are_taken_apart_as_made)
{
    uint64_t slot = slot_make(70000 % RCACHE_NR_SLABS, 16383);

    ck_assert_uint_eq(slot_slab(slot), 70000 % RCACHE_NR_SLABS);
    ck_assert_uint_eq(slot_page(slot), 16383);
    ck_assert_uint_ne(slot_make(0, 0), 0);      /* 0 is no slot */
}
END_TEST

START_TEST(every_slot_is_taken_once)
{
    uint64_t out[128];
    bool seen[100] = { false };

    ck_assert_uint_eq(slots_take(&slots, 7, out, 128), 100);
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(slot_slab(out[i]), 0);
        ck_assert_uint_lt(slot_page(out[i]), 100);
        ck_assert(!seen[slot_page(out[i])]);
        seen[slot_page(out[i])] = true;
    }
    ck_assert_uint_eq(slots_take(&slots, 7, out, 1), 0);
    ck_assert_uint_eq(slots_used_in(&slots, 7), 100);
    ck_assert_uint_eq(slots_free_in(&slots, 7), 0);
    ck_assert_uint_eq(slots_free_in(&slots, 9), 64);
}
END_TEST

/* Whatever gives a slot back ends that it is kept; the counts are right. */
START_TEST(kept_slots_are_counted)
{
    uint64_t out[8];

    slots_take(&slots, 7, out, 8);
    ck_assert_uint_eq(slots_kept(&slots, out[0]).page, 0);
    for (unsigned i = 0; i < 8; i++) {
        slots_keep(&slots, out[i], 40 + i, i);
    }
    slots_keep(&slots, out[0], 50, 9);          /* once more */
    ck_assert_uint_eq(slots.nr_kept, 8);
    ck_assert_uint_eq(slots.slabs[0].nr_kept, 8);
    ck_assert_uint_eq(slots.slabs[0].nr_used, 8);
    ck_assert_uint_eq(slots_kept(&slots, out[0]).page, 51);
    ck_assert_uint_eq(slots_kept(&slots, out[0]).version, 9);
    slots_keep_void(&slots, out[0]);
    ck_assert_uint_eq(slots_kept(&slots, out[0]).version, SLOTS_VOID);
    slots_clear(&slots, out[1]);
    ck_assert_uint_eq(slots_kept(&slots, out[1]).page, 0);
    slots_leave(&slots, out[2]);
    ck_assert_uint_eq(slots_kept(&slots, out[2]).page, 0);
    slots_unkeep(&slots, out[3]);
    slots_unkeep(&slots, out[3]);
    ck_assert(slots_used(&slots, out[3]));
    ck_assert_uint_eq(slots.nr_kept, 5);
    /* Of 7 that are taken one is needed, and one is on its way back. */
    ck_assert_uint_eq(slots.slabs[0].nr_ended, 1);
    ck_assert_uint_eq(slots_needed(&slots.slabs[0]), 1);
    ck_assert_uint_eq(slots_needed_in(&slots, 7), 1);
    ck_assert_uint_eq(slots.kept[7], 5);
    ck_assert_uint_eq(slots_group(&slots, slots.slabs[0].group)->kept, 5);
    ck_assert_uint_eq(slots_group(&slots, slots.slabs[0].group)->spare, 6);
    ck_assert(!slots_is_kept_only(&slots.slabs[0]));
    ck_assert(slots_left(&slots, out[2], 0));
    ck_assert_uint_eq(slots.slabs[0].nr_ended, 0);
    slots_clear(&slots, out[3]);
    ck_assert_uint_eq(slots_needed(&slots.slabs[0]), 0);
    ck_assert(slots_is_kept_only(&slots.slabs[0]));
    ck_assert_uint_eq(slots_kept(&slots, 0).page, 0);
    ck_assert_uint_eq(slots_kept(&slots, UINT64_MAX).page, 0);
    ck_assert_uint_eq(slots_kept(&slots, slot_make(2, 1)).page, 0);
    slots_remove(&slots, 0);
    ck_assert_uint_eq(slots.nr_kept, 0);
    ck_assert_uint_eq(slots.kept[7] + slots.spare[7], 0);
    ck_assert_uint_eq(slots_kept(&slots, out[4]).page, 0);
}
END_TEST

/* 16 bytes for each slot, and only where one is kept. */
START_TEST(no_map_where_none_is_kept)
{
    uint64_t out[2];

    slots_take(&slots, 7, out, 2);
    ck_assert_ptr_null(slots.slabs[0].kept);
    slots_keep(&slots, out[0], 1, 1);
    slots_keep(&slots, out[1], 2, 1);
    slots_unkeep(&slots, out[0]);
    slots_leave(&slots, out[1]);
    ck_assert_ptr_nonnull(slots.slabs[0].kept);
    slots_left(&slots, out[1], 0);
    ck_assert_ptr_null(slots.slabs[0].kept);
    slots_keep(&slots, out[0], 1, 1);
    slots_clear(&slots, out[0]);
    ck_assert_ptr_null(slots.slabs[0].kept);
}
END_TEST

START_TEST(what_is_given_back_comes_again)
{
    uint64_t out[128], again;

    slots_take(&slots, 7, out, 128);
    slots_clear(&slots, out[42]);
    ck_assert(!slots_used(&slots, out[42]));
    ck_assert_uint_eq(slots_take(&slots, 7, &again, 1), 1);
    ck_assert_uint_eq(again, out[42]);
}
END_TEST

START_TEST(marked_slots_are_not_handed_out)
{
    uint64_t out[128];
    unsigned n;

    slots_mark(&slots, slot_make(0, 3));
    n = slots_take(&slots, 7, out, 128);
    ck_assert_uint_eq(n, 99);
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_ne(slot_page(out[i]), 3);
    }
}
END_TEST

START_TEST(only_leased_slots_are_valid)
{
    ck_assert(slots_valid(&slots, slot_make(0, 99)));
    ck_assert(!slots_valid(&slots, slot_make(0, 100)));
    ck_assert(!slots_valid(&slots, slot_make(1, 0)));
    ck_assert(!slots_valid(&slots, slot_make(3, 0)));
    ck_assert(!slots_valid(&slots, 0));
    ck_assert(!slots_valid(&slots, UINT64_MAX >> 28));
    slots_remove(&slots, 2);
    ck_assert(!slots_valid(&slots, slot_make(2, 0)));
    ck_assert_uint_eq(slots.nr, 1);
}
END_TEST

/* A frozen slab keeps what it has and gives nothing out. */
START_TEST(a_frozen_slab_gives_nothing)
{
    uint64_t out[128];

    slots_add(&slots, 1, 7, 101, 64);
    ck_assert_uint_eq(slots_take(&slots, 7, out, 10), 10);
    slots_freeze(&slots, 0, true);
    slots_freeze(&slots, 0, true);
    ck_assert_uint_eq(slots_free_in(&slots, 7), 64);
    slots_clear(&slots, out[0]);
    ck_assert_uint_eq(slots_free_in(&slots, 7), 64);
    ck_assert_uint_eq(slots_used_in(&slots, 7), 9);
    ck_assert_uint_eq(slots_take(&slots, 7, out + 10, 100), 64);
    for (int i = 10; i < 74; i++) {
        ck_assert_uint_eq(slot_slab(out[i]), 1);
    }
    slots_freeze(&slots, 0, false);
    ck_assert_uint_eq(slots_free_in(&slots, 7), 91);
}
END_TEST

START_TEST(a_slab_changes_its_lease)
{
    uint64_t out[128];

    slots_take(&slots, 7, out, 10);
    slots_freeze(&slots, 0, true);
    slots_freeze(&slots, 0, false);
    slots_set_place(&slots, 0, 0, (SlotPlace) { 9, 55, false });
    ck_assert_uint_eq(slots_used_in(&slots, 7) + slots_free_in(&slots, 7), 0);
    ck_assert_uint_eq(slots_used_in(&slots, 9), 10);
    ck_assert_uint_eq(slots_free_in(&slots, 9), 154);
    ck_assert_uint_eq(slots.slabs[0].place[0].number, 55);
    for (int i = 0; i < 10; i++) {
        ck_assert(slots_used(&slots, out[i]));
    }
    ck_assert_uint_eq(slots_take(&slots, 9, out, 128), 128);
    slots_freeze(&slots, 0, true);
    slots_remove(&slots, 0);
    ck_assert_uint_eq(slots_free_in(&slots, 9) + slots_used_in(&slots, 9),
                      64);
}
END_TEST

/* Counted as they change, whatever changes them. */
START_TEST(empty_slabs_at_one_place_are_counted)
{
    const SlotPlace none = { SLOTS_NO_LEASE, 0, false };
    uint64_t slot;

    ck_assert_uint_eq(slots.alone[7], 1);
    slots_add(&slots, 3, 7, 101, 10);
    ck_assert_uint_eq(slots.alone[7], 2);
    slot = slot_make(0, 5);
    slots_mark(&slots, slot);
    ck_assert_uint_eq(slots.alone[7], 1);
    slots_freeze(&slots, 3, true);
    ck_assert_uint_eq(slots.alone[7], 0);
    slots_freeze(&slots, 3, false);
    slots_clear(&slots, slot);
    ck_assert_uint_eq(slots.alone[7], 2);
    slots_set_place(&slots, 3, 1, (SlotPlace) { 9, 6, true });
    ck_assert_uint_eq(slots.alone[7], 1);
    ck_assert_uint_eq(slots.alone[9], 1);
    slots_set_place(&slots, 3, 0, none);
    ck_assert_uint_eq(slots.alone[7], 1);
    ck_assert_uint_eq(slots.alone[9], 2);
    slots_remove(&slots, 3);
    slots_remove(&slots, 0);
    ck_assert_uint_eq(slots.alone[7], 0);
    ck_assert_uint_eq(slots.alone[9], 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("slots");
    TCase *tc = tcase_create("slots");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, numbers_are_taken_apart_as_made);
    tcase_add_test(tc, every_slot_is_taken_once);
    tcase_add_test(tc, kept_slots_are_counted);
    tcase_add_test(tc, no_map_where_none_is_kept);
    tcase_add_test(tc, what_is_given_back_comes_again);
    tcase_add_test(tc, marked_slots_are_not_handed_out);
    tcase_add_test(tc, only_leased_slots_are_valid);
    tcase_add_test(tc, a_frozen_slab_gives_nothing);
    tcase_add_test(tc, a_slab_changes_its_lease);
    tcase_add_test(tc, empty_slabs_at_one_place_are_counted);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
