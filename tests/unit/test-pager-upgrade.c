/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pagers of another build: one at a time, and no further than the first that
 * comes to nothing. */
#include <check.h>
#include <string.h>

#include "rcached/pager-upgrade.h"

#define NR      3u
#define S       G_USEC_PER_SEC

struct PagerProcess {
    pid_t pid;
};

static struct PagerProcess pagers[NR];
static Vm vms[NR];
static GPtrArray *list;
static PagerUpgrade upgrade;

pid_t pager_process_pid(const PagerProcess *proc)
{
    return proc->pid;
}

static void set_up(void)
{
    upgrade = (PagerUpgrade) { 0 };
    list = g_ptr_array_new();
    for (unsigned i = 0; i < NR; i++) {
        pagers[i].pid = 100 + i;
        vms[i] = (Vm) {
            .pager = &pagers[i], .link = (struct Link *)&pagers[i],
            .figures = { .build = VM_BUILD_OTHER, .attached = true },
        };
        g_snprintf(vms[i].uuid_text, sizeof(vms[i].uuid_text), "uuid-%u", i);
        g_snprintf(vms[i].name, sizeof(vms[i].name), "vm%u", i);
        g_ptr_array_add(list, &vms[i]);
    }
}

static void tear_down(void)
{
    g_ptr_array_unref(list);
}

/* The pager is dead; the next one is started and connects. */
static void dies(unsigned i)
{
    vms[i].pager = NULL;
    vms[i].link = NULL;
    vms[i].figures.attached = false;
}

static void follows(unsigned i)
{
    pagers[i].pid += 1000;
    vms[i].pager = &pagers[i];
    vms[i].link = (struct Link *)&pagers[i];
    vms[i].figures.build = VM_BUILD_OWN;
}

static const Vm *next(int64_t now)
{
    return pager_upgrade_next(&upgrade, list, now);
}

START_TEST(one_by_one)
{
    int64_t now = 50 * S;

    for (unsigned i = 0; i < NR; i++) {
        ck_assert_ptr_eq(next(now), &vms[i]);
        /* Until it is dead, until it has connected, until it serves. */
        ck_assert_ptr_null(next(now += S / 2));
        dies(i);
        ck_assert_ptr_null(next(now += 2 * S));
        follows(i);
        ck_assert_ptr_null(next(now += 2 * S));
        vms[i].figures.attached = true;
        ck_assert_ptr_null(next(now += S / 2));
        ck_assert_ptr_null(next(now + S / 2));
        now += S;
    }
    ck_assert_ptr_null(next(now + 100 * S));
}
END_TEST

START_TEST(not_past_one_that_does_not_serve)
{
    ck_assert_ptr_eq(next(S), &vms[0]);
    dies(0);
    follows(0);
    for (int64_t now = S; now < 300 * S; now += S) {
        ck_assert_ptr_null(next(now));
        ck_assert_int_eq(upgrade.held_up, now >= 31 * S);
    }
    vms[0].figures.attached = true;
    ck_assert_ptr_null(next(300 * S));
    ck_assert_ptr_eq(next(302 * S), &vms[1]);
}
END_TEST

START_TEST(a_vm_that_is_gone_holds_up_nobody)
{
    ck_assert_ptr_eq(next(S), &vms[0]);
    g_ptr_array_remove_index(list, 0);
    ck_assert_ptr_null(next(2 * S));
    ck_assert_ptr_eq(next(3 * S), &vms[1]);
}
END_TEST

/* What would be gained?  Its leases would be lost. */
START_TEST(who_leaves_is_not_replaced)
{
    vms[0].figures.leaving = true;
    vms[0].figures.attached = false;
    ck_assert_uint_eq(pager_upgrade_left(list), NR - 1);
    ck_assert_ptr_eq(next(S), &vms[1]);
    /* Its VM ends before the next pager has been seen to serve it. */
    dies(1);
    follows(1);
    vms[1].figures.leaving = true;
    ck_assert_ptr_null(next(2 * S));
    ck_assert_ptr_eq(next(4 * S), &vms[2]);
}
END_TEST

START_TEST(only_who_can_be_replaced)
{
    vms[0].figures.build = VM_BUILD_STRANGE;
    vms[1].figures.build = VM_BUILD_OWN;
    vms[2].link = NULL;
    ck_assert_ptr_null(next(S));
    /* It has not said yet of which build it is. */
    ck_assert_uint_eq(pager_upgrade_left(list), 1);
    vms[2].link = (struct Link *)&pagers[2];
    ck_assert_uint_eq(pager_upgrade_left(list), 1);
    ck_assert_ptr_eq(next(2 * S), &vms[2]);
    dies(2);
    ck_assert_uint_eq(pager_upgrade_left(list), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pager-upgrade");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, one_by_one);
    tcase_add_test(tc, not_past_one_that_does_not_serve);
    tcase_add_test(tc, a_vm_that_is_gone_holds_up_nobody);
    tcase_add_test(tc, who_leaves_is_not_replaced);
    tcase_add_test(tc, only_who_can_be_replaced);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
