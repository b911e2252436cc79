/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Users of one host who want the same VM, and how many pagers one of them may
 * have.  Root is needed to be several users.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/vms-fixture.h"

#define ALICE   54321u
#define MALLORY 54322u

static void set_up_users(void)
{
    set_up();
    ck_assert_int_eq(chmod(fix.folder, 0711), 0);
    ck_assert_int_eq(chmod(fix.vmm_path, 0666), 0);
}

static void next_daemon(void)
{
    vms_free(fix.vms);
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert_ptr_nonnull(fix.vms);
    ck_assert_int_eq(chmod(fix.vmm_path, 0666), 0);
}

static pid_t vmm_of(uid_t uid, uint8_t uuid, uint64_t incarnation)
{
    struct RcacheVmmHello hello = fake_vmm_hello(uuid, incarnation, "web");

    return fake_vmm_process(fix.vmm_path, uid, &hello);
}

static bool is_refused(void *opaque)
{
    return the_vm()->refused.count >= *(unsigned *)opaque;
}

/* Another user comes forward as this VM, and is the @nth to be refused. */
static void expect_refused(uid_t uid, uint64_t incarnation, unsigned nth)
{
    pid_t pid = vmm_of(uid, 1, incarnation);

    ck_assert(fake_pump(5000, is_refused, &nth));
    ck_assert_uint_eq(the_vm()->refused.uid, uid);
    ck_assert_int_eq(the_vm()->refused.pid, pid);
    ck_assert_uint_ne(the_vm()->vmm.uid, uid);
    fake_vmm_kill(pid);
}

START_TEST(a_vm_belongs_to_the_user_who_had_it_first)
{
    pid_t vmm = vmm_of(ALICE, 1, 42), pager = wait_for_pager();

    ck_assert_uint_eq(the_vm()->vmm.uid, ALICE);
    expect_refused(MALLORY, 42, 1);
    expect_refused(MALLORY, 43, 2);
    /* Also while it has no pager, and with the next daemon. */
    kill(pager, SIGKILL);
    ck_assert(fake_pump(5000, no_pager, NULL));
    expect_refused(MALLORY, 42, 3);
    next_daemon();
    expect_refused(MALLORY, 42, 1);
    expect_refused(MALLORY, 43, 2);
    ck_assert_int_eq(the_vm()->vmm.pid, vmm);
    ck_assert_uint_eq(the_vm()->vmm.uid, ALICE);
    fake_vmm_kill(vmm);
}
END_TEST

static bool alice_has_it(void *opaque)
{
    return the_vm()->vmm.uid == ALICE && the_vm()->pager;
}

/* QEMU starts as root and goes on as another (-runas), and its pager dies. */
START_TEST(a_process_that_has_changed_its_user_is_the_same)
{
    int go[2];
    pid_t pager, vmm;
    char byte;

    ck_assert_int_eq(pipe(go), 0);
    vmm = fork();
    if (!vmm) {
        start(1, 42, "web");
        if (read(go[0], &byte, 1) != 1 || setgid(ALICE) || setuid(ALICE)) {
            _exit(1);
        }
        start(1, 42, "web");
        pause();
        _exit(0);
    }
    pager = wait_for_pager();
    kill(pager, SIGKILL);
    ck_assert(fake_pump(5000, no_pager, NULL));
    ck_assert_int_eq(write(go[1], "x", 1), 1);
    ck_assert(fake_pump(10000, alice_has_it, NULL));
    ck_assert_uint_eq(the_vm()->refused.count, 0);
    close(go[0]);
    close(go[1]);
    fake_vmm_kill(vmm);
}
END_TEST

/* Its VMM is dead, but what it had away is still there. */
START_TEST(a_pager_that_is_left_is_no_other_users)
{
    pid_t vmm = other_vmm(1, 44, "stubborn");
    pid_t pager = wait_for_pager();

    fake_vmm_kill(vmm);
    expect_refused(MALLORY, 44, 1);
    expect_refused(MALLORY, 45, 2);
    ck_assert(!is_dead(&pager));
}
END_TEST

START_TEST(a_vm_that_is_over_is_anybodys)
{
    pid_t vmm = vmm_of(ALICE, 1, 42), pager = wait_for_pager();

    fake_vmm_kill(vmm);
    kill(pager, SIGKILL);
    ck_assert(fake_pump(5000, no_vm, NULL));
    vmm = vmm_of(MALLORY, 1, 43);
    wait_for_pager();
    ck_assert_uint_eq(the_vm()->vmm.uid, MALLORY);
    fake_vmm_kill(vmm);
}
END_TEST

START_TEST(one_users_flood_takes_no_place_from_others)
{
    pid_t flood;
    int ready[2];
    char byte;

    fix.config.hello_ms = 60 * 1000;
    next_daemon();
    ck_assert_int_eq(pipe(ready), 0);
    flood = fork();
    if (!flood) {
        if (setgid(MALLORY) || setuid(MALLORY)) {
            _exit(1);
        }
        for (unsigned i = 0; i < 400; i++) {
            fake_vmm_connect(fix.vmm_path);
            ck_assert_int_eq(write(ready[1], "x", 1), 1);
        }
        pause();
        _exit(0);
    }
    for (unsigned i = 0; i < 400; i++) {
        fake_pump(0, NULL, NULL);
        g_main_context_iteration(NULL, FALSE);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    }
    fake_pump(50, NULL, NULL);
    pager_of(start(1, 42, "web"));
    fake_vmm_kill(flood);
}
END_TEST

START_TEST(pagers_are_counted_for_each_user)
{
    pid_t vmm;

    fix.config.most_of_user = 1;
    next_daemon();
    vmm = vmm_of(MALLORY, 1, 42);
    wait_for_pager();
    pager_of(start(2, 42, "mail"));
    expect_refusal(start(3, 42, "ftp"), -EDQUOT, "user 0 has 1 VMs");
    fake_vmm_kill(vmm);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    if (getuid()) {
        printf("skipped: needs root to be several users\n");
        return 77;
    }
    tcase_add_checked_fixture(tc, set_up_users, tear_down);
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, a_vm_belongs_to_the_user_who_had_it_first);
    tcase_add_test(tc, a_process_that_has_changed_its_user_is_the_same);
    tcase_add_test(tc, a_pager_that_is_left_is_no_other_users);
    tcase_add_test(tc, a_vm_that_is_over_is_anybodys);
    tcase_add_test(tc, one_users_flood_takes_no_place_from_others);
    tcase_add_test(tc, pagers_are_counted_for_each_user);
    return fake_pager_run("vms-users", tc);
}
