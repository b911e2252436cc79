/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slabs that go to the spill file and come back, while they are in use. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spill-fixture.h"

START_TEST(slabs_go_and_come_back)
{
    uint64_t before = spill_slab_blocks();

    spill_put(0, 300, 1);
    spill_put(500, 5, 2);
    ck_assert_uint_eq(snapshot().spill_size, AREAS * SLAB);
    spill_go_out();
    /* A page of the tail and a few of seals are all that a slab keeps. */
    WAIT_FOR(spill_slab_blocks() < before / 20);
    ck_assert_uint_eq(snapshot().in_file, 305 * WIRE_PAGE_SIZE);
    ck_assert_uint_eq(snapshot().stored, 305 * WIRE_PAGE_SIZE);
    ck_assert_uint_eq(snapshot().leased, SLABS * SLAB);
    WAIT_FOR(snapshot().spill_slabs_out == SLABS);
    spill_check(0, 300, 1);
    spill_check(500, 5, 2);
    ck_assert_uint_eq(snapshot().spill_get_pages, 305);
    ck_assert_uint_lt(spill_slab_blocks(), before / 20);

    spill_come_back();
    WAIT_FOR(snapshot().spill_slabs_back == SLABS);
    WAIT_FOR(spill_slab_blocks() == before);
    spill_check(0, 300, 1);
    spill_check(500, 5, 2);
    ck_assert_uint_eq(snapshot().spill_get_pages, 305);
    ck_assert_uint_eq(snapshot().spill_errors, 0);
}
END_TEST

/* One GET of pages here and pages there. */
START_TEST(a_get_of_both_kinds)
{
    RcacheSlot slots[4];
    uint8_t have[4 * WIRE_PAGE_SIZE], want[4 * WIRE_PAGE_SIZE];

    spill_put(0, 2, 1);               /* its slab is the emptiest: it goes */
    spill_put(PAGES, 5, 1);
    spill_put(2 * PAGES, 6, 1);
    provider_revoke(provider, 2 * SLAB, 0, NOW);
    WAIT_FOR(snapshot().spilled == SLAB);
    slots[0] = client_slot(&c, 0);
    slots[1] = client_slot(&c, PAGES);
    slots[2] = client_slot(&c, 1);
    slots[3] = client_slot(&c, 2 * PAGES + 5);
    client_fill(want, slots, 4, 1);
    ck_assert_uint_eq(client_get(&c, slots, 4, have), RCACHE_OK);
    ck_assert_mem_eq(have, want, sizeof(want));
    ck_assert_uint_eq(snapshot().in_file, 2 * WIRE_PAGE_SIZE);
}
END_TEST

START_TEST(puts_and_frees_while_away)
{
    RcacheSlot slots[10];

    spill_put(0, 100, 1);
    spill_go_out();
    spill_put(100, 70, 2);
    for (unsigned i = 0; i < 10; i++) {
        slots[i] = client_slot(&c, i);
    }
    ck_assert_uint_eq(client_free(&c, slots, 10), RCACHE_OK);
    ck_assert(spill_empty(3));
    spill_put(0, 5, 3);
    spill_put(50, 10, 4);             /* without FREE, as after a call-off */
    ck_assert_uint_eq(snapshot().spill_put_pages, 85);
    ck_assert_uint_eq(snapshot().in_file, 165 * WIRE_PAGE_SIZE);
    for (unsigned round = 0; round < 2; round++) {
        spill_check(0, 5, 3);
        ck_assert(spill_empty(7));
        spill_check(10, 40, 1);
        spill_check(50, 10, 4);
        spill_check(60, 40, 1);
        spill_check(100, 70, 2);
        spill_come_back();
    }
    spill_put(200, 3, 5);
    spill_check(200, 3, 5);
}
END_TEST

/* Until the time is over requesters have it to themselves. */
START_TEST(nothing_goes_before_the_deadline)
{
    spill_put(0, 10, 1);
    provider_revoke(provider, 0, 0, LATER);
    for (unsigned i = 0; i < 40; i++) {
        ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);
        g_usleep(10000);
    }
    ck_assert_uint_eq(snapshot().in_file, 0);
    /* The need is gone: the time begins anew with the next. */
    provider_revoke(provider, ALL, 0, NOW);
    provider_revoke(provider, 2 * SLAB, 0, NOW);
    WAIT_FOR(snapshot().spilled == SLAB);
}
END_TEST

/* A daemon that ends wants all of it back, but its file ends as well. */
START_TEST(what_may_stay_is_not_written)
{
    spill_put(0, SLABS * PAGES, 1);
    provider_set_stay(provider, ALL);
    provider_revoke(provider, 0, 0, NOW);
    for (unsigned i = 0; i < 40; i++) {
        ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);
        g_usleep(10000);
    }
    ck_assert_uint_eq(snapshot().in_file, 0);
    /* Its host has become short. */
    provider_set_stay(provider, SLAB);
    provider_revoke(provider, 0, 0, NOW);
    WAIT_FOR(snapshot().spilled == 2 * SLAB);
    /* The end was called off. */
    provider_set_stay(provider, 0);
    provider_revoke(provider, ALL, 64 * SLAB, NOW);
    WAIT_FOR(!snapshot().spilled);
    spill_check(0, SLABS * PAGES, 1);
}
END_TEST

/* No more goes than is short, and no more comes than there is room for. */
START_TEST(as_much_as_there_is_room_for)
{
    spill_put(0, SLABS * PAGES, 1);
    provider_revoke(provider, SLAB, 0, NOW);
    WAIT_FOR(snapshot().spilled == 2 * SLAB);
    provider_revoke(provider, SLAB, 0, NOW);
    ck_assert_uint_eq(provider_revoke(provider, ALL, SLAB, NOW), 0);
    WAIT_FOR(snapshot().spilled == SLAB);
    ck_assert_uint_eq(provider_revoke(provider, ALL, SLAB - 1, NOW), 0);
    ck_assert_uint_eq(snapshot().spilled, SLAB);
    spill_check(0, SLABS * PAGES, 1);
}
END_TEST

/* -------------------------------------------------------- leases and slabs */

START_TEST(a_lease_that_ends_leaves_room)
{
    spill_put(0, 300, 1);
    spill_go_out();
    ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_OK);
    WAIT_FOR(snapshot().leased == 0);
    ck_assert_uint_eq(snapshot().spilled, 0);
    /* All of the file can be used again, several times over. */
    provider_revoke(provider, ALL, 0, NOW);
    for (unsigned i = 2; i < 8; i++) {
        ck_assert_uint_eq(give(i, VM_A, 10).bytes, 10 * SLAB);
        ck_assert_uint_eq(client_claim(&c, i), RCACHE_OK);
        spill_put(0, 10, i);
        provider_revoke(provider, 0, 0, NOW);
        WAIT_FOR(snapshot().spilled == 10 * SLAB);
        spill_check(0, 10, i);
        provider_revoke(provider, ALL, 0, NOW);
        ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_OK);
        WAIT_FOR(snapshot().leased == 0);
    }
}
END_TEST

/* More slabs than the file has room for: the others stay, and it is said. */
START_TEST(a_file_that_is_too_small)
{
    ck_assert_uint_eq(give(2, VM_A, 20).bytes, 20 * SLAB);
    provider_revoke(provider, 0, 0, NOW);
    WAIT_FOR(snapshot().spilled == AREAS * SLAB);
    WAIT_FOR(snapshot().spill_failing);
    ck_assert_ptr_nonnull(strstr(snapshot().spill_problem, "stays in"));
    /* The disk is well, and an alert would have it replaced. */
    ck_assert_uint_eq(snapshot().spill_errors, 0);
    still_serves();
}
END_TEST

/* The same slabs in the same order, whatever CLAIM_ACK says. */
static void claim_again(const Client *before)
{
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    ck_assert_uint_eq(c.nr_slabs, before->nr_slabs);
    memcpy(c.slabs, before->slabs, sizeof(c.slabs));
}

START_TEST(a_restart_loses_nothing)
{
    Client before = c;

    spill_put(0, 500, 1);
    spill_go_out();
    spill_put(500, 20, 2);
    spill_restart();
    claim_again(&before);
    ck_assert_uint_eq(snapshot().spilled, SLABS * SLAB);
    ck_assert_uint_eq(snapshot().in_file, 520 * WIRE_PAGE_SIZE);
    spill_check(0, 500, 1);
    spill_put(520, 10, 3);
    spill_check(500, 20, 2);
    spill_come_back();
    spill_check(0, 500, 1);
    spill_check(500, 20, 2);
    spill_check(520, 10, 3);
    spill_go_out();
    spill_restart();
    claim_again(&before);
    spill_come_back();
    spill_check(0, 500, 1);
}
END_TEST

/* Without the key nothing can be read: the lease is gone, not its bytes
 * wrong. */
START_TEST(without_its_key_a_lease_is_gone)
{
    uint8_t page[WIRE_PAGE_SIZE];
    RcacheSlot slot = client_slot(&c, 3);

    spill_put(0, 10, 1);
    spill_go_out();
    g_hash_table_remove(kept, "spill-key");
    spill_restart();
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_E_LEASE);
    c.lease = 1;
    ck_assert_uint_eq(client_get(&c, &slot, 1, page), RCACHE_E_LEASE);
    ck_assert_uint_eq(snapshot().leased, 0);
}
END_TEST

/* ------------------------------------------------------------------- all */

/* Locked slabs give their memory back as others do, and are locked again. */
START_TEST(locked_slabs_go_too)
{
    uint64_t before;

    if (geteuid()) {
        return;                 /* it may not be allowed to lock so much */
    }
    client_close(&c);
    provider_free(provider);
    config.lock_memory = true;
    config.keep = NULL;
    fixture_start();
    c = leased(1, SLABS);
    before = spill_slab_blocks();
    spill_put(0, 300, 1);
    spill_go_out();
    ck_assert_uint_lt(spill_slab_blocks(), before / 20);
    spill_check(0, 300, 1);
    spill_come_back();
    /* What said where they were goes after the last of them has come. */
    for (unsigned i = 0; i < 300 && spill_slab_blocks() != before; i++) {
        g_usleep(100000);
    }
    ck_assert_uint_eq(spill_slab_blocks(), before);
    spill_check(0, 300, 1);
}
END_TEST

/* The host's need comes and goes, whatever the requester does. */
static gpointer flip(gpointer opaque)
{
    const int *stop = opaque;
    unsigned seed = 1;

    while (!g_atomic_int_get(stop)) {
        uint64_t may = rand_r(&seed) % (SLABS + 1);

        provider_revoke(provider, may * SLAB, 0, NOW);
        g_usleep(rand_r(&seed) % 20000);
        provider_revoke(provider, ALL, 64 * SLAB, NOW);
        g_usleep(rand_r(&seed) % 20000);
    }
    return NULL;
}

/* Everything at once: what is stored is what is read, all the time. */
START_TEST(back_and_forth_while_in_use)
{
    enum { N = SLABS * PAGES };
    static uint64_t value[N];
    uint64_t next = 1;
    int stop = 0;
    GThread *thread = g_thread_new("flip", flip, &stop);

    srand(1);
    while (next < 700 || snapshot().spill_slabs_back < 20) {
        uint32_t page = rand() % N;
        uint32_t n = 1 + rand() % 64;
        RcacheSlot slot;

        n = MIN(n, N - page);
        spill_put(page, n, next);
        for (uint32_t i = 0; i < n; i++) {
            value[page + i] = next;
        }
        next++;
        for (unsigned i = 0; i < 8; i++) {
            spill_check(page + rand() % n, 1, next - 1);
        }
        page = rand() % N;
        slot = client_slot(&c, page);
        if (value[page] && rand() % 2) {
            spill_check(page, 1, value[page]);
        } else if (value[page]) {
            ck_assert_uint_eq(client_free(&c, &slot, 1), RCACHE_OK);
            value[page] = 0;
        }
    }
    for (uint32_t i = 0; i < N; i++) {
        if (value[i]) {
            spill_check(i, 1, value[i]);
        } else {
            ck_assert(spill_empty(i));
        }
    }
    g_atomic_int_set(&stop, 1);
    g_thread_join(thread);
    ck_assert_uint_eq(snapshot().spill_errors, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider-spill");
    TCase *tc = tcase_create("provider-spill");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 100);
    tcase_add_checked_fixture(tc, spill_set_up, spill_tear_down);
    tcase_add_test(tc, slabs_go_and_come_back);
    tcase_add_test(tc, a_get_of_both_kinds);
    tcase_add_test(tc, puts_and_frees_while_away);
    tcase_add_test(tc, nothing_goes_before_the_deadline);
    tcase_add_test(tc, what_may_stay_is_not_written);
    tcase_add_test(tc, as_much_as_there_is_room_for);
    tcase_add_test(tc, a_lease_that_ends_leaves_room);
    tcase_add_test(tc, a_file_that_is_too_small);
    tcase_add_test(tc, a_restart_loses_nothing);
    tcase_add_test(tc, without_its_key_a_lease_is_gone);
    tcase_add_test(tc, locked_slabs_go_too);
    tcase_add_test(tc, back_and_forth_while_in_use);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
