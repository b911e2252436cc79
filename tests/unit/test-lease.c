/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a lease: asked for, granted, claimed, renewed, released; refused,
 * late, and without an entry.
 */
#include "lease-fixture.h"

#include <check.h>

START_TEST(claimed_renewed_released)
{
    Lease *l = granted(LEASE);

    ck_assert_uint_eq(was_sent(RCACHE_CLAIM, LEASE), 2);
    answer(l, false, RCACHE_CLAIM_ACK, 0);
    ck_assert(!lease_ready(l));
    answer(l, true, RCACHE_CLAIM_ACK, 0);
    ck_assert(lease_ready(l));
    /* A third of its life, from when the CLAIM was sent. */
    now += TTL_MS / 3 * NS_PER_MS - 1;
    lease_tick(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_RENEW, LEASE), 0);
    lease_tick(&p, ++now);
    ck_assert_uint_eq(was_sent(RCACHE_RENEW, LEASE), 1);
    /* The answer takes a while, and the next third counts from the RENEW. */
    now += 5 * NS_PER_SEC;
    answer(l, true, RCACHE_RENEW_ACK, 0);
    now += TTL_MS / 3 * NS_PER_MS - 5 * NS_PER_SEC;
    lease_tick(&p, now);
    ck_assert_uint_eq(was_sent(RCACHE_RENEW, LEASE), 1);
    lease_release(&p, l);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 1);
    answer(l, true, RCACHE_RELEASE_ACK, 0);
    ck_assert_ptr_null(p.leases.entry[0]);
    ck_assert_uint_eq(table[0].id, 0);
}
END_TEST

/* The provider may only not know that this session has claimed it. */
START_TEST(a_refused_release_is_no_end)
{
    Lease *l = ready(LEASE);

    lease_release(&p, l);
    nr_sent = 0;
    answer(l, true, RCACHE_RELEASE_ACK, RCACHE_E_LEASE);
    ck_assert_ptr_eq(p.leases.entry[0], l);
    ck_assert(!lease_ready(l));
    lease_tick(&p, now += 5 * NS_PER_SEC);
    ck_assert_uint_eq(was_sent(RCACHE_CLAIM, LEASE), 2);
    answer(l, true, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    ck_assert_ptr_null(p.leases.entry[0]);
}
END_TEST

/* A provider that takes each CLAIM is not asked as fast as it answers. */
START_TEST(refused_releases_do_not_go_in_a_circle)
{
    Lease *l = granted(LEASE);

    lease_tick(&p, now += 31 * NS_PER_SEC);
    ck_assert(l->abandoned);
    nr_sent = 0;
    answer(l, false, RCACHE_CLAIM_ACK, 0);
    answer(l, true, RCACHE_CLAIM_ACK, 0);
    ck_assert_uint_eq(was_sent(RCACHE_RELEASE, LEASE), 1);
    answer(l, true, RCACHE_RELEASE_ACK, RCACHE_E_BUSY);
    lease_tick(&p, now += 4 * NS_PER_SEC);
    ck_assert_uint_eq(was_sent(RCACHE_CLAIM, LEASE), 0);
    lease_tick(&p, now += NS_PER_SEC);
    ck_assert_uint_eq(was_sent(RCACHE_CLAIM, LEASE), 2);
}
END_TEST

/* Whenever it comes, nothing is made of it. */
START_TEST(more_slabs_than_were_granted)
{
    Lease *l = granted(LEASE);

    answer_of(l, false, RCACHE_CLAIM_ACK, 0, 3);
    ck_assert_int_eq(remote.state, REMOTE_CLOSING);
    ck_assert(!l->claimed[0]);
    ck_assert_uint_eq(p.slots.nr, 0);
    ck_assert_uint_eq(table[0].slab_pages, 0);
    remote.state = REMOTE_UP;
    answer(l, false, RCACHE_CLAIM_ACK, 0);
    answer_of(l, true, RCACHE_CLAIM_ACK, 0, 3);
    ck_assert_int_eq(remote.state, REMOTE_CLOSING);
    ck_assert(!l->claimed[1]);
    ck_assert_uint_eq(p.slots.nr, 2);
}
END_TEST

START_TEST(only_one_refusal_is_a_loss)
{
    Lease *l = ready(LEASE);
    uint64_t slot;

    ck_assert_uint_eq(slots_take(&p.slots, 0, &slot, 1), 1);
    lease_remote_down(&p, &remote);
    answer(l, false, RCACHE_CLAIM_ACK, RCACHE_E_BUSY);
    ck_assert(!l->lost && !nr_events);
    ck_assert_uint_eq(lease_lost_pages(&p), 0);
    answer(l, false, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    answer(l, true, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    ck_assert(l->lost);
    ck_assert_uint_eq(nr_events, 1);
    ck_assert_uint_eq(lease_lost_pages(&p), 1);
    lease_tick(&p, now);
    ck_assert_ptr_eq(p.leases.entry[0], l);
    slots_clear(&p.slots, slot);        /* the guest threw it away */
    lease_tick(&p, now);
    ck_assert_ptr_null(p.leases.entry[0]);
}
END_TEST

/*
 * What was kept there for pages that are here is not lost, and nothing says so.
 * 0: it is all there was; 1: a page was away; 2: one is in a zap, so that its
 * word names the lease for a moment more.
 */
START_TEST(what_was_kept_is_no_loss)
{
    Lease *l = ready(LEASE);
    uint64_t slot[3];

    ck_assert_uint_eq(slots_take(&p.slots, 0, slot, 3), 3);
    for (unsigned i = _i == 1; i < 3; i++) {
        slots_keep(&p.slots, slot[i], i, 1);
    }
    if (_i == 2) {
        slots_keep_void(&p.slots, slot[2]);
    }
    lease_remote_down(&p, &remote);
    answer(l, true, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    ck_assert_uint_eq(nr_events, _i == 1);
    ck_assert_uint_eq(lease_lost_pages(&p), _i == 1);
    if (!_i) {
        ck_assert_ptr_null(p.leases.entry[0]);
        return;
    }
    ck_assert(l->lost);
    lease_tick(&p, now);
    ck_assert_ptr_eq(p.leases.entry[0], l);
    slots_clear(&p.slots, slot[_i == 1 ? 0 : 2]);
    lease_tick(&p, now);
    ck_assert_ptr_null(p.leases.entry[0]);
}
END_TEST

START_TEST(another_hosts_refusal_is_no_loss)
{
    Lease *l = ready(LEASE);
    uint64_t slot;

    ck_assert_uint_eq(slots_take(&p.slots, 0, &slot, 1), 1);
    lease_remote_down(&p, &remote);
    wire_text_copy(remote.answers, sizeof(remote.answers), "p7");
    answer(l, false, RCACHE_CLAIM_ACK, RCACHE_E_LEASE);
    answer(l, true, RCACHE_CLAIM_ACK, RCACHE_E_EPOCH);
    ck_assert(!l->lost && !nr_events);
    wire_text_copy(remote.answers, sizeof(remote.answers), "p0");
    answer(l, true, RCACHE_CLAIM_ACK, RCACHE_E_EPOCH);
    ck_assert(l->lost && nr_events);
}
END_TEST

START_TEST(without_an_entry)
{
    struct RcacheLeaseGrant g = grant(LEASE);

    for (unsigned i = 0; i < RCACHE_NR_LEASES; i++) {
        table[i].id = 1;
    }
    nr_sent = 0;
    ck_assert(!lease_granted(&p, &g, ""));
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_int_eq(sent[0].type, RCACHE_CLAIM);
    ck_assert_int_eq(sent[1].type, RCACHE_RELEASE);
    ck_assert_uint_eq(sent[1].lease, LEASE);
}
END_TEST

/* A daemon hands it over to a pager that has found it in the table. */
START_TEST(granted_twice)
{
    struct RcacheLeaseGrant g = grant(LEASE);
    Lease *l = granted(LEASE);

    nr_sent = 0;
    ck_assert(!lease_granted(&p, &g, ""));
    ck_assert_uint_eq(nr_sent, 0);
    ck_assert_ptr_eq(p.leases.entry[0], l);
    ck_assert_ptr_null(p.leases.entry[1]);
    ck_assert_uint_eq(table[1].id, 0);
}
END_TEST

START_TEST(late_grants_and_pauses)
{
    struct LinkGrants none = { 0 }, late = { .nr_grants = 1 };
    uint64_t pause = 0;

    late.grant[0] = grant(LEASE);
    late.hdr.tag = 5;                   /* of a request long forgotten */
    lease_demand_answer(&p, &late);
    ck_assert_ptr_nonnull(p.leases.entry[0]);
    for (unsigned i = 0; i < 3; i++) {
        p.want.tag = none.hdr.tag = 9 + i;
        lease_demand_answer(&p, &none);
        ck_assert_uint_gt(p.want.next_at[WANT_PAGES] - now, pause);
        pause = p.want.next_at[WANT_PAGES] - now;
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lease");
    TCase *tc = tcase_create("lease");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, claimed_renewed_released);
    tcase_add_test(tc, a_refused_release_is_no_end);
    tcase_add_test(tc, refused_releases_do_not_go_in_a_circle);
    tcase_add_test(tc, more_slabs_than_were_granted);
    tcase_add_test(tc, only_one_refusal_is_a_loss);
    tcase_add_loop_test(tc, what_was_kept_is_no_loss, 0, 3);
    tcase_add_test(tc, another_hosts_refusal_is_no_loss);
    tcase_add_test(tc, without_an_entry);
    tcase_add_test(tc, granted_twice);
    tcase_add_test(tc, late_grants_and_pauses);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
