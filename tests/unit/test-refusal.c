/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was refused is refused again, and little of it is logged. */
#include <check.h>
#include <string.h>

#include "common/wire-control.h"
#include "arbiter/refusal.h"

static const WireLeaseRequest web = { .vm = "web", .bytes = 1 };
static const WireLeaseRequest db = { .vm = "db", .bytes = 1 };

START_TEST(the_same_again)
{
    Refusal refusal = { 0 };
    WireLeaseRequest other = web;

    ck_assert(!refusal_holds(&refusal, &web, 0, 0));
    refusal_note(&refusal, &web, RCACHE_E_NO_ROOM, "all is lent", false, 7,
                 1000);
    ck_assert_str_eq(refusal.text, "all is lent");
    ck_assert(refusal_holds(&refusal, &web, 7, 1999));
    ck_assert(!refusal_holds(&refusal, &web, 8, 1999)); /* something has */
    ck_assert(!refusal_holds(&refusal, &web, 7, 2000));
    ck_assert(!refusal_holds(&refusal, &db, 7, 1999));
    other.nr_avoid = 1;
    ck_assert(!refusal_holds(&refusal, &other, 7, 1999));
    other = web;
    other.bytes = 1 << 30;
    ck_assert(refusal_holds(&refusal, &other, 7, 1999));
    /* Who was asked may say yes the next time. */
    refusal_note(&refusal, &web, RCACHE_E_NO_ROOM, "a: no", true, 7, 3000);
    ck_assert(!refusal_holds(&refusal, &web, 7, 3000));
}
END_TEST

START_TEST(a_flood)
{
    Refusal refusal = { 0 };

    for (unsigned i = 0; i < 20; i++) {
        ck_assert(!refusal_holds(&refusal, &db, i, 1000 + i));
        refusal_note(&refusal, &web, RCACHE_E_NO_ROOM, "no", true, i,
                     1000 + i);
    }
    ck_assert(refusal_holds(&refusal, &db, 99, 1020));
    ck_assert(refusal_holds(&refusal, &web, 98, 1999));
    ck_assert(!refusal_holds(&refusal, &db, 99, 2000));
    /* One a second is no flood. */
    for (unsigned i = 0; i < 100; i++) {
        refusal_note(&refusal, &web, RCACHE_E_NO_ROOM, "no", true, i,
                     3000 + i * 1000);
        ck_assert(!refusal_holds(&refusal, &db, i, 3001 + i * 1000));
    }
}
END_TEST

START_TEST(a_quiet_log)
{
    Quiet quiet = { 0 };
    unsigned swallowed = 99, said = 0;

    for (unsigned i = 0; i < 1000; i++) {
        said += quiet_say(&quiet, 5000 + i, &swallowed);
    }
    ck_assert_uint_eq(said, 20);
    ck_assert_uint_eq(swallowed, 0);
    ck_assert(quiet_say(&quiet, 15000, &swallowed));
    ck_assert_uint_eq(swallowed, 980);
    ck_assert(quiet_say(&quiet, 15001, &swallowed));
    ck_assert_uint_eq(swallowed, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("refusal");
    TCase *tc = tcase_create("refusal");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(tc, the_same_again);
    tcase_add_test(tc, a_flood);
    tcase_add_test(tc, a_quiet_log);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
