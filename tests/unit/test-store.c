/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases: grants, claims, ends, slots, counts. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "rcached/provider/store-look.h"
#include "tests/unit/store-fixture.h"

/* -------------------------------------------------------------- granting */

START_TEST(grants_are_whole_slabs_within_the_limit)
{
    WireGrantAck ack;

    ck_assert_int_eq(give(1, SLAB + 1, &ack), RCACHE_OK);
    ck_assert_uint_eq(ack.bytes, 2 * SLAB);
    ck_assert_uint_eq(ack.ttl_ms, TTL);
    ck_assert_uint_eq(leased(), 2 * SLAB);
    /* Less than was asked for. */
    ck_assert_int_eq(give(2, UINT64_MAX, &ack), RCACHE_OK);
    ck_assert_uint_eq(ack.bytes, 6 * SLAB);
    ck_assert_int_eq(give(3, 1, &ack), RCACHE_E_NO_ROOM);
    ck_assert_uint_eq(ack.bytes, 0);
    ck_assert_str_ne(ack.text, "");
    /* A lower limit takes nothing back, and a higher one makes room. */
    store_set_limit(store, SLAB);
    ck_assert_uint_eq(leased(), 8 * SLAB);
    ck_assert_int_eq(give(3, 1, &ack), RCACHE_E_NO_ROOM);
    store_set_limit(store, 9 * SLAB + SLAB - 1);
    ck_assert_int_eq(give(3, 2 * SLAB, &ack), RCACHE_OK);
    ck_assert_uint_eq(ack.bytes, SLAB);
}
END_TEST

START_TEST(a_repeated_grant_gets_the_same_answer)
{
    WireGrant grant = grant_of(1, 2 * SLAB);
    WireGrantAck ack;
    unsigned n;

    ck_assert_int_eq(give(1, 2 * SLAB, &ack), RCACHE_OK);
    ck_assert_int_eq(store_reserve(store, &grant, &n, &ack), RCACHE_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(ack.bytes, 2 * SLAB);
    ck_assert_uint_eq(leased(), 2 * SLAB);
    grant.token[0] ^= 1;
    ck_assert_int_eq(store_reserve(store, &grant, &n, &ack),
                     RCACHE_E_REFUSED);
    ck_assert_uint_eq(ack.bytes, 0);
}
END_TEST

START_TEST(room_is_held_while_slabs_are_made)
{
    WireGrant one = grant_of(1, 8 * SLAB), two = grant_of(2, SLAB);
    WireGrantAck ack;
    unsigned n;

    ck_assert_int_eq(store_reserve(store, &one, &n, &ack), RCACHE_OK);
    ck_assert_uint_eq(n, 8);
    ck_assert_int_eq(store_reserve(store, &two, &n, &ack), RCACHE_E_NO_ROOM);
    store_unreserve(store, 8);
    ck_assert_int_eq(store_reserve(store, &two, &n, &ack), RCACHE_OK);
    store_unreserve(store, n);
    ck_assert_uint_eq(leased(), 0);
}
END_TEST

/* -------------------------------------------------------------- claiming */

START_TEST(claims_are_checked)
{
    SessionOwner owner = session_owner("req", vm_a, 1);
    SessionOwner next = session_owner("req", vm_a, 2);
    SessionOwner other = session_owner("mallory", vm_a, 1);
    uint8_t token[RCACHE_TOKEN_LEN];
    StoreLease *lease, *again;
    WireGrantAck ack;

    give(1, SLAB, &ack);
    memset(token, 1, sizeof(token));
    ck_assert_int_eq(claim(2, vm_a, 1, 0, &lease), RCACHE_E_LEASE);
    ck_assert_int_eq(claim(1, vm_b, 1, 0, &lease), RCACHE_E_LEASE);
    ck_assert_int_eq(store_claim(store, 1, 2, token, &owner, 3, 0, &lease),
                     RCACHE_E_EPOCH);
    ck_assert_int_eq(store_claim(store, 1, 1, token, &other, 3, 0, &lease),
                     RCACHE_E_REFUSED);
    token[15] ^= 0x80;
    ck_assert_int_eq(store_claim(store, 1, 1, token, &owner, 3, 0, &lease),
                     RCACHE_E_LEASE);
    ck_assert_int_eq(store_claim(store, 1, 1, token, &other, 3, 0, &lease),
                     RCACHE_E_LEASE);
    ck_assert_uint_eq(store_session(store, &owner), 0);
    ck_assert_int_eq(claim(1, vm_a, 1, 0, &lease), RCACHE_OK);
    ck_assert_uint_eq(store_session(store, &owner), 3);
    ck_assert_uint_eq(store_session(store, &next), 0);
    ck_assert_uint_eq(store_session(store, &other), 0);
    /* Again by the same VM; but not by another incarnation of it. */
    ck_assert_int_eq(claim(1, vm_a, 1, 0, &again), RCACHE_OK);
    ck_assert_ptr_eq(lease, again);
    ck_assert_int_eq(claim(1, vm_a, 2, 0, &again), RCACHE_E_LEASE);
    store_unref(store, lease);
    store_unref(store, lease);
}
END_TEST

/* An arbiter that names the incarnation has the last word. */
START_TEST(a_grant_names_the_incarnation)
{
    WireGrant grant = grant_of(1, SLAB);
    StoreLease *lease;
    WireGrantAck ack;
    Slab *slab;
    unsigned n;

    grant.incarnation = 7;
    ck_assert_int_eq(store_reserve(store, &grant, &n, &ack), RCACHE_OK);
    ck_assert_int_eq(slab_new(PAGES, SLAB_GUARD_NO_SWAP, &slab), 0);
    store_add(store, &grant, n, &slab, 1, 0, &ack);
    ck_assert_int_eq(claim(1, vm_a, 6, 0, &lease), RCACHE_E_LEASE);
    ck_assert_int_eq(claim(1, vm_a, 7, 0, &lease), RCACHE_OK);
    store_unref(store, lease);
}
END_TEST

START_TEST(unclaimed_leases_are_dropped)
{
    StoreLease *lease;
    WireGrantAck ack;

    give(1, SLAB, &ack);
    store_tick(store, CLAIM - 1, NULL, NULL);
    ck_assert_int_eq(claim(1, vm_a, 1, 0, &lease), RCACHE_OK);
    store_unref(store, lease);
    give(2, SLAB, &ack);
    store_tick(store, CLAIM, NULL, NULL);
    ck_assert_int_eq(claim(2, vm_a, 1, 0, &lease), RCACHE_E_LEASE);
    reap_all();
    ck_assert_uint_eq(leased(), SLAB);
}
END_TEST

START_TEST(expiry_destroys_nothing)
{
    StoreLease *lease = claimed(1, SLAB);
    RcacheSlot slot = wire_slot(number(lease, 0), 5);
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(WireBeatLease));
    Slab *slab;

    mark(lease, slot, true);
    store_tick(store, TTL, NULL, NULL);
    store_list(store, TTL, list);
    ck_assert_uint_eq(g_array_index(list, WireBeatLease, 0).state,
                      RCACHE_LEASE_EXPIRED);
    ck_assert_ptr_nonnull(store_find(store, lease, slot, true, &slab));
    ck_assert_int_eq(store_check(lease, 1), RCACHE_OK);
    /* RENEW revives it. */
    ck_assert_int_eq(store_renew(store, lease, 2, TTL), RCACHE_E_EPOCH);
    ck_assert_int_eq(store_renew(store, lease, 1, TTL), RCACHE_OK);
    g_array_set_size(list, 0);
    store_list(store, TTL + 1, list);
    ck_assert_uint_eq(g_array_index(list, WireBeatLease, 0).state,
                      RCACHE_LEASE_CLAIMED);
    ck_assert_uint_eq(g_array_index(list, WireBeatLease, 0).expires_ms,
                      TTL - 1);
    ck_assert_uint_eq(g_array_index(list, WireBeatLease, 0).stored, 4096);
    store_unref(store, lease);
}
END_TEST

START_TEST(orphans_are_dropped_at_last)
{
    StoreLease *lease = claimed(1, SLAB);

    store_unref(store, lease);
    store_tick(store, TTL, NULL, NULL);
    store_tick(store, TTL + ORPHAN - 1, NULL, NULL);
    ck_assert_ptr_nonnull(store_find_lease(store, 1));
    store_tick(store, TTL + ORPHAN, NULL, NULL);
    ck_assert_ptr_null(store_find_lease(store, 1));
    reap_all();
    ck_assert_uint_eq(leased(), 0);
    ck_assert_uint_eq(slabs_gone, 1);
}
END_TEST

/* Nobody could renew anything while this host slept. */
START_TEST(a_host_that_sleeps_drops_nothing)
{
    StoreLease *lease = claimed(1, SLAB);
    uint64_t now = 2 * TTL + ORPHAN;

    store_tick(store, now, NULL, NULL);
    ck_assert_uint_eq(lease->rec->state, RCACHE_LEASE_EXPIRED);
    store_tick(store, now + ORPHAN - 1, NULL, NULL);
    ck_assert_uint_eq(store_renew(store, lease, 1, now + ORPHAN - 1),
                      RCACHE_OK);
    ck_assert_uint_eq(lease->rec->state, RCACHE_LEASE_CLAIMED);
    store_unref(store, lease);
}
END_TEST

/* ----------------------------------------------------------------- slots */

START_TEST(slots_are_those_of_the_lease)
{
    StoreLease *a = claimed(1, SLAB), *b = claimed(2, SLAB);
    RcacheSlot slot = wire_slot(number(a, 0), PAGES - 1);
    Slab *slab;
    uint8_t *page = store_find(store, a, slot, false, &slab);

    ck_assert_ptr_nonnull(page);
    ck_assert_uint_ne(number(a, 0), number(b, 0));
    ck_assert_ptr_null(store_find(store, b, slot, false, &slab));
    ck_assert_ptr_null(store_find(store, a, slot + 1, false, &slab));
    ck_assert_ptr_null(store_find(store, a, wire_slot(2, 0), false, &slab));
    ck_assert_ptr_null(store_find(store, a, UINT64_MAX, false, &slab));
    ck_assert_ptr_eq(store_find(store, a, wire_slot(number(a, 0), 0), false,
                                &slab) + (PAGES - 1) * 4096, page);
    /* Only what is stored can be had. */
    ck_assert_ptr_null(store_find(store, a, slot, true, &slab));
    mark(a, slot, true);
    ck_assert_ptr_eq(store_find(store, a, slot, true, &slab), page);
    store_unref(store, a);
    store_unref(store, b);
}
END_TEST

START_TEST(stored_pages_are_counted_once)
{
    StoreLease *lease = claimed(1, 2 * SLAB);
    RcacheSlot first = wire_slot(number(lease, 0), 0);
    RcacheSlot last = wire_slot(number(lease, 1), PAGES - 1);
    unsigned i;

    for (i = 0; i < 3; i++) {
        mark(lease, first, true);
        mark(lease, last, true);
    }
    ck_assert_uint_eq(stored(), 2);
    for (i = 0; i < 3; i++) {
        mark(lease, first, false);
    }
    ck_assert_uint_eq(stored(), 1);
    mark(lease, last, false);
    ck_assert_uint_eq(stored(), 0);
    store_unref(store, lease);
}
END_TEST

START_TEST(a_stored_page_can_be_found_to_spoil)
{
    StoreLease *lease = claimed(1, 2 * SLAB);
    RcacheSlot slot = wire_slot(number(lease, 1), 9);
    Slab *slab;

    ck_assert_ptr_null(store_random_stored(store, 5));
    mark(lease, slot, true);
    ck_assert_ptr_eq(store_random_stored(store, 77),
                     store_find(store, lease, slot, true, &slab));
    store_unref(store, lease);
}
END_TEST

/* ---------------------------------------------------------------- ending */

static blkcnt_t blocks(int fd)
{
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    return st.st_blocks;
}

START_TEST(memory_comes_back_when_a_lease_ends)
{
    StoreLease *lease = claimed(1, 3 * SLAB);
    int fd = dup(((Slab *)lease->slabs->pdata[1])->fd), waiter, n = 0;
    void *told = NULL;

    ck_assert_int_ge(blocks(fd) * 512, SLAB);
    store_end(store, lease, &waiter);
    ck_assert_int_eq(store_check(lease, 1), RCACHE_E_LEASE);
    ck_assert_ptr_null(store_find_lease(store, 1));
    /* It counts until the host has it back. */
    ck_assert_uint_eq(leased(), 3 * SLAB);
    while (store_reap_pending(store) && n++ < 1000) {
        ck_assert_ptr_null(told);
        told = store_reap(store, 50);
    }
    ck_assert_ptr_eq(told, &waiter);
    ck_assert_int_eq(n, 9);
    ck_assert_uint_eq(leased(), 0);
    ck_assert_uint_eq(slabs_gone, 3);
    ck_assert_int_eq(blocks(fd), 0);
    close(fd);
    store_unref(store, lease);
    /* Its id and its numbers can be given again. */
    lease = claimed(1, SLAB);
    ck_assert_uint_eq(number(lease, 0), 0);
    store_unref(store, lease);
}
END_TEST

START_TEST(memory_in_use_is_not_taken_away)
{
    StoreLease *lease = claimed(1, SLAB);
    int waiter;

    store_use(lease);
    store_end(store, lease, &waiter);
    ck_assert(!store_reap_pending(store));
    ck_assert_ptr_null(store_reap(store, 1000));
    ck_assert_uint_eq(leased(), SLAB);
    store_forget_waiter(store, &waiter);
    store_unuse(store, lease);
    ck_assert(store_reap_pending(store));
    ck_assert_ptr_null(store_reap(store, 1000));
    ck_assert_uint_eq(leased(), 0);
    store_unref(store, lease);
}
END_TEST

START_TEST(what_one_start_has_on_the_own_disk)
{
    StoreLease *lease[3];
    WireGrantAck ack;

    ck_assert_int_eq(give(1, SLAB, &ack), RCACHE_OK);   /* lent to a host */
    for (unsigned i = 0; i < G_N_ELEMENTS(lease); i++) {
        WireGrant grant = grant_of(2 + i, SLAB);
        Slab *slab;

        grant.incarnation = i ? 1 : 2;
        memcpy(grant.vm, i == 1 ? vm_b : vm_a, sizeof(grant.vm));
        ck_assert_int_eq(slab_new(PAGES, SLAB_GUARD_NO_SWAP, &slab), 0);
        lease[i] = store_add_own(store, &grant, &slab, 1, 0, &ack);
        ck_assert_ptr_nonnull(lease[i]);
    }
    ck_assert_ptr_eq(store_find_own(store, vm_a, 1), lease[2]);
    ck_assert_ptr_eq(store_find_own(store, vm_a, 2), lease[0]);
    ck_assert_ptr_eq(store_find_own(store, vm_b, 1), lease[1]);
    store_end(store, lease[2], NULL);
    ck_assert_ptr_null(store_find_own(store, vm_a, 1));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store");
    TCase *tc = tcase_create("store");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, store_set_up, store_tear_down);
    tcase_add_test(tc, grants_are_whole_slabs_within_the_limit);
    tcase_add_test(tc, a_repeated_grant_gets_the_same_answer);
    tcase_add_test(tc, room_is_held_while_slabs_are_made);
    tcase_add_test(tc, claims_are_checked);
    tcase_add_test(tc, a_grant_names_the_incarnation);
    tcase_add_test(tc, unclaimed_leases_are_dropped);
    tcase_add_test(tc, expiry_destroys_nothing);
    tcase_add_test(tc, orphans_are_dropped_at_last);
    tcase_add_test(tc, a_host_that_sleeps_drops_nothing);
    tcase_add_test(tc, slots_are_those_of_the_lease);
    tcase_add_test(tc, stored_pages_are_counted_once);
    tcase_add_test(tc, a_stored_page_can_be_found_to_spoil);
    tcase_add_test(tc, memory_comes_back_when_a_lease_ends);
    tcase_add_test(tc, memory_in_use_is_not_taken_away);
    tcase_add_test(tc, what_one_start_has_on_the_own_disk);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
