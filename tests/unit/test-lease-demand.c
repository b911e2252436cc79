/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory of others is asked for, and what counts as room. */
#include "lease-fixture.h"

#include <check.h>

/* As if nothing had been asked for. */
static void again(void)
{
    p.want.tag = p.want.at = 0;
    memset(p.want.next_at, 0, sizeof(p.want.next_at));
}

/* What one provider has beyond half of it all is of no use for two copies. */
START_TEST(the_other_copy_is_asked_of_others)
{
    Lease *l;
    uint64_t slot;

    p.takeover.managing = true;
    p.limits.size = 64;
    p.locations.copies = 2;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 1);
    ck_assert_uint_eq(wanted_copies, 2);
    ck_assert_ptr_null(avoided);
    l = ready(LEASE);
    slots_add(&p.slots, 10, l->index, 10, 1024);
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_uint_eq(slots_take(&p.slots, l->index, &slot, 1), 1);
    }
    now += 10 * NS_PER_SEC;
    again();
    p.want.demand = (Demand) { .assign_ns = NS_PER_SEC };
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 2);
    ck_assert_uint_eq(wanted_copies, 1);
    ck_assert_str_eq(avoided, remote.host);
}
END_TEST

/* Slabs that want one place each: not where they have their other one. */
START_TEST(slabs_want_places)
{
    static Remote own = { .own = true };

    p.takeover.managing = true;
    p.limits.size = 64;
    p.limits.ram = 8192;
    p.locations.copies = 2;
    wanting = 5000;
    for (unsigned i = 0; i < 3; i++) {
        beside = i == 0 ? NULL : i == 1 ? &remote : &own;
        again();
        now += 10 * NS_PER_SEC;
        lease_demand_tick(&p, now);
        ck_assert_uint_eq(nr_wants, i + 1);
        ck_assert_uint_eq(wanted, 5000 * RCACHE_PAGE_SIZE);
        ck_assert_uint_eq(wanted_copies, 1);
        ck_assert_int_eq(!!avoided, i == 1);
        ck_assert_int_eq(wanted_for, WANT_SLABS);
    }
    ck_assert_uint_gt(wanting, 2 * p.limits.size + 2 * 1024 + 2);
    /* No lease is larger than the VM: the next pager would not take it. */
    wanting = 20000;
    again();
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(wanted, 8192 * RCACHE_PAGE_SIZE);
}
END_TEST

/* The arbiter has nothing for what was asked for. */
static void refused(void)
{
    struct LinkGrants none = { .hdr.tag = p.want.tag };

    lease_demand_answer(&p, &none);
    lease_demand_tick(&p, now);
}

/* There is one provider: no slab's second copy finds a place, ever. */
START_TEST(slabs_in_vain_do_not_keep_pages_from_room)
{
    p.locations.copies = 2;
    wanting = 5000;
    beside = &remote;
    for (unsigned i = 0; i < 3; i++) {
        now += 10 * NS_PER_SEC;
        nr_wants = 0;
        lease_demand_tick(&p, now);
        ck_assert_uint_eq(nr_wants, 1);
        ck_assert_int_eq(wanted_for, WANT_SLABS);
        refused();
        ck_assert_uint_eq(nr_wants, 2);
        ck_assert_int_eq(wanted_for, WANT_PAGES);
        ck_assert_uint_eq(wanted_copies, 2);
        ck_assert_ptr_null(avoided);
        refused();
        ck_assert_uint_eq(nr_wants, 2);     /* both are asked for again later */
    }
}
END_TEST

/*
 * A provider wants slabs back, and nobody takes them: where it cannot reach the
 * only other one, for as long as it is drained.  The guest's pages can go there
 * all the same.
 */
START_TEST(slabs_that_are_stuck_do_not_keep_pages_from_room)
{
    revoked = 300;
    for (unsigned i = 0; i < 3; i++) {
        now += 10 * NS_PER_SEC;
        nr_wants = 0;
        lease_demand_tick(&p, now);
        ck_assert_uint_eq(nr_wants, 1);
        ck_assert_int_eq(wanted_for, WANT_MOVES);
        refused();
        ck_assert_uint_eq(nr_wants, 2);
        ck_assert_int_eq(wanted_for, WANT_PAGES);
        refused();
        ck_assert_uint_eq(nr_wants, 2);
        now += 500 * NS_PER_MS;         /* these have a deadline */
        lease_demand_tick(&p, now);
        ck_assert_uint_eq(nr_wants, 3);
        ck_assert_int_eq(wanted_for, WANT_MOVES);
        refused();
        ck_assert_uint_eq(nr_wants, 3);
    }
}
END_TEST

/* A slab that wants a place may be kept from what was leased for it. */
START_TEST(not_on_and_on)
{
    Lease *l = granted(LEASE);
    unsigned i;

    wanting = PAGES;
    p.locations.copies = 2;
    again();
    now += 2 * NS_PER_SEC;      /* longer than claims are waited for */
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 0);
    answer(l, false, RCACHE_CLAIM_ACK, 0);
    answer(l, true, RCACHE_CLAIM_ACK, 0);
    for (i = 0; i < 1000; i++) {
        again();
        nr_wants = 0;
        lease_demand_tick(&p, now);
        if (!nr_wants) {
            break;
        }
        slots_add(&p.slots, 10 + i, l->index, 10 + i, PAGES);
    }
    /* Three times what there may be, and it has two slabs of its own. */
    ck_assert_uint_eq(i + 2, 3 * 2 * (64 * PAGES + PAGES + 1024) / PAGES);
}
END_TEST

/* Each session makes it ready, and its provider may refuse all pages. */
START_TEST(a_lease_is_room_once)
{
    Lease *l = ready(LEASE);
    uint64_t first = now;

    ck_assert_uint_eq(p.evictor.progress.at, first);
    for (unsigned i = 0; i < 5; i++) {
        lease_remote_down(&p, &remote);
        now += NS_PER_SEC;
        answer(l, false, RCACHE_CLAIM_ACK, 0);
        answer(l, true, RCACHE_CLAIM_ACK, 0);
        ck_assert(lease_ready(l));
        /* Perhaps the second session is a better one. */
        ck_assert_uint_eq(p.evictor.progress.at, first + NS_PER_SEC);
    }
    lease_release(&p, l);
    answer(l, true, RCACHE_RELEASE_ACK, 0);
    ready(LEASE + 1);                   /* this has been asked for */
    ck_assert_uint_eq(p.evictor.progress.at, now);
}
END_TEST

/* Its provider has just stopped to answer: the slots there are no room. */
START_TEST(what_is_free_at_a_silent_provider_is_no_room)
{
    uint64_t slot;

    p.limits.size = 2 * PAGES;
    ready(LEASE);
    ck_assert_uint_eq(slots_take(&p.slots, 0, &slot, 1), 1);
    resident = 1024;                    /* nothing has to go */
    p.slots.pages[0] = 8 * PAGES;       /* enough for all there may be */
    g_array_index(p.slots.groups, SlotGroup, 0).pages = 8 * PAGES;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 0);
    silent = true;
    lease_demand_tick(&p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 1);
}
END_TEST

/* Two leases at providers that are well; each has its slab's copy at a third
 * provider, that is away: what is free in the slabs is of no use. */
START_TEST(what_is_free_beside_one_that_is_away_is_no_room)
{
    Lease *l[3];
    Remote other[3];
    uint64_t slot;

    p.limits.size = 1;                  /* and 1024 for FREEs on their way */
    p.locations.copies = 2;
    resident = 1024;
    for (unsigned i = 0; i < G_N_ELEMENTS(l); i++) {
        l[i] = granted(LEASE + i);
        other[i] = remote;
        l[i]->remote = &other[i];
    }
    for (unsigned i = 0; i < 2; i++) {
        SlotPlace place[SLOTS_PLACES] = {
            { l[i]->index, 0, false }, { l[2]->index, i, false },
        };

        slots_add_at(&p.slots, i, place, 1100);
    }
    ck_assert_uint_eq(slots_take(&p.slots, l[2]->index, &slot, 1), 1);
    now += 2 * NS_PER_SEC;
    other[2].away_at = now;
    lease_demand_tick(&p, now + 100 * NS_PER_MS);
    ck_assert_uint_eq(nr_wants, 0);     /* it may be back soon */
    lease_demand_tick(&p, now + 300 * NS_PER_MS);
    ck_assert_uint_eq(nr_wants, 1);
    ck_assert_uint_eq(wanted_copies, 2);
}
END_TEST

/* Its provider does not let the pager in: a guest has no time for that. */
START_TEST(a_claim_at_one_that_is_away_is_not_waited_for)
{
    p.limits.size = 2 * PAGES;
    resident = 1024;
    granted(LEASE);
    lease_demand_tick(&p, now + 300 * NS_PER_MS);
    ck_assert_uint_eq(nr_wants, 0);
    remote.away_at = now;
    lease_demand_tick(&p, now + 300 * NS_PER_MS);
    ck_assert_uint_eq(nr_wants, 1);
}
END_TEST

/* What is put there arrives changed; then nobody else has memory. */
START_TEST(what_is_free_at_one_that_changes_bytes_is_no_room)
{
    struct LinkGrants none = { 0 };
    uint64_t slot;

    p.limits.size = 2 * PAGES;
    ready(LEASE);
    ck_assert_uint_eq(slots_take(&p.slots, 0, &slot, 1), 1);
    resident = 1024;
    p.slots.pages[0] = 8 * PAGES;
    g_array_index(p.slots.groups, SlotGroup, 0).pages = 8 * PAGES;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 0);
    remote.wrong = 1;
    remote.wrong_at = now;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 1);
    none.hdr.tag = p.want.tag;
    lease_demand_answer(&p, &none);
    again();
    p.health.bad_taken_until = now + 1;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 1);

    remote.wrong = 0;
    remote.refuses_until = now + 2;
    lease_demand_tick(&p, now + 1);
    ck_assert_uint_eq(nr_wants, 2);
}
END_TEST

/* Its provider has a session, and does not know who it is. */
START_TEST(what_is_free_where_the_claim_is_in_vain_is_no_room)
{
    Lease *l = ready(LEASE);
    uint64_t slot;

    p.limits.size = 2 * PAGES;
    ck_assert_uint_eq(slots_take(&p.slots, 0, &slot, 1), 1);
    resident = 1024;
    p.slots.pages[0] = 8 * PAGES;
    g_array_index(p.slots.groups, SlotGroup, 0).pages = 8 * PAGES;
    lease_remote_down(&p, &remote);
    lease_remote_up(&p, &remote);
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 0);
    ck_assert(lease_is_coming(&p));     /* it has not been answered yet */
    now += 4 * NS_PER_SEC;
    ck_assert(!lease_is_coming(&p));
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 1);

    again();
    nr_wants = 0;
    lease_remote_down(&p, &remote);
    lease_remote_up(&p, &remote);
    ck_assert(lease_is_coming(&p));
    wire_text_copy(remote.answers, sizeof(remote.answers), "another");
    answer(l, false, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    ck_assert(!lease_is_coming(&p));
    lease_demand_tick(&p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 1);
}
END_TEST

/* What cannot be freed there is of no use, but not what size is for. */
START_TEST(what_a_silent_provider_has_to_free_is_made_up_for)
{
    Lease *l = ready(LEASE);
    uint64_t slot = 0;

    p.limits.size = 1;                  /* and 1024 for FREEs on their way */
    p.slots.slabs[0].nr_used = p.slots.used[0] = p.slots.pages[0] = 1025;
    resident = 1024;
    silent = true;
    lease_demand_tick(&p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 0);
    g_array_append_val(l->to_free, slot);
    lease_demand_tick(&p, now + 2 * NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 1);
    g_array_set_size(l->to_free, 0);
}
END_TEST

/* It hangs: the FREE that it has been sent is not answered. */
START_TEST(what_a_silent_provider_was_told_to_free_as_well)
{
    Lease *l = ready(LEASE);
    FreeOut *out = g_new0(FreeOut, 1);

    p.limits.size = 1;
    p.slots.slabs[0].nr_used = p.slots.used[0] = p.slots.pages[0] = 1026;
    resident = 1024;
    silent = true;
    out->n = 2;
    out->slot[0] = slot_make(0, 1);     /* and one that is forgotten */
    g_queue_push_tail(&l->frees, out);
    lease_demand_tick(&p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 0);
    out->slot[1] = slot_make(0, 2);
    lease_demand_tick(&p, now + 2 * NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 1);
}
END_TEST

/* A slab is on its way to that: it is not given back. */
START_TEST(what_is_kept_for_a_slab_stays)
{
    Lease *l = ready(LEASE);

    p.limits.size = 0;
    kept = 1;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 0);
    kept = 0;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 1);
    ck_assert(l->releasing);
}
END_TEST

/* Nothing is asked for because of slots that are kept; they go with what is
 * given back (K4). */
START_TEST(what_is_kept_for_pages_here_is_room)
{
    Lease *l = ready(LEASE);
    uint64_t slot = slot_make(0, 0);

    ck_assert_uint_eq(p.slots.slabs[0].place[0].lease, l->index);
    slots_mark(&p.slots, slot);
    nr_kept_given = 0;
    p.limits.size = 0;
    lease_demand_tick(&p, now);
    ck_assert_uint_gt(nr_kept_given, 0);
    ck_assert_uint_eq(p.want.demand.used, p.locations.copies);
    slots_keep(&p.slots, slot, 5, 1);
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(p.want.demand.used, 0);
    slots_leave(&p.slots, slot);        /* its FREE has not been answered */
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(p.want.demand.used, 0);
}
END_TEST

/* A slab in which nothing else is makes the place that another one lacks. */
START_TEST(what_is_only_kept_makes_way)
{
    p.limits.size = 64;
    p.limits.ram = 8192;
    p.locations.copies = 2;
    wanting = 5000;
    kept_only = 1000;
    again();
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 0);
    ck_assert_uint_eq(nr_flushed, 1);
    kept_only = 0;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 1);
    ck_assert_uint_eq(wanted, 5000 * RCACHE_PAGE_SIZE);
}
END_TEST

/* What is kept where nothing is answered is of use to nobody. */
START_TEST(what_is_kept_at_a_silent_provider_is_no_room)
{
    uint64_t slot[PAGES];

    p.limits.size = 2 * PAGES;
    ready(LEASE);
    ck_assert_uint_eq(slots_take(&p.slots, 0, slot, PAGES), PAGES);
    for (unsigned i = 1; i < PAGES; i++) {
        slots_keep(&p.slots, slot[i], i, 1);
    }
    resident = 1024;
    p.slots.pages[0] = 8 * PAGES;
    g_array_index(p.slots.groups, SlotGroup, 0).pages = 8 * PAGES;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 0);
    silent = true;
    lease_demand_tick(&p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_wants, 1);
}
END_TEST

/* Two copies: with one lease less the same at the other provider is of no use,
 * and as much would be asked for again. */
START_TEST(what_would_be_asked_for_again_stays)
{
    static const uint32_t pages[] = { 5100, 2200, 2900 };
    Remote other = remote;
    Lease *l[3];

    p.limits.size = 2930;               /* 7998 pages in all */
    p.locations.copies = 2;
    resident = 10000;                   /* all of which are needed */
    for (unsigned i = 0; i < G_N_ELEMENTS(l); i++) {
        l[i] = ready(LEASE + i);
        l[i]->remote = i ? &other : &remote;
        while (p.slots.nr) {
            slots_remove(&p.slots, p.slots.nr - 1);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(l); i++) {
        slots_add(&p.slots, i, l[i]->index, i, pages[i]);
    }
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE + 1), 0);
    p.limits.size = 0;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 1);
}
END_TEST

/* One host with room is enough to leave another, whatever the copies. */
START_TEST(what_leaves_needs_one_place)
{
    p.locations.copies = 2;
    p.limits.ram = 8192;
    revoked = 5000;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 1);
    ck_assert_uint_eq(wanted_copies, 1);
    ck_assert_uint_eq(wanted, 5000 * RCACHE_PAGE_SIZE);
}
END_TEST

/*
 * Its answer would be taken for that of the other, which then is waited for
 * for minutes.
 */
START_TEST(no_request_beside_that_for_the_own_disk)
{
    p.disk.asked = true;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 0);
    p.disk.asked = false;
    lease_demand_tick(&p, now);
    ck_assert_uint_eq(nr_wants, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lease-demand");
    TCase *tc = tcase_create("lease-demand");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, the_other_copy_is_asked_of_others);
    tcase_add_test(tc, slabs_want_places);
    tcase_add_test(tc, slabs_in_vain_do_not_keep_pages_from_room);
    tcase_add_test(tc, slabs_that_are_stuck_do_not_keep_pages_from_room);
    tcase_add_test(tc, not_on_and_on);
    tcase_add_test(tc, what_is_kept_for_a_slab_stays);
    tcase_add_test(tc, what_is_kept_for_pages_here_is_room);
    tcase_add_test(tc, what_is_only_kept_makes_way);
    tcase_add_test(tc, what_is_kept_at_a_silent_provider_is_no_room);
    tcase_add_test(tc, what_would_be_asked_for_again_stays);
    tcase_add_test(tc, what_leaves_needs_one_place);
    tcase_add_test(tc, no_request_beside_that_for_the_own_disk);
    tcase_add_test(tc, a_lease_is_room_once);
    tcase_add_test(tc, what_is_free_at_a_silent_provider_is_no_room);
    tcase_add_test(tc, what_is_free_beside_one_that_is_away_is_no_room);
    tcase_add_test(tc, a_claim_at_one_that_is_away_is_not_waited_for);
    tcase_add_test(tc, what_is_free_at_one_that_changes_bytes_is_no_room);
    tcase_add_test(tc, what_is_free_where_the_claim_is_in_vain_is_no_room);
    tcase_add_test(tc, what_a_silent_provider_has_to_free_is_made_up_for);
    tcase_add_test(tc, what_a_silent_provider_was_told_to_free_as_well);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
