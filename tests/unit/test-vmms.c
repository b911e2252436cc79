/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMs and their pagers: who is let in, when a pager is started, that there is
 * never a second one, and what the next daemon finds.
 */
#include <check.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rcached/vmms.h"
#include "tests/unit/fake-pager.h"

static char *folder, *vmm_path, *link_path;
static RunDir *dir;
static VmmsConfig config;
static Vmms *vmms;
static GArray *pids;            /* pagers to be killed in the end */

static void set_up(void)
{
    folder = g_dir_make_tmp("test-vmms-XXXXXX", NULL);
    dir = rundir_new(folder, NULL);
    ck_assert_ptr_nonnull(dir);
    vmm_path = rundir_path(dir, "vmm.sock");
    link_path = rundir_path(dir, "pager.sock");
    vmms_config_init(&config);
    config.dir = dir;
    config.exe = "/proc/self/exe";
    config.vmm_path = vmm_path;
    config.link_path = link_path;
    config.host = "here";
    config.hello_ms = 200;
    config.pager_exit_ms = 300;
    config.forget_ms = 200;
    vmms = vmms_new(&config, NULL);
    ck_assert_ptr_nonnull(vmms);
    pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
}

static void tear_down(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf %s", folder);

    vmms_free(vmms);
    for (unsigned i = 0; i < pids->len; i++) {
        kill(g_array_index(pids, pid_t, i), SIGKILL);
    }
    g_array_unref(pids);
    rundir_free(dir);
    ck_assert_int_eq(system(command), 0);
    g_free(vmm_path);
    g_free(link_path);
    g_free(folder);
}

/* ------------------------------------------------------------------ VMMs */

static int say(const struct RcacheVmmHello *hello)
{
    int fd = fake_vmm_connect(vmm_path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(send(fd, hello, sizeof(*hello), 0), sizeof(*hello));
    return fd;
}

static int start(uint8_t uuid, uint64_t incarnation, const char *name)
{
    struct RcacheVmmHello hello = fake_vmm_hello(uuid, incarnation, name);

    return say(&hello);
}

static struct RcacheVmmHelloAck read_ack(int fd)
{
    union {
        struct RcacheVmmHelloAck ack;
        char bytes[RCACHE_VMM_MSG_MAX];
    } msg;
    ssize_t len = fake_vmm_recv(fd, &msg);

    ck_assert_int_eq(len, sizeof(msg.ack));
    ck_assert_uint_eq(msg.ack.hdr.magic, RCACHE_VMM_MAGIC);
    ck_assert_uint_eq(msg.ack.hdr.type, RCACHE_VMM_HELLO_ACK);
    ck_assert_uint_eq(msg.ack.hdr.size, sizeof(msg.ack));
    return msg.ack;
}

/* The pager's pid, which is to be answering. */
static pid_t pager_of(int fd)
{
    struct RcacheVmmHelloAck ack = read_ack(fd);
    pid_t pid;

    ck_assert_msg(ack.status == 0, "refused: %s", ack.text);
    ck_assert_int_eq(sscanf(ack.text, "pid=%d", &pid), 1);
    g_array_append_val(pids, pid);
    return pid;
}

static void expect_refusal(int fd, int status, const char *word)
{
    struct RcacheVmmHelloAck ack = read_ack(fd);
    char byte;

    ck_assert_int_eq(ack.status, status);
    ck_assert_msg(strstr(ack.text, word) != NULL, "'%s'", ack.text);
    fake_pump(20, NULL, NULL);
    ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    close(fd);
}

static bool is_dead(void *opaque)
{
    return kill(*(pid_t *)opaque, 0) < 0;
}

static Vm *the_vm(void)
{
    g_autoptr(GPtrArray) list = vmms_list(vmms);

    ck_assert_uint_eq(list->len, 1);
    return g_ptr_array_index(list, 0);
}

static bool no_vm(void *opaque)
{
    g_autoptr(GPtrArray) list = vmms_list(vmms);

    return list->len == 0;
}

static bool no_pager(void *opaque)
{
    return !the_vm()->pager;
}

/* A VMM that is another process: it starts, and stays until it is killed. */
static pid_t other_vmm(uint8_t uuid, uint64_t incarnation, const char *name)
{
    int ready[2];
    pid_t pid;
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    pid = fork();
    if (!pid) {
        start(uuid, incarnation, name);
        ck_assert_int_eq(write(ready[1], "x", 1), 1);
        pause();
        _exit(0);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static bool has_pager(void *opaque)
{
    g_autoptr(GPtrArray) list = vmms_list(vmms);

    return list->len == 1 && ((Vm *)g_ptr_array_index(list, 0))->pager;
}

/* The pager of who is not us. */
static pid_t wait_for_pager(void)
{
    pid_t pid;

    ck_assert(fake_pump(5000, has_pager, NULL));
    pid = pager_proc_pid(the_vm()->pager);
    g_array_append_val(pids, pid);
    return pid;
}

static void kill_vmm(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* ----------------------------------------------------------------- tests */

START_TEST(a_pager_gets_its_vmm_and_nothing_else)
{
    int fd = start(1, 42, "web");
    struct RcacheVmmHelloAck ack = read_ack(fd);
    g_autofree char *expected = NULL;
    pid_t pid = 0;

    sscanf(ack.text, "pid=%d", &pid);
    g_array_append_val(pids, pid);
    /* A session of its own; the VMM's socket and the lock, no more. */
    expected = g_strdup_printf("pid=%d sid=%d fds=0,1,2,3,4", pid, pid);
    ck_assert_str_eq(ack.text, expected);
    ck_assert_str_eq(the_vm()->name, "web");
    ck_assert_uint_eq(the_vm()->incarnation, 42);
    ck_assert_uint_eq(vm_restarts(the_vm()), 0);
    ck_assert_ptr_eq(vmms_find(vmms, "web"), the_vm());
    ck_assert_ptr_eq(vmms_find(vmms, "01010101-0101-0101-0101-010101010101"),
                     the_vm());
    ck_assert_ptr_null(vmms_find(vmms, "mail"));
    close(fd);
}
END_TEST

static void bad_magic(struct RcacheVmmHello *h) { h->hdr.magic++; }
static void bad_type(struct RcacheVmmHello *h) { h->hdr.type++; }
static void bad_size(struct RcacheVmmHello *h) { h->hdr.size++; }
static void bad_version(struct RcacheVmmHello *h) { h->version++; }
static void bad_page(struct RcacheVmmHello *h) { h->page_size = 16384; }
static void bad_copies(struct RcacheVmmHello *h) { h->copies = 2; }
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
    int fd = fake_vmm_connect(vmm_path);

    hello.hdr.size = sizeof(hello) - 8;
    send(fd, &hello, sizeof(hello) - 8, 0);
    expect_refusal(fd, -EPROTO, "short");
    fd = fake_vmm_connect(vmm_path);
    send(fd, zeros, 1, 0);
    expect_refusal(fd, -EPROTO, "protocol");
    fd = fake_vmm_connect(vmm_path);
    send(fd, zeros, sizeof(zeros), 0);
    expect_refusal(fd, -EPROTO, "protocol");
    ck_assert(no_vm(NULL));
}
END_TEST

START_TEST(who_says_nothing_is_let_go)
{
    char buf[RCACHE_VMM_MSG_MAX];
    int fd = fake_vmm_connect(vmm_path), gone = fake_vmm_connect(vmm_path);

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
        fds[i] = fake_vmm_connect(vmm_path);
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

/* Start over with another patience, so that nobody is killed for slowness. */
static void be_patient(void)
{
    vmms_free(vmms);
    config.pager_exit_ms = 60 * 1000;
    vmms = vmms_new(&config, NULL);
    ck_assert_ptr_nonnull(vmms);
}

START_TEST(never_two_pagers_the_old_one_ends_first)
{
    pid_t first, second;
    int fd, again;

    be_patient();
    fd = start(1, 42, "web");
    first = pager_of(fd);
    again = start(1, 42, "web");        /* the first still has its VMM */
    fake_pump(100, NULL, NULL);
    ck_assert_int_eq(pager_proc_pid(the_vm()->pager), first);
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
                     config.pager_exit_ms * 1000);
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
    fake_pump(config.pager_exit_ms + 100, NULL, NULL);
    ck_assert_int_eq(pager_proc_pid(the_vm()->pager), first);
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
    ck_assert_int_eq(pager_proc_pid(the_vm()->pager), pager);
    ck_assert_uint_eq(the_vm()->incarnation, 42);
    kill_vmm(vmm);
    ck_assert(fake_pump(5000, no_vm, NULL));
}
END_TEST

START_TEST(a_vm_that_starts_anew_follows_its_dead_self)
{
    pid_t vmm = other_vmm(1, 42, "stubborn");
    pid_t pager = wait_for_pager();
    int fd;

    kill_vmm(vmm);
    fd = start(1, 43, "web");
    pager_of(fd);
    ck_assert(is_dead(&pager));
    ck_assert_uint_eq(the_vm()->incarnation, 43);
    ck_assert_uint_eq(vm_restarts(the_vm()), 0);
    close(fd);
}
END_TEST

static bool refuse_all(GError **errp)
{
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL, "not on Sundays");
    return false;
}

START_TEST(a_host_that_cannot_manage_says_so)
{
    vmms_free(vmms);
    config.admit = refuse_all;
    vmms = vmms_new(&config, NULL);
    expect_refusal(start(1, 42, "web"), -ENOTSUP, "Sundays");
    ck_assert(no_vm(NULL));
}
END_TEST

/* ----------------------------------------------------------- next daemon */

static void next_daemon(void)
{
    vmms_free(vmms);
    vmms = vmms_new(&config, NULL);
    ck_assert_ptr_nonnull(vmms);
}

START_TEST(pagers_outlive_the_daemon_and_are_found)
{
    pid_t pager, second;
    int fd, again;

    be_patient();
    fd = start(1, 42, "web");
    pager = pager_of(fd);
    next_daemon();
    ck_assert_int_eq(kill(pager, 0), 0);
    ck_assert_int_eq(pager_proc_pid(the_vm()->pager), pager);
    ck_assert(pager_proc_adopted(the_vm()->pager));
    ck_assert_str_eq(the_vm()->name, "web");
    ck_assert_uint_eq(the_vm()->incarnation, 42);

    again = start(1, 42, "web");
    fake_pump(100, NULL, NULL);
    ck_assert_int_eq(pager_proc_pid(the_vm()->pager), pager);
    close(fd);
    second = pager_of(again);
    ck_assert_int_ne(second, pager);
    ck_assert_uint_eq(vm_restarts(the_vm()), 1);
    close(again);
}
END_TEST

START_TEST(an_unknown_vmm_of_a_found_pager_is_given_the_doubt)
{
    int fd = start(1, 42, "stubborn");
    pid_t pager = pager_of(fd);

    next_daemon();
    expect_refusal(start(1, 43, "mail"), -EBUSY, "uuid");
    ck_assert_int_eq(pager_proc_pid(the_vm()->pager), pager);
    close(fd);
}
END_TEST

START_TEST(what_dead_pagers_left_is_cleared_away)
{
    g_autofree char *file = rundir_path(dir,
        "pager-01010101-0101-0101-0101-010101010101");
    int fd = start(1, 42, "web");
    pid_t pager = pager_of(fd);

    ck_assert(g_file_test(file, G_FILE_TEST_EXISTS));
    vmms_free(vmms);
    kill(pager, SIGKILL);
    waitpid(pager, NULL, 0);
    vmms = vmms_new(&config, NULL);
    ck_assert(no_vm(NULL));
    ck_assert(!g_file_test(file, G_FILE_TEST_EXISTS));
    close(fd);
}
END_TEST

/* Somebody else's pid in a file is not taken for a pager. */
START_TEST(a_file_without_its_lock_proves_nothing)
{
    g_autofree char *file = rundir_path(dir,
        "pager-01010101-0101-0101-0101-010101010101");
    g_autofree char *text = g_strdup_printf("%d 42 web\n", getpid());

    vmms_free(vmms);
    ck_assert(g_file_set_contents(file, text, -1, NULL));
    vmms = vmms_new(&config, NULL);
    ck_assert(no_vm(NULL));
}
END_TEST

START_TEST(a_link_adopts_only_the_holder_of_the_lock)
{
    struct LinkHello hello = { .incarnation = 42, .name = "web",
                               .session = 3 };
    g_autoptr(GError) error = NULL;
    int fd = start(1, 42, "web");
    pid_t pager = pager_of(fd);
    Vm *vm;

    memset(hello.uuid, 1, sizeof(hello.uuid));
    ck_assert_ptr_null(vmms_link_hello(vmms, &hello, getpid(), &error));
    g_clear_error(&error);
    vm = vmms_link_hello(vmms, &hello, pager, &error);
    ck_assert_ptr_eq(vm, the_vm());
    ck_assert_uint_eq(vm_restarts(vm), 2);      /* attaches tell as well */
    hello.incarnation = 43;
    ck_assert_ptr_null(vmms_link_hello(vmms, &hello, pager, &error));
    g_clear_error(&error);
    memset(hello.uuid, 2, sizeof(hello.uuid));
    ck_assert_ptr_null(vmms_link_hello(vmms, &hello, getpid(), &error));
    ck_assert_ptr_nonnull(error);
    close(fd);
}
END_TEST

START_TEST(one_daemon_in_a_folder_and_no_socket_after_it)
{
    g_autoptr(GError) error = NULL;
    struct stat st;

    ck_assert_ptr_null(rundir_new(folder, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "another rcached"));
    ck_assert_int_eq(stat(vmm_path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    g_clear_pointer(&vmms, vmms_free);
    ck_assert(!g_file_test(vmm_path, G_FILE_TEST_EXISTS));
    /* A file that is no socket is nobody's to remove. */
    ck_assert(g_file_set_contents(vmm_path, "", 0, NULL));
    g_clear_error(&error);
    ck_assert_ptr_null(vmms_new(&config, &error));
    ck_assert_ptr_nonnull(strstr(error->message, vmm_path));
    ck_assert(g_file_test(vmm_path, G_FILE_TEST_EXISTS));
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("vmms");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    fake_pager_main(argc, argv);
    signal(SIGPIPE, SIG_IGN);
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
    tcase_add_test(tc, never_two_pagers_the_old_one_ends_first);
    tcase_add_test(tc, a_stubborn_pager_is_killed_in_time);
    tcase_add_test(tc, who_waits_and_hangs_up_starts_nothing);
    tcase_add_test(tc, the_last_connection_of_a_vmm_is_the_one);
    tcase_add_test(tc, two_vms_with_one_uuid_are_refused);
    tcase_add_test(tc, a_vm_that_starts_anew_follows_its_dead_self);
    tcase_add_test(tc, a_host_that_cannot_manage_says_so);
    tcase_add_test(tc, pagers_outlive_the_daemon_and_are_found);
    tcase_add_test(tc, an_unknown_vmm_of_a_found_pager_is_given_the_doubt);
    tcase_add_test(tc, what_dead_pagers_left_is_cleared_away);
    tcase_add_test(tc, a_file_without_its_lock_proves_nothing);
    tcase_add_test(tc, a_link_adopts_only_the_holder_of_the_lock);
    tcase_add_test(tc, one_daemon_in_a_folder_and_no_socket_after_it);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
