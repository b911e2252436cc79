/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where bytes are: what is sent to whom, and what becomes of a PUT and a slot
 * when providers go away and slabs move.
 */
#include <check.h>
#include <string.h>

#include "common/wire-check.h"
#include "location-fixture.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/tag.h"

/* ----------------------------------------------------------------- FREE */

START_TEST(a_slot_is_not_free_before_its_free_is_answered)
{
    uint64_t slot = stored_slot();

    location_free(p, slot);
    ck_assert(slots_used(&p->slots, slot));
    freeing_flush(p, true);
    ck_assert_uint_eq(sent.type, RCACHE_FREE);
    ck_assert(!location_is_quiet(p, slot_slab(slot)));
    ck_assert(answer(0, RCACHE_FREE_ACK, 0));
    ck_assert(!slots_used(&p->slots, slot));
    ck_assert(location_is_quiet(p, slot_slab(slot)));
    location_free(p, slot);             /* it is free already */
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 1);
}
END_TEST

START_TEST(a_slot_is_not_freed_while_it_is_read)
{
    uint64_t slot = stored_slot();

    location_get(p, 0, slot);
    location_free(p, slot);
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 1);      /* the GET only */
    ck_assert(answer(0, RCACHE_GET_REPLY, 0));
    freeing_flush(p, true);
    ck_assert_uint_eq(sent.type, RCACHE_FREE);
    ck_assert_uint_eq(nr_sent, 2);
}
END_TEST

START_TEST(a_get_of_a_slot_to_be_freed_is_not_asked_again)
{
    uint64_t slot = stored_slot();

    location_get(p, 0, slot);
    location_free(p, slot);
    goes_away(0);
    ck_assert_uint_eq(nr_got, 0);
    ck_assert_uint_eq(nr_missing, 1);
    comes_back(0);
    ck_assert_uint_eq(nr_sent, 1);
    freeing_flush(p, true);
    ck_assert_uint_eq(sent.type, RCACHE_FREE);
}
END_TEST

/* ------------------------------------------------------------------ PUT */

START_TEST(a_put_is_stored_or_called_off)
{
    uint64_t slot[2];
    uint8_t bytes[2 * RCACHE_PAGE_SIZE] = { 0 };
    uint64_t sum[2] = { 0 };

    ck_assert_uint_eq(location_reserve(p, slot, 2), 2);
    ck_assert(location_put(p, 1, slot, 2, sum, bytes));
    ck_assert(!location_is_quiet(p, slot_slab(slot[0])));
    ck_assert(answer(0, RCACHE_PUT_ACK, 0));
    ck_assert(stored_ok);
    ck_assert(location_is_quiet(p, slot_slab(slot[0])));
    ck_assert(!answer(0, RCACHE_PUT_ACK, 0));       /* once */
    ck_assert(location_put(p, 1, slot, 2, sum, bytes));
    goes_away(0);
    ck_assert_uint_eq(nr_stored, 2);
    ck_assert(!stored_ok);
    ck_assert(!location_put(p, 1, slot, 2, sum, bytes));
}
END_TEST

/* A PUT of one page of zeros to the first provider, and PUT_ACK with @digest */
static bool put_ack(uint64_t slot, uint64_t sum, const uint64_t *digest)
{
    WireHead head = { .type = RCACHE_PUT_ACK };
    struct RcachePutAck raw;

    ck_assert(location_put(p, 1, &slot, 1, &sum, page));
    head.tag = sent.tag;
    if (digest) {
        raw.digest = GUINT64_TO_LE(*digest);
        head.count = 1;
        head.length = sizeof(raw);
    }
    nr_stored = 0;
    ck_assert(location_answer(p, &remote[0], &head, digest ? &raw : NULL));
    ck_assert_uint_eq(nr_stored, 1);
    return stored_ok;
}

START_TEST(a_put_is_stored_if_it_arrived)
{
    uint64_t sum = wire_page_sum(page), other = sum ^ 1;
    uint64_t slot = stored_slot(), good, bad;
    RcacheSlot at = wire_slot(7, slot_page(slot));
    RcacheSlot elsewhere = wire_slot(7, slot_page(slot) ^ 1);

    good = wire_put_digest(&at, &sum, 1);
    remote[0].features = RCACHE_FEATURE_DIGEST;
    ck_assert(put_ack(slot, sum, &good));
    ck_assert_uint_eq(nr_wrong, 0);
    bad = wire_put_digest(&at, &other, 1);
    ck_assert(!put_ack(slot, sum, &bad));
    ck_assert_uint_eq(nr_wrong, 1);
    bad = wire_put_digest(&elsewhere, &sum, 1);
    ck_assert(!put_ack(slot, sum, &bad));
    ck_assert(!put_ack(slot, sum, NULL));
    ck_assert_uint_eq(nr_wrong, 3);
    ck_assert_uint_eq(nr_closed, 0);    /* GETs go on */
    ck_assert(!location_has_room(p));   /* for a while */
    now += 3 * NS_PER_SEC;
    ck_assert(location_has_room(p));
    /* One that cannot say is believed. */
    remote[0].features = 0;
    ck_assert(put_ack(slot, sum, NULL));
    ck_assert_uint_eq(nr_wrong, 3);
}
END_TEST

START_TEST(where_bytes_change_no_more_are_put)
{
    uint64_t slot;

    ck_assert(location_add(p, p->leases.entry[1], 8));
    slot = stored_slot();               /* the first's is used most now */
    ck_assert_uint_eq(p->slots.slabs[slot_slab(slot)].place[0].lease, 0);
    remote[1].wrong = 1;
    remote[1].wrong_at = now;
    slot = stored_slot();
    ck_assert_uint_eq(p->slots.slabs[slot_slab(slot)].place[0].lease, 0);
    p->leases.entry[0]->claimed[1] = false;
    slot = stored_slot();               /* better there than nowhere */
    ck_assert_uint_eq(p->slots.slabs[slot_slab(slot)].place[0].lease, 1);
    p->leases.entry[0]->claimed[1] = true;
    now += REMOTE_WRONG_NS;
    slot = stored_slot();
    ck_assert_uint_eq(p->slots.slabs[slot_slab(slot)].place[0].lease, 1);
}
END_TEST

/* Within less than a fault waits for room: others are to take pages. */
START_TEST(a_put_that_hangs_is_overdue)
{
    const uint64_t ms = NS_PER_MS;
    uint64_t slot[2], sum[2] = { 0 };
    uint8_t bytes[2 * RCACHE_PAGE_SIZE] = { 0 };

    ck_assert_uint_eq(location_reserve(p, slot, 2), 2);
    ck_assert(location_put(p, 1, slot, 2, sum, bytes));
    ck_assert_uint_eq(location_overdue(p, now - ms), 0);
    ck_assert_uint_eq(location_overdue(p, now + 200 * ms), 0);
    ck_assert_uint_eq(location_overdue(p, now + 300 * ms), 2);
    /* Not where others come through meanwhile: it is slow. */
    passage_asked(&remote[0].passage, PASSAGE_GET, now);
    passage_answered(&remote[0].passage, PASSAGE_GET, true, now + 200 * ms);
    remote[0].passage.waiting[PASSAGE_PUT] = now + 200 * ms;
    ck_assert_uint_eq(location_overdue(p, now + 300 * ms), 0);
    ck_assert_uint_eq(location_overdue(p, now + 600 * ms), 2);
    ck_assert(answer(0, RCACHE_PUT_ACK, 0));
    ck_assert_uint_eq(location_overdue(p, now + 600 * ms), 0);
}
END_TEST

/* Half of the numbers at least are for PUTs to others. */
START_TEST(one_that_answers_no_puts_has_not_all_of_them)
{
    uint64_t slot, sum = wire_page_sum(page);
    unsigned n = 0;

    while (n < LOCATION_PUTS && location_reserve(p, &slot, 1)) {
        ck_assert(location_put(p, n++, &slot, 1, &sum, page));
    }
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_le(2 * n, LOCATION_PUTS);
    ck_assert(location_add(p, p->leases.entry[1], 8));
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot), 1);
}
END_TEST

START_TEST(nothing_is_put_into_what_is_not_there)
{
    uint64_t slot;

    ck_assert(location_has_room(p));
    p->leases.entry[0]->claimed[1] = false;
    ck_assert(!location_has_room(p));               /* the other is empty */
    ck_assert_uint_eq(location_reserve(p, &slot, 1), 0);
}
END_TEST

/* ---------------------------------------------------------------- slabs */

START_TEST(the_own_disk_is_for_what_nobody_else_has_room_for)
{
    uint64_t slot[PAGES];

    remote[1].own = true;
    ck_assert(location_add(p, p->leases.entry[1], 3));
    ck_assert_uint_eq(location_reserve(p, slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot[0]), 0);
    remote[0].puts = LOCATION_PUTS_EACH;        /* busy, but it has room */
    ck_assert_uint_eq(location_reserve(p, slot, 1), 0);
    remote[0].puts = 0;
    ck_assert_uint_eq(location_reserve(p, slot, PAGES), PAGES - 1);
    ck_assert_uint_eq(location_reserve(p, slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot[0]), 1);
}
END_TEST

/* All of a slab is taken, and its first page is kept. */
static void fill_and_keep(void)
{
    uint64_t slot[PAGES];

    ck_assert_uint_eq(location_reserve(p, slot, PAGES), PAGES);
    slots_keep(&p->slots, slot[0], 5, 1);
}

/* It is given up in a moment: until then no page goes to a disk. */
START_TEST(what_is_kept_is_room)
{
    uint64_t slot[PAGES];

    fill_and_keep();
    remote[1].own = true;
    ck_assert(location_add(p, p->leases.entry[1], 3));
    ck_assert_uint_eq(put_room(p, now), 0);
    ck_assert_uint_eq(put_kept(p, now), 1);
    ck_assert_uint_eq(location_reserve(p, slot, 1), 0);
    put_choice_tick(p, now);
    ck_assert_uint_eq(p->locations.puts.lacking_since, 0);
    silent = &remote[0];                /* but not there */
    ck_assert_uint_eq(put_kept(p, now), 0);
    ck_assert_uint_eq(location_reserve(p, slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot[0]), 1);
}
END_TEST

START_TEST(where_a_free_slot_would_be_room)
{
    Lease *l = p->leases.entry[0];
    uint32_t group = p->slots.slabs[0].group;

    fill_and_keep();
    ck_assert(put_is_room(p, group, 1, now));
    ck_assert(!put_is_room(p, group, 2, now));
    l->keep = 0;
    ck_assert(!put_is_room(p, group, 1, now));
    l->keep = UINT32_MAX;
    l->lost = true;
    ck_assert(!put_is_room(p, group, 1, now));
    l->lost = false;
    remote[0].own = true;
    ck_assert(!put_is_room(p, group, 1, now));
    remote[0].own = false;
    remote[0].refuses_until = now + 1;
    ck_assert(!put_is_room(p, group, 1, now));
    remote[0].refuses_until = 0;
    silent = &remote[0];
    ck_assert(!put_is_room(p, group, 1, now));
}
END_TEST

START_TEST(what_is_wanted_back_is_for_what_nobody_else_has_room_for)
{
    Lease *l = p->leases.entry[0], *other = p->leases.entry[1];
    uint64_t slot[PAGES];

    l->keep = 0;
    ck_assert_uint_eq(location_reserve(p, slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot[0]), 0);
    ck_assert_uint_eq(put_room(p, now), 0);
    ck_assert(location_add(p, other, 3));
    ck_assert_uint_eq(put_room(p, now), PAGES);
    remote[1].puts = LOCATION_PUTS_EACH;        /* busy, but it has room */
    ck_assert_uint_eq(location_reserve(p, slot, 1), 0);
    remote[1].puts = 0;
    other->put_at = now + 1;                    /* it refuses them */
    ck_assert_uint_eq(location_reserve(p, slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot[0]), 0);
    other->put_at = 0;
    remote[1].own = true;                       /* better than what ends */
    ck_assert_uint_eq(location_reserve(p, slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot[0]), 1);
    ck_assert_uint_eq(location_reserve(p, slot, PAGES), PAGES - 1);
    ck_assert_uint_eq(location_reserve(p, slot, 1), 1);
    ck_assert_uint_eq(slot_slab(slot[0]), 0);
}
END_TEST

START_TEST(nothing_is_put_on_a_disk_that_ends)
{
    remote[0].own = true;
    ck_assert(location_has_room(p));
    p->leases.entry[0]->keep = 0;
    ck_assert(!location_has_room(p));
    p->leases.entry[0]->keep = UINT32_MAX;      /* the end was called off */
    ck_assert(location_has_room(p));
}
END_TEST

START_TEST(what_is_freed_during_a_move_is_freed_afterwards)
{
    uint64_t before = stored_slot(), during = stored_slot();
    uint32_t slab = slot_slab(before);

    location_free(p, before);
    location_freeze(p, slab);
    location_free(p, during);
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 0);
    location_set(p, slab, 0, p->leases.entry[1], 9);
    freeing_flush(p, true);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(sent.count, 2);
    ck_assert_uint_eq(sent.lease, 101);
    ck_assert_ptr_eq(sent_to, &remote[1].bulk);
    ck_assert_uint_eq(slab_table_get(guest_slabs(&p->guest), slab, 0).number,
                      9);
}
END_TEST

START_TEST(a_slab_that_stays_frees_where_it_is)
{
    uint64_t slot = stored_slot();

    location_freeze(p, slot_slab(slot));
    ck_assert(!location_has_room(p));
    location_free(p, slot);
    location_thaw(p, slot_slab(slot));
    freeing_flush(p, true);
    ck_assert_uint_eq(sent.lease, 100);
    ck_assert(location_has_room(p));
}
END_TEST

START_TEST(a_get_that_waits_follows_its_slab)
{
    uint64_t slot = stored_slot();

    location_freeze(p, slot_slab(slot));
    remote[0].state = REMOTE_DOWN;
    location_get(p, 0, slot);
    ck_assert_uint_eq(nr_sent, 0);
    location_set(p, slot_slab(slot), 0, p->leases.entry[1], 9);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(sent.lease, 101);
    ck_assert_uint_eq(sent_slot, wire_slot(9, slot_page(slot)));
}
END_TEST

/* What a pager before this one may have stored, and no word names. */
START_TEST(unused_slots_are_freed_a_slab_at_a_time)
{
    Lease *l = p->leases.entry[0];
    uint64_t slot = stored_slot();

    ck_assert(location_add(p, p->leases.entry[1], 8));
    ck_assert(location_add(p, l, 9));
    l->sweep = true;
    p->slots.partial = true;
    ck_assert(!freeing_sweep(p));
    p->slots.partial = false;
    ck_assert(freeing_sweep(p));
    ck_assert_uint_eq(l->to_free->len, PAGES - 1);
    ck_assert(location_knows(p, slot));
    remote[0].state = REMOTE_DOWN;
    ck_assert(!freeing_sweep(p));
    remote[0].state = REMOTE_UP;
    while (freeing_sweep(p)) {
        ck_assert(l->sweep || l->to_free->len == 2 * PAGES - 1);
    }
    ck_assert(!l->sweep);
    ck_assert_uint_eq(l->to_free->len, 2 * PAGES - 1);
    ck_assert_uint_eq(p->leases.entry[1]->to_free->len, 0);
    freeing_flush(p, true);
    ck_assert_uint_eq(sent.type, RCACHE_FREE);
    ck_assert_uint_eq(sent.count, 2 * PAGES - 1);
    ck_assert(answer(0, RCACHE_FREE_ACK, RCACHE_OK));
    ck_assert_uint_eq(slots_used_in(&p->slots, 0), 1);
}
END_TEST

START_TEST(a_word_that_names_nothing_is_not_known)
{
    ck_assert(!location_knows(p, 0));
    ck_assert(!location_knows(p, slot_make(0, PAGES)));
    ck_assert(!location_knows(p, slot_make(1, 0)));
    ck_assert(!location_knows(p, slot_make(0, 0)));     /* nothing stored */
    ck_assert_str_eq(location_host(p, slot_make(RCACHE_NR_SLABS - 1, 0)), "");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("location");
    TCase *t = tcase_create("core");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_slot_is_not_free_before_its_free_is_answered);
    tcase_add_test(t, a_slot_is_not_freed_while_it_is_read);
    tcase_add_test(t, a_get_of_a_slot_to_be_freed_is_not_asked_again);
    tcase_add_test(t, a_put_is_stored_or_called_off);
    tcase_add_test(t, a_put_is_stored_if_it_arrived);
    tcase_add_test(t, where_bytes_change_no_more_are_put);
    tcase_add_test(t, a_put_that_hangs_is_overdue);
    tcase_add_test(t, one_that_answers_no_puts_has_not_all_of_them);
    tcase_add_test(t, nothing_is_put_into_what_is_not_there);
    tcase_add_test(t, the_own_disk_is_for_what_nobody_else_has_room_for);
    tcase_add_test(t, what_is_kept_is_room);
    tcase_add_test(t, where_a_free_slot_would_be_room);
    tcase_add_test(t,
                   what_is_wanted_back_is_for_what_nobody_else_has_room_for);
    tcase_add_test(t, nothing_is_put_on_a_disk_that_ends);
    tcase_add_test(t, what_is_freed_during_a_move_is_freed_afterwards);
    tcase_add_test(t, a_slab_that_stays_frees_where_it_is);
    tcase_add_test(t, a_get_that_waits_follows_its_slab);
    tcase_add_test(t, unused_slots_are_freed_a_slab_at_a_time);
    tcase_add_test(t, a_word_that_names_nothing_is_not_known);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
