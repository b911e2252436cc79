/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pager that stays when its VM has ended: it is no VM to anybody, and gives
 * its place to who wants it.
 */
#include <check.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rcached/report.h"
#include "rcached/vm-state.h"
#include "tests/unit/daemon-fixture.h"

#define UUID    5
/* Sooner than a pager that does not end is killed. */
#define SOON_US (4 * G_USEC_PER_SEC)

static Daemon daemon_;

static void set_up(void)
{
    daemon_start(&daemon_, (const char *[]) { "--lend", "0", NULL });
}

static void tear_down(void)
{
    daemon_stop(&daemon_);
}

static const Vm *the_vm(void)
{
    return vms_find(daemon_.rcached->vms, "parting");
}

static bool is_leaving(void *opaque)
{
    return the_vm() && the_vm()->figures.leaving;
}

static bool has_ended(void *opaque)
{
    return the_vm() && vm_has_ended(the_vm());
}

/* Another process, so that it can die. */
static pid_t vmm_of_another_process(void)
{
    g_autofree char *path = rundir_path(daemon_.rcached->dir, "vmm.sock");
    struct RcacheVmmHello hello = fake_vmm_hello(UUID, 42, "parting");

    return fake_vmm_process(path, getuid(), &hello);
}

static bool has_stats(void *opaque)
{
    return the_vm() && the_vm()->figures.attached;
}

START_TEST(who_has_ended_is_no_vm)
{
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE,
                                           sizeof(WireBeatGuest));
    g_autoptr(GArray) held = g_array_new(FALSE, FALSE,
                                         sizeof(WireBeatLease));
    g_autoptr(GArray) troubles = g_array_new(FALSE, FALSE,
                                             sizeof(WireBeatTrouble));
    g_autoptr(GArray) predicted = g_array_new(FALSE, FALSE,
                                              sizeof(PredictGuest));
    g_autoptr(JsonObject) vm = NULL, status = NULL;
    pid_t vmm = vmm_of_another_process();

    ck_assert(fake_pump(5000, has_stats, NULL));
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, has_ended, NULL));
    report_beat_all(daemon_.rcached->vms, guests, held, troubles);
    ck_assert_uint_eq(guests->len, 0);
    ck_assert_uint_eq(held->len, 1);
    report_predict_all(daemon_.rcached->vms, predicted);
    ck_assert_uint_eq(predicted->len, 0);
    vm = daemon_first(&daemon_, "vms");
    ck_assert_str_eq(json_object_get_string_member(vm, "state"), "ended");
    status = daemon_ask_object(&daemon_, "status");
    ck_assert_int_eq(json_object_get_int_member(status, "vms"), 0);
    ck_assert_ptr_nonnull(the_vm());    /* and so it stays */
}
END_TEST

/* It may have lost its VMM's connection alone: that lives, and waits. */
START_TEST(the_place_is_given_to_who_wants_it)
{
    int64_t began;
    pid_t first;
    int fd = daemon_vm(&daemon_, UUID, "parting"), again;

    ck_assert(fake_pump(5000, has_stats, NULL));
    first = pager_process_pid(the_vm()->pager);
    close(fd);
    ck_assert(fake_pump(5000, is_leaving, NULL));
    ck_assert(!vm_has_ended(the_vm()));
    began = g_get_monotonic_time();
    again = daemon_vm(&daemon_, UUID, "parting");
    ck_assert_int_ne(pager_process_pid(the_vm()->pager), first);
    ck_assert_int_lt(g_get_monotonic_time() - began, SOON_US);
    close(again);
}
END_TEST

/* Who has ended takes no place; one more of them than there may be does. */
START_TEST(who_has_ended_does_not_count)
{
    g_autofree char *path = rundir_path(daemon_.rcached->dir, "vmm.sock");
    struct RcacheVmmHello hello = fake_vmm_hello(UUID + 2, 42, "mail");
    VmLimits *limits = (VmLimits *)vms_limits(daemon_.rcached->vms);
    char answer[RCACHE_VMM_MSG_MAX];
    pid_t vmm = vmm_of_another_process();
    int fd, refused;

    *(_i ? &limits->all.max : &limits->each.max) = 1;
    ck_assert(fake_pump(5000, has_stats, NULL));
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, has_ended, NULL));
    fd = daemon_vm(&daemon_, UUID + 1, "web");
    ck_assert_ptr_nonnull(vms_find(daemon_.rcached->vms, "web"));
    ck_assert_uint_eq(limits->all.refused + limits->each.refused, 0);
    refused = fake_vmm_connect(path);
    ck_assert_int_eq(send(refused, &hello, sizeof(hello), 0), sizeof(hello));
    ck_assert_int_gt(fake_vmm_recv(refused, answer), 0);
    ck_assert_ptr_null(vms_find(daemon_.rcached->vms, "mail"));
    ck_assert_uint_eq(limits->all.refused + limits->each.refused, 1);
    close(refused);
    close(fd);
}
END_TEST

/* It says nothing until all the memory is free, and no guest waits for it. */
START_TEST(who_leaves_may_be_silent_for_longer)
{
    int fd = daemon_vm(&daemon_, UUID, "parting");
    int64_t since;
    Vm *vm;

    ck_assert(fake_pump(5000, has_stats, NULL));
    close(fd);
    ck_assert(fake_pump(5000, is_leaving, NULL));
    vm = (Vm *)the_vm();
    since = vm->figures.owed_since;
    vm_kill_silent(vm, since + 100 * G_USEC_PER_SEC);
    ck_assert_int_eq(vm->figures.owed_since, since);
    vm_kill_silent(vm, since + 120 * G_USEC_PER_SEC);
    ck_assert_int_gt(vm->figures.owed_since, since);
}
END_TEST

static bool is_indebted(void *opaque)
{
    const Vm *vm = vms_find(daemon_.rcached->vms, "indebted");

    return vm && vm_state_leases(vm->state_fd) == 2;
}

/* If the pager dies with its VM, that says what is to be given back. */
START_TEST(a_pager_hands_the_state_over)
{
    int fd = daemon_vm(&daemon_, UUID, "indebted");

    ck_assert(fake_pump(5000, is_indebted, NULL));
    close(fd);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, who_has_ended_is_no_vm);
    tcase_add_test(tc, the_place_is_given_to_who_wants_it);
    tcase_add_loop_test(tc, who_has_ended_does_not_count, 0, 2);
    tcase_add_test(tc, who_leaves_may_be_silent_for_longer);
    tcase_add_test(tc, a_pager_hands_the_state_over);
    return fake_pager_run("leaving", tc);
}
