/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slab goes from one provider to another: when it is pushed, when the store
 * happens that makes it the new one's, and that nothing else makes it so.
 * move.c alone: slabs, spare slabs and connections are played here.
 */
#include <check.h>
#include <string.h>

#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

#define SLAB    3u              /* index */
#define OLD     7u              /* number at the old provider */
#define SPARE   9u              /* number at the new one */

static Pager *p;
static Remote remote[2];
static struct RcacheLease shared[2];
static Lease *from, *to;
static uint64_t now;
static bool quiet;
static unsigned nr_sent, nr_moved, nr_frozen, nr_added, nr_cleared;
static bool sums;               /* the provider can be asked for them */
static CompareDone *compared;   /* NULL: nothing is compared */
static ComparePlace compared_at;
static bool compared_unread;
static bool kept_off;           /* pages are to be fetched first */
static const DataConn *sent_to;
static Lease *spare_of;
static const Remote *closed;    /* the last whose session was ended */
static uint32_t spare_number;

uint64_t pager_now(void)
{
    return now;
}

void data_conn_send_bytes(DataConn *conn, const GByteArray *bytes)
{
    sent_to = conn;
    nr_sent++;
}

void location_freeze(Pager *pager, uint32_t slab)
{
    ck_assert_uint_eq(slab, SLAB);
    nr_frozen++;
}

void location_thaw(Pager *pager, uint32_t slab)
{
    ck_assert_uint_eq(slab, SLAB);
    nr_frozen--;
}

void location_set(Pager *pager, uint32_t slab, unsigned which, const Lease *l,
                  uint32_t number)
{
    ck_assert_uint_eq(slab, SLAB);
    ck_assert_uint_eq(which, 0);
    ck_assert_ptr_eq(l, to);
    ck_assert_uint_eq(number, SPARE);
    nr_frozen--;
    nr_moved++;
}

bool location_add(Pager *pager, const Lease *l, uint32_t number)
{
    nr_added++;
    return true;
}

bool probe_is_out(const Pager *pager, uint32_t slab)
{
    return false;
}

bool location_is_quiet(const Pager *pager, uint32_t slab)
{
    return quiet;
}

void location_clear(Pager *pager, uint32_t slab, unsigned which)
{
    ck_assert_uint_eq(slab, SLAB);
    ck_assert_uint_eq(which, 1);
    nr_cleared++;
}

bool compare_is_possible(const Lease *l)
{
    return sums;
}

void compare_begin(Pager *pager, unsigned i, uint32_t slab, ComparePlace at,
                   Lease *source, bool unread, CompareDone *done)
{
    ck_assert_uint_eq(i, 0);
    ck_assert_uint_eq(slab, SLAB);
    ck_assert_ptr_eq(source, from);
    ck_assert_ptr_null(compared);
    compared = done;
    compared_at = at;
    compared_unread = unread;
}

bool compare_keeps_off(const Pager *pager, uint32_t slab)
{
    return kept_off;
}

void compare_end(Pager *pager, unsigned i)
{
    compared = NULL;
}

void compare_lease_gone(Pager *pager, const Lease *l)
{
}

void revoke_spare(Lease *l, uint32_t number, uint32_t was)
{
    spare_of = l;
    spare_number = number;
}

void revoke_dropped(Pager *pager, const Remote *r, const WireHead *head)
{
}

void revoke_tick(Pager *pager, uint64_t at)
{
}

void remote_close(Remote *r, const char *reason)
{
    closed = r;
}

static void set_up(void)
{
    closed = NULL;
    p = g_new0(Pager, 1);
    slots_init(&p->slots);
    moves_init(&p->moves);
    for (unsigned i = 0; i < 2; i++) {
        memset(&remote[i], 0, sizeof(remote[i]));
        shared[i] = (struct RcacheLease) { .id = 100 + i, .epoch = 1 };
    }
    from = p->leases.entry[0] = lease_new(0, &shared[0], &remote[0], 0);
    to = p->leases.entry[1] = lease_new(1, &shared[1], &remote[1], 0);
    slots_add(&p->slots, SLAB, 0, OLD, 64);
    slots_mark(&p->slots, slot_make(SLAB, 3));
    now = 100 * NS_PER_SEC;
    quiet = true;
    nr_sent = nr_moved = nr_frozen = nr_added = nr_cleared = 0;
    sums = kept_off = false;
    compared = NULL;
    spare_of = NULL;
    move_begin(p, from, SLAB, to, SPARE);
    ck_assert_uint_eq(nr_frozen, 1);
}

static void tear_down(void)
{
    leases_deinit(&p->leases);
    moves_deinit(&p->moves);
    slots_deinit(&p->slots);
    g_free(p);
}

static Move *move(void)
{
    return &p->moves.entry[0];
}

static void answer_from(const Remote *r, uint8_t type, uint16_t status,
                        uint64_t digest)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .type = type, .tag = move()->tag };
    WireMoved moved = { .pages = 5, .digest = digest };

    wire_append_moved(frame, &head, &moved);
    head.status = status;
    head.length = frame->len - sizeof(struct RcacheHdr);
    move_answer(p, r, &head, frame->data + sizeof(struct RcacheHdr));
}

static void answer(uint8_t type, uint16_t status, uint64_t digest)
{
    answer_from(type == RCACHE_MOVE_ACK ? &remote[0] : &remote[1], type,
                status, digest);
}

static void expect_stays(void)
{
    ck_assert_uint_eq(p->moves.nr, 0);
    ck_assert_uint_eq(nr_moved, 0);
    ck_assert_uint_eq(nr_frozen, 0);
    ck_assert_ptr_eq(spare_of, to);
    ck_assert_uint_eq(spare_number, SPARE);
}

START_TEST(a_slab_moves)
{
    ck_assert_ptr_eq(sent_to, &remote[1].bulk);         /* EXPECT */
    answer(RCACHE_EXPECT_ACK, 0, 0);
    ck_assert_ptr_eq(sent_to, &remote[0].bulk);         /* MOVE */
    answer(RCACHE_MOVE_ACK, 0, 42);
    ck_assert_ptr_eq(sent_to, &remote[1].bulk);         /* CONFIRM */
    ck_assert_uint_eq(nr_moved, 0);
    answer(RCACHE_CONFIRM_ACK, 0, 42);
    ck_assert_uint_eq(nr_moved, 1);
    ck_assert_uint_eq(nr_frozen, 0);
    ck_assert_ptr_eq(spare_of, from);
    ck_assert_uint_eq(spare_number, OLD);
    ck_assert_uint_eq(p->moves.nr, 0);
}
END_TEST

START_TEST(it_is_not_pushed_before_all_is_answered)
{
    quiet = false;
    answer(RCACHE_EXPECT_ACK, 0, 0);
    move_answered(p);
    ck_assert_uint_eq(nr_sent, 1);
    quiet = true;
    move_answered(p);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_ptr_eq(sent_to, &remote[0].bulk);
}
END_TEST

/* The session of a third provider ends: no answer says so, and none follows. */
START_TEST(it_goes_on_when_an_answer_will_never_come)
{
    quiet = false;
    answer(RCACHE_EXPECT_ACK, 0, 0);
    move_retry(p, now);
    ck_assert_uint_eq(nr_sent, 1);
    quiet = true;
    move_retry(p, now);
    ck_assert_uint_eq(nr_sent, 2);
    ck_assert_ptr_eq(sent_to, &remote[0].bulk);
    move_retry(p, now);
    ck_assert_uint_eq(nr_sent, 2);
}
END_TEST

START_TEST(two_who_do_not_agree_move_nothing)
{
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, 0, 42);
    answer(RCACHE_CONFIRM_ACK, 0, 43);
    expect_stays();
}
END_TEST

START_TEST(a_refusal_at_any_step_moves_nothing)
{
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, 0, 42);
    answer(RCACHE_CONFIRM_ACK, RCACHE_E_BUSY, 42);
    expect_stays();
    move_begin(p, from, SLAB, to, SPARE);
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, RCACHE_E_BUSY, 42);
    expect_stays();
}
END_TEST

START_TEST(an_answer_to_something_else_counts_for_nothing)
{
    uint64_t first = move()->tag;

    answer(RCACHE_MOVE_ACK, 0, 42);
    answer(RCACHE_CONFIRM_ACK, 0, 42);
    ck_assert_int_eq(move()->state, MOVE_EXPECTING);
    answer(RCACHE_EXPECT_ACK, 0, 0);
    move()->tag++;
    answer(RCACHE_MOVE_ACK, 0, 42);
    ck_assert_uint_ne(move()->tag, first);
    ck_assert_uint_eq(nr_moved, 0);
}
END_TEST

START_TEST(an_answer_of_somebody_else_counts_for_nothing)
{
    Remote other = { 0 };

    answer_from(&other, RCACHE_EXPECT_ACK, 0, 0);
    answer_from(&remote[0], RCACHE_EXPECT_ACK, 0, 0);
    ck_assert_int_eq(move()->state, MOVE_EXPECTING);
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer_from(&other, RCACHE_MOVE_ACK, 0, 42);
    answer_from(&remote[1], RCACHE_MOVE_ACK, 0, 42);
    ck_assert_int_eq(move()->state, MOVE_MOVING);
    answer(RCACHE_MOVE_ACK, 0, 42);
    answer_from(&other, RCACHE_CONFIRM_ACK, 0, 42);
    answer_from(&remote[0], RCACHE_CONFIRM_ACK, 0, 42);
    ck_assert_uint_eq(nr_moved, 0);
    answer(RCACHE_CONFIRM_ACK, 0, 42);
    ck_assert_uint_eq(nr_moved, 1);
}
END_TEST

START_TEST(busy_is_asked_again)
{
    answer(RCACHE_EXPECT_ACK, RCACHE_E_BUSY, 0);
    move_retry(p, now);
    ck_assert_uint_eq(nr_sent, 1);
    move_retry(p, now + NS_PER_SEC);
    ck_assert_uint_eq(nr_sent, 2);
}
END_TEST

/* Whoever has been asked; a push takes its time. */
START_TEST(who_never_answers_loses_its_session)
{
    move_retry(p, now + 29 * NS_PER_SEC);
    ck_assert_ptr_null(closed);
    move_retry(p, now + 30 * NS_PER_SEC);
    ck_assert_ptr_eq(closed, &remote[1]);
    closed = NULL;
    now += 30 * NS_PER_SEC;
    answer(RCACHE_EXPECT_ACK, 0, 0);
    ck_assert_int_eq(move()->state, MOVE_MOVING);
    move_retry(p, now + 299 * NS_PER_SEC);
    ck_assert_ptr_null(closed);
    move_retry(p, now + 300 * NS_PER_SEC);
    ck_assert_ptr_eq(closed, &remote[0]);
    closed = NULL;
    now += 300 * NS_PER_SEC;
    answer(RCACHE_MOVE_ACK, 0, 7);
    move_retry(p, now + 30 * NS_PER_SEC);
    ck_assert_ptr_eq(closed, &remote[1]);
}
END_TEST

START_TEST(who_is_busy_keeps_it)
{
    for (unsigned i = 0; i < 100; i++) {
        answer(RCACHE_EXPECT_ACK, RCACHE_E_BUSY, 0);
        now += NS_PER_SEC;
        move_retry(p, now);
    }
    ck_assert_ptr_null(closed);
}
END_TEST

START_TEST(either_provider_may_go_away)
{
    move_remote_down(p, &remote[1]);
    expect_stays();
    move_begin(p, from, SLAB, to, SPARE);
    move_remote_down(p, &remote[0]);
    expect_stays();
    move_begin(p, from, SLAB, to, SPARE);
    move_lease_gone(p, from);
    expect_stays();
}
END_TEST

START_TEST(the_old_one_is_not_needed_once_it_has_pushed)
{
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, 0, 42);
    move_remote_down(p, &remote[0]);
    answer(RCACHE_CONFIRM_ACK, 0, 42);
    ck_assert_uint_eq(nr_moved, 1);
}
END_TEST

/* Both providers agree, but the bytes are still to be compared. */
static void moves_to_be_compared(void)
{
    sums = true;
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, 0, 42);
    answer(RCACHE_CONFIRM_ACK, 0, 42);
    ck_assert_ptr_nonnull(compared);
    ck_assert_ptr_eq(compared_at.lease, to);
    ck_assert_uint_eq(compared_at.number, SPARE);
    ck_assert_uint_eq(nr_moved, 0);
    ck_assert_uint_eq(nr_frozen, 1);
}

START_TEST(what_has_arrived_is_compared_first)
{
    moves_to_be_compared();
    answer(RCACHE_CONFIRM_ACK, 0, 42);          /* once more */
    move_remote_down(p, &remote[0]);            /* it has pushed */
    ck_assert_uint_eq(nr_moved, 0);
    compared(p, 0, COMPARE_RIGHT);
    ck_assert_uint_eq(nr_moved, 1);
    ck_assert_uint_eq(p->moves.nr, 0);
}
END_TEST

START_TEST(rot_is_not_copied_as_truth)
{
    moves_to_be_compared();
    compared(p, 0, COMPARE_NOT_YET);
    expect_stays();
    ck_assert_uint_ge(from->move_at, now);
}
END_TEST

static bool is_avoided(void)
{
    return avoid_is(p->moves.avoid, from->remote, to->remote, now);
}

static void refused(void)
{
    answer(RCACHE_EXPECT_ACK, RCACHE_E_SLOT, 0);
}

static void unconfirmed(void)
{
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, 0, 42);
    answer(RCACHE_CONFIRM_ACK, RCACHE_E_SLOT, 42);
}

static void disagree(void)
{
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, 0, 42);
    answer(RCACHE_CONFIRM_ACK, 0, 43);
}

static void copied_wrong(void)
{
    moves_to_be_compared();
    compared(p, 0, COMPARE_BAD_COPY);
}

/* Whichever way it fails, this provider is not tried on and on. */
START_TEST(a_pair_that_fails_is_left_alone)
{
    static void (*const ways[])(void) = {
        refused, unconfirmed, disagree, copied_wrong,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        sums = false;
        ways[i]();
        expect_stays();
        ck_assert(!is_avoided());               /* once is chance */
        move_begin(p, from, SLAB, to, SPARE);
        ways[i]();
        ck_assert(is_avoided());
        move_begin(p, from, SLAB, to, SPARE);
        moves_to_be_compared();
        ck_assert(is_avoided());                /* until it has worked */
        compared(p, 0, COMPARE_RIGHT);
        ck_assert(!is_avoided());
        nr_moved = 0;
        move_begin(p, from, SLAB, to, SPARE);
    }
}
END_TEST

START_TEST(what_is_right_nowhere_holds_nothing_up)
{
    moves_to_be_compared();
    compared(p, 0, COMPARE_NOWHERE);
    ck_assert_uint_eq(nr_moved, 1);
}
END_TEST

START_TEST(what_is_compared_may_go_away)
{
    moves_to_be_compared();
    move_remote_down(p, &remote[1]);
    expect_stays();
    ck_assert_ptr_null(compared);
}
END_TEST

/*
 * The old provider cannot read all of it, twice: that is nothing against the
 * new one.  Whatever is found out about its pages, the slab stays.
 */
START_TEST(what_cannot_be_read_is_not_moved)
{
    sums = _i;
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(!moves_is_put_off(&p->moves, SLAB, now));
        answer(RCACHE_EXPECT_ACK, 0, 0);
        answer(RCACHE_MOVE_ACK, RCACHE_E_SLOT, 42);
        if (_i) {
            ck_assert_ptr_eq(compared_at.lease, from);
            ck_assert_uint_eq(compared_at.number, OLD);
            ck_assert(compared_unread);
            ck_assert_uint_eq(nr_frozen, 1);
            compared(p, 0, _i - 1);
        }
        expect_stays();
        ck_assert_uint_eq(p->moves.avoid->len, 0);
        ck_assert(moves_is_put_off(&p->moves, SLAB, now));
        now += 3600 * NS_PER_SEC;
        move_begin(p, from, SLAB, to, SPARE);
    }
    move_lease_gone(p, to);
}
END_TEST

/* It is tried as soon as they are here, which changes what is to be read. */
START_TEST(what_is_fetched_first_puts_nothing_off)
{
    sums = kept_off = true;
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, RCACHE_E_SLOT, 42);
    compared(p, 0, COMPARE_NOT_YET);
    expect_stays();
    ck_assert(!moves_is_put_off(&p->moves, SLAB, now));
}
END_TEST

START_TEST(what_cannot_be_read_goes_away_meanwhile)
{
    sums = true;
    answer(RCACHE_EXPECT_ACK, 0, 0);
    answer(RCACHE_MOVE_ACK, RCACHE_E_SLOT, 42);
    move_remote_down(p, &remote[0]);
    expect_stays();
    ck_assert_ptr_null(compared);
}
END_TEST

static void shed_begins(void)
{
    move_remote_down(p, &remote[1]);
    spare_of = NULL;
    nr_sent = 0;
    slots_set_place(&p->slots, SLAB, 1, (SlotPlace) { 1, 11, true });
    move_shed(p, SLAB, 1, to);
}

START_TEST(a_stale_place_goes_when_the_other_is_right)
{
    sums = true;
    quiet = false;
    shed_begins();
    ck_assert_ptr_null(compared);               /* a PUT is out */
    quiet = true;
    move_answered(p);
    ck_assert_ptr_eq(compared_at.lease, from);
    ck_assert_uint_eq(compared_at.number, OLD);
    ck_assert_uint_eq(nr_cleared, 0);
    compared(p, 0, COMPARE_RIGHT);
    ck_assert_uint_eq(nr_cleared, 1);
    ck_assert_ptr_eq(spare_of, to);
    ck_assert_uint_eq(spare_number, 11);
    ck_assert_uint_eq(nr_sent, 0);
    ck_assert_uint_eq(nr_frozen, 0);
    ck_assert_uint_eq(p->moves.nr, 0);
}
END_TEST

START_TEST(a_stale_place_stays_while_it_is_needed)
{
    sums = true;
    shed_begins();
    compared(p, 0, COMPARE_NOT_YET);
    ck_assert_uint_eq(nr_cleared, 0);
    ck_assert_ptr_null(spare_of);
    ck_assert_uint_eq(nr_frozen, 0);
    shed_begins();
    move_remote_down(p, &remote[0]);            /* who is compared */
    ck_assert_uint_eq(nr_cleared, 0);
    ck_assert_ptr_null(spare_of);
    ck_assert_uint_eq(p->moves.nr, 0);
}
END_TEST

START_TEST(a_spare_slab_is_used_only_when_it_is_empty)
{
    move_lease_gone(p, to);
    move_wipe(p, to, 12);
    ck_assert_uint_eq(nr_added, 0);
    ck_assert(move_names(p, to, 12));
    answer(RCACHE_EXPECT_ACK, 0, 0);
    ck_assert_uint_eq(nr_added, 1);
    move_wipe(p, to, 13);
    answer(RCACHE_EXPECT_ACK, RCACHE_E_LEASE, 0);
    ck_assert_uint_eq(nr_added, 1);
    ck_assert_uint_eq(p->moves.nr, 0);
}
END_TEST

static Suite *move_suite(void)
{
    Suite *s = suite_create("move");
    TCase *t = tcase_create("core");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_slab_moves);
    tcase_add_test(t, it_is_not_pushed_before_all_is_answered);
    tcase_add_test(t, it_goes_on_when_an_answer_will_never_come);
    tcase_add_test(t, two_who_do_not_agree_move_nothing);
    tcase_add_test(t, a_refusal_at_any_step_moves_nothing);
    tcase_add_test(t, an_answer_to_something_else_counts_for_nothing);
    tcase_add_test(t, an_answer_of_somebody_else_counts_for_nothing);
    tcase_add_test(t, busy_is_asked_again);
    tcase_add_test(t, who_never_answers_loses_its_session);
    tcase_add_test(t, who_is_busy_keeps_it);
    tcase_add_test(t, either_provider_may_go_away);
    tcase_add_test(t, the_old_one_is_not_needed_once_it_has_pushed);
    tcase_add_test(t, what_has_arrived_is_compared_first);
    tcase_add_test(t, rot_is_not_copied_as_truth);
    tcase_add_test(t, a_pair_that_fails_is_left_alone);
    tcase_add_test(t, what_is_right_nowhere_holds_nothing_up);
    tcase_add_test(t, what_is_compared_may_go_away);
    tcase_add_loop_test(t, what_cannot_be_read_is_not_moved, 0, 4);
    tcase_add_test(t, what_is_fetched_first_puts_nothing_off);
    tcase_add_test(t, what_cannot_be_read_goes_away_meanwhile);
    tcase_add_test(t, a_stale_place_goes_when_the_other_is_right);
    tcase_add_test(t, a_stale_place_stays_while_it_is_needed);
    tcase_add_test(t, a_spare_slab_is_used_only_when_it_is_empty);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(move_suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
