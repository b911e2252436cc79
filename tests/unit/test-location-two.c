/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where bytes are when a slab has two places: what is sent to both, who is
 * asked and when the other is, and what becomes of slots and PUTs when a place
 * is gone, stale, or new.
 */
#include <check.h>

#include "location-fixture.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/tag.h"

static uint64_t sum;

static void put_one(uint64_t *slot)
{
    *slot = stored_slot();
    nr_stored = nr_sent = 0;
    ck_assert(location_put(p, 1, slot, 1, &sum, page));
}

/* ------------------------------------------------------------------ PUT */

START_TEST(a_put_is_stored_when_both_have_it)
{
    uint64_t slot;

    put_one(&slot);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert(answer_own(1, RCACHE_PUT_ACK, 0));
    ck_assert_uint_eq(nr_stored, 0);
    ck_assert(!answer_own(1, RCACHE_PUT_ACK, 0));   /* once */
    ck_assert(answer_own(0, RCACHE_PUT_ACK, 0));
    ck_assert_uint_eq(nr_stored, 1);
    ck_assert(stored_ok);
}
END_TEST

START_TEST(one_refusal_calls_it_off_when_both_have_answered)
{
    uint64_t slot;

    put_one(&slot);
    ck_assert(answer_own(0, RCACHE_PUT_ACK, RCACHE_E_BUSY));
    ck_assert_uint_eq(nr_stored, 0);    /* its bytes are still read */
    ck_assert(!location_is_quiet(p, 0));
    ck_assert(answer_own(1, RCACHE_PUT_ACK, 0));
    ck_assert_uint_eq(nr_stored, 1);
    ck_assert(!stored_ok);
}
END_TEST

START_TEST(a_session_that_ends_calls_it_off)
{
    uint64_t slot;

    put_one(&slot);
    ck_assert(answer_own(0, RCACHE_PUT_ACK, 0));
    goes_away(1);
    ck_assert_uint_eq(nr_stored, 1);
    ck_assert(!stored_ok);
    ck_assert_uint_eq(remote[0].puts + remote[1].puts, 0);
}
END_TEST

START_TEST(a_place_that_is_cleared_calls_it_off)
{
    uint64_t slot;

    put_one(&slot);
    ck_assert(answer_own(0, RCACHE_PUT_ACK, 0));
    location_clear(p, 0, 1);
    ck_assert(answer_own(1, RCACHE_PUT_ACK, 0));
    ck_assert_uint_eq(nr_stored, 1);
    ck_assert(!stored_ok);
}
END_TEST

START_TEST(nothing_is_put_while_one_is_away)
{
    uint64_t slot;

    goes_away(1);
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 0);
    comes_back(1);
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 1);
}
END_TEST

/* One page is put where it may go now, and provider 1 answers that. */
static bool put_at_the_pair(uint16_t status)
{
    uint64_t slot;

    put_choice_tick(p, now);
    if (!location_reserve(p, &slot, 1)) {
        return false;
    }
    if (slot_slab(slot)) {
        location_unreserve(p, &slot, 1);
        return false;
    }
    ck_assert(location_put(p, 1, &slot, 1, &sum, page));
    ck_assert(answer_own(1, RCACHE_PUT_ACK, status));
    ck_assert(answer_own(0, RCACHE_PUT_ACK, 0));
    ck_assert_int_eq(stored_ok, !status);
    slots_clear(&p->slots, slot);
    return true;
}

/* In how many looks of a minute it is put to the pair. */
static unsigned minute_at_the_pair(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 600; i++) {
        n += put_at_the_pair(RCACHE_E_BUSY);
        now += 100 * NS_PER_MS;
    }
    return n;
}

/* It is always busy: a page with one copy is better than one that stays. */
START_TEST(one_that_refuses_all_is_no_place)
{
    uint64_t slot;

    ck_assert(location_add(p, p->leases.entry[0], 8));      /* slab 1 */
    ck_assert_uint_lt(minute_at_the_pair(), 12);
    ck_assert_uint_gt(nr_in_vain, 0);
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot), 1);
    /* It is tried again, and then it is as good as any. */
    for (unsigned i = 0; i < 200 && !put_at_the_pair(0); i++) {
        now += 100 * NS_PER_MS;
    }
    ck_assert(put_at_the_pair(0));
    ck_assert(!remote_refuses(&remote[1], now));
}
END_TEST

/* There is no other: it is tried as often as one that is busy once. */
START_TEST(one_that_refuses_all_is_all_there_is)
{
    ck_assert_uint_gt(minute_at_the_pair(), 20);
    ck_assert(remote_refuses(&remote[1], now));
    while (!put_at_the_pair(0)) {
        now += 100 * NS_PER_MS;
    }
    ck_assert(!remote_refuses(&remote[1], now));
}
END_TEST

/* Of many PUTs that are out together the first says it: once is chance. */
START_TEST(what_is_refused_at_once_counts_once)
{
    uint64_t slot[8];

    for (unsigned i = 0; i < 8; i++) {
        slot[i] = stored_slot();
    }
    for (unsigned i = 0; i < 8; i++) {
        ck_assert(location_put(p, i, &slot[i], 1, &sum, page));
        ck_assert(answer_own(1, RCACHE_PUT_ACK, RCACHE_E_BUSY));
    }
    ck_assert(!remote_refuses(&remote[1], now));
}
END_TEST

/* Rule 8: room with one copy is used when there has been no other for long. */
START_TEST(one_copy_is_the_last_resort)
{
    uint64_t slot;

    ck_assert(location_add(p, p->leases.entry[0], 8));      /* slab 1 */
    put_choice_tick(p, now);
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot), 0);
    goes_away(1);
    put_choice_tick(p, now);
    ck_assert(!location_has_room(p));
    now += 2 * NS_PER_SEC;
    put_choice_tick(p, now);
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot), 1);
    comes_back(1);
    put_choice_tick(p, now);
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot), 0);
}
END_TEST

/* The other one keeps a copy; when both are, nobody else has room. */
START_TEST(one_that_is_wanted_back_is_half_of_two)
{
    uint64_t slot;

    p->leases.entry[0]->keep = 0;
    ck_assert_uint_eq(put_room(p, now), PAGES);
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 1);
    p->leases.entry[1]->keep = 0;
    ck_assert_uint_eq(put_room(p, now), 0);
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 1);
}
END_TEST

/* ------------------------------------------------------------------ GET */

/* A GET of slot @slot as number 0; who was asked. */
static unsigned get_one(uint64_t slot)
{
    nr_sent = 0;
    location_get(p, 0, slot);
    ck_assert_uint_eq(nr_sent, 1);
    return sent_to == &remote[1].fault;
}

START_TEST(pages_are_asked_of_both_alike)
{
    unsigned from[2] = { 0 };

    for (unsigned i = 0; i < 8; i++) {
        unsigned who = get_one(stored_slot());

        from[who]++;
        ck_assert(answer_own(who, RCACHE_GET_REPLY, 0));
        location_forget(p, 0);
    }
    ck_assert_uint_eq(from[0], 4);
    ck_assert_uint_eq(from[1], 4);
}
END_TEST

START_TEST(the_better_one_is_asked)
{
    uint64_t slot = stored_slot();

    remote[0].judge.median = 900;
    remote[1].judge.median = 100;
    ck_assert_uint_eq(get_one(slot), 1);
    ck_assert(answer_own(1, RCACHE_GET_REPLY, 0));
    remote[1].judge.slow = true;
    ck_assert_uint_eq(get_one(slot), 0);
    ck_assert(answer_own(0, RCACHE_GET_REPLY, 0));
    goes_away(0);
    ck_assert_uint_eq(get_one(slot), 1);
}
END_TEST

START_TEST(the_other_one_is_asked_after_a_while)
{
    uint64_t slot = stored_slot();
    unsigned first = get_one(slot);

    location_retry(p, now - 1);         /* a turn that began before */
    ck_assert_uint_eq(nr_sent, 1);
    location_retry(p, now + NS_PER_MS);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert(soon);
    location_retry(p, now + 2 * NS_PER_MS);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_uint_eq(p->locations.gets.nr_hedges, 1);
    ck_assert(answer_own(!first, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 1);
    location_forget(p, 0);
    ck_assert(location_get_is_busy(p, 0));      /* the first may answer yet */
    location_free(p, slot);
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 2);              /* and its slot is not free */
    ck_assert(answer_own(first, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 1);
    ck_assert(!location_get_is_busy(p, 0));
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 4);
}
END_TEST

/* Half of the answers take long, so that those of the last minute do. */
START_TEST(the_other_one_is_quicker_than_most_answers)
{
    uint64_t slot = stored_slot();
    unsigned first = get_one(slot);

    p->locations.gets.hedge_ns = 240 * NS_PER_MS;
    remote[first].judge.recent = 240 * NS_PER_MS;
    remote[!first].judge.recent = 5 * NS_PER_MS;
    location_retry(p, now + 19 * NS_PER_MS);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert(soon);
    location_retry(p, now + 20 * NS_PER_MS);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_uint_eq(p->locations.gets.nr_hedges, 1);
}
END_TEST

START_TEST(the_other_one_is_as_slow)
{
    uint64_t slot = stored_slot();
    unsigned first = get_one(slot);

    p->locations.gets.hedge_ns = 240 * NS_PER_MS;
    remote[!first].judge.recent = 230 * NS_PER_MS;
    location_retry(p, now + 239 * NS_PER_MS);
    ck_assert_uint_eq(nr_sent, 1);
    location_retry(p, now + 240 * NS_PER_MS);
    ck_assert_uint_eq(nr_sent, 2);
}
END_TEST

/* Else each page would be asked for twice on a quick network. */
START_TEST(a_millisecond_is_never_long)
{
    uint64_t slot = stored_slot();
    unsigned first = get_one(slot);

    remote[!first].judge.recent = NS_PER_MS / 10;
    location_retry(p, now + NS_PER_MS - 1);
    ck_assert_uint_eq(nr_sent, 1);
    location_retry(p, now + NS_PER_MS);
    ck_assert_uint_eq(nr_sent, 2);
}
END_TEST

START_TEST(the_other_one_is_asked_when_the_session_ends)
{
    unsigned first = get_one(stored_slot());

    goes_away(first);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert(answer_own(!first, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 1);
}
END_TEST

START_TEST(the_other_one_is_asked_when_bytes_are_wrong)
{
    unsigned first = get_one(stored_slot());

    bytes_are_right = false;
    ck_assert(answer_own(first, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_uint_eq(nr_missing, 0);
    ck_assert(answer_own(!first, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 2);
    ck_assert_uint_eq(nr_missing, 1);   /* neither has right ones */
}
END_TEST

START_TEST(the_other_one_is_asked_at_once_for_one_that_is_busy)
{
    unsigned first = get_one(stored_slot());

    ck_assert(answer_own(first, RCACHE_GET_REPLY, RCACHE_E_BUSY));
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert(answer_own(!first, RCACHE_GET_REPLY, 0));
    ck_assert_uint_eq(nr_got, 1);
}
END_TEST

START_TEST(a_stale_place_is_asked_last)
{
    uint64_t slot = stored_slot();

    location_give_up(p, 0, 0);
    ck_assert_uint_eq(get_one(slot), 1);
    ck_assert(answer_own(1, RCACHE_GET_REPLY, 0));
    ck_assert_ptr_eq(got_from, &remote[1]);
    goes_away(1);
    ck_assert_uint_eq(get_one(slot), 0);
    ck_assert(answer_own(0, RCACHE_GET_REPLY, 0));
    ck_assert_ptr_null(got_from);       /* it need not have the last bytes */
}
END_TEST

/* Else nothing copied what is there, and its host was said to be needless. */
START_TEST(a_stale_place_that_is_all_there_is_counts)
{
    uint64_t slot = stored_slot(), other;

    location_give_up(p, 0, 1);
    location_free(p, slot);
    ck_assert_uint_eq(p->leases.entry[1]->to_free->len, 0);
    location_clear(p, 0, 0);
    ck_assert_uint_eq(p->evictor.progress.at, now);     /* who waits for room */
    ck_assert_uint_eq(slots_copies(&p->slots.slabs[0]), 1);
    ck_assert(!slab_table_get(guest_slabs(&p->guest), 0, 1).stale);
    p->locations.copies = 1;
    put_one(&other);
    ck_assert_ptr_eq(sent_to, &remote[1].bulk);
    ck_assert(answer_own(1, RCACHE_PUT_ACK, 0));
    ck_assert(stored_ok);
    location_free(p, other);
    freeing_flush(p, true);
    ck_assert_ptr_eq(sent_to, &remote[1].bulk);
    ck_assert(answer_own(1, RCACHE_FREE_ACK, 0));
    ck_assert(!slots_used(&p->slots, other));
}
END_TEST

static void silent_since(unsigned i, uint64_t when)
{
    remote[i].state = when ? REMOTE_DOWN : REMOTE_UP;
    remote[i].away_at = when;
}

/* A page that nobody has now, and whose providers are all given up. */
START_TEST(all_that_have_it_are_given_up)
{
    uint64_t slot = stored_slot();

    p->copies.give_up_ns = NS_PER_SEC;
    ck_assert(!location_is_given_up(p, slot, now));
    silent_since(0, now);
    silent_since(1, now + 1);
    ck_assert(!location_is_given_up(p, slot, now + NS_PER_SEC));
    ck_assert(location_is_given_up(p, slot, now + NS_PER_SEC + 1));
    silent_since(0, 0);
    ck_assert(!location_is_given_up(p, slot, now + NS_PER_SEC + 1));
    p->leases.entry[0]->lost = true;    /* it is back, and has nothing */
    ck_assert(location_is_given_up(p, slot, now + NS_PER_SEC + 1));
    p->leases.entry[0]->lost = false;
    p->leases.entry[0]->useless_ns = NS_PER_SEC;
    ck_assert(location_is_given_up(p, slot, now + NS_PER_SEC + 1));
    p->leases.entry[0]->useless_ns = 0;
    ck_assert(!location_is_given_up(p, slot_make(3, 0), now));
}
END_TEST

/* ----------------------------------------------------------------- FREE */

START_TEST(a_slot_is_free_when_both_have_said_so)
{
    uint64_t slot = stored_slot();

    location_free(p, slot);
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert(answer_own(1, RCACHE_FREE_ACK, 0));
    ck_assert(slots_used(&p->slots, slot));
    ck_assert(answer_own(0, RCACHE_FREE_ACK, 0));
    ck_assert(!slots_used(&p->slots, slot));
}
END_TEST

START_TEST(a_place_that_is_gone_is_not_waited_for)
{
    uint64_t slot[2] = { stored_slot(), stored_slot() };

    location_free(p, slot[0]);
    freeing_flush(p, true);             /* out at both */
    location_free(p, slot[1]);          /* and one that waits */
    ck_assert(answer_own(0, RCACHE_FREE_ACK, 0));
    location_clear(p, 0, 1);
    ck_assert(!slots_used(&p->slots, slot[0]));
    ck_assert(slots_used(&p->slots, slot[1]));
    freeing_flush(p, true);
    ck_assert_ptr_eq(sent_to, &remote[0].bulk);
    ck_assert(answer_own(0, RCACHE_FREE_ACK, 0));
    ck_assert(!slots_used(&p->slots, slot[1]));
}
END_TEST

START_TEST(what_a_new_place_was_given_is_freed_there_too)
{
    uint64_t slot;

    location_clear(p, 0, 1);
    p->locations.copies = 1;
    slot = stored_slot();
    location_freeze(p, 0);
    location_free(p, slot);             /* while it is copied */
    location_set(p, 0, 1, p->leases.entry[1], 71);
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert(answer_own(0, RCACHE_FREE_ACK, 0));
    ck_assert(slots_used(&p->slots, slot));
    ck_assert(answer_own(1, RCACHE_FREE_ACK, 0));
    ck_assert(!slots_used(&p->slots, slot));
}
END_TEST

/* Sent once to each, however often the slab is frozen meanwhile. */
START_TEST(a_free_that_is_held_goes_once)
{
    uint64_t slot = stored_slot(), other;

    location_free(p, slot);
    for (unsigned i = 0; i < 3; i++) {
        location_freeze(p, 0);
        location_thaw(p, 0);
    }
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_uint_eq(sent.count, 1);
    ck_assert(answer_own(0, RCACHE_FREE_ACK, 0));
    ck_assert(answer_own(1, RCACHE_FREE_ACK, 0));
    other = stored_slot();
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert(slots_used(&p->slots, other));
}
END_TEST

START_TEST(unused_slots_are_freed_at_both)
{
    uint64_t slot = stored_slot();

    p->leases.entry[0]->sweep = p->leases.entry[1]->sweep = true;
    ck_assert(!location_has_room(p));
    while (freeing_sweep(p)) {
        freeing_flush(p, true);
        answer_own(0, RCACHE_FREE_ACK, 0);
        ck_assert(!location_has_room(p) || !p->leases.entry[1]->sweep);
    }
    freeing_flush(p, true);
    answer_own(0, RCACHE_FREE_ACK, 0);
    ck_assert(answer_own(1, RCACHE_FREE_ACK, 0));
    ck_assert(slots_used(&p->slots, slot));
    ck_assert_uint_eq(slots_used_in(&p->slots, 0), 1);
    ck_assert_uint_eq(slots_used_in(&p->slots, 1), 1);
}
END_TEST

/* ---------------------------------------------------------------- slabs */

START_TEST(the_table_says_where_a_slab_is)
{
    const struct RcacheSlab *table = guest_slabs(&p->guest);

    ck_assert_uint_eq(slab_table_get(table, 0, 0).number, 7);
    ck_assert_uint_eq(slab_table_get(table, 0, 1).number, 70);
    location_give_up(p, 0, 1);
    ck_assert(slab_table_get(table, 0, 1).stale);
    ck_assert_uint_eq(slab_table_get(table, 0, 1).lease, 1);
    location_clear(p, 0, 1);
    ck_assert_uint_eq(slab_table_get(table, 0, 1).lease, LOCATION_NONE);
    location_freeze(p, 0);
    location_set(p, 0, 1, p->leases.entry[1], 72);
    ck_assert(!slab_table_get(table, 0, 1).stale);
    location_clear(p, 0, 0);
    ck_assert(!slab_table_is_free(table, 0));
    p->locations.copies = 1;
    ck_assert_uint_eq(get_one(stored_slot()), 1);
}
END_TEST

START_TEST(only_all_that_is_gone_is_lost)
{
    uint64_t slot = stored_slot();

    p->leases.entry[1]->lost = true;
    ck_assert(!location_is_lost(p, slot));
    p->leases.entry[0]->lost = true;
    ck_assert(location_is_lost(p, slot));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("location-two");
    TCase *t = tcase_create("core");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up_two, tear_down);
    tcase_add_test(t, a_put_is_stored_when_both_have_it);
    tcase_add_test(t, one_refusal_calls_it_off_when_both_have_answered);
    tcase_add_test(t, a_session_that_ends_calls_it_off);
    tcase_add_test(t, a_place_that_is_cleared_calls_it_off);
    tcase_add_test(t, nothing_is_put_while_one_is_away);
    tcase_add_test(t, one_that_refuses_all_is_no_place);
    tcase_add_test(t, one_that_refuses_all_is_all_there_is);
    tcase_add_test(t, what_is_refused_at_once_counts_once);
    tcase_add_test(t, one_copy_is_the_last_resort);
    tcase_add_test(t, one_that_is_wanted_back_is_half_of_two);
    tcase_add_test(t, pages_are_asked_of_both_alike);
    tcase_add_test(t, the_better_one_is_asked);
    tcase_add_test(t, the_other_one_is_asked_after_a_while);
    tcase_add_test(t, the_other_one_is_quicker_than_most_answers);
    tcase_add_test(t, the_other_one_is_as_slow);
    tcase_add_test(t, a_millisecond_is_never_long);
    tcase_add_test(t, the_other_one_is_asked_when_the_session_ends);
    tcase_add_test(t, the_other_one_is_asked_when_bytes_are_wrong);
    tcase_add_test(t, the_other_one_is_asked_at_once_for_one_that_is_busy);
    tcase_add_test(t, a_stale_place_is_asked_last);
    tcase_add_test(t, a_stale_place_that_is_all_there_is_counts);
    tcase_add_test(t, all_that_have_it_are_given_up);
    tcase_add_test(t, a_slot_is_free_when_both_have_said_so);
    tcase_add_test(t, a_place_that_is_gone_is_not_waited_for);
    tcase_add_test(t, what_a_new_place_was_given_is_freed_there_too);
    tcase_add_test(t, a_free_that_is_held_goes_once);
    tcase_add_test(t, unused_slots_are_freed_at_both);
    tcase_add_test(t, the_table_says_where_a_slab_is);
    tcase_add_test(t, only_all_that_is_gone_is_lost);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
