/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages whose last location is proved gone: which words become LOST, which are
 * left alone, and who is said to have lost them.  loss.c with location.c, which
 * says what is gone; providers and guest are played.
 */
#include <check.h>
#include <string.h>

#include "location-fixture.h"
#include "rcached/pager/install.h"

#define GUEST   (4 * RCACHE_FRAME_PAGES)
#define PAGE    700u            /* in the second frame */

static uint64_t words[GUEST];
static struct RcacheSide sides[GUEST];
static uint64_t woken;
static unsigned nr_woken;
static uint64_t kept;                   /* a marker; 0: there is none */

bool fetch_rescue(Pager *pager, uint64_t at)
{
    if (!kept || at != kept) {
        return false;
    }
    words[at] = page_with_slot(page_to(words[at], RCACHE_HOT), 0);
    kept = 0;
    return true;
}

int install_wake(Guest *guest, uint64_t at)
{
    woken = at;
    nr_woken++;
    return 0;
}

uint64_t lease_lost_pages(const Pager *pager)
{
    uint64_t pages = 0;
    const Lease *l;

    LEASES_FOREACH(l, &pager->leases) {
        pages += l->lost ? slots_used_in(&pager->slots, l->index) -
                           l->to_free->len : 0;
    }
    return pages;
}

/* The second lease has slab 1; one block. */
static void guest_set_up(void)
{
    set_up();
    p->guest.nr_blocks = 1;
    p->guest.block[0] = (GuestBlock) { .present = true, .pages = GUEST };
    memset(words, 0, sizeof(words));
    ck_assert_int_eq(table_init(&p->table, words, sides, GUEST), 0);
    ck_assert(location_add(p, p->leases.entry[1], 7));
    remote[0].host[0] = 'a';
    remote[1].host[0] = 'b';
    nr_woken = 0;
}

static void guest_tear_down(void)
{
    table_deinit(&p->table);
    tear_down();
}

/* A page with something in @slab. */
static void put(uint64_t at, enum RcachePageState state, uint32_t slab)
{
    uint64_t slot = slot_make(slab, p->slots.slabs[slab].nr_used);

    slots_mark(&p->slots, slot);
    words[at] = page_with_slot(page_begin(0, state), slot);
    for (uint64_t i = 0; i < GUEST; i += RCACHE_FRAME_PAGES) {
        table_recount(&p->table, i);
    }
}

static Lease *lose(unsigned lease)
{
    Lease *l = p->leases.entry[lease];

    l->lost = true;
    l->claimed[0] = l->claimed[1] = false;
    return l;
}

static void work(void)
{
    loss_tick(p, now);
    ck_assert(!loss_work(p));   /* it takes no time here */
}

static void second_passes(void)
{
    now += NS_PER_SEC;
}

static enum RcachePageState state(uint64_t at)
{
    return page_state(words[at]);
}

static uint64_t named(uint64_t at)
{
    return page_slot(words[at]);
}

START_TEST(what_is_nowhere_else_is_lost)
{
    uint64_t generation;
    Loss loss;

    put(3, RCACHE_REMOTE, 0);
    put(PAGE, RCACHE_REMOTE, 0);
    put(GUEST - 1, RCACHE_REMOTE, 0);
    put(4, RCACHE_REMOTE, 1);
    generation = words[3] & RCACHE_GEN_MASK;
    lose(0);
    work();
    ck_assert_int_eq(state(3), RCACHE_LOST);
    ck_assert_int_eq(state(PAGE), RCACHE_LOST);
    ck_assert_int_eq(state(GUEST - 1), RCACHE_LOST);
    ck_assert_uint_eq(named(3) + named(PAGE) + named(GUEST - 1), 0);
    ck_assert_uint_eq(words[3] & RCACHE_GEN_MASK, generation);
    ck_assert_int_eq(state(4), RCACHE_REMOTE);
    ck_assert_int_eq(p->table.count[RCACHE_LOST], 3);
    ck_assert_uint_eq(lease_lost_pages(p), 0);
    ck_assert_uint_eq(nr_woken, 0);
    ck_assert(loss_by(p, 0, &loss));
    ck_assert_str_eq(loss.host, "a");
    ck_assert_uint_eq(loss.pages, 3);
    ck_assert(!loss_by(p, 1, &loss));
}
END_TEST

START_TEST(silence_proves_nothing)
{
    put(PAGE, RCACHE_REMOTE, 0);
    remote[0].state = REMOTE_DOWN;
    p->leases.entry[0]->claimed[0] = p->leases.entry[0]->claimed[1] = false;
    for (unsigned i = 0; i < 100; i++) {
        second_passes();
        work();
    }
    ck_assert_int_eq(state(PAGE), RCACHE_REMOTE);
}
END_TEST

START_TEST(what_is_here_is_not_lost)
{
    static const enum RcachePageState here[] = {
        RCACHE_HOT, RCACHE_ZAPPING, RCACHE_ZAPPED, RCACHE_EVICTING,
        RCACHE_PUNCHING, RCACHE_FILLING, RCACHE_CACHED, RCACHE_ZERO,
        RCACHE_DISCARDING, RCACHE_UNTOUCHED, RCACHE_UNMANAGED,
    };
    uint64_t before[G_N_ELEMENTS(here)];

    put(PAGE, RCACHE_REMOTE, 0);        /* so that the frame is looked at */
    for (unsigned i = 0; i < G_N_ELEMENTS(here); i++) {
        put(PAGE + 1 + i, here[i], 0);
        before[i] = words[PAGE + 1 + i];
    }
    lose(0);
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_LOST);
    ck_assert_mem_eq(before, &words[PAGE + 1], sizeof(before));
}
END_TEST

START_TEST(who_waits_for_it_is_woken)
{
    put(PAGE, RCACHE_FETCHING, 0);
    lose(0);
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_LOST);
    ck_assert_uint_eq(nr_woken, 1);
    ck_assert_uint_eq(woken, PAGE);
}
END_TEST

START_TEST(an_answer_that_is_out_is_waited_for)
{
    put(PAGE, RCACHE_FETCHING, 0);
    location_get(p, 0, named(PAGE));
    ck_assert(location_get_is_out(p, 0));
    lose(0);
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_FETCHING);
    remote[0].state = REMOTE_DOWN;
    location_remote_down(p, &remote[0]);        /* it will not come */
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_FETCHING);     /* not at once */
    second_passes();
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_LOST);
    ck_assert_uint_eq(lease_lost_pages(p), 0);
    location_forget(p, 0);
}
END_TEST

/* Its CLAIM was refused on the other connection before the ack was read. */
START_TEST(an_ack_of_a_lost_lease_stores_nothing)
{
    uint64_t slot = stored_slot(), sum = 0;

    ck_assert(location_put(p, 1, &slot, 1, &sum, page));
    lose(slot_slab(slot));
    ck_assert(answer(slot_slab(slot), RCACHE_PUT_ACK, 0));
    ck_assert_uint_eq(nr_stored, 1);
    ck_assert(!stored_ok);
}
END_TEST

START_TEST(a_slab_that_moves_may_be_saved)
{
    put(PAGE, RCACHE_REMOTE, 0);
    location_freeze(p, 0);
    lose(0);
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_REMOTE);
    location_set(p, 0, 0, p->leases.entry[1], 9);
    second_passes();
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_REMOTE);
    ck_assert_ptr_eq(location_remote(p, named(PAGE)), &remote[1]);
}
END_TEST

START_TEST(or_not)
{
    put(PAGE, RCACHE_REMOTE, 0);
    location_freeze(p, 0);
    lose(0);
    work();
    location_thaw(p, 0);
    second_passes();
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_LOST);
}
END_TEST

START_TEST(nothing_is_lost_before_all_is_known)
{
    put(PAGE, RCACHE_REMOTE, 0);
    lose(0);
    p->attach.reconcile.left = 1;
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_REMOTE);
    p->attach.reconcile.left = 0;
    loss_tick(p, now);
    p->attach.reconcile.left = 1;       /* a block has come */
    ck_assert(!loss_work(p));
    ck_assert_int_eq(state(PAGE), RCACHE_REMOTE);
}
END_TEST

/* The words are shared with the VMM. */
START_TEST(two_words_of_one_slot)
{
    put(PAGE, RCACHE_REMOTE, 0);
    put(PAGE + 1, RCACHE_REMOTE, 0);
    words[PAGE + 1] = words[PAGE];
    lose(0);
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_LOST);
    ck_assert_int_eq(state(PAGE + 1), RCACHE_LOST);
    ck_assert_uint_eq(p->leases.entry[0]->to_free->len, 1);
}
END_TEST

START_TEST(no_more_is_told_than_is_lost)
{
    Loss loss;

    put(3, RCACHE_REMOTE, 0);
    put(4, RCACHE_REMOTE, 0);
    put(5, RCACHE_REMOTE, 1);
    lose(0);
    work();
    lose(1);
    second_passes();
    work();
    words[3] = RCACHE_ZERO;             /* the guest gives one up */
    table_recount(&p->table, 3);
    ck_assert(loss_by(p, 0, &loss));
    ck_assert_uint_eq(loss.pages, 1);
    ck_assert(loss_by(p, 1, &loss));
    ck_assert_str_eq(loss.host, "b");
    ck_assert_uint_eq(loss.pages, 1);
    words[4] = words[5] = RCACHE_ZERO;
    table_recount(&p->table, 3);
    loss_tick(p, now);
    ck_assert(!loss_by(p, 0, &loss));
}
END_TEST

START_TEST(more_providers_than_are_remembered)
{
    Loss loss;

    for (unsigned i = 0; i < LOSSES_MAX + 3; i++) {
        uint64_t at = 2 * i;

        remote[0].host[0] = 'A' + i;
        put(at, RCACHE_REMOTE, 0);
        lose(0);
        second_passes();
        work();
        ck_assert_int_eq(state(at), RCACHE_LOST);
    }
    ck_assert(loss_by(p, 0, &loss));
    ck_assert_str_eq(loss.host, "D");
    ck_assert(loss_by(p, LOSSES_MAX - 1, &loss));
    ck_assert_uint_eq(loss.pages, 1);
    ck_assert(!loss_by(p, LOSSES_MAX, &loss));
}
END_TEST

/* Its bytes are nowhere but in the pager. */
START_TEST(a_marker_that_is_kept_is_not_lost)
{
    put(PAGE, RCACHE_FETCHING, 0);
    put(PAGE + 1, RCACHE_FETCHING, 0);
    kept = PAGE;
    lose(0);
    work();
    ck_assert_int_eq(state(PAGE), RCACHE_HOT);
    ck_assert_int_eq(state(PAGE + 1), RCACHE_LOST);
}
END_TEST

static Suite *loss_suite(void)
{
    Suite *s = suite_create("loss");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_test(t, what_is_nowhere_else_is_lost);
    tcase_add_test(t, silence_proves_nothing);
    tcase_add_test(t, what_is_here_is_not_lost);
    tcase_add_test(t, a_marker_that_is_kept_is_not_lost);
    tcase_add_test(t, who_waits_for_it_is_woken);
    tcase_add_test(t, an_answer_that_is_out_is_waited_for);
    tcase_add_test(t, an_ack_of_a_lost_lease_stores_nothing);
    tcase_add_test(t, a_slab_that_moves_may_be_saved);
    tcase_add_test(t, or_not);
    tcase_add_test(t, nothing_is_lost_before_all_is_known);
    tcase_add_test(t, two_words_of_one_slot);
    tcase_add_test(t, no_more_is_told_than_is_lost);
    tcase_add_test(t, more_providers_than_are_remembered);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(loss_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
