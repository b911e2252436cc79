/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GETs when a slab has two places and one of them does not answer: what the
 * numbers that are out there leave for others.
 */
#include <check.h>

#include "location-fixture.h"
#include "rcached/pager/tag.h"

/* A number for one more GET. */
static unsigned free_number(void)
{
    for (unsigned i = 0; i < LOCATION_GETS; i++) {
        if (!location_get_is_busy(p, i)) {
            return i;
        }
    }
    ck_abort_msg("all numbers are out");
}

static bool answer_get(unsigned from, unsigned i, uint16_t status)
{
    const Get *g = &p->locations.gets.get[i];
    unsigned which = g->at[0].remote != &remote[from];

    sent.tag = tag_encode(TAG_GET, i, g->at[which].serial);
    return answer(from, RCACHE_GET_REPLY, status);
}

/*
 * A page is asked for, and again where it takes long; provider 0 does not
 * answer, and 1 does.  Its number; or, if it has been answered, that is free.
 */
static unsigned get_beside_one_that_hangs(uint64_t slot)
{
    unsigned i = free_number();

    ck_assert(location_may_get(p, slot, LOCATION_GETS));
    location_get(p, i, slot);
    location_retry(p, now + p->locations.gets.hedge_ns);
    ck_assert(answer_get(1, i, 0));
    location_forget(p, i);
    return i;
}

/* Pages that it was asked for came from the other one: their numbers are out */
START_TEST(one_that_hangs_cannot_have_all_numbers)
{
    uint64_t slot[2] = { stored_slot(), stored_slot() };
    unsigned out = 0;

    for (unsigned i = 0; i < 4 * LOCATION_GETS; i++) {
        unsigned number = get_beside_one_that_hangs(slot[i & 1]);

        out += location_get_is_busy(p, number);
    }
    ck_assert_uint_gt(p->locations.gets.nr_hedges, 0);
    ck_assert_uint_eq(remote[0].unanswered, LOCATION_GETS / 2);
    ck_assert_uint_eq(out, LOCATION_GETS / 2);
    ck_assert_uint_eq(p->locations.gets.nr, out);
    ck_assert_uint_eq(remote[1].unanswered + p->locations.gets.nr_counted, 0);
    goes_away(0);
    ck_assert_uint_eq(remote[0].unanswered + p->locations.gets.nr, 0);
}
END_TEST

/* Provider 0 has as many GETs as it may; page @slot is at both. */
static void fill_one(uint64_t slot)
{
    /* A page it is asked for first, whatever else there is. */
    remote[0].judge.median = 1;
    remote[1].judge.median = 1000;
    while (location_get_place(p, slot) == 0) {
        get_beside_one_that_hangs(slot);
    }
    remote[0].judge.median = remote[1].judge.median = 0;
}

START_TEST(a_full_place_is_not_the_other_one)
{
    uint64_t slot = stored_slot();
    unsigned i, full;

    fill_one(slot);
    full = remote[0].unanswered;
    i = free_number();
    location_get(p, i, slot);
    ck_assert_ptr_eq(sent_to, &remote[1].fault);
    nr_sent = 0;
    soon = false;
    location_retry(p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_sent, 0);
    ck_assert(soon);                    /* it is looked at again */
    for (unsigned k = 0; remote[0].unanswered > full / 2; k++) {
        if (p->locations.gets.get[k].at[0].remote == &remote[0]) {
            ck_assert(answer_get(0, k, 0));
        }
    }
    location_retry(p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_ptr_eq(sent_to, &remote[0].fault);
}
END_TEST

/* What the other one cannot send has no place but the full one: it waits. */
static void waits_for_a_full_place(void (*fails)(unsigned i))
{
    uint64_t slot = stored_slot();
    unsigned i;

    fill_one(slot);
    i = free_number();
    location_get(p, i, slot);
    nr_sent = 0;
    soon = false;
    fails(i);
    ck_assert_uint_eq(nr_sent + nr_missing, 0);
    ck_assert(!location_get_is_out(p, i));
    ck_assert(soon);
    goes_away(0);
    comes_back(0);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_ptr_eq(sent_to, &remote[0].fault);
    nr_got = 0;
    ck_assert(answer_get(0, i, 0));
    ck_assert_uint_eq(nr_got, 1);
}

static void one_is_busy(unsigned i)
{
    ck_assert(answer_get(1, i, RCACHE_E_BUSY));
    remote[1].state = REMOTE_DOWN;
}

static void one_goes_away(unsigned i)
{
    goes_away(1);
}

static void one_is_wrong(unsigned i)
{
    bytes_are_right = false;
    ck_assert(answer_get(1, i, 0));
    bytes_are_right = true;
}

START_TEST(busy_while_the_other_is_full)
{
    waits_for_a_full_place(one_is_busy);
}
END_TEST

START_TEST(a_session_ends_while_the_other_is_full)
{
    waits_for_a_full_place(one_goes_away);
}
END_TEST

START_TEST(bytes_are_wrong_while_the_other_is_full)
{
    waits_for_a_full_place(one_is_wrong);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("location-full");
    TCase *t = tcase_create("core");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up_two, tear_down);
    tcase_add_test(t, one_that_hangs_cannot_have_all_numbers);
    tcase_add_test(t, a_full_place_is_not_the_other_one);
    tcase_add_test(t, busy_while_the_other_is_full);
    tcase_add_test(t, a_session_ends_while_the_other_is_full);
    tcase_add_test(t, bytes_are_wrong_while_the_other_is_full);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
