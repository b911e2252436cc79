/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What has been pushed is compared first, and what cannot be read is not
 * moved. */
#include "move-fixture.h"

#include <check.h>

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

int main(void)
{
    Suite *s = suite_create("move-compared");
    TCase *t = tcase_create("move-compared");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, what_has_arrived_is_compared_first);
    tcase_add_test(t, rot_is_not_copied_as_truth);
    tcase_add_test(t, a_pair_that_fails_is_left_alone);
    tcase_add_test(t, what_is_right_nowhere_holds_nothing_up);
    tcase_add_test(t, what_is_compared_may_go_away);
    tcase_add_loop_test(t, what_cannot_be_read_is_not_moved, 0, 4);
    tcase_add_test(t, what_is_fetched_first_puts_nothing_off);
    tcase_add_test(t, what_cannot_be_read_goes_away_meanwhile);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
