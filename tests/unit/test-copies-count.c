/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many copies there are: the figures agree with each other, whatever the
 * VM wants, and in whatever way a copy is not to be had.
 */
#include <check.h>

#include "location-fixture.h"
#include "rcached/pager/copies-count.h"

static CopiesCount count;

/* Slab 0 is at one provider and has three pages. */
static void set_up_three(void)
{
    set_up();
    for (unsigned i = 0; i < 3; i++) {
        stored_slot();
    }
}

static void second_place(void)
{
    location_freeze(p, 0);
    location_set(p, 0, 1, p->leases.entry[1], 70);
}

static void expect(uint64_t one, uint64_t pending, uint64_t sole0,
                   uint64_t sole1)
{
    copies_count(p, &count);
    ck_assert_uint_eq(count.one, one);
    ck_assert_uint_eq(count.pending, pending);
    ck_assert_uint_eq(count.sole[0], sole0);
    ck_assert_uint_eq(count.sole[1], sole1);
}

START_TEST(one_copy_is_one_copy_however_many_are_wanted)
{
    p->locations.copies = 1;
    expect(3, 0, 3, 0);
    p->locations.copies = 2;
    expect(3, 3, 3, 0);
}
END_TEST

START_TEST(two_copies_are_two_however_many_are_wanted)
{
    second_place();
    p->locations.copies = 2;
    expect(0, 0, 0, 0);
    p->locations.copies = 1;
    expect(0, 0, 0, 0);
}
END_TEST

/* Silence proves nothing: nothing has to be copied yet. */
START_TEST(one_that_is_away_has_no_copy_now)
{
    p->locations.copies = 2;
    second_place();
    goes_away(1);
    expect(3, 0, 3, 0);
    goes_away(0);
    expect(3, 0, 3, 3);
    comes_back(1);
    expect(3, 0, 0, 3);
    comes_back(0);
    expect(0, 0, 0, 0);
}
END_TEST

START_TEST(one_that_is_stale_has_no_copy)
{
    p->locations.copies = 2;
    second_place();
    goes_away(1);
    location_give_up(p, 0, 1);
    comes_back(1);
    expect(3, 3, 3, 0);
}
END_TEST

START_TEST(slabs_are_added_up)
{
    p->locations.copies = 2;
    second_place();
    ck_assert(location_add(p, p->leases.entry[1], 8));
    slots_mark(&p->slots, slot_make(1, 0));
    expect(1, 1, 0, 1);
    goes_away(0);
    expect(4, 1, 0, 4);
}
END_TEST

/* A page that keeps its slot is here as well: it needs no copy. */
START_TEST(kept_slots_are_no_pages_that_are_away)
{
    p->locations.copies = 2;
    slots_keep(&p->slots, slot_make(0, 0), 11, 1);
    slots_keep(&p->slots, slot_make(0, 1), 12, 1);
    expect(1, 1, 1, 0);
    slots_keep(&p->slots, slot_make(0, 2), 13, 1);
    expect(0, 0, 0, 0);
    slots_leave(&p->slots, slot_make(0, 2));    /* and is on its way back */
    expect(0, 0, 0, 0);
}
END_TEST

static Suite *copies_count_suite(void)
{
    Suite *s = suite_create("copies-count");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up_three, tear_down);
    tcase_add_test(t, one_copy_is_one_copy_however_many_are_wanted);
    tcase_add_test(t, two_copies_are_two_however_many_are_wanted);
    tcase_add_test(t, one_that_is_away_has_no_copy_now);
    tcase_add_test(t, one_that_is_stale_has_no_copy);
    tcase_add_test(t, slabs_are_added_up);
    tcase_add_test(t, kept_slots_are_no_pages_that_are_away);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(copies_count_suite());
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
