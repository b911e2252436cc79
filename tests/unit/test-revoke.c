/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slabs that providers want back: what goes where, what is asked of whom, and
 * what becomes of it when they say no.  revoke.c alone: moves, fetches and
 * connections are played here.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/apart.h"
#include "rcached/pager/pager.h"

#define PAGES   256u            /* of a slab */

static Pager p;
static Remote remote[3];
static Lease *lease[3];
static struct RcacheLease shared[3];
static uint64_t now;

/* What was sent and begun. */
static WireHead sent;
static unsigned nr_sent, nr_moves, nr_told, nr_wipes, nr_kept, nr_flushed;
static RcacheSlot sent_slot;
static const Lease *moved_to;

uint64_t pager_now(void)
{
    return now;
}

void data_conn_send(DataConn *conn, WireHead *head, const RcacheSlot *slots,
                    const void *data, size_t len)
{
    sent = *head;
    sent_slot = slots ? slots[0] : 0;
    nr_sent++;
}

unsigned kept_lease_changes(Pager *pager, const Lease *l)
{
    return nr_kept && nr_kept--;
}

void freeing_flush(Pager *pager, bool all)
{
    nr_flushed++;
}

void move_begin(Pager *pager, Lease *from, uint32_t slab, Lease *to,
                uint32_t number)
{
    slots_freeze(&pager->slots, slab, true);
    moved_to = to;
    nr_moves++;
}

void move_wipe(Pager *pager, Lease *l, uint32_t number)
{
    uint32_t slab = 64;

    while (pager->slots.slabs[slab].used) {
        slab++;
    }
    slots_add(&pager->slots, slab, l->index, number, PAGES);
    nr_wipes++;
}

void location_clear(Pager *pager, uint32_t slab, unsigned which)
{
    slots_set_place(&pager->slots, slab, which,
                    (SlotPlace) { SLOTS_NO_LEASE, 0, false });
}

bool compare_keeps_off(const Pager *pager, uint32_t slab)
{
    return false;
}

bool apart_may_be_at(const Pager *pager, uint32_t slab, const Lease *leaves,
                     const Lease *l)
{
    return !slots_is_at(&p.slots.slabs[slab], l->index);
}

void location_remove(Pager *pager, uint32_t slab)
{
    slots_remove(&pager->slots, slab);
}

bool move_names(const Pager *pager, const Lease *to, uint32_t number)
{
    return false;
}

void move_retry(Pager *pager, uint64_t at)
{
}

bool location_is_read(const Pager *pager, const Remote *from, uint32_t slab)
{
    return false;
}

enum RcacheCause remote_trouble(const Remote *r, uint64_t at, uint64_t *since)
{
    return RCACHE_CAUSE_NONE;
}

bool providers_is_silent(const Pager *pager, const Remote *r, uint64_t at)
{
    return false;
}

bool providers_may_tell(Remote *r, const Pager *pager)
{
    return ++nr_told <= 3;
}

void remote_close(Remote *r, const char *reason)
{
}

/* Lease @i at its own provider: @filled slabs in use, and @spare others. */
static void add_lease(unsigned i, uint32_t filled, uint32_t spare)
{
    static const char *const hosts[] = { "old", "near", "far" };
    Lease *l;

    wire_text_copy(remote[i].host, sizeof(remote[i].host), hosts[i]);
    remote[i].state = REMOTE_UP;
    remote[i].features = RCACHE_FEATURE_MOVE;
    g_ptr_array_add(p.providers.remotes, &remote[i]);
    shared[i] = (struct RcacheLease) { .id = i + 1, .epoch = 1 };
    l = lease_new(i, &shared[i], &remote[i], now);
    l->slab_pages = PAGES;
    l->claimed[0] = l->claimed[1] = true;
    l->nr_slabs = filled + spare;
    lease[i] = l;
    p.leases.entry[i] = l;
    for (uint32_t n = 0; n < filled; n++) {
        uint32_t at = i * 16 + n;

        slots_add(&p.slots, at, i, n, PAGES);
        slots_mark(&p.slots, slot_make(at, n));
    }
    for (uint32_t n = 0; n < spare; n++) {
        revoke_spare(l, filled + n, 0);
    }
}

static void set_up(void)
{
    memset(&p, 0, sizeof(p));
    memset(remote, 0, sizeof(remote));
    p.providers.remotes = g_ptr_array_new();
    p.moves.avoid = avoid_new();
    slots_init(&p.slots);
    now = 1000 * NS_PER_SEC;
    nr_sent = nr_moves = nr_wipes = nr_kept = nr_flushed = 0;
    moved_to = NULL;
}

static void tear_down(void)
{
    leases_deinit(&p.leases);
    slots_deinit(&p.slots);
    g_ptr_array_free(p.providers.remotes, TRUE);
    g_array_free(p.moves.avoid, TRUE);
}

static void answer_drop_from(const Remote *r, uint16_t status)
{
    WireHead head = {
        .type = RCACHE_DROP_ACK, .tag = sent.tag, .lease = sent.lease,
        .status = status,
    };

    revoke_dropped(&p, r, &head);
}

static void answer_drop(uint16_t status)
{
    answer_drop_from(&remote[0], status);
}

static unsigned nr_lines;

static void count_line(const gchar *domain, GLogLevelFlags level,
                       const gchar *text, gpointer opaque)
{
    nr_lines++;
}

START_TEST(revokes_do_not_fill_the_log)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    const WireRevoke revoke = { .keep = 2, .deadline_ms = 60000 };
    WireHead head = { .type = RCACHE_REVOKE, .lease = 1, .epoch = 1 };

    add_lease(0, 2, 1);
    wire_append_revoke(frame, &head, &revoke);
    ck_assert_int_eq(wire_head_decode(frame->data, WIRE_ANY, &head), WIRE_OK);
    g_log_set_default_handler(count_line, NULL);
    for (unsigned i = 0; i < 10; i++) {
        revoke_received(&p, &remote[0], &head, frame->data + WIRE_HEAD_LEN);
    }
    g_log_set_default_handler(g_log_default_handler, NULL);
    ck_assert_uint_eq(lease[0]->keep, 2);
    ck_assert_uint_eq(nr_lines, 3);
}
END_TEST

/* What pages that are here keep there goes before any slab moves (K5). */
START_TEST(kept_slots_leave_first)
{
    add_lease(0, 2, 1);
    lease[0]->keep = 2;
    nr_kept = 1;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_flushed, 1);
    ck_assert_uint_eq(nr_sent + nr_moves, 0);
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_flushed, 1);
    ck_assert_uint_eq(nr_sent, 1);
}
END_TEST

START_TEST(a_drop_that_meets_busy_is_asked_again)
{
    add_lease(0, 2, 1);
    lease[0]->keep = 2;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(sent.type, RCACHE_DROP);
    ck_assert_uint_eq(sent_slot, wire_slot(2, 0));
    answer_drop(RCACHE_E_BUSY);
    ck_assert_uint_eq(lease[0]->nr_slabs, 3);
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_sent, 1);      /* not at once */
    now += NS_PER_SEC;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_uint_eq(sent_slot, wire_slot(2, 0));
    answer_drop_from(&remote[1], RCACHE_OK);    /* nobody has asked it */
    ck_assert_uint_eq(lease[0]->nr_slabs, 3);
    answer_drop(RCACHE_OK);
    ck_assert_uint_eq(lease[0]->nr_slabs, 2);
    now += NS_PER_SEC;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_sent, 2);
    answer_drop(RCACHE_OK);             /* a second answer is none */
    ck_assert_uint_eq(lease[0]->nr_slabs, 2);
}
END_TEST

START_TEST(a_drop_refused_for_good_is_not_asked_again)
{
    add_lease(0, 2, 1);
    lease[0]->keep = 2;
    revoke_tick(&p, now);
    answer_drop(RCACHE_E_SLOT);
    now += NS_PER_SEC;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(lease[0]->spare->len, 0);
}
END_TEST

/* It says that the lease has one slab, and the table names one with a page. */
START_TEST(a_lease_with_a_page_does_not_end)
{
    add_lease(0, 1, 1);
    lease[0]->nr_slabs = 1;
    lease[0]->keep = 0;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_sent, 1);
    ck_assert_uint_eq(sent.type, RCACHE_DROP);
    ck_assert_uint_eq(sent_slot, wire_slot(1, 0));
    ck_assert(!lease[0]->releasing);
}
END_TEST

START_TEST(a_lease_ends_with_its_last_slab)
{
    add_lease(0, 0, 2);
    lease[0]->keep = 0;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_uint_eq(sent.type, RCACHE_RELEASE);
    ck_assert(lease[0]->releasing);
}
END_TEST

START_TEST(another_target_while_one_is_out_of_reach)
{
    const char *names[RCACHE_AVOID_MAX];

    add_lease(0, 1, 0);
    add_lease(1, 1, 4);
    lease[0]->keep = 0;
    ck_assert_uint_eq(revoke_lacking(&p), 0);
    ck_assert_uint_eq(revoke_avoids(&p, WANT_MOVES, names), 0);

    /* Once is chance. */
    avoid_failed(p.moves.avoid, &remote[0], &remote[1], now);
    ck_assert_uint_eq(revoke_avoids(&p, WANT_MOVES, names), 0);
    avoid_failed(p.moves.avoid, &remote[0], &remote[1], now);
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 0);
    ck_assert_uint_eq(revoke_lacking(&p), PAGES);
    ck_assert_uint_eq(revoke_avoids(&p, WANT_MOVES, names), 1);
    ck_assert_str_eq(names[0], "near");
    /* What is put there comes from here. */
    ck_assert_uint_eq(revoke_avoids(&p, WANT_PAGES, names), 0);

    /* It may stay; but copies from there do not come about either. */
    lease[0]->keep = 1;
    ck_assert_uint_eq(revoke_avoids(&p, WANT_MOVES, names), 0);
    ck_assert_uint_eq(revoke_avoids(&p, WANT_SLABS, names), 1);
    lease[0]->keep = 0;

    add_lease(2, 1, 1);
    ck_assert_uint_eq(revoke_lacking(&p), 0);
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 1);
    ck_assert_ptr_eq(moved_to, lease[2]);
}
END_TEST

/* A slab that cannot be filled is not the next one to be tried. */
START_TEST(what_has_failed_is_tried_last)
{
    uint32_t number[3];

    add_lease(1, 0, 3);
    for (unsigned i = 0; i < G_N_ELEMENTS(number); i++) {
        ck_assert(revoke_take_unused(&p, lease[1], 0, &number[i]));
        revoke_spare(lease[1], number[i], 0);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(number); i++) {
        ck_assert_uint_eq(number[i], i);
    }
}
END_TEST

/* The least used one has its other copy at the only host with room. */
START_TEST(another_slab_while_one_cannot_go)
{
    add_lease(0, 2, 0);
    add_lease(1, 0, 2);
    add_lease(2, 0, 0);
    slots_set_place(&p.slots, 0, 1, (SlotPlace) { 1, 5, false });
    slots_set_place(&p.slots, 1, 1, (SlotPlace) { 2, 5, false });
    slots_mark(&p.slots, slot_make(1, 0));      /* slab 0 has one page less */
    lease[0]->keep = 0;
    ck_assert_uint_eq(revoke_lacking(&p), PAGES);
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 1);
    ck_assert(p.slots.slabs[1].frozen);
    ck_assert_uint_eq(revoke_lacking(&p), PAGES);
    lease[0]->keep = 1;                         /* any of them will do */
    slots_freeze(&p.slots, 1, false);
    ck_assert_uint_eq(revoke_lacking(&p), 0);
    p.moves.entry[0] = (Move) { .state = MOVE_MOVING, .leaves = lease[0] };
    slots_freeze(&p.slots, 1, true);            /* it is on its way */
    ck_assert_uint_eq(revoke_lacking(&p), 0);
}
END_TEST

/*
 * A slab may not be able to leave for as long as a drain lasts, and a guest
 * needs room: what that slab cannot go to is put to use.  The rest is kept.
 */
START_TEST(only_what_can_be_gone_to_is_kept)
{
    add_lease(0, 2, 0);
    add_lease(1, 0, 3);
    slots_set_place(&p.slots, 0, 1, (SlotPlace) { 1, 5, false });
    slots_set_place(&p.slots, 1, 1, (SlotPlace) { 1, 6, false });
    lease[0]->keep = 0;
    p.moves.nr = MOVES_MAX;                     /* none can begin */
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_wipes, 0);
    p.moves.nr = 0;
    lease[0]->move_at = UINT64_MAX;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_wipes, 3);
    ck_assert_uint_eq(revoke_lacking(&p), 2 * PAGES);

    add_lease(2, 0, 3);
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_wipes, 4);             /* two are kept */
    ck_assert_uint_eq(lease[2]->spare->len, 2);
    ck_assert_uint_eq(revoke_lacking(&p), 0);
    remote[0].state = REMOTE_DOWN;              /* none can leave now */
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_wipes, 6);
}
END_TEST

/* Two that leave do not find the same one. */
START_TEST(one_place_is_for_one_slab)
{
    add_lease(0, 1, 0);
    add_lease(1, 1, 0);
    add_lease(2, 0, 1);
    lease[0]->keep = lease[1]->keep = 0;
    ck_assert_uint_eq(revoke_lacking(&p), PAGES);
    remote[0].state = REMOTE_DOWN;              /* nothing can leave it now */
    ck_assert_uint_eq(revoke_lacking(&p), 0);
}
END_TEST

/* What is put at one of them arrives changed: nothing is moved there. */
START_TEST(another_target_while_one_changes_bytes)
{
    const char *names[RCACHE_AVOID_MAX];

    add_lease(0, 2, 0);
    add_lease(1, 0, 2);
    lease[0]->keep = 0;
    remote[1].wrong = 1;
    remote[1].wrong_at = now;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 0);
    ck_assert_uint_eq(revoke_lacking(&p), 2 * PAGES);
    ck_assert_uint_eq(revoke_avoids(&p, WANT_MOVES, names), 1);
    ck_assert_str_eq(names[0], "near");

    p.health.bad_taken_until = now + 1;         /* nobody else has room */
    ck_assert_uint_eq(revoke_avoids(&p, WANT_MOVES, names), 0);
    ck_assert_uint_eq(revoke_lacking(&p), 0);
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 2);
}
END_TEST

/* The slab that would be the first to go cannot be read: others can. */
START_TEST(a_slab_that_cannot_be_read_holds_no_other_up)
{
    add_lease(0, 2, 0);
    add_lease(1, 0, 2);
    slots_mark(&p.slots, slot_make(1, 5));      /* it has more in it */
    p.moves.put_off[5] = (MovePutOff) { 0, now + 1 };
    lease[0]->keep = 0;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 1);
    ck_assert(p.slots.slabs[1].frozen && !p.slots.slabs[0].frozen);
    now++;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 2);
}
END_TEST

/*
 * What was stored since a place was given up is not there: a copy of it that
 * counts would be one that lacks pages.
 */
START_TEST(nothing_moves_from_a_stale_place)
{
    add_lease(0, 1, 0);
    add_lease(1, 0, 0);
    add_lease(2, 0, 1);
    slots_set_place(&p.slots, 0, 1, (SlotPlace) { 1, 5, false });
    slots_set_place(&p.slots, 0, 0, (SlotPlace) { 0, 0, true });
    lease[0]->keep = 0;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 0);
    ck_assert_uint_eq(revoke_lacking(&p), 0);

    /* Its other place can leave, and so can one that is all there is. */
    lease[0]->keep = UINT32_MAX;
    lease[1]->nr_slabs = 1;
    lease[1]->keep = 0;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 1);
    slots_freeze(&p.slots, 0, false);
    revoke_spare(lease[2], 0, 0);
    slots_set_place(&p.slots, 0, 1, (SlotPlace) { SLOTS_NO_LEASE, 0, false });
    lease[0]->keep = 0;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 2);
}
END_TEST

/*
 * All that is free at others are empty slabs that have both of their places
 * already: one with pages in it comes first.
 */
START_TEST(a_filled_slab_takes_the_place_of_an_empty_one)
{
    uint32_t number;

    for (unsigned i = 0; i < 3; i++) {
        add_lease(i, i == 0, 0);
    }
    slots_add(&p.slots, 16, 1, 3, PAGES);
    slots_set_place(&p.slots, 16, 1, (SlotPlace) { 2, 4, false });
    slots_add(&p.slots, 17, 2, 5, PAGES);
    lease[1]->nr_slabs = 1;
    lease[2]->nr_slabs = 2;
    ck_assert_ptr_null(revoke_find_place(&p, 17, NULL, lease[2], now,
                                         &number));
    slots_remove(&p.slots, 17);
    lease[0]->keep = 0;
    ck_assert_uint_eq(revoke_lacking(&p), 0);
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 1);
    ck_assert_ptr_eq(moved_to, lease[1]);
    ck_assert_uint_eq(slots_copies(&p.slots.slabs[16]), 1);
    ck_assert(slots_is_at(&p.slots.slabs[16], 2));
}
END_TEST

/* It can only be proved well with a page, and that needs a slab. */
START_TEST(one_that_gets_no_pages_has_a_slab_to_try_it_with)
{
    add_lease(0, 0, 3);
    remote[0].passage.suspect[PASSAGE_PUT] = true;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_wipes, 1);
    ck_assert_uint_eq(lease[0]->spare->len, 2);
    p.moves.entry[0] = (Move) { .state = MOVE_WIPING, .to = lease[0] };
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_wipes, 1);
    p.moves.entry[0].state = MOVE_NONE;
    slots_add(&p.slots, 0, 0, 2, PAGES);
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_wipes, 1);
}
END_TEST

START_TEST(a_pair_is_tried_again)
{
    add_lease(0, 1, 0);
    add_lease(1, 1, 1);
    lease[0]->keep = 0;
    avoid_failed(p.moves.avoid, &remote[0], &remote[1], now);
    avoid_failed(p.moves.avoid, &remote[0], &remote[1], now);
    now += AVOID_FIRST_NS;
    revoke_tick(&p, now);
    ck_assert_uint_eq(nr_moves, 1);
    ck_assert_ptr_eq(moved_to, lease[1]);
}
END_TEST

START_TEST(the_pause_doubles_up_to_a_limit)
{
    uint64_t last = 0;
    int a = 0, b = 0;

    ck_assert_uint_eq(avoid_failed(p.moves.avoid, &a, &b, now), now);
    for (unsigned i = 0; i < 40; i++) {
        uint64_t pause = avoid_failed(p.moves.avoid, &a, &b, now) - now;

        ck_assert_uint_eq(pause, i ? MIN(last * 2, AVOID_MOST_NS)
                                   : AVOID_FIRST_NS);
        last = pause;
    }
    ck_assert(avoid_is(p.moves.avoid, &a, &b, now));
    ck_assert(!avoid_is(p.moves.avoid, &b, &a, now));
    avoid_worked(p.moves.avoid, &a, &b);
    ck_assert(!avoid_is(p.moves.avoid, &a, &b, now));
    ck_assert_uint_eq(avoid_failed(p.moves.avoid, &a, &b, now), now);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("leave");
    TCase *tc = tcase_create("leave");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, revokes_do_not_fill_the_log);
    tcase_add_test(tc, kept_slots_leave_first);
    tcase_add_test(tc, a_drop_that_meets_busy_is_asked_again);
    tcase_add_test(tc, a_drop_refused_for_good_is_not_asked_again);
    tcase_add_test(tc, a_lease_with_a_page_does_not_end);
    tcase_add_test(tc, a_lease_ends_with_its_last_slab);
    tcase_add_test(tc, another_target_while_one_is_out_of_reach);
    tcase_add_test(tc, what_has_failed_is_tried_last);
    tcase_add_test(tc, another_slab_while_one_cannot_go);
    tcase_add_test(tc, only_what_can_be_gone_to_is_kept);
    tcase_add_test(tc, one_place_is_for_one_slab);
    tcase_add_test(tc, another_target_while_one_changes_bytes);
    tcase_add_test(tc, a_slab_that_cannot_be_read_holds_no_other_up);
    tcase_add_test(tc, nothing_moves_from_a_stale_place);
    tcase_add_test(tc, a_filled_slab_takes_the_place_of_an_empty_one);
    tcase_add_test(tc, one_that_gets_no_pages_has_a_slab_to_try_it_with);
    tcase_add_test(tc, a_pair_is_tried_again);
    tcase_add_test(tc, the_pause_doubles_up_to_a_limit);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
