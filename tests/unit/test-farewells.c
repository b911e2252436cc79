/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM had at other hosts, when no pager is left to give it back: who does
 * it then, and when nobody may.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "rcached/seqpacket.h"
#include "rcached/vm-state.h"
#include "tests/unit/vms-fixture.h"

static int state = -1;

static bool all_given_back(void *opaque)
{
    return !vm_state_leases(state);
}

static unsigned starts(void)
{
    struct RcacheState head;

    ck_assert_int_eq(pread(state, &head, sizeof(head), 0), sizeof(head));
    return head.session;
}

static void begin(void)
{
    set_up();
    state = fake_state(1, 42);
    ck_assert_uint_eq(vm_state_leases(state), 2);
}

static void end(void)
{
    tear_down();
    close(fd_steal(&state));
}

/* Is it so far that it leaves when it is told to, with status 0? */
static bool may_be_told(void *pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", *(pid_t *)pid);
    g_autofree char *text = NULL;
    const char *caught;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return false;
    }
    caught = strstr(text, "SigCgt:");
    return caught && g_ascii_strtoull(caught + strlen("SigCgt:\t"), NULL, 16) &
                     UINT64_C(1) << (SIGTERM - 1);
}

static void leave(pid_t pager)
{
    ck_assert(fake_pump(5000, may_be_told, &pager));
    kill(pager, SIGTERM);
}

/* A VMM of another process, and its pager, which has sent its state memfd. */
static pid_t vm_in_debt(const char *name, pid_t *pager)
{
    pid_t vmm = other_vmm(1, 42, name);

    *pager = wait_for_pager();
    vm_keep_state((Vm *)the_vm(), dup(state));
    return vmm;
}

static void kill_pager(pid_t pager)
{
    kill(pager, SIGKILL);
    ck_assert(fake_pump(5000, no_pager, NULL));
}

/* Long enough for all that is done at each look, or to a VM of nobody. */
static void let_time_pass(void)
{
    fake_pump(fix.config.forget_ms + 5 * fix.config.sweep_ms, NULL, NULL);
}

START_TEST(a_vm_that_dies_without_a_pager_owes_nothing)
{
    pid_t pager, vmm = vm_in_debt("web", &pager);

    kill_pager(pager);
    let_time_pass();            /* it lives: its pages are at those leases */
    ck_assert_uint_eq(starts(), 0);
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, no_vm, NULL));
    ck_assert(fake_pump(5000, all_given_back, NULL));
    ck_assert_uint_eq(starts(), 1);
}
END_TEST

START_TEST(a_vm_and_its_pager_that_die_together_owe_nothing)
{
    pid_t pager, vmm = vm_in_debt("web", &pager);

    kill(pager, SIGKILL);
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, all_given_back, NULL));
    ck_assert_uint_eq(starts(), 1);
}
END_TEST

/* As one does of whose VM nothing is away: it says no farewell. */
START_TEST(a_pager_that_left_before_leaves_its_debts)
{
    pid_t pager, vmm = vm_in_debt("web", &pager);

    leave(pager);
    ck_assert(fake_pump(5000, no_pager, NULL));
    ck_assert_int_ge(the_vm()->state_fd, 0);
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, all_given_back, NULL));
    ck_assert_uint_eq(starts(), 1);
}
END_TEST

/* Another start of the VM is another owner, and does not wait for that. */
START_TEST(who_starts_again_is_not_in_debt)
{
    pid_t pager, vmm = vm_in_debt("stubborn", &pager);
    int fd;

    fake_vmm_kill(vmm);
    fd = start(1, 43, "web");
    pager_of(fd);
    ck_assert_int_eq(the_vm()->state_fd, -1);
    ck_assert(fake_pump(5000, all_given_back, NULL));
    close(fd);
}
END_TEST

/* The pager has done what can be done, also where some lease is left. */
START_TEST(a_pager_that_said_farewell_is_not_followed)
{
    struct LinkStats leaving = { .attached = LINK_LEAVING };
    pid_t pager, vmm = vm_in_debt("web", &pager);

    vm_stats((Vm *)the_vm(), &leaving);
    vm_linked((Vm *)the_vm(), NULL);    /* its link ends first */
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, no_vm, NULL));
    let_time_pass();
    ck_assert_uint_eq(starts(), 0);
}
END_TEST

/* But not one that was killed over it. */
START_TEST(a_pager_that_died_in_its_farewell_is_followed)
{
    struct LinkStats leaving = { .attached = LINK_LEAVING };
    pid_t pager, vmm = vm_in_debt("stubborn", &pager);

    vm_stats((Vm *)the_vm(), &leaving);
    fake_vmm_kill(vmm);
    let_time_pass();
    ck_assert_uint_eq(starts(), 0);
    kill(pager, SIGKILL);
    ck_assert(fake_pump(5000, all_given_back, NULL));
}
END_TEST

static bool somebody_waits(void *opaque)
{
    return the_vm()->waiting;
}

static bool nobody_waits(void *opaque)
{
    return !the_vm()->waiting;
}

/* Whoever wanted its place has gone, but so has what it could not wait for. */
START_TEST(a_pager_that_was_told_to_leave_is_followed)
{
    struct LinkStats leaving = { .attached = LINK_LEAVING };
    pid_t pager, vmm;
    int fd;

    be_patient();
    vmm = vm_in_debt("stubborn", &pager);
    vm_stats((Vm *)the_vm(), &leaving);
    fake_vmm_kill(vmm);
    fd = start(1, 43, "web");
    ck_assert(fake_pump(5000, somebody_waits, NULL));
    close(fd);
    ck_assert(fake_pump(5000, nobody_waits, NULL));
    ck_assert_uint_eq(starts(), 0);
    leave(pager);
    ck_assert(fake_pump(5000, all_given_back, NULL));
    ck_assert_uint_eq(starts(), 1);
}
END_TEST

/*
 * The process that connected is dead, but another one has its VM: what that
 * has is at those leases.
 */
START_TEST(who_goes_on_with_a_vm_keeps_its_leases)
{
    pid_t pager, vmm;
    int fd;

    fix.config.sweep_ms = 3600 * 1000;
    be_patient();
    vmm = vm_in_debt("web", &pager);
    kill_pager(pager);
    fake_vmm_kill(vmm);
    fd = start(1, 42, "web");
    pager_of(fd);
    fake_pump(fix.config.forget_ms + 1000, NULL, NULL);
    ck_assert_uint_eq(starts(), 0);
    ck_assert_uint_eq(vm_state_leases(state), 2);
    close(fd);
}
END_TEST

static unsigned nr_lines;
static const char *line_with;

static void count_line(const char *domain, GLogLevelFlags level,
                       const char *message, void *opaque)
{
    nr_lines += strstr(message, line_with) != NULL;
}

static void count_lines(const char *with)
{
    nr_lines = 0;
    line_with = with;
    g_log_set_default_handler(count_line, NULL);
}

/* object-del while a provider is away, and object-add in the same QEMU. */
START_TEST(what_the_object_before_owes_is_told)
{
    int fd = start(1, 42, "web");
    pid_t pager = pager_of(fd);

    vm_keep_state((Vm *)the_vm(), dup(state));
    leave(pager);
    ck_assert(fake_pump(5000, no_pager, NULL));
    close(fd);
    count_lines("2 leases of its remote-cache object of before could not be");
    fd = start(1, 43, "web");
    pager_of(fd);
    ck_assert_uint_eq(nr_lines, 1);
    ck_assert_int_eq(the_vm()->state_fd, -1);
    let_time_pass();
    ck_assert_uint_eq(starts(), 0);
    close(fd);
}
END_TEST

START_TEST(a_state_of_another_version_is_told)
{
    const uint32_t other = RCACHE_STATE_VERSION + 1;
    pid_t pager, vmm = vm_in_debt("web", &pager);

    ck_assert_int_eq(pwrite(state, &other, sizeof(other),
                            offsetof(struct RcacheState, version)),
                     sizeof(other));
    count_lines("its state memfd has layout version");
    vm_keep_state((Vm *)the_vm(), dup(state));
    ck_assert_uint_eq(nr_lines, 1);
    ck_assert_int_eq(the_vm()->state_fd, -1);
    fake_vmm_kill(vmm);
}
END_TEST

/* A read of some files waits for who has made them. */
START_TEST(what_is_not_sealed_is_not_kept)
{
    pid_t pager, vmm = vm_in_debt("web", &pager);
    struct RcacheState head;
    int loose = memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_eq(pread(state, &head, sizeof(head), 0), sizeof(head));
    ck_assert_int_eq(pwrite(loose, &head, sizeof(head), 0), sizeof(head));
    vm_keep_state((Vm *)the_vm(), loose);
    ck_assert_int_eq(the_vm()->state_fd, -1);
    vm_keep_state((Vm *)the_vm(), open("/dev/zero", O_RDONLY));
    ck_assert_int_eq(the_vm()->state_fd, -1);
    vm_keep_state((Vm *)the_vm(), dup(state));
    ck_assert_int_ge(the_vm()->state_fd, 0);
    fake_vmm_kill(vmm);
}
END_TEST

static bool tried_thrice(void *opaque)
{
    return starts() == 3;
}

START_TEST(who_cannot_is_not_asked_for_ever)
{
    pid_t pager, vmm = vm_in_debt("doomed", &pager);

    kill_pager(pager);
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(10000, tried_thrice, NULL));
    fake_pump(2400, NULL, NULL);        /* it would be tried after a pause */
    ck_assert_uint_eq(starts(), 3);
    ck_assert_uint_eq(vm_state_leases(state), 2);
}
END_TEST

/* Nobody knows the process of this VM: it may live. */
START_TEST(who_may_live_is_left_alone)
{
    g_autofree char *first = rundir_path(fix.dir, "pid-1");
    struct LinkHello hello = { .incarnation = 42, .name = "web" };
    pid_t pager, vmm = vm_in_debt("web", &pager);
    Vm *vm;

    vms_free(fix.vms);
    ck_assert(g_file_set_contents(first, "1\n", -1, NULL));
    fix.vms = vms_new(&fix.config, NULL);
    memset(hello.uuid, 1, sizeof(hello.uuid));
    vm = vms_link_hello(fix.vms, &hello, pager, NULL);
    ck_assert_ptr_nonnull(vm);
    vm_keep_state(vm, dup(state));
    fake_vmm_kill(vmm);
    kill(pager, SIGKILL);
    ck_assert(fake_pump(5000, no_vm, NULL));
    let_time_pass();
    ck_assert_uint_eq(starts(), 0);
}
END_TEST

/* All of it would be kept for nothing, for as long as the VM lives. */
START_TEST(without_leases_nothing_is_kept)
{
    pid_t pager, vmm = vm_in_debt("web", &pager);
    static const struct RcacheLease none[RCACHE_NR_LEASES];

    ck_assert_int_eq(pwrite(state, none, sizeof(none), RCACHE_STATE_HEADER),
                     sizeof(none));
    kill_pager(pager);
    ck_assert_int_eq(the_vm()->state_fd, -1);
    fake_vmm_kill(vmm);
}
END_TEST

START_TEST(what_is_no_state_memfd_has_no_leases)
{
    int zero = open("/dev/zero", O_RDONLY);
    int empty = memfd_create("state", MFD_CLOEXEC);
    char head[RCACHE_STATE_HEADER];

    ck_assert_uint_eq(vm_state_leases(zero), 0);
    ck_assert_uint_eq(vm_state_leases(-1), 0);
    ck_assert_int_eq(pread(state, head, sizeof(head), 0), sizeof(head));
    ck_assert_int_eq(pwrite(empty, head, sizeof(head), 0), sizeof(head));
    ck_assert_uint_eq(vm_state_version(empty), RCACHE_STATE_VERSION);
    ck_assert_uint_eq(vm_state_version(zero), 0);
    ck_assert_uint_eq(vm_state_leases(empty), 0);
    vm_state_close(&zero);
    vm_state_close(&empty);
    ck_assert_int_eq(zero, -1);
    vm_state_close(&zero);
}
END_TEST

/* A message that takes one descriptor comes with two: none may stay open. */
START_TEST(one_descriptor_comes_and_no_more)
{
    int pair[2], ends[2], pass;
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec iov = { "x", 1 };
    struct msghdr packet = { .msg_iov = &iov, .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&packet);
    char byte;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    ck_assert_int_eq(pipe(ends), 0);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(c), (int[]) { ends[0], ends[1] }, 2 * sizeof(int));
    ck_assert_int_eq(sendmsg(pair[0], &packet, 0), 1);
    close(ends[1]);
    ck_assert_int_eq(seq_recv(pair[1], &byte, 1, &pass), 1);
    ck_assert_int_ge(pass, 0);
    /* Nobody has the end that is written to any more. */
    ck_assert_int_eq(read(pass, &byte, 1), 0);
    close(pass);
    ck_assert_int_eq(seq_recv(pair[1], &byte, 1, &pass), -EAGAIN);
    ck_assert_int_eq(pass, -1);
    close(pair[0]);
    ck_assert_int_eq(seq_recv(pair[1], &byte, 1, &pass), 0);
    close(pair[1]);
    close(ends[0]);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    tcase_add_checked_fixture(tc, begin, end);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_vm_that_dies_without_a_pager_owes_nothing);
    tcase_add_test(tc, a_vm_and_its_pager_that_die_together_owe_nothing);
    tcase_add_test(tc, a_pager_that_left_before_leaves_its_debts);
    tcase_add_test(tc, who_starts_again_is_not_in_debt);
    tcase_add_test(tc, a_pager_that_said_farewell_is_not_followed);
    tcase_add_test(tc, a_pager_that_died_in_its_farewell_is_followed);
    tcase_add_test(tc, a_pager_that_was_told_to_leave_is_followed);
    tcase_add_test(tc, who_goes_on_with_a_vm_keeps_its_leases);
    tcase_add_test(tc, what_the_object_before_owes_is_told);
    tcase_add_test(tc, a_state_of_another_version_is_told);
    tcase_add_test(tc, what_is_not_sealed_is_not_kept);
    tcase_add_test(tc, who_cannot_is_not_asked_for_ever);
    tcase_add_test(tc, who_may_live_is_left_alone);
    tcase_add_test(tc, without_leases_nothing_is_kept);
    tcase_add_test(tc, what_is_no_state_memfd_has_no_leases);
    tcase_add_test(tc, one_descriptor_comes_and_no_more);
    return fake_pager_run("farewells", tc);
}
