/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that nobody waits for: they go in one frame, and what comes of each is
 * its own, whatever becomes of the others.
 */
#include <check.h>

#include "location-fixture.h"
#include "rcached/pager/tag.h"

#define N       5u

static unsigned number[RCACHE_BATCH_PAGES];
static uint64_t slot[RCACHE_BATCH_PAGES];

/* @n slots in which something is stored, and a frame (or more) for them. */
static void ask(unsigned n)
{
    if (remote[0].state == REMOTE_UP && !remote[0].unanswered) {
        ck_assert_uint_eq(location_reserve(p, slot, n), n);
    }
    for (unsigned i = 0; i < n; i++) {
        number[i] = 10 + i;
    }
    location_get_many(p, number, slot, n);
}

static unsigned nr_busy_numbers(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < LOCATION_GETS; i++) {
        n += location_get_is_busy(p, i);
    }
    return n;
}

/* Nothing is left of any GET. */
static void check_over(void)
{
    for (unsigned i = 0; i < N; i++) {
        location_forget(p, number[i]);
    }
    ck_assert_uint_eq(nr_busy_numbers(), 0);
    ck_assert_uint_eq(p->locations.gets.nr, 0);
    ck_assert_uint_eq(p->locations.gets.nr_counted, 0);
    ck_assert_uint_eq(remote[0].unanswered + remote[1].unanswered, 0);
    for (unsigned i = 0; i < N; i++) {
        ck_assert(!slots_is_read(&p->slots, slot[i]));
    }
}

START_TEST(they_go_in_one_frame_beside_the_faults)
{
    ask(N);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(sent.type, RCACHE_GET);
    ck_assert_uint_eq(sent.count, N);
    ck_assert_uint_eq(sent.lease, 100);
    ck_assert_ptr_eq(sent_to, &remote[0].bulk);
    for (unsigned i = 0; i < N; i++) {
        ck_assert_uint_eq(sent_slots[i], wire_slot(7, slot_page(slot[i])));
        ck_assert(location_get_is_out(p, number[i]));
        ck_assert(slots_is_read(&p->slots, slot[i]));
    }
    ck_assert(location_is_read(p, &remote[0], slot_slab(slot[0])));
    ck_assert_uint_eq(remote[0].gets, N);
    ck_assert_uint_eq(remote[0].unanswered, N);
    ck_assert(answer_many(0, 0, N));
    ck_assert_uint_eq(nr_got, N);
    ck_assert_ptr_eq(got_bytes, many_pages + (N - 1) * RCACHE_PAGE_SIZE);
    ck_assert_ptr_eq(got_from, &remote[0]);
    ck_assert(!answer_many(0, 0, N));           /* once */
    check_over();
}
END_TEST

START_TEST(a_large_frame_does_not_hold_up_faults)
{
    ask(LOCATION_FRAME_PAGES);
    ck_assert(answer_many(0, 0, LOCATION_FRAME_PAGES));
    ck_assert_uint_eq(nr_between, LOCATION_FRAME_PAGES / 16);
}
END_TEST

START_TEST(more_than_a_frame_are_several)
{
    ask(LOCATION_FRAME_PAGES + 1);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_uint_eq(sent.count, 1);
}
END_TEST

START_TEST(answers_that_are_not_the_frames)
{
    WireHead head = { .type = RCACHE_GET_REPLY, .count = N };

    ask(N);
    ck_assert(!answer_many(1, 0, N));           /* from another */
    head.tag = sent.tag + 1;                    /* of another use */
    ck_assert(!location_answer(p, &remote[0], &head, many_pages));
    head.tag = tag_encode(TAG_GETS, LOCATION_FRAMES, (uint32_t)sent.tag);
    ck_assert(!location_answer(p, &remote[0], &head, many_pages));
    head.tag = tag_encode(TAG_GET, number[0], (uint32_t)sent.tag);
    ck_assert(!location_answer(p, &remote[0], &head, many_pages));
    ck_assert_uint_eq(nr_got, 0);
    ck_assert(answer_many(0, 0, N - 1));        /* not all of them */
    ck_assert_uint_eq(nr_got, 0);
    ck_assert_uint_eq(nr_missing, N);
    check_over();
}
END_TEST

/* Nobody waits: they are left alone, and asked of nobody else. */
START_TEST(a_frame_that_is_of_no_use)
{
    static const uint16_t status[] = { RCACHE_E_SLOT, RCACHE_E_BUSY };

    ask(N);
    ck_assert(answer_many(0, status[_i], 0));
    ck_assert_uint_eq(nr_missing, N);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(nr_busy, _i);
    ck_assert_uint_eq(p->locations.many.refused_at, now);
    check_over();
}
END_TEST

START_TEST(a_session_that_ends)
{
    ask(N);
    goes_away(0);
    ck_assert_uint_eq(nr_missing, N);
    ck_assert_uint_eq(nr_sent, 1);
    check_over();
    comes_back(0);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert(!answer_many(0, 0, N));
}
END_TEST

START_TEST(one_page_is_wrong)
{
    ask(N);
    wrong_number = number[2];
    ck_assert(answer_many(0, 0, N));
    ck_assert_uint_eq(nr_got, N);
    ck_assert_uint_eq(nr_missing, 1);
    ck_assert_uint_eq(nr_sent, 1);
    check_over();
}
END_TEST

/* One is waited for by now: it is not given up with the others. */
START_TEST(one_that_is_waited_for_goes_on)
{
    ask(N);
    location_get_wanted(p, number[1], now);
    ck_assert(soon);
    ck_assert(answer_many(0, RCACHE_E_BUSY, 0));
    ck_assert_uint_eq(nr_missing, N - 1);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_ptr_eq(sent_to, &remote[0].fault);
    ck_assert_uint_eq(sent.count, 1);
    ck_assert_uint_eq(sent_slot, wire_slot(7, slot_page(slot[1])));
    ck_assert(answer(0, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 1);
    check_over();
}
END_TEST

START_TEST(so_does_it_in_the_next_session)
{
    ask(N);
    location_get_wanted(p, number[1], now);
    goes_away(0);
    ck_assert_uint_eq(nr_missing, N - 1);
    ck_assert_uint_eq(nr_sent, 1);
    comes_back(0);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert(answer(0, RCACHE_GET_REPLY, 0));
    check_over();
}
END_TEST

/* The frame takes too long: the page comes as if it had been out nowhere. */
START_TEST(one_that_is_waited_for_does_not_wait_for_the_frame)
{
    p->locations.gets.hedge_ns = 2 * NS_PER_MS;
    ask(N);
    now += NS_PER_SEC;
    location_retry(p, now);             /* nobody waits */
    ck_assert_uint_eq(nr_sent, 1);
    location_get_wanted(p, number[1], now);
    location_retry(p, now + 1 * NS_PER_MS);
    ck_assert_uint_eq(nr_sent, 1);
    now += 2 * NS_PER_MS;
    location_retry(p, now);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_ptr_eq(sent_to, &remote[0].fault);
    location_retry(p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_sent, 2);      /* once */
    ck_assert(answer(0, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 1);
    location_forget(p, number[1]);
    /* It is still out in the frame: neither number nor slot is free. */
    ck_assert(location_get_is_busy(p, number[1]));
    location_free(p, slot[1]);
    freeing_flush(p, true);
    ck_assert_uint_eq(sent.type, RCACHE_GET);
    goes_away(0);
    ck_assert(!location_get_is_busy(p, number[1]));
    ck_assert_uint_eq(nr_missing, N - 1);
}
END_TEST

/* It has refused the page, and answers the frame never. */
START_TEST(a_page_that_was_refused_is_asked_for_again)
{
    ask(N);
    location_get_wanted(p, number[1], now);
    now += NS_PER_SEC / 2;
    location_retry(p, now);
    ck_assert_uint_eq(nr_sent, 2);
    soon = false;
    ck_assert(answer(0, RCACHE_GET_REPLY, RCACHE_E_SLOT));
    ck_assert(soon);
    ck_assert_uint_eq(nr_missing, 0);
    location_retry(p, now + NS_PER_SEC / 4);
    ck_assert_uint_eq(nr_sent, 2);
    now += NS_PER_SEC / 2;
    location_retry(p, now);
    now += NS_PER_SEC / 2;
    location_retry(p, now);
    ck_assert_uint_eq(nr_sent, 3);
    ck_assert(answer(0, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 1);
    goes_away(0);
    check_over();
}
END_TEST

/* A marker's bytes are not thrown away for those. */
START_TEST(a_stale_place_is_not_there)
{
    location_freeze(p, 0);
    location_set(p, 0, 1, p->leases.entry[1], 70);
    ck_assert_uint_eq(location_reserve(p, slot, 1), 1);
    ck_assert(get_is_there(p, slot[0]));
    p->slots.slabs[0].place[0].stale = true;
    remote[1].state = REMOTE_DOWN;
    ck_assert(!get_is_there(p, slot[0]));
}
END_TEST

START_TEST(a_slot_is_freed_when_the_frame_is_in)
{
    ask(N);
    location_free(p, slot[1]);
    freeing_flush(p, true);
    ck_assert_uint_eq(sent.type, RCACHE_GET);
    ck_assert(answer_many(0, 0, N));
    for (unsigned i = 0; i < N; i++) {
        location_forget(p, number[i]);
    }
    freeing_flush(p, true);
    ck_assert_uint_eq(sent.type, RCACHE_FREE);
    ck_assert_uint_eq(sent_slot, wire_slot(7, slot_page(slot[1])));
}
END_TEST

START_TEST(a_provider_that_cannot_be_asked)
{
    ck_assert_uint_eq(location_reserve(p, slot, N), N);
    if (_i) {
        remote[0].state = REMOTE_DOWN;
    } else {
        remote[0].unanswered = LOCATION_GETS;   /* of other pages */
    }
    ask(N);
    ck_assert_uint_eq(nr_missing, N);
    ck_assert_uint_eq(nr_sent, 0);
    remote[0].unanswered = 0;
    check_over();
}
END_TEST

START_TEST(two_places_have_half_each)
{
    location_freeze(p, 0);
    location_set(p, 0, 1, p->leases.entry[1], 70);
    p->locations.copies = 2;
    ask(N);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_uint_gt(remote[0].unanswered, 0);
    ck_assert_uint_gt(remote[1].unanswered, 0);
    ck_assert_uint_eq(remote[0].unanswered + remote[1].unanswered, N);
    goes_away(0);
    goes_away(1);
    ck_assert_uint_eq(nr_missing, N);
    check_over();
}
END_TEST

/* The other place has it right, and a guest waits. */
START_TEST(wrong_bytes_for_one_that_is_waited_for)
{
    location_freeze(p, 0);
    location_set(p, 0, 1, p->leases.entry[1], 70);
    remote[1].judge.slow = true;        /* all is asked of the first */
    ask(N);
    ck_assert_uint_eq(nr_sent, 1);
    location_get_wanted(p, number[2], now);
    wrong_number = number[2];
    ck_assert(answer_many(0, 0, N));
    ck_assert_uint_eq(nr_missing, 0);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_ptr_eq(sent_to, &remote[1].fault);
    wrong_number = UINT_MAX;
    ck_assert(answer(1, RCACHE_GET_REPLY, 0));
    check_over();
}
END_TEST

/* A stale place may lack it: that is for one page at a time to find out. */
START_TEST(a_stale_place_is_not_asked)
{
    location_freeze(p, 0);
    location_set(p, 0, 1, p->leases.entry[1], 70);
    location_give_up(p, 0, 0);
    remote[1].state = REMOTE_DOWN;
    p->slots.slabs[0].place[0].stale = true;
    slot[0] = slot_make(0, 0);
    number[0] = 10;
    location_get_many(p, number, slot, 1);
    ck_assert_uint_eq(nr_sent, 0);
    ck_assert_uint_eq(nr_missing, 1);
}
END_TEST

static Suite *many_suite(void)
{
    Suite *s = suite_create("location-many");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, they_go_in_one_frame_beside_the_faults);
    tcase_add_test(t, a_large_frame_does_not_hold_up_faults);
    tcase_add_test(t, more_than_a_frame_are_several);
    tcase_add_test(t, answers_that_are_not_the_frames);
    tcase_add_loop_test(t, a_frame_that_is_of_no_use, 0, 2);
    tcase_add_test(t, a_session_that_ends);
    tcase_add_test(t, one_page_is_wrong);
    tcase_add_test(t, one_that_is_waited_for_goes_on);
    tcase_add_test(t, so_does_it_in_the_next_session);
    tcase_add_test(t, one_that_is_waited_for_does_not_wait_for_the_frame);
    tcase_add_test(t, a_page_that_was_refused_is_asked_for_again);
    tcase_add_test(t, a_stale_place_is_not_there);
    tcase_add_test(t, a_slot_is_freed_when_the_frame_is_in);
    tcase_add_loop_test(t, a_provider_that_cannot_be_asked, 0, 2);
    tcase_add_test(t, two_places_have_half_each);
    tcase_add_test(t, wrong_bytes_for_one_that_is_waited_for);
    tcase_add_test(t, a_stale_place_is_not_asked);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(many_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
