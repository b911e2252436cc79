/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions: who is older, who has to go, and what is remembered. */
#include <check.h>
#include <string.h>

#include "rcached/provider/session.h"

static const uint8_t vm_a[RCACHE_UUID_LEN] = "A", vm_b[RCACHE_UUID_LEN] = "B";

static SessionTable *table;

static bool enter(SessionMember *member, const uint8_t *vm,
                  uint64_t incarnation, uint64_t session, uint64_t floor)
{
    SessionOwner owner = session_owner("req", vm, incarnation);

    return session_enter(table, member, &owner, session, floor);
}

/* And it shows a token. */
static bool proved(SessionMember *member, const uint8_t *vm,
                   uint64_t incarnation, uint64_t session, uint64_t floor)
{
    bool in = enter(member, vm, incarnation, session, floor);

    if (in) {
        session_prove(member);
    }
    return in;
}

static void set_up(void)
{
    table = session_table_new();
}

static void tear_down(void)
{
    session_table_free(table);
}

START_TEST(a_newer_one_waits_for_the_older)
{
    SessionMember fault, bulk, newer, other;

    ck_assert(proved(&fault, vm_a, 1, 5, 0));
    ck_assert(proved(&bulk, vm_a, 1, 5, 0));
    ck_assert(proved(&other, vm_b, 1, 1, 0));
    ck_assert(session_alone(&fault));
    ck_assert_uint_eq(session_count(&bulk), 2);

    ck_assert(proved(&newer, vm_a, 1, 6, 0));
    ck_assert(!session_alone(&newer));
    ck_assert_uint_eq(g_list_length(session_members(&newer)), 3);
    session_leave(table, &fault);
    ck_assert(!session_alone(&newer));
    session_leave(table, &bulk);
    ck_assert(session_alone(&newer));
    ck_assert(session_alone(&other));
    session_leave(table, &newer);
    session_leave(table, &other);
    session_leave(table, &other);       /* twice is fine */
}
END_TEST

START_TEST(an_older_one_is_refused)
{
    SessionMember newer, older;

    ck_assert(proved(&newer, vm_a, 1, 6, 0));
    ck_assert(!proved(&older, vm_a, 1, 5, 0));
    ck_assert_ptr_null(older.vm);
    /* Also once the newer one has gone. */
    session_leave(table, &newer);
    ck_assert(!proved(&older, vm_a, 1, 5, 0));
    ck_assert(proved(&older, vm_a, 1, 6, 0));
    session_leave(table, &older);
}
END_TEST

START_TEST(another_incarnation_is_another_vm)
{
    SessionMember one, two;

    ck_assert(proved(&one, vm_a, 1, 6, 0));
    ck_assert(proved(&two, vm_a, 2, 1, 0));
    ck_assert(session_alone(&one));
    ck_assert(session_alone(&two));
    ck_assert_uint_eq(session_vm_owner(two.vm)->incarnation, 2);
    ck_assert_mem_eq(session_vm_owner(two.vm)->vm, vm_a, sizeof(vm_a));
    session_leave(table, &one);
    session_leave(table, &two);
}
END_TEST

/* Its number alone gives it nothing. */
START_TEST(one_without_a_token_fences_nobody)
{
    SessionMember own, none, next;

    ck_assert(proved(&own, vm_a, 1, 5, 0));
    ck_assert(enter(&none, vm_a, 1, UINT64_MAX, 0));
    ck_assert(session_alone(&own));
    ck_assert(proved(&next, vm_a, 1, 6, 0));
    ck_assert(!session_alone(&next));
    session_leave(table, &own);
    ck_assert(session_alone(&next));
    session_leave(table, &none);
    session_leave(table, &next);
}
END_TEST

START_TEST(the_same_vm_of_another_host_is_another)
{
    SessionOwner other = session_owner("mallory", vm_a, 1);
    SessionMember one, two;

    ck_assert(proved(&one, vm_a, 1, 6, 0));
    ck_assert(session_enter(table, &two, &other, 7, 0));
    session_prove(&two);
    ck_assert(session_alone(&two));
    session_leave(table, &two);
    session_leave(table, &one);
    ck_assert(proved(&one, vm_a, 1, 6, 0));
    session_leave(table, &one);
}
END_TEST

START_TEST(a_push_joins_what_is_there)
{
    SessionOwner owner = session_owner("req", vm_a, 1);
    SessionMember own, push, next;

    ck_assert(!session_join(table, &push, &owner, 5));
    ck_assert(enter(&own, vm_a, 1, 5, 0));
    ck_assert(!session_join(table, &push, &owner, 5));  /* not proved */
    session_prove(&own);
    ck_assert(!session_join(table, &push, &owner, 6));
    ck_assert(session_join(table, &push, &owner, 5));
    ck_assert(proved(&next, vm_a, 1, 6, 0));
    session_leave(table, &own);
    ck_assert(!session_alone(&next));           /* fenced with it */
    session_leave(table, &push);
    ck_assert(session_alone(&next));
    session_leave(table, &next);
    ck_assert(!session_join(table, &push, &owner, 6));  /* nobody is there */
}
END_TEST

START_TEST(the_leases_give_a_floor)
{
    SessionMember member;

    ck_assert(!proved(&member, vm_a, 1, 5, 6));
    ck_assert(proved(&member, vm_a, 1, 6, 6));
    session_leave(table, &member);
}
END_TEST

START_TEST(memory_is_bounded)
{
    SessionMember keep, member;
    uint64_t i;

    ck_assert(proved(&keep, vm_a, 0, 9, 0));
    for (i = 1; i <= 3 * SESSION_IDLE_MAX; i++) {
        ck_assert(proved(&member, vm_a, i, 9, 0));
        session_leave(table, &member);
    }
    /* The one with a connection and the latest are known still. */
    ck_assert(!proved(&member, vm_a, 0, 8, 0));
    ck_assert(!proved(&member, vm_a, i - 1, 8, 0));
    /* What nobody has shown a token of takes no place. */
    for (uint64_t n = 0; n < 2 * SESSION_IDLE_MAX; n++) {
        ck_assert(enter(&member, vm_b, n, 9, 0));
        session_leave(table, &member);
    }
    ck_assert(!proved(&member, vm_a, i - 1, 8, 0));
    /* The first is forgotten. */
    ck_assert(proved(&member, vm_a, 1, 8, 0));
    session_leave(table, &member);
    session_leave(table, &keep);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("session");
    TCase *tc = tcase_create("session");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_newer_one_waits_for_the_older);
    tcase_add_test(tc, an_older_one_is_refused);
    tcase_add_test(tc, another_incarnation_is_another_vm);
    tcase_add_test(tc, one_without_a_token_fences_nobody);
    tcase_add_test(tc, the_same_vm_of_another_host_is_another);
    tcase_add_test(tc, a_push_joins_what_is_there);
    tcase_add_test(tc, the_leases_give_a_floor);
    tcase_add_test(tc, memory_is_bounded);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
