/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This host's own disk: which slabs leave it, and when it is asked for.  Two
 * other hosts, and two leases on the disk; the arbiters' answers, what is
 * resident and what is wanted are played.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/pager.h"
#include "rcached/pager/places.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/revoke.h"
#include "rcached/pager/wanting.h"

#define PAGES   256u            /* of a slab */
#define A       0u              /* leases at the other hosts */
#define B       1u
#define DISK    2u              /* those on the disk */
#define DISK2   3u

static Pager p;
static Remote remote[3];
static struct RcacheLease shared[RCACHE_NR_LEASES];
static Lease *lease[4];
static uint64_t now, resident, room, keeps, asked;
static uint32_t next_slab;
static unsigned told;

uint64_t pager_now(void)
{
    return now;
}

uint64_t limit_low_water(const Pager *pager)
{
    return 0;
}

uint64_t pager_resident(const Pager *pager)
{
    return resident;
}

uint64_t command_wants(const Pager *pager)
{
    return 0;
}

uint64_t put_room(const Pager *pager, uint64_t at)
{
    return room;
}

uint64_t put_kept(const Pager *pager, uint64_t at)
{
    return keeps;
}

uint64_t revoke_lacking(const Pager *pager)
{
    return 0;
}

bool lease_is_coming(const Pager *pager)
{
    return false;
}

void uplink_want_disk(Pager *pager, uint64_t bytes)
{
    asked += bytes / RCACHE_PAGE_SIZE;
    pager->want.tag = 1;
}

void report_event(Pager *pager, uint32_t event, uint64_t page,
                  const char *format, ...)
{
    told++;
}

static void add_lease(unsigned i, Remote *at)
{
    Lease *l = lease_new(i, &shared[i], at, now);

    l->slab_pages = PAGES;
    l->claimed[0] = l->claimed[1] = true;
    lease[i] = p.leases.entry[i] = l;
}

static void set_up(void)
{
    memset(&p, 0, sizeof(p));
    memset(remote, 0, sizeof(remote));
    p.moves.avoid = avoid_new();
    slots_init(&p.slots);
    p.takeover.managing = true;
    p.locations.copies = 2;
    p.limits.size = 64 * PAGES;
    p.want.demand.keep_ns = 60 * NS_PER_SEC;
    now = NS_PER_SEC;
    resident = room = keeps = asked = 0;
    next_slab = told = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(remote); i++) {
        remote[i].state = REMOTE_UP;
        remote[i].features = RCACHE_FEATURE_MOVE;
    }
    remote[2].own = true;
    add_lease(A, &remote[0]);
    add_lease(B, &remote[1]);
    add_lease(DISK, &remote[2]);
    add_lease(DISK2, &remote[2]);
}

static void tear_down(void)
{
    leases_deinit(&p.leases);
    slots_deinit(&p.slots);
    g_array_free(p.moves.avoid, TRUE);
}

/* @n slabs with a page each, on the disk and, if @other is there, there. */
static void fill(unsigned disk, Lease *other, unsigned n)
{
    while (n--) {
        uint32_t slab = next_slab++;

        slots_add(&p.slots, slab, disk, slab, PAGES);
        slots_mark(&p.slots, slot_make(slab, 0));
        lease[disk]->nr_slabs++;
        if (other) {
            slots_set_place(&p.slots, slab, 1,
                            (SlotPlace) { other->index, slab, false });
            other->nr_slabs++;
        }
    }
}

static void spare(unsigned i, unsigned n)
{
    Spare unused = { 0 };

    while (n--) {
        g_array_append_val(lease[i]->spare, unused);
        lease[i]->nr_slabs++;
    }
}

static unsigned leaves(unsigned i)
{
    return lease[i]->ceding ? lease[i]->nr_slabs - lease[i]->cede_to : 0;
}

/*
 * All the room is where the slabs on the disk have their other copy: none of
 * them can go there, and all that is here stays of use, for second copies.
 */
START_TEST(nothing_leaves_for_where_its_other_copy_is)
{
    fill(DISK, lease[A], 3);
    spare(DISK, 2);
    spare(A, 5);
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 0);
    ck_assert(places_can_take(&p, lease[DISK], NULL, now));
}
END_TEST

/* A slab with nothing else in it is emptied, and need not go anywhere. */
START_TEST(what_is_only_kept_needs_no_place)
{
    Places taken = { 0 };
    uint32_t filled;
    uint64_t slot;

    slots_add(&p.slots, 0, A, 0, PAGES);
    spare(B, 1);
    ck_assert_uint_eq(slots_take(&p.slots, A, &slot, 1), 1);
    ck_assert_uint_eq(places_find(&p, lease[A], 5, &taken, &filled, now), 1);
    ck_assert_uint_eq(filled, 1);
    slots_keep(&p.slots, slot, 5, 1);
    taken = (Places) { 0 };
    ck_assert_uint_eq(places_find(&p, lease[A], 5, &taken, &filled, now), 0);
    ck_assert_uint_eq(filled, 0);
}
END_TEST

START_TEST(as_many_leave_as_find_a_place)
{
    fill(DISK, lease[A], 3);
    fill(DISK2, lease[A], 3);
    spare(B, 4);
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK) + leaves(DISK2), 4);
    ck_assert_uint_eq(leaves(DISK), 3);

    /* One is on its way, and a place fewer is there. */
    slots_freeze(&p.slots, 0, true);
    p.moves.entry[0] = (Move) { .state = MOVE_MOVING, .leaves = lease[DISK] };
    g_array_set_size(lease[B]->spare, 3);
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 3);
    ck_assert_uint_eq(leaves(DISK2), 1);
}
END_TEST

/* Empty ones go while the others have room for two copies without them. */
START_TEST(empty_ones_leave_when_others_have_room)
{
    spare(DISK, 5);
    spare(A, 8);
    fill(DISK, lease[A], 1);
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 0);
    spare(B, 4);                /* one for the slab that is filled */
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 1 + 3);
}
END_TEST

START_TEST(with_one_copy_all_leave_for_any)
{
    p.locations.copies = 1;
    fill(DISK, NULL, 2);
    spare(DISK, 2);
    spare(A, 3);
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 3);
    spare(A, 1);
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 4);
}
END_TEST

/* A slow host is no place for what leaves: none is dropped for it either. */
START_TEST(none_leaves_for_a_slow_host)
{
    remote[1].judge.slow = true;
    fill(DISK, lease[A], 2);
    spare(B, 2);
    for (unsigned i = 0; i < 2; i++) {
        own_disk_tick(&p, now);
        ck_assert_uint_eq(leaves(DISK), 0);
    }
}
END_TEST

START_TEST(what_was_unused_for_long_is_given_back)
{
    spare(DISK, 2);
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 0);
    now += p.want.demand.keep_ns;
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 2);
}
END_TEST

/* A lease that comes late is not one that was unused for long. */
START_TEST(what_was_not_there_was_not_unused)
{
    Lease *disk = lease[DISK], *disk2 = lease[DISK2];

    p.leases.entry[DISK] = p.leases.entry[DISK2] = NULL;
    own_disk_tick(&p, now);
    now += 2 * p.want.demand.keep_ns;
    own_disk_tick(&p, now);
    p.leases.entry[DISK] = disk;
    p.leases.entry[DISK2] = disk2;
    spare(DISK, 1);
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 0);
}
END_TEST

/* Others have room for pages, as it looks, but none that these can go to. */
START_TEST(what_would_be_asked_for_again_stays)
{
    spare(DISK, 2);
    spare(A, 8);
    spare(B, 8);
    p.want.pause[WANT_PAGES] = NS_PER_SEC;
    resident = PAGES;
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 0);
    room = PAGES;
    own_disk_tick(&p, now);
    ck_assert_uint_eq(leaves(DISK), 2);
}
END_TEST

/* Asked for only when the arbiters had nothing, and for what is lacking: what
 * is kept elsewhere is room. */
START_TEST(it_is_asked_for_what_has_nowhere_to_go)
{
    resident = 10 * PAGES;
    room = PAGES;
    keeps = PAGES;
    own_disk_tick(&p, now);
    ck_assert_uint_eq(asked, 0);
    p.want.pause[WANT_PAGES] = NS_PER_SEC;
    own_disk_tick(&p, now);
    ck_assert_uint_eq(asked, 8 * PAGES);
    ck_assert(own_disk_is_asked(&p, now));
    ck_assert(!own_disk_is_asked(&p, now + 200 * NS_PER_SEC));
    p.want.tag = 0;
    own_disk_answer(&p, false);
    ck_assert(!own_disk_is_asked(&p, now));
    own_disk_tick(&p, now);
    ck_assert_uint_eq(asked, 8 * PAGES);        /* not at once again */
    spare(DISK, 8);
    now += 10 * NS_PER_SEC;
    own_disk_tick(&p, now);
    ck_assert_uint_eq(asked, 8 * PAGES);
}
END_TEST

/* The table of leases is not filled with leases of the disk. */
START_TEST(a_large_vm_takes_large_steps)
{
    p.limits.size = UINT64_C(1) << 26;
    p.want.pause[WANT_PAGES] = NS_PER_SEC;
    resident = UINT64_C(1) << 25;
    own_disk_tick(&p, now);
    ck_assert_uint_eq(asked, p.limits.size / 16);
    p.want.tag = 0;
    own_disk_answer(&p, true);
    for (unsigned i = DISK2 + 1; i < RCACHE_NR_LEASES - LINK_GRANTS_MAX; i++) {
        p.leases.entry[i] = lease_new(i, &shared[i], &remote[0], now);
    }
    own_disk_tick(&p, now);
    ck_assert_uint_eq(asked, p.limits.size / 16);   /* others' grants */
}
END_TEST

/* A copy is made of a slab as a whole: free pages in full ones are no room. */
START_TEST(copies_lack_whole_slabs)
{
    p.want.pause[WANT_PAGES] = NS_PER_SEC;
    fill(DISK, lease[A], 3);
    slots_add(&p.slots, next_slab, A, next_slab, PAGES);
    slots_mark(&p.slots, slot_make(next_slab, 0));
    own_disk_tick(&p, now);
    ck_assert_uint_ge(asked, PAGES);
    p.want.tag = 0;
    own_disk_answer(&p, true);
    spare(DISK, 1);
    asked = 0;
    own_disk_tick(&p, now);
    ck_assert_uint_eq(asked, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("own-disk");
    TCase *tc = tcase_create("own-disk");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, nothing_leaves_for_where_its_other_copy_is);
    tcase_add_test(tc, what_is_only_kept_needs_no_place);
    tcase_add_test(tc, as_many_leave_as_find_a_place);
    tcase_add_test(tc, empty_ones_leave_when_others_have_room);
    tcase_add_test(tc, with_one_copy_all_leave_for_any);
    tcase_add_test(tc, none_leaves_for_a_slow_host);
    tcase_add_test(tc, what_was_unused_for_long_is_given_back);
    tcase_add_test(tc, what_was_not_there_was_not_unused);
    tcase_add_test(tc, what_would_be_asked_for_again_stays);
    tcase_add_test(tc, a_large_vm_takes_large_steps);
    tcase_add_test(tc, copies_lack_whole_slabs);
    tcase_add_test(tc, it_is_asked_for_what_has_nowhere_to_go);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
