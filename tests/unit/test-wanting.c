/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What slabs want, of three providers and this host's own disk.  Which slabs
 * are unused, and what may go where, is played.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/apart.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/places.h"
#include "rcached/pager/wanting.h"

#define PAGES   64u             /* of a slab */
#define DISK    3u              /* the lease there */

static Pager p;
static Remote remote[4];
static struct RcacheLease table[RCACHE_NR_LEASES];
static uint32_t unused[4];
static Wanting w;
static const Lease *away;

uint32_t places_unused(const Pager *pager, const Lease *l)
{
    return unused[l->index];
}

uint32_t places_room(const Pager *pager, const Lease *l)
{
    return unused[l->index];
}

bool places_can_take(const Pager *pager, const Lease *l, const Lease *from,
                     uint64_t now)
{
    return l != from && l != away;
}

bool apart_may_be_at(const Pager *pager, uint32_t slab, const Lease *leaves,
                     const Lease *to)
{
    const SlotSlab *s = &pager->slots.slabs[slab];

    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        if (s->place[i].lease == to->index) {
            return false;
        }
    }
    return true;
}

static void set_up(void)
{
    memset(&p, 0, sizeof(p));
    memset(unused, 0, sizeof(unused));
    memset(remote, 0, sizeof(remote));
    remote[DISK].own = true;
    away = NULL;
    p.guest.state = (void *)table;
    slots_init(&p.slots);
    p.locations.copies = 2;
    for (unsigned i = 0; i < G_N_ELEMENTS(remote); i++) {
        Lease *l = lease_new(i, &table[i], &remote[i], 1);

        l->claimed[0] = l->claimed[1] = true;
        remote[i].state = REMOTE_UP;
        p.leases.entry[i] = l;
    }
}

static void tear_down(void)
{
    leases_deinit(&p.leases);
    slots_deinit(&p.slots);
}

/* Slab @slab at one or two leases; -1: none. */
static void slab_at(uint32_t slab, int first, int second, bool filled)
{
    uint64_t slot;

    slots_add(&p.slots, slab, first, slab, PAGES);
    if (filled) {
        slot = slot_make(slab, 0);
        slots_mark(&p.slots, slot);
    }
    if (second >= 0) {
        slots_set_place(&p.slots, slab, 1,
                        (SlotPlace) { second, slab, false });
    }
}

static void look(bool elsewhere, uint64_t pages, int beside, uint32_t kept,
                 uint32_t left)
{
    wanting_look(&p, elsewhere, 1, &w);
    ck_assert_uint_eq(w.pages, pages);
    ck_assert_ptr_eq(w.beside, beside < 0 ? NULL : &remote[beside]);
    ck_assert_uint_eq(w.kept, kept);
    ck_assert_uint_eq(w.left, left);
}

START_TEST(second_copies)
{
    slab_at(0, 0, -1, true);
    slab_at(1, 0, -1, true);
    slab_at(2, 0, 1, true);     /* has both */
    slab_at(3, 1, -1, false);   /* is empty */
    look(true, 2 * PAGES, 0, 0, 0);
    unused[0] = 5;              /* of no use to them */
    look(true, 2 * PAGES, 0, 0, 5);
    unused[1] = 1;
    look(true, PAGES, 0, 1, 5);
    unused[2] = 3;
    look(true, 0, -1, 2, 7);
    slab_at(4, 1, -1, true);
    unused[0] = unused[1] = unused[2] = 0;
    look(true, 3 * PAGES, -1, 0, 0);    /* beside several */
    remote[0].state = REMOTE_DOWN;      /* nothing can be copied from there */
    look(true, PAGES, 1, 0, 0);
    p.locations.copies = 1;
    look(true, 0, -1, 0, 0);
}
END_TEST

/* A slab with nothing else in it is emptied rather than copied. */
START_TEST(what_is_only_kept_wants_nothing)
{
    slab_at(0, 0, -1, true);
    slots_keep(&p.slots, slot_make(0, 0), 5, 1);
    look(true, 0, -1, 0, 0);
    slots_mark(&p.slots, slot_make(0, 1));
    look(true, PAGES, 0, 0, 0);
}
END_TEST

START_TEST(away_from_the_disk)
{
    slab_at(0, 0, DISK, true);
    slab_at(1, 0, DISK, true);
    slab_at(2, 1, DISK, false);
    look(false, 0, -1, 0, 0);
    look(true, 2 * PAGES, 0, 0, 0);
    unused[DISK] = 4;           /* the disk takes nothing from the disk */
    look(true, 2 * PAGES, 0, 0, 4);
    unused[1] = 1;
    look(true, PAGES, 0, 1, 4);
    unused[1] = 2;
    look(true, 0, -1, 2, 4);
}
END_TEST

/* First the second copy, which may be on the disk if no page is there yet. */
START_TEST(only_on_the_disk)
{
    slab_at(0, DISK, -1, true);
    look(true, PAGES, DISK, 0, 0);
    unused[0] = 1;
    look(true, 0, -1, 1, 0);
    slots_set_place(&p.slots, 0, 0, (SlotPlace) { 1, 0, false });
    unused[0] = 0;
    unused[DISK] = 1;
    look(true, 0, -1, 1, 0);
    /* Of one copy: it has to leave. */
    slots_set_place(&p.slots, 0, 0, (SlotPlace) { DISK, 0, false });
    p.locations.copies = 1;
    look(true, PAGES, -1, 0, 1);
    look(false, 0, -1, 0, 0);
    unused[2] = 1;
    look(true, 0, -1, 1, 1);
}
END_TEST

START_TEST(not_known_yet)
{
    slab_at(0, 0, -1, true);
    p.slots.partial = true;
    unused[1] = 1;
    look(true, 0, -1, 0, 0);
}
END_TEST

/* Nothing can go there now: it is not left for an empty slab either. */
START_TEST(what_is_unused_where_nobody_is_does_not_count)
{
    slab_at(0, 0, -1, true);
    unused[1] = 1;
    unused[2] = 10;
    away = p.leases.entry[2];
    wanting_look(&p, false, 0, &w);
    ck_assert_uint_eq(w.kept, 1);
    ck_assert_uint_eq(w.left, 0);
    away = NULL;
    wanting_look(&p, false, 0, &w);
    ck_assert_uint_eq(w.left, 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wanting");
    TCase *tc = tcase_create("wanting");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, second_copies);
    tcase_add_test(tc, what_is_only_kept_wants_nothing);
    tcase_add_test(tc, away_from_the_disk);
    tcase_add_test(tc, only_on_the_disk);
    tcase_add_test(tc, not_known_yet);
    tcase_add_test(tc, what_is_unused_where_nobody_is_does_not_count);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
