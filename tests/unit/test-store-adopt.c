/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slabs asked back and dropped; and a restart, which loses nothing. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rcached/provider/slab-away.h"
#include "rcached/provider/store-adopt.h"
#include "rcached/provider/store-revoke.h"
#include "rcached/provider/store-look.h"
#include "rcached/provider/store-spill.h"
#include "tests/unit/store-fixture.h"

START_TEST(a_restart_loses_nothing)
{
    SessionOwner owner = session_owner("req", vm_a, 1);
    StoreLease *lease = claimed(1, 2 * SLAB);
    RcacheSlot slot = wire_slot(number(lease, 1), 77);
    int table, slabs[2];
    Slab *slab;

    memset(store_find(store, lease, slot, false, &slab), 0x5a, 4096);
    mark(lease, slot, true);
    slabs[0] = dup(((Slab *)lease->slabs->pdata[1])->fd);
    slabs[1] = dup(((Slab *)lease->slabs->pdata[0])->fd);
    table = dup(store_table_fd(store));
    store_unref(store, lease);
    store_free(store);
    store = make_store(8 * SLAB);

    ck_assert_int_eq(store_adopt(store, table, slabs, 2, SLAB_GUARD_NO_SWAP,
                                 TTL * 2), 1);
    ck_assert_int_eq(slabs[0], -1);
    ck_assert_int_eq(slabs[1], -1);
    ck_assert_uint_eq(leased(), 2 * SLAB);
    ck_assert_uint_eq(stored(), 1);
    ck_assert_uint_eq(store_session(store, &owner), 3);
    /* Being away does not expire it. */
    store_tick(store, TTL * 2, NULL, NULL);
    ck_assert_int_eq(claim(1, vm_a, 2, 0, &lease), RCACHE_E_LEASE);
    ck_assert_int_eq(claim(1, vm_a, 1, TTL * 2, &lease), RCACHE_OK);
    ck_assert_uint_eq(store_find(store, lease, slot, true, &slab)[4095],
                      0x5a);
    store_unref(store, lease);
}
END_TEST

START_TEST(a_lease_with_a_hole_is_dropped)
{
    StoreLease *lease = claimed(1, 2 * SLAB), *whole = claimed(2, SLAB);
    int table = dup(store_table_fd(store)), slabs[2];

    slabs[0] = dup(((Slab *)lease->slabs->pdata[1])->fd);
    slabs[1] = dup(((Slab *)whole->slabs->pdata[0])->fd);
    store_unref(store, lease);
    store_unref(store, whole);
    store_free(store);
    store = make_store(8 * SLAB);
    ck_assert_int_eq(store_adopt(store, table, slabs, 2, SLAB_GUARD_NO_SWAP,
                                 0), 1);
    ck_assert_ptr_null(store_find_lease(store, 1));
    ck_assert_ptr_nonnull(store_find_lease(store, 2));
    reap_all();
    ck_assert_uint_eq(leased(), SLAB);
}
END_TEST

/* A dropped slab goes; its lease goes on, and has what is left. */
START_TEST(a_slab_is_dropped)
{
    StoreLease *lease = claimed(1, 2 * SLAB);
    Slab *slab = lease->slabs->pdata[0], *found;
    RcacheSlot slot = wire_slot(slab->number, 0);

    mark(lease, slot, true);
    store_use_slab(slab);
    store_drop(store, lease, slab);
    ck_assert_ptr_null(store_find(store, lease, slot, false, &found));
    ck_assert_uint_eq(stored(), 0);
    ck_assert(!store_reap_pending(store));
    ck_assert_uint_eq(leased(), 2 * SLAB);
    store_unuse_slab(slab);
    reap_all();
    ck_assert_uint_eq(leased(), SLAB);
    store_unref(store, lease);
}
END_TEST

/* A daemon is killed in store_drop() after its first, second, last store. */
START_TEST(a_drop_is_cut_short)
{
    StoreLease *lease = claimed(1, 2 * SLAB);
    int table = dup(store_table_fd(store)), slabs[2];
    Slab *slab = lease->slabs->pdata[0];

    slabs[0] = dup(slab->fd);
    slabs[1] = dup(((Slab *)lease->slabs->pdata[1])->fd);
    slab_set_leaving(slab, true);
    lease->rec->nr_slabs -= _i > 0;
    if (_i > 1) {
        slab_set_owner(slab, slab->number, 0);
    }
    store_unref(store, lease);
    store_free(store);
    store = make_store(8 * SLAB);
    ck_assert_int_eq(store_adopt(store, table, slabs, 2, SLAB_GUARD_NO_SWAP,
                                 0), 1);
    reap_all();
    ck_assert_uint_eq(leased(), _i ? SLAB : 2 * SLAB);
}
END_TEST

/* Most room unused goes first; what was asked for stays asked for. */
START_TEST(slabs_are_asked_back)
{
    StoreLease *full = claimed(1, 2 * SLAB), *idle = claimed(2, 3 * SLAB);
    uint32_t page;

    store_asker_comes(full);
    store_asker_comes(idle);
    for (page = 0; page < 50; page++) {
        mark(full, wire_slot(number(full, 0), page), true);
    }
    ck_assert_uint_eq(store_revoke(store, 5, 1, 1000), 0);
    ck_assert_uint_eq(store_revoke(store, 3, 1, 1000), 2);
    ck_assert_uint_eq(idle->keep, 1);
    ck_assert_uint_ge(full->keep, 2);
    ck_assert_uint_eq(store_revoke(store, 1, 1, 2000), 4);
    ck_assert_uint_eq(idle->keep, 0);
    ck_assert_uint_eq(idle->deadline, 1000);
    ck_assert_uint_eq(full->keep, 1);
    ck_assert_uint_eq(full->deadline, 2000);
    store_drop(store, idle, idle->slabs->pdata[0]);
    ck_assert_uint_eq(store_asked(store), 3);   /* without asking again */
    ck_assert_uint_eq(store_revoke(store, 1, 1, 3000), 3);
    ck_assert_uint_eq(store_revoke(store, UINT64_MAX, 1, 3000), 0);
    ck_assert_uint_eq(store_asked(store), 0);
    ck_assert_uint_ge(MIN(idle->keep, full->keep), 2);
    store_asker_leaves(full, 1);    /* who cannot leave is not asked */
    ck_assert_uint_eq(store_revoke(store, 0, TTL / 2, 3000), 2);
    ck_assert_uint_ge(full->keep, 2);
    ck_assert_uint_eq(store_asked(store), 2);
    store_unref(store, full);
    store_unref(store, idle);
}
END_TEST

static uint32_t asked_of(const StoreLease *lease)
{
    return lease->slabs->len - MIN(lease->keep, lease->slabs->len);
}

/*
 * Four of eight slabs are wanted back.  The lease with more room is asked for
 * them; its connection ends, and after a moment the other one is, unless the
 * first has come back.  So too where the connection stays and the lease
 * expires; what renews it has it asked again only if more is short.
 */
START_TEST(who_is_gone_is_not_asked)
{
    StoreLease *gone = claimed(1, 4 * SLAB), *live = claimed(2, 4 * SLAB);
    uint64_t now = 1000;

    store_asker_comes(gone);
    store_asker_comes(live);
    for (uint32_t page = 0; page < 50; page++) {
        mark(live, wire_slot(number(live, 0), page), true);
    }
    ck_assert_uint_eq(store_need(store, 4 * SLAB, 0, now, 1000), 4);
    ck_assert_uint_eq(asked_of(gone), 4);
    if (_i < 2) {
        store_asker_leaves(gone, now);
        ck_assert_uint_eq(store_need(store, 4 * SLAB, 0, now + 1, 1000), 4);
        ck_assert_uint_eq(asked_of(gone), 4);
    }
    if (_i == 0) {
        store_asker_comes(gone);
    }
    now += TTL - 1;
    store_renew(store, live, 1, now);
    if (_i == 2) {
        store_tick(store, TTL, NULL, NULL);
        ck_assert_uint_eq(gone->rec->state, RCACHE_LEASE_EXPIRED);
    }
    ck_assert_uint_eq(store_need(store, 4 * SLAB, 0, now, 1000), 4);
    ck_assert_uint_eq(asked_of(gone), _i ? 0 : 4);
    ck_assert_uint_eq(asked_of(live), _i ? 4 : 0);
    if (_i == 2) {
        store_renew(store, gone, 1, now);
        ck_assert_uint_eq(store_need(store, 2 * SLAB, 0, now, 1000), 6);
        ck_assert_uint_eq(asked_of(gone), 2);
    }
    store_unref(store, gone);
    store_unref(store, live);
}
END_TEST

/* In the file they take no memory: nobody has to leave in their place. */
START_TEST(who_is_gone_is_in_the_file)
{
    StoreLease *gone = claimed(1, 4 * SLAB), *live = claimed(2, 4 * SLAB);

    store_asker_comes(live);
    ck_assert_uint_eq(store_need(store, 4 * SLAB, 0, 1, 1000), 4);
    ck_assert_uint_eq(asked_of(live), 4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(slab_away_begin(gone->slabs->pdata[i], i), 0);
    }
    ck_assert_uint_eq(store_need(store, 4 * SLAB, 0, 1, 1000), 4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert(slab_chunk_punch(gone->slabs->pdata[i], 0));
    }
    ck_assert_uint_eq(store_need(store, 4 * SLAB, 0, 1, 1000), 0);
    ck_assert_uint_eq(store_need(store, 3 * SLAB, 0, 1, 1000), 1);
    ck_assert_uint_eq(store_need(store, 8 * SLAB, 4 * SLAB, 1, 1000), 0);
    store_unref(store, gone);
    store_unref(store, live);
}
END_TEST

START_TEST(strange_descriptors_are_not_adopted)
{
    int other = memfd_create("other", MFD_ALLOW_SEALING), slabs[1];
    StoreLease *lease = claimed(1, SLAB);
    int table = dup(store_table_fd(store));

    ck_assert_int_eq(ftruncate(other, SLAB), 0);
    slabs[0] = dup(other);
    store_unref(store, lease);
    store_free(store);
    store = make_store(8 * SLAB);
    ck_assert_int_eq(store_adopt(store, other, NULL, 0, SLAB_GUARD_NO_SWAP,
                                 0), -EINVAL);
    ck_assert_int_eq(store_adopt(store, table, slabs, 1, SLAB_GUARD_NO_SWAP,
                                 0), 0);
    ck_assert_int_ge(slabs[0], 0);
    ck_assert_ptr_null(store_find_lease(store, 1));
    ck_assert_uint_eq(leased(), 0);
    close(slabs[0]);
    close(other);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("store-adopt");
    TCase *tc = tcase_create("store-adopt");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, store_set_up, store_tear_down);
    tcase_add_test(tc, a_restart_loses_nothing);
    tcase_add_test(tc, a_lease_with_a_hole_is_dropped);
    tcase_add_test(tc, a_slab_is_dropped);
    tcase_add_loop_test(tc, a_drop_is_cut_short, 0, 3);
    tcase_add_test(tc, slabs_are_asked_back);
    tcase_add_loop_test(tc, who_is_gone_is_not_asked, 0, 3);
    tcase_add_test(tc, who_is_gone_is_in_the_file);
    tcase_add_test(tc, strange_descriptors_are_not_adopted);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
