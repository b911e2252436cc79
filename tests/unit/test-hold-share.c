/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of VMs that are held may come home to a host that is short. */
#include <check.h>
#include <glib.h>

#include "rcached/agent/hold-share.h"

#define MIB     (UINT64_C(1) << 20)

static HoldShare vm[3];
static HoldShare *all[3];

static void set_up(void)
{
    for (unsigned i = 0; i < 3; i++) {
        vm[i] = (HoldShare) {
            .guest = 100 * MIB, .resident = 40 * MIB, .away = 60 * MIB,
        };
        all[i] = &vm[i];
    }
}

START_TEST(room_for_all)
{
    ck_assert_uint_eq(hold_share(all, 3, 180 * MIB), 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(vm[i].may, vm[i].guest);
        ck_assert_uint_eq(vm[i].lacking, 0);
    }
}
END_TEST

/* Evenly, and what one leaves is for the others. */
START_TEST(too_little_is_shared)
{
    vm[1].resident = 95 * MIB;
    vm[1].away = 5 * MIB;
    ck_assert_uint_eq(hold_share(all, 3, 45 * MIB), 80 * MIB);
    ck_assert_uint_eq(vm[0].may, 60 * MIB);
    ck_assert_uint_eq(vm[0].lacking, 40 * MIB);
    ck_assert_uint_eq(vm[1].may, 100 * MIB);
    ck_assert_uint_eq(vm[1].lacking, 0);
    ck_assert_uint_eq(vm[2].may, 60 * MIB);
}
END_TEST

/* What is here stays, and more than there is comes to nobody. */
START_TEST(no_room_sends_nothing_away)
{
    vm[2].resident = 120 * MIB;         /* a figure of before it shrank */
    ck_assert_uint_eq(hold_share(all, 3, 0), 180 * MIB);
    ck_assert_uint_eq(vm[0].may, 40 * MIB);
    ck_assert_uint_eq(vm[2].may, 120 * MIB);
    ck_assert_uint_eq(hold_share(all, 0, 100), 0);
}
END_TEST

/* Memory that the guest has not touched yet needs room too. */
START_TEST(what_is_not_touched_counts)
{
    vm[0].away = 0;
    ck_assert_uint_eq(hold_share(all, 1, 30 * MIB), 0);
    ck_assert_uint_eq(vm[0].may, 70 * MIB);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hold-share");
    TCase *tc = tcase_create("hold-share");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, room_for_all);
    tcase_add_test(tc, too_little_is_shared);
    tcase_add_test(tc, no_room_sends_nothing_away);
    tcase_add_test(tc, what_is_not_touched_counts);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
