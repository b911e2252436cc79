/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which slabs get a second place, and when; which lose one.  copies.c and
 * wanting.c alone: moves, what may go where, and the slab table are played.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/apart.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/places.h"
#include "rcached/pager/put-choice.h"

#define PAGES   64u             /* of a slab */
#define LEASES  3u

static Pager p;
static Remote remote[LEASES];
static struct RcacheLease table[LEASES];
static uint32_t unused[LEASES];
static uint64_t now;
static const Remote *in_trouble;

/* Copies that were begun, of slabs with pages in them and of empty ones. */
static unsigned nr_filled, nr_empty, nr_shed, nr_given_up;
static uint32_t last_slab;

uint64_t pager_now(void)
{
    return now;
}

uint32_t places_unused(const Pager *pager, const Lease *l)
{
    return unused[l->index];
}

uint32_t places_room(const Pager *pager, const Lease *l)
{
    return unused[l->index];
}

bool places_can_take(const Pager *pager, const Lease *l, const Lease *from,
                     uint64_t at)
{
    return l != from;
}

enum RcacheCause remote_trouble(const Remote *r, uint64_t at, uint64_t *since)
{
    return r == in_trouble ? RCACHE_CAUSE_NO_PAGES : RCACHE_CAUSE_NONE;
}

bool apart_may_be_at(const Pager *pager, uint32_t slab, const Lease *leaves,
                     const Lease *to)
{
    return true;
}

Lease *revoke_find_place(Pager *pager, uint32_t slab, const Lease *leaves,
                         const Lease *from, uint64_t at, uint32_t *number)
{
    Lease *l;

    LEASES_FOREACH(l, &p.leases) {
        if (l != from && unused[l->index]) {
            *number = 100 + unused[l->index]--;
            return l;
        }
    }
    return NULL;
}

void revoke_spare(Lease *l, uint32_t number, uint32_t was)
{
    unused[l->index]++;
}

void move_copy(Pager *pager, uint32_t slab, unsigned which, Lease *to,
               uint32_t number)
{
    bool empty = !p.slots.slabs[slab].nr_used;

    p.moves.entry[p.moves.nr++] = (Move) {
        .state = MOVE_CONFIRMING, .slab = slab, .empty = empty, .to = to,
    };
    slots_freeze(&p.slots, slab, true);
    nr_filled += !empty;
    nr_empty += empty;
    last_slab = slab;
}

void move_shed(Pager *pager, uint32_t slab, unsigned which, Lease *to)
{
    p.moves.entry[p.moves.nr++] = (Move) {
        .state = MOVE_CHECKING, .slab = slab, .sheds = true, .to = to,
    };
    slots_freeze(&p.slots, slab, true);
    nr_shed++;
}

void move_source_gone(Pager *pager, uint32_t slab, const Lease *l)
{
}

bool compare_keeps_off(const Pager *pager, uint32_t slab)
{
    return false;
}

bool location_put_is_out(const Pager *pager, uint32_t slab)
{
    return false;
}

void location_clear(Pager *pager, uint32_t slab, unsigned which)
{
    slots_set_place(&p.slots, slab, which,
                    (SlotPlace) { SLOTS_NO_LEASE, 0, false });
}

void location_give_up(Pager *pager, uint32_t slab, unsigned which)
{
    SlotPlace place = p.slots.slabs[slab].place[which];

    place.stale = true;
    slots_set_place(&p.slots, slab, which, place);
    nr_given_up++;
}

void put_choice_tick(Pager *pager, uint64_t at)
{
}

/* -------------------------------------------------------------- fixture */

static void set_up(void)
{
    memset(&p, 0, sizeof(p));
    memset(unused, 0, sizeof(unused));
    memset(remote, 0, sizeof(remote));
    nr_filled = nr_empty = nr_shed = nr_given_up = 0;
    in_trouble = NULL;
    now = 100 * NS_PER_SEC;
    slots_init(&p.slots);
    p.locations.copies = 2;
    p.copies.give_up_ns = 5 * NS_PER_SEC;
    for (unsigned i = 0; i < LEASES; i++) {
        Lease *l = lease_new(i, &table[i], &remote[i], 1);

        remote[i].state = REMOTE_UP;
        l->slab_pages = PAGES;
        l->claimed[0] = l->claimed[1] = true;
        p.leases.entry[i] = l;
    }
}

static void tear_down(void)
{
    leases_deinit(&p.leases);
    slots_deinit(&p.slots);
}

/* Slab @slab at one or two leases; -1: none; @used: pages. */
static void slab_at(uint32_t slab, int first, int second, unsigned used)
{
    slots_add(&p.slots, slab, first, slab, PAGES);
    for (unsigned i = 0; i < used; i++) {
        slots_mark(&p.slots, slot_make(slab, i));
    }
    if (second >= 0) {
        slots_set_place(&p.slots, slab, 1,
                        (SlotPlace) { second, slab, false });
    }
}

/* All that was begun has come about. */
static void moves_done(void)
{
    for (unsigned i = 0; i < p.moves.nr; i++) {
        const Move *m = &p.moves.entry[i];

        slots_freeze(&p.slots, m->slab, false);
        slots_set_place(&p.slots, m->slab, 1,
                        (SlotPlace) { m->to->index, 200 + m->slab, false });
    }
    memset(&p.moves, 0, sizeof(p.moves));
}

static void ticked(unsigned filled, unsigned empty)
{
    nr_filled = nr_empty = 0;
    copies_tick(&p, now);
    ck_assert_uint_eq(nr_filled, filled);
    ck_assert_uint_eq(nr_empty, empty);
}

/* Two at a time; what the others will need no empty one gets. */
START_TEST(empty_ones_take_what_is_left)
{
    for (uint32_t i = 0; i < 8; i++) {
        slab_at(i, 0, -1, i < 5);
    }
    unused[1] = 6;
    ticked(2, 1);
    ck_assert_uint_eq(unused[1], 3);
    ticked(0, 0);
    moves_done();
    ticked(2, 0);
    moves_done();
    unused[2] = 5;              /* now there is enough for all */
    ticked(1, 2);
    ck_assert_uint_eq(unused[1] + unused[2], 3);
}
END_TEST

START_TEST(no_faster_than_the_rate)
{
    for (uint32_t i = 0; i < 3; i++) {
        slab_at(i, 0, -1, 10);
    }
    unused[1] = 3;
    p.copies.rate = 10 * RCACHE_PAGE_SIZE;      /* one slab a second */
    ticked(1, 0);
    moves_done();
    now += NS_PER_SEC - 1;
    ticked(0, 0);
    now++;
    ticked(1, 0);
    ck_assert_uint_eq(p.copies.made, 2);
}
END_TEST

START_TEST(silence_proves_nothing_but_is_given_up)
{
    slab_at(0, 0, 1, 5);
    slab_at(1, 1, -1, 5);       /* the only place: it stays */
    slab_at(2, 1, 2, 5);        /* so does this, while lease 2 is not there */
    p.leases.entry[2]->claimed[0] = false;
    p.leases.entry[1]->claimed[1] = false;
    remote[1].state = REMOTE_DOWN;
    remote[1].away_at = now;
    unused[2] = 2;
    now += p.copies.give_up_ns - 1;
    ticked(0, 0);
    ck_assert_uint_eq(nr_given_up, 0);
    now++;
    ticked(1, 0);
    ck_assert_uint_eq(nr_given_up, 1);
    ck_assert_uint_eq(last_slab, 0);
    ck_assert(p.slots.slabs[0].place[1].stale);
    ck_assert(!p.slots.slabs[1].place[0].stale);
    ck_assert(!p.slots.slabs[2].place[0].stale);
}
END_TEST

/* Time goes by, look by look; @turn is called before each. */
static void time_goes(uint64_t ns, void (*turn)(void))
{
    for (uint64_t end = now + ns; now < end; now += 100 * NS_PER_MS) {
        if (turn) {
            turn();
        }
        copies_tick(&p, now);
    }
}

/* Another host answers at its address, which does not know the lease. */
START_TEST(given_up_though_it_has_a_session)
{
    slab_at(0, 0, 1, 5);
    p.leases.entry[1]->claimed[0] = p.leases.entry[1]->claimed[1] = false;
    unused[2] = 1;
    time_goes(p.copies.give_up_ns, NULL);
    ck_assert_uint_eq(nr_given_up, 0);
    time_goes(NS_PER_SEC, NULL);
    ck_assert_uint_eq(nr_given_up, 1);
    ck_assert_uint_eq(nr_filled, 1);
}
END_TEST

/* It has sessions, and none lasts until the lease is accepted. */
static void flap(void)
{
    bool up = remote[1].state != REMOTE_UP;

    remote[1].state = up ? REMOTE_UP : REMOTE_DOWN;
    remote[1].away_at = up ? 0 : now;
}

START_TEST(given_up_though_it_has_session_after_session)
{
    slab_at(0, 0, 1, 5);
    p.leases.entry[1]->claimed[0] = p.leases.entry[1]->claimed[1] = false;
    time_goes(p.copies.give_up_ns + NS_PER_SEC, flap);
    ck_assert_uint_eq(nr_given_up, 1);
}
END_TEST

/* It accepts the lease, but no page comes from there; then pages do. */
START_TEST(given_up_though_its_lease_is_ready)
{
    slab_at(0, 0, 1, 5);
    remote[1].passage.suspect[PASSAGE_PUT] = true;
    time_goes(2 * p.copies.give_up_ns, NULL);
    ck_assert_uint_eq(nr_given_up, 0);          /* what is there can be read */
    remote[1].passage.suspect[PASSAGE_GET] = true;
    time_goes(p.copies.give_up_ns + NS_PER_SEC, NULL);
    ck_assert_uint_eq(nr_given_up, 1);
    ck_assert_uint_eq(nr_shed, 0);              /* it may be all there is */
    remote[1].passage.suspect[PASSAGE_GET] = false;
    copies_tick(&p, now);
    ck_assert_uint_eq(nr_shed, 1);
}
END_TEST

START_TEST(time_without_a_look_proves_nothing)
{
    slab_at(0, 0, 1, 5);
    p.leases.entry[1]->claimed[0] = false;
    copies_tick(&p, now);
    now += 3600 * NS_PER_SEC;
    copies_tick(&p, now);
    ck_assert_uint_eq(nr_given_up, 0);
}
END_TEST

/* It is back: the stale place goes when the other one is known to be right. */
START_TEST(what_is_back_is_spare)
{
    slab_at(0, 0, -1, 5);
    slab_at(1, 0, -1, 0);
    for (uint32_t i = 0; i < 2; i++) {
        slots_set_place(&p.slots, i, 1, (SlotPlace) { 1, i, true });
    }
    p.leases.entry[1]->claimed[1] = false;
    ticked(0, 0);
    ck_assert_uint_eq(nr_shed, 0);
    p.leases.entry[1]->claimed[1] = true;
    ticked(0, 1);               /* in the slab that is spare now */
    ck_assert_uint_eq(nr_shed, 1);
    ck_assert_uint_eq(last_slab, 1);
}
END_TEST

/* Nothing is in it: whoever has the other place has nothing to be asked for. */
START_TEST(what_is_back_and_empty_is_spare_at_once)
{
    slab_at(0, 0, -1, 5);
    slab_at(1, 0, -1, 0);
    for (uint32_t i = 0; i < 2; i++) {
        slots_set_place(&p.slots, i, 1, (SlotPlace) { 1, i, true });
    }
    p.leases.entry[0]->claimed[1] = false;
    ticked(0, 0);
    ck_assert(p.slots.slabs[0].place[1].stale);
    ck_assert_uint_eq(p.slots.slabs[1].place[1].lease, SLOTS_NO_LEASE);
    ck_assert_uint_eq(nr_shed, 0);
}
END_TEST

START_TEST(one_copy_is_wanted)
{
    slab_at(0, 0, 1, 5);
    slab_at(1, 0, 1, 0);
    slab_at(2, 0, 1, 5);
    p.locations.copies = 1;
    p.leases.entry[0]->claimed[0] = false;
    ticked(0, 0);               /* whose first place is not there keeps both */
    ck_assert_int_eq(p.slots.slabs[0].place[0].lease, SLOTS_NO_LEASE);
    p.leases.entry[0]->claimed[0] = true;
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(slots_copies(&p.slots.slabs[i]), 1);
    }
}
END_TEST

/* What is left is where bytes were right, and come through. */
START_TEST(the_better_copy_stays)
{
    p.locations.copies = 1;
    slab_at(0, 0, 1, 5);
    in_trouble = &remote[0];
    ticked(0, 0);
    ck_assert_int_eq(p.slots.slabs[0].place[1].lease, 1);
    in_trouble = NULL;
    slab_at(1, 0, 1, 5);
    remote[0].wrong = 1;
    remote[0].wrong_at = now;
    ticked(0, 0);
    ck_assert_int_eq(p.slots.slabs[1].place[1].lease, 1);
    slab_at(2, 0, 1, 5);
    in_trouble = &remote[1];            /* both are bad */
    ticked(0, 0);
    ck_assert_int_eq(p.slots.slabs[2].place[0].lease, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("copies");
    TCase *tc = tcase_create("copies");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, empty_ones_take_what_is_left);
    tcase_add_test(tc, no_faster_than_the_rate);
    tcase_add_test(tc, silence_proves_nothing_but_is_given_up);
    tcase_add_test(tc, given_up_though_it_has_a_session);
    tcase_add_test(tc, given_up_though_it_has_session_after_session);
    tcase_add_test(tc, given_up_though_its_lease_is_ready);
    tcase_add_test(tc, time_without_a_look_proves_nothing);
    tcase_add_test(tc, what_is_back_is_spare);
    tcase_add_test(tc, what_is_back_and_empty_is_spare_at_once);
    tcase_add_test(tc, one_copy_is_wanted);
    tcase_add_test(tc, the_better_copy_stays);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
