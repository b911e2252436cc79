/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grants: grants, claims, ends, slots, counts, and a restart. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rcached/provider/store.h"

#define PAGES   128u
#define SLAB    (PAGES * (uint64_t)WIRE_PAGE_SIZE)
#define TTL     30000u
#define ORPHAN  1000000u
#define CLAIM   500u

static const uint8_t vm_a[RCACHE_UUID_LEN] = "A", vm_b[RCACHE_UUID_LEN] = "B";

static Store *store;
static unsigned slabs_gone;

static void slab_gone(const Slab *slab, void *opaque)
{
    slabs_gone++;
}

static Store *make_store(uint64_t limit)
{
    StoreConfig config = {
        .slab_pages = PAGES, .ttl_ms = TTL, .orphan_ms = ORPHAN,
        .slab_gone = slab_gone,
    };
    Store *made = store_new(&config, NULL);

    ck_assert_ptr_nonnull(made);
    store_set_limit(made, limit);
    return made;
}

static void set_up(void)
{
    store = make_store(8 * SLAB);
    slabs_gone = 0;
}

static void tear_down(void)
{
    store_free(store);
}

static WireGrant grant_of(uint64_t id, uint64_t bytes)
{
    WireGrant grant = {
        .lease = id, .epoch = 1, .claim_ms = CLAIM, .bytes = bytes,
        .name = "vm", .host = "req",
    };

    memcpy(grant.vm, vm_a, sizeof(vm_a));
    memset(grant.token, id, sizeof(grant.token));
    return grant;
}

/* Grant as the provider does it. */
static enum RcacheStatus give(uint64_t id, uint64_t bytes, WireGrantAck *ack)
{
    WireGrant grant = grant_of(id, bytes);
    Slab *slabs[64];
    unsigned n, i;
    enum RcacheStatus status = store_reserve(store, &grant, &n, ack);

    if (status == RCACHE_OK && n) {
        ck_assert_uint_le(n, 64);
        for (i = 0; i < n; i++) {
            ck_assert_int_eq(slab_new(PAGES, SLAB_GUARD_NO_SWAP, &slabs[i]),
                             0);
        }
        store_add(store, &grant, n, slabs, n, 0, ack);
    }
    return status;
}

static enum RcacheStatus claim(uint64_t id, const uint8_t *vm,
                               uint64_t incarnation, uint64_t now,
                               StoreLease **out)
{
    uint8_t token[RCACHE_TOKEN_LEN];

    memset(token, id, sizeof(token));
    return store_claim(store, id, 1, token, vm, incarnation, 3, now, out);
}

static StoreLease *claimed(uint64_t id, uint64_t bytes)
{
    WireGrantAck ack;
    StoreLease *lease;

    ck_assert_int_eq(give(id, bytes, &ack), RCACHE_OK);
    ck_assert_int_eq(claim(id, vm_a, 1, 0, &lease), RCACHE_OK);
    return lease;
}

static uint64_t leased(void)
{
    StoreTotals totals;

    store_totals(store, &totals);
    return totals.leased;
}

static uint64_t stored(void)
{
    StoreTotals totals;

    store_totals(store, &totals);
    return totals.stored / WIRE_PAGE_SIZE;
}

static void mark(StoreLease *lease, RcacheSlot slot, bool on)
{
    Slab *slab;

    ck_assert_ptr_nonnull(store_find(store, lease, slot, false, &slab));
    store_mark(store, lease, slab, slot, on);
}

static void reap_all(void)
{
    int n = 0;

    while (store_reap_pending(store)) {
        store_reap(store, 7);
        ck_assert_int_lt(n++, 10000);
    }
}

static uint32_t number(const StoreLease *lease, unsigned i)
{
    return ((Slab *)lease->slabs->pdata[i])->number;
}

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
    uint8_t token[RCACHE_TOKEN_LEN];
    StoreLease *lease, *again;
    WireGrantAck ack;

    give(1, SLAB, &ack);
    memset(token, 1, sizeof(token));
    ck_assert_int_eq(claim(2, vm_a, 1, 0, &lease), RCACHE_E_LEASE);
    ck_assert_int_eq(claim(1, vm_b, 1, 0, &lease), RCACHE_E_LEASE);
    ck_assert_int_eq(store_claim(store, 1, 2, token, vm_a, 1, 3, 0, &lease),
                     RCACHE_E_EPOCH);
    token[15] ^= 0x80;
    ck_assert_int_eq(store_claim(store, 1, 1, token, vm_a, 1, 3, 0, &lease),
                     RCACHE_E_LEASE);
    ck_assert_uint_eq(store_session(store, vm_a, 1), 0);
    ck_assert_int_eq(claim(1, vm_a, 1, 0, &lease), RCACHE_OK);
    ck_assert_uint_eq(store_session(store, vm_a, 1), 3);
    ck_assert_uint_eq(store_session(store, vm_a, 2), 0);
    /* Again by the same VM; but not by another incarnation of it. */
    ck_assert_int_eq(claim(1, vm_a, 1, 0, &again), RCACHE_OK);
    ck_assert_ptr_eq(lease, again);
    ck_assert_int_eq(claim(1, vm_a, 2, 0, &again), RCACHE_E_LEASE);
    store_unref(store, lease);
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

/* --------------------------------------------------------------- restart */

START_TEST(a_restart_loses_nothing)
{
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
    ck_assert_uint_eq(store_session(store, vm_a, 1), 3);
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

    full->movable = idle->movable = true;
    for (page = 0; page < 50; page++) {
        mark(full, wire_slot(number(full, 0), page), true);
    }
    ck_assert_uint_eq(store_revoke(store, 5, 1000), 0);
    ck_assert_uint_eq(store_revoke(store, 3, 1000), 2);
    ck_assert_uint_eq(idle->keep, 1);
    ck_assert_uint_ge(full->keep, 2);
    ck_assert_uint_eq(store_revoke(store, 1, 2000), 4);
    ck_assert_uint_eq(idle->keep, 0);
    ck_assert_uint_eq(idle->deadline, 1000);
    ck_assert_uint_eq(full->keep, 1);
    ck_assert_uint_eq(full->deadline, 2000);
    store_drop(store, idle, idle->slabs->pdata[0]);
    ck_assert_uint_eq(store_revoke(store, 1, 3000), 3);
    ck_assert_uint_eq(store_revoke(store, UINT64_MAX, 3000), 0);
    ck_assert_uint_ge(MIN(idle->keep, full->keep), 2);
    full->movable = false;      /* who cannot leave is not asked */
    ck_assert_uint_eq(store_revoke(store, 0, 3000), 2);
    ck_assert_uint_ge(full->keep, 2);
    store_unref(store, full);
    store_unref(store, idle);
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
    Suite *s = suite_create("store");
    TCase *tc = tcase_create("store");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, grants_are_whole_slabs_within_the_limit);
    tcase_add_test(tc, a_repeated_grant_gets_the_same_answer);
    tcase_add_test(tc, room_is_held_while_slabs_are_made);
    tcase_add_test(tc, claims_are_checked);
    tcase_add_test(tc, unclaimed_leases_are_dropped);
    tcase_add_test(tc, expiry_destroys_nothing);
    tcase_add_test(tc, orphans_are_dropped_at_last);
    tcase_add_test(tc, slots_are_those_of_the_lease);
    tcase_add_test(tc, stored_pages_are_counted_once);
    tcase_add_test(tc, a_stored_page_can_be_found_to_spoil);
    tcase_add_test(tc, memory_comes_back_when_a_lease_ends);
    tcase_add_test(tc, memory_in_use_is_not_taken_away);
    tcase_add_test(tc, a_restart_loses_nothing);
    tcase_add_test(tc, a_lease_with_a_hole_is_dropped);
    tcase_add_test(tc, a_slab_is_dropped);
    tcase_add_loop_test(tc, a_drop_is_cut_short, 0, 3);
    tcase_add_test(tc, slabs_are_asked_back);
    tcase_add_test(tc, strange_descriptors_are_not_adopted);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
