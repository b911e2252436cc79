/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs and their pagers: who is let in, when a pager is started, and that there
 * is never a second one.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/vms-fixture.h"

START_TEST(a_pager_gets_its_vmm_and_nothing_else)
{
    int leak = dup(0);          /* without CLOEXEC, as a library might */
    int fd = start(1, 42, "web");
    struct RcacheVmmHelloAck ack = read_ack(fd);
    g_autofree char *expected = NULL;
    pid_t pid = 0;

    close(leak);
    sscanf(ack.text, "pid=%d", &pid);
    g_array_append_val(fix.pids, pid);
    /* A session of its own; the VMM's socket and the lock, no more. */
    expected = g_strdup_printf("pid=%d sid=%d fds=0,1,2,3,4,5", pid, pid);
    ck_assert_str_eq(ack.text, expected);
    ck_assert_str_eq(the_vm()->name, "web");
    ck_assert_uint_eq(the_vm()->incarnation, 42);
    ck_assert_uint_eq(vm_restarts(the_vm()), 0);
    ck_assert_ptr_eq(vms_find(fix.vms, "web"), the_vm());
    ck_assert_ptr_eq(the_vm(),
                     vms_find(fix.vms, "01010101-0101-0101-0101-010101010101"));
    ck_assert_ptr_null(vms_find(fix.vms, "mail"));
    close(fd);
}
END_TEST

static void bad_magic(struct RcacheVmmHello *h) { h->hdr.magic++; }
static void bad_type(struct RcacheVmmHello *h) { h->hdr.type++; }
static void bad_size(struct RcacheVmmHello *h) { h->hdr.size++; }
static void bad_version(struct RcacheVmmHello *h) { h->version++; }
static void bad_page(struct RcacheVmmHello *h) { h->page_size = 16384; }
static void bad_copies(struct RcacheVmmHello *h) { h->copies = 3; }
static void no_copies(struct RcacheVmmHello *h) { h->copies = 0; }
static void no_incarnation(struct RcacheVmmHello *h) { h->incarnation = 0; }

static const struct {
    void (*spoil)(struct RcacheVmmHello *hello);
    int status;
    const char *word;
} bad_hellos[] = {
    { bad_magic, -EPROTO, "not the VMM protocol" },
    { bad_type, -EPROTO, "not HELLO" },
    { bad_size, -EPROTO, "size" },
    { bad_version, -EPROTONOSUPPORT, "version" },
    { bad_page, -EINVAL, "4096" },
    { bad_copies, -EINVAL, "copies=1" },
    { no_copies, -EINVAL, "copies=1" },
    { no_incarnation, -EINVAL, "incarnation" },
};

START_TEST(a_hello_that_cannot_be_served_is_told_why)
{
    struct RcacheVmmHello hello = fake_vmm_hello(1, 42, "web");

    bad_hellos[_i].spoil(&hello);
    expect_refusal(say(&hello), bad_hellos[_i].status, bad_hellos[_i].word);
    ck_assert(no_vm(NULL));
    pager_of(start(1, 42, "web"));      /* the daemon is none the worse */
}
END_TEST

START_TEST(short_and_long_packets_are_no_hello)
{
    static const char zeros[RCACHE_VMM_MSG_MAX];
    struct RcacheVmmHello hello = fake_vmm_hello(1, 42, "web");
    char longer[sizeof(hello) + 8] = { 0 };
    int fd = fake_vmm_connect(fix.vmm_path);

    hello.hdr.size = sizeof(hello) - 8;
    send(fd, &hello, sizeof(hello) - 8, 0);
    expect_refusal(fd, -EPROTO, "short");
    hello.hdr.size = sizeof(hello);
    fd = fake_vmm_connect(fix.vmm_path);
    send(fd, zeros, 1, 0);
    expect_refusal(fd, -EPROTO, "protocol");
    fd = fake_vmm_connect(fix.vmm_path);
    send(fd, zeros, sizeof(zeros), 0);
    expect_refusal(fd, -EPROTO, "protocol");
    memcpy(longer, &hello, sizeof(hello));
    fd = fake_vmm_connect(fix.vmm_path);
    send(fd, longer, sizeof(longer), 0);
    expect_refusal(fd, -EPROTO, "size");
    ck_assert(no_vm(NULL));
}
END_TEST

START_TEST(who_says_nothing_is_let_go)
{
    char buf[RCACHE_VMM_MSG_MAX];
    int fd = fake_vmm_connect(fix.vmm_path);
    int gone = fake_vmm_connect(fix.vmm_path);

    close(gone);
    ck_assert_int_eq(fake_vmm_recv(fd, buf), 0);
    close(fd);
}
END_TEST

START_TEST(a_flood_of_silent_ones_is_bounded)
{
    int fds[80], ended = 0;
    char byte;

    for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = fake_vmm_connect(fix.vmm_path);
        fake_pump(0, NULL, NULL);
        g_main_context_iteration(NULL, FALSE);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
        ended += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0;
    }
    ck_assert_int_ge(ended, 10);
    ck_assert_int_lt(ended, 80);
    for (unsigned i = 0; i < G_N_ELEMENTS(fds); i++) {
        close(fds[i]);
    }
    fake_pump(300, NULL, NULL);
    pager_of(start(1, 42, "web"));
}
END_TEST

START_TEST(a_name_is_made_printable)
{
    struct RcacheVmmHello hello = fake_vmm_hello(1, 42, "web");

    memset(hello.name, 'x', sizeof(hello.name));
    hello.name[1] = '\n';
    pager_of(say(&hello));
    ck_assert_uint_eq(strlen(the_vm()->name), sizeof(hello.name) - 1);
    ck_assert_int_eq(the_vm()->name[1], '?');
}
END_TEST

START_TEST(a_killed_pager_is_followed_by_another)
{
    int fd = start(1, 42, "web");
    pid_t first = pager_of(fd), second;

    kill(first, SIGKILL);
    ck_assert(fake_pump(5000, no_pager, NULL));
    close(fd);
    fd = start(1, 42, "web");
    second = pager_of(fd);
    ck_assert_int_ne(first, second);
    ck_assert_uint_eq(vm_restarts(the_vm()), 1);
    close(fd);
}
END_TEST

START_TEST(pagers_that_crash_are_counted)
{
    for (int i = 0; i < 3; i++) {
        int fd = start(1, 42, "crash");

        pager_of(fd);
        ck_assert(fake_pump(5000, no_pager, NULL));
        close(fd);
    }
    ck_assert_uint_eq(vm_restarts(the_vm()), 2);
    pager_of(start(1, 43, "web"));      /* the VM itself starts anew */
    ck_assert_uint_eq(vm_restarts(the_vm()), 0);
}
END_TEST

/* It has said why, so another is not even started until a pause is over. */
START_TEST(a_pager_that_cannot_start_is_not_tried_at_once)
{
    int fd = start(1, 42, "cannot");

    pager_of(fd);
    ck_assert(fake_pump(5000, no_pager, NULL));
    close(fd);
    ck_assert_str_eq(the_vm()->retry.problem, "no luck today");
    expect_refusal(start(1, 42, "cannot"), -EAGAIN, "no luck today");
    expect_refusal(start(1, 42, "cannot"), -EAGAIN, "trying again in");
    ck_assert_uint_eq(vm_restarts(the_vm()), 0);
    fake_pump(700, NULL, NULL);
    pager_of(start(1, 42, "cannot"));
    ck_assert_uint_eq(vm_restarts(the_vm()), 1);
    ck_assert(fake_pump(5000, no_pager, NULL));
    pager_of(start(1, 43, "web"));      /* another start of it is another */
}
END_TEST

/* More of them than may fail: the guest of each was served. */
START_TEST(a_pager_that_was_ready_is_followed_at_once)
{
    for (int i = 0; i < 8; i++) {
        int fd = start(1, 42, "brief");

        pager_of(fd);
        ck_assert(fake_pump(5000, no_pager, NULL));
        close(fd);
        ck_assert_str_eq(the_vm()->retry.problem, "exit status 3");
        ck_assert_uint_eq(the_vm()->retry.failures, 0);
    }
    pager_of(start(1, 42, "web"));
    ck_assert_uint_eq(vm_restarts(the_vm()), 8);
}
END_TEST

START_TEST(never_two_pagers_the_old_one_ends_first)
{
    pid_t first, second;
    int fd, again;

    be_patient();
    fd = start(1, 42, "web");
    first = pager_of(fd);
    again = start(1, 42, "web");        /* the first still has its VMM */
    fake_pump(100, NULL, NULL);
    ck_assert_int_eq(pager_process_pid(the_vm()->pager), first);
    close(fd);                          /* now it ends, by itself */
    second = pager_of(again);
    ck_assert_int_eq(kill(first, 0), -1);
    ck_assert_uint_eq(vm_restarts(the_vm()), 1);
    ck_assert_int_ne(first, second);
    close(again);
}
END_TEST

START_TEST(a_stubborn_pager_is_killed_in_time)
{
    int fd = start(1, 42, "stubborn"), again;
    pid_t first = pager_of(fd);
    int64_t began = g_get_monotonic_time();

    close(fd);
    again = start(1, 42, "web");
    pager_of(again);
    ck_assert_int_ge(g_get_monotonic_time() - began,
                     fix.config.pager_exit_ms * 1000);
    ck_assert_int_eq(kill(first, 0), -1);
    close(again);
}
END_TEST

START_TEST(who_waits_and_hangs_up_starts_nothing)
{
    int fd = start(1, 42, "stubborn"), again;
    pid_t first = pager_of(fd);

    again = start(1, 42, "web");
    fake_pump(50, NULL, NULL);
    ck_assert_ptr_nonnull(the_vm()->waiting);
    close(again);
    fake_pump(50, NULL, NULL);
    ck_assert_ptr_null(the_vm()->waiting);
    fake_pump(fix.config.pager_exit_ms + 100, NULL, NULL);
    ck_assert_int_eq(pager_process_pid(the_vm()->pager), first);
    close(fd);
}
END_TEST

START_TEST(the_last_connection_of_a_vmm_is_the_one)
{
    char buf[RCACHE_VMM_MSG_MAX];
    int fd = start(1, 42, "stubborn"), second, third;

    pager_of(fd);
    second = start(1, 42, "web");
    fake_pump(50, NULL, NULL);
    third = start(1, 42, "web");
    ck_assert_int_eq(fake_vmm_recv(second, buf), 0);
    pager_of(third);
    close(fd);
    close(second);
    close(third);
}
END_TEST

START_TEST(two_vms_with_one_uuid_are_refused)
{
    pid_t vmm = other_vmm(1, 42, "web");
    pid_t pager = wait_for_pager();

    expect_refusal(start(1, 43, "mail"), -EEXIST, "uuid");
    /* Nor may another process pose as that VM. */
    expect_refusal(start(1, 42, "web"), -EEXIST, "another process");
    ck_assert_int_eq(pager_process_pid(the_vm()->pager), pager);
    ck_assert_uint_eq(the_vm()->incarnation, 42);
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, no_vm, NULL));
}
END_TEST

START_TEST(a_vm_that_starts_anew_follows_its_dead_self)
{
    pid_t vmm = other_vmm(1, 42, "stubborn");
    pid_t pager = wait_for_pager();
    int fd;

    fake_vmm_kill(vmm);
    fd = start(1, 43, "web");
    pager_of(fd);
    ck_assert(is_dead(&pager));
    ck_assert_uint_eq(the_vm()->incarnation, 43);
    ck_assert_uint_eq(vm_restarts(the_vm()), 0);
    close(fd);
}
END_TEST

/* Its pid may be another's by now, so nobody could be held to it. */
START_TEST(who_is_dead_when_the_connection_comes_has_no_vm)
{
    pid_t pid = fork();

    if (!pid) {
        start(1, 42, "web");
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    fake_pump(200, NULL, NULL);
    ck_assert(no_vm(NULL));
}
END_TEST

static bool refuse_all(GError **errp)
{
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "not on Sundays");
    return false;
}

START_TEST(a_host_that_cannot_manage_says_so)
{
    vms_free(fix.vms);
    fix.config.admit = refuse_all;
    fix.vms = vms_new(&fix.config, NULL);
    expect_refusal(start(1, 42, "web"), -ENOTSUP, "Sundays");
    ck_assert(no_vm(NULL));
}
END_TEST

/* A VM that goes makes room for another. */
START_TEST(there_are_no_more_vms_than_there_may_be)
{
    int fds[2];
    pid_t first;

    vms_free(fix.vms);
    fix.config.most = _i ? 2 : 100;
    fix.config.most_of_user = _i ? 100 : 2;
    fix.vms = vms_new(&fix.config, NULL);
    fds[0] = start(1, 42, "web");
    first = pager_of(fds[0]);
    fds[1] = start(2, 42, "mail");
    pager_of(fds[1]);
    expect_refusal(start(3, 42, "ftp"), -EDQUOT,
                   _i ? "[limits]" : "pagers-per-user");
    expect_refusal(start(4, 42, "ftp"), -EDQUOT, "no more");
    /* Who has one already is none more. */
    kill(first, SIGKILL);
    ck_assert(fake_pump(5000, is_dead, &first));
    close(fds[0]);
    fds[0] = start(1, 42, "web");
    pager_of(fds[0]);
    ck_assert_uint_eq(vms_limits(fix.vms)->each.refused, _i ? 0 : 2);
    ck_assert_uint_eq(vms_limits(fix.vms)->all.refused, _i ? 2 : 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* The answer to DEVICE; *@device: what came with it, or -1. */
static struct RcacheVmmHelloAck ask_for_device(int *device)
{
    struct RcacheVmmHdr ask = { .magic = RCACHE_VMM_MAGIC,
                                .type = RCACHE_VMM_DEVICE,
                                .size = sizeof(ask) };
    struct RcacheVmmHelloAck ack;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = { &ack, sizeof(ack) };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
                        .msg_control = &control,
                        .msg_controllen = sizeof(control) };
    int fd = fake_vmm_connect(fix.vmm_path);

    ck_assert_int_eq(send(fd, &ask, sizeof(ask), 0), sizeof(ask));
    fake_pump(50, NULL, NULL);
    ck_assert_int_eq(recvmsg(fd, &m, 0), sizeof(ack));
    ck_assert_uint_eq(ack.hdr.type, RCACHE_VMM_DEVICE_ACK);
    *device = -1;
    if (CMSG_FIRSTHDR(&m)) {
        memcpy(device, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
    }
    ck_assert_int_eq(recv(fd, &ack, 1, 0), 0);
    close(fd);
    return ack;
}

START_TEST(who_may_not_open_the_device_is_given_it)
{
    bool may = !access("/dev/userfaultfd", R_OK | W_OK);
    int device, uffd;
    struct RcacheVmmHelloAck ack = ask_for_device(&device);

    ck_assert(no_vm(NULL));
    if (!may) {
        ck_assert_int_lt(ack.status, 0);
        ck_assert_int_eq(device, -1);
        ck_assert_ptr_nonnull(strstr(ack.text, "/dev/userfaultfd"));
        return;
    }
    ck_assert_int_eq(ack.status, 0);
    uffd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
    ck_assert_int_ge(uffd, 0);
    close(uffd);
    close(device);
}
END_TEST

/* The status of DEVICE, on a connection that is left as it is. */
static int ask_and_leave(int *fd)
{
    struct RcacheVmmHdr ask = { .magic = RCACHE_VMM_MAGIC,
                                .type = RCACHE_VMM_DEVICE,
                                .size = sizeof(ask) };
    struct RcacheVmmHelloAck ack;

    *fd = fake_vmm_connect(fix.vmm_path);
    ck_assert_int_eq(send(*fd, &ask, sizeof(ask), 0), sizeof(ask));
    fake_pump(20, NULL, NULL);
    ck_assert_int_eq(recv(*fd, &ack, sizeof(ack), MSG_PEEK), sizeof(ack));
    return ack.status;
}

/* What is on its way is this user's who runs the daemon, and has a limit. */
START_TEST(who_does_not_read_gets_no_more_devices)
{
    enum { MOST = 32 };
    struct RcacheVmmHelloAck ack;
    int fd[MOST], more;

    if (access("/dev/userfaultfd", R_OK | W_OK)) {
        return;
    }
    for (unsigned i = 0; i < MOST; i++) {
        ck_assert_int_eq(ask_and_leave(&fd[i]), 0);
    }
    ck_assert_int_eq(ask_and_leave(&more), -EBUSY);
    close(more);
    /* Who has read it has it; and who has gone never will. */
    ck_assert_int_eq(recv(fd[0], &ack, sizeof(ack), 0), sizeof(ack));
    ck_assert_int_eq(ask_and_leave(&more), 0);
    close(fd[0]);
    close(fd[1]);
    ck_assert_int_eq(ask_and_leave(&fd[0]), 0);
    ck_assert_int_eq(ask_and_leave(&fd[1]), -EBUSY);
    for (unsigned i = 0; i < MOST; i++) {
        close(fd[i]);
    }
    close(more);
}
END_TEST

static unsigned lines;

static void count_line(const char *domain, GLogLevelFlags level,
                       const char *text, void *opaque)
{
    lines++;
}

/* Each would be told, and a local user can make any number of them. */
START_TEST(refusals_do_not_flood_the_log)
{
    struct RcacheVmmHello bad = fake_vmm_hello(2, 42, "mail");
    pid_t vmm = other_vmm(1, 42, "web");

    bad.version++;
    wait_for_pager();
    g_log_set_default_handler(count_line, NULL);
    for (unsigned i = 0; i < 50; i++) {
        if (_i) {
            expect_refusal(say(&bad), -EPROTONOSUPPORT, "version");
        } else {
            expect_refusal(start(1, 43, "web"), -EEXIST, "uuid");
        }
    }
    ck_assert_uint_ge(lines, 10);
    ck_assert_uint_le(lines, 30);
    fake_vmm_kill(vmm);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, a_pager_gets_its_vmm_and_nothing_else);
    tcase_add_loop_test(tc, a_hello_that_cannot_be_served_is_told_why, 0,
                        G_N_ELEMENTS(bad_hellos));
    tcase_add_test(tc, short_and_long_packets_are_no_hello);
    tcase_add_test(tc, who_says_nothing_is_let_go);
    tcase_add_test(tc, a_flood_of_silent_ones_is_bounded);
    tcase_add_test(tc, a_name_is_made_printable);
    tcase_add_test(tc, a_killed_pager_is_followed_by_another);
    tcase_add_test(tc, pagers_that_crash_are_counted);
    tcase_add_test(tc, a_pager_that_cannot_start_is_not_tried_at_once);
    tcase_add_test(tc, a_pager_that_was_ready_is_followed_at_once);
    tcase_add_test(tc, never_two_pagers_the_old_one_ends_first);
    tcase_add_test(tc, a_stubborn_pager_is_killed_in_time);
    tcase_add_test(tc, who_waits_and_hangs_up_starts_nothing);
    tcase_add_test(tc, the_last_connection_of_a_vmm_is_the_one);
    tcase_add_test(tc, two_vms_with_one_uuid_are_refused);
    tcase_add_test(tc, a_vm_that_starts_anew_follows_its_dead_self);
    tcase_add_test(tc, who_is_dead_when_the_connection_comes_has_no_vm);
    tcase_add_test(tc, a_host_that_cannot_manage_says_so);
    tcase_add_test(tc, who_may_not_open_the_device_is_given_it);
    tcase_add_test(tc, who_does_not_read_gets_no_more_devices);
    tcase_add_loop_test(tc, there_are_no_more_vms_than_there_may_be, 0, 2);
    tcase_add_loop_test(tc, refusals_do_not_flood_the_log, 0, 2);
    return fake_pager_run("vms", tc);
}
