/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slab goes from one provider to another: when it is pushed, when the store
 * happens that makes it the new one's, and that nothing else makes it so.
 */
#include "move-fixture.h"

#include <check.h>

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

int main(void)
{
    Suite *s = suite_create("move");
    TCase *t = tcase_create("move");
    SRunner *r = srunner_create(s);
    int failed;

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
    tcase_add_test(t, a_stale_place_goes_when_the_other_is_right);
    tcase_add_test(t, a_stale_place_stays_while_it_is_needed);
    tcase_add_test(t, a_spare_slab_is_used_only_when_it_is_empty);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
