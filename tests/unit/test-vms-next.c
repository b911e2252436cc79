/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pagers outlive the daemon: what the next one finds, and what it believes. */
#include <check.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/vms-fixture.h"

static void next_daemon(void)
{
    vms_free(fix.vms);
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert_ptr_nonnull(fix.vms);
}

static void kill_pager(pid_t pager)
{
    kill(pager, SIGKILL);
    waitpid(pager, NULL, 0);
}

START_TEST(pagers_outlive_the_daemon_and_are_found)
{
    pid_t pager, second;
    int fd, again;

    be_patient();
    fd = start(1, 42, "web");
    kill(pager_of(fd), SIGKILL);
    ck_assert(fake_pump(5000, no_pager, NULL));
    close(fd);
    fd = start(1, 42, "web");
    pager = pager_of(fd);
    next_daemon();
    ck_assert_uint_eq(vm_restarts(the_vm()), 1);
    ck_assert_int_eq(kill(pager, 0), 0);
    ck_assert_int_eq(pager_process_pid(the_vm()->pager), pager);
    ck_assert(pager_process_adopted(the_vm()->pager));
    ck_assert_str_eq(the_vm()->name, "web");
    ck_assert_uint_eq(the_vm()->incarnation, 42);

    again = start(1, 42, "web");
    fake_pump(100, NULL, NULL);
    ck_assert_int_eq(pager_process_pid(the_vm()->pager), pager);
    close(fd);
    second = pager_of(again);
    ck_assert_int_ne(second, pager);
    ck_assert_uint_eq(vm_restarts(the_vm()), 2);
    close(again);
}
END_TEST

START_TEST(an_unknown_vmm_of_a_found_pager_is_given_the_doubt)
{
    int fd = start(1, 42, "stubborn");
    pid_t pager = pager_of(fd);

    next_daemon();
    expect_refusal(start(1, 43, "mail"), -EBUSY, "uuid");
    ck_assert_int_eq(pager_process_pid(the_vm()->pager), pager);
    close(fd);
}
END_TEST

START_TEST(what_dead_pagers_left_is_cleared_away)
{
    g_autofree char *file = rundir_path(fix.dir,
        "pager-01010101-0101-0101-0101-010101010101");
    int fd = start(1, 42, "web");
    pid_t pager = pager_of(fd);

    ck_assert(g_file_test(file, G_FILE_TEST_EXISTS));
    vms_free(fix.vms);
    kill_pager(pager);
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert_ptr_null(the_vm()->pager);
    ck_assert(!g_file_test(file, G_FILE_TEST_EXISTS));
    close(fd);
}
END_TEST

static char *vm_file(void)
{
    return rundir_path(fix.dir, "vm-01010101-0101-0101-0101-010101010101");
}

/* The pager is dead, and with it all that pagers leave. */
START_TEST(a_vm_without_a_pager_is_known_to_the_next_daemon)
{
    g_autofree char *file = vm_file();
    pid_t vmm = other_vmm(1, 42, "web");
    pid_t pager = wait_for_pager();

    vms_free(fix.vms);
    kill_pager(pager);
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert_int_eq(the_vm()->vmm.pid, vmm);
    ck_assert_str_eq(the_vm()->name, "web");
    ck_assert_uint_eq(the_vm()->incarnation, 42);
    fake_pump(fix.config.forget_ms + 1200, NULL, NULL);
    expect_refusal(start(1, 42, "web"), -EEXIST, "another process");
    expect_refusal(start(1, 43, "mail"), -EEXIST, "uuid");
    ck_assert_uint_eq(the_vm()->refused.count, 2);
    ck_assert_int_eq(the_vm()->refused.pid, getpid());
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, no_vm, NULL));
    ck_assert(!g_file_test(file, G_FILE_TEST_EXISTS));
}
END_TEST

static char *hold_file(void)
{
    return rundir_path(fix.dir, "hold-01010101-0101-0101-0101-010101010101");
}

/* A hold is for one start of a VM: the next daemon has it, its next start not,
 * and nothing of it is left. */
START_TEST(a_hold_lasts_as_long_as_its_vm)
{
    g_autofree char *file = hold_file();
    pid_t vmm = other_vmm(1, 42, "web");
    pid_t pager = wait_for_pager();

    ck_assert(vms_hold(fix.vms, the_vm(), true, NULL));
    vms_free(fix.vms);
    kill_pager(pager);
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert(the_vm()->hold.held);
    ck_assert(rundir_has_hold(fix.dir, the_vm()->uuid, 42));
    ck_assert(!rundir_has_hold(fix.dir, the_vm()->uuid, 43));
    ck_assert(vms_hold(fix.vms, the_vm(), false, NULL));
    ck_assert(!g_file_test(file, G_FILE_TEST_EXISTS));
    ck_assert(vms_hold(fix.vms, the_vm(), true, NULL));
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, no_vm, NULL));
    ck_assert(!g_file_test(file, G_FILE_TEST_EXISTS));
}
END_TEST

/* One with that pid lives, but is not who is meant: nothing is away. */
START_TEST(a_pid_that_another_process_has_now_is_no_vm)
{
    g_autofree char *file = vm_file();
    g_autofree char *text = g_strdup_printf("%d 1 %u 1 42 web\n", getpid(),
                                            (unsigned)geteuid());

    vms_free(fix.vms);
    ck_assert(g_file_set_contents(file, text, -1, NULL));
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert(no_vm(NULL));
    ck_assert(!g_file_test(file, G_FILE_TEST_EXISTS));
    pager_of(start(1, 43, "web"));
}
END_TEST

START_TEST(a_note_that_makes_no_sense_is_none)
{
    g_autofree char *file = vm_file();

    vms_free(fix.vms);
    ck_assert(g_file_set_contents(file, "web", -1, NULL));
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert(no_vm(NULL));
    ck_assert(!g_file_test(file, G_FILE_TEST_EXISTS));
}
END_TEST

/* The pager is alive and the VMM is not: who starts anew need not wait long. */
START_TEST(a_vmm_that_died_meanwhile_is_dead)
{
    pid_t vmm = other_vmm(1, 42, "stubborn");
    pid_t pager = wait_for_pager();

    vms_free(fix.vms);
    fake_vmm_kill(vmm);
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert_int_eq(vmm_process_alive(&the_vm()->vmm), VMM_DEAD);
    pager_of(start(1, 43, "web"));
    ck_assert_int_eq(waitpid(pager, NULL, 0), pager);
}
END_TEST

/* Somebody else's pid in a file is not taken for a pager. */
START_TEST(a_file_without_its_lock_proves_nothing)
{
    g_autofree char *file = rundir_path(fix.dir,
        "pager-01010101-0101-0101-0101-010101010101");
    g_autofree char *text = g_strdup_printf("%d 42 1 web\n", getpid());

    vms_free(fix.vms);
    ck_assert(g_file_set_contents(file, text, -1, NULL));
    fix.vms = vms_new(&fix.config, NULL);
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
    const Vm *vm;

    memset(hello.uuid, 1, sizeof(hello.uuid));
    ck_assert_ptr_null(vms_link_hello(fix.vms, &hello, getpid(), &error));
    g_clear_error(&error);
    vm = vms_link_hello(fix.vms, &hello, pager, &error);
    ck_assert_ptr_eq(vm, the_vm());
    ck_assert_uint_eq(vm_restarts(vm), 0);      /* sessions are no starts */
    hello.incarnation = 43;
    ck_assert_ptr_null(vms_link_hello(fix.vms, &hello, pager, &error));
    g_clear_error(&error);
    memset(hello.uuid, 2, sizeof(hello.uuid));
    ck_assert_ptr_null(vms_link_hello(fix.vms, &hello, getpid(), &error));
    ck_assert_ptr_nonnull(error);
    close(fd);
}
END_TEST

START_TEST(one_daemon_in_a_folder_and_no_socket_after_it)
{
    g_autoptr(GError) error = NULL;
    struct stat st;

    ck_assert_ptr_null(rundir_new(fix.folder, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "another rcached"));
    ck_assert_int_eq(stat(fix.vmm_path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0660);
    g_clear_pointer(&fix.vms, vms_free);
    ck_assert(!g_file_test(fix.vmm_path, G_FILE_TEST_EXISTS));
    /* A file that is no socket is nobody's to remove. */
    ck_assert(g_file_set_contents(fix.vmm_path, "", 0, NULL));
    g_clear_error(&error);
    ck_assert_ptr_null(vms_new(&fix.config, &error));
    ck_assert_ptr_nonnull(strstr(error->message, fix.vmm_path));
    ck_assert(g_file_test(fix.vmm_path, G_FILE_TEST_EXISTS));
}
END_TEST

/* Its leases would be nobody's. */
START_TEST(a_host_keeps_its_name_while_pagers_run)
{
    static const uint8_t uuid[RCACHE_UUID_LEN] = { 7 };
    g_autoptr(GError) error = NULL;
    RunDir *dir = fix.config.dir;
    int lock;

    ck_assert(rundir_keep_name(dir, "a", NULL));
    ck_assert(rundir_keep_name(dir, "b", NULL));
    lock = rundir_lock_pager(dir, uuid);
    ck_assert_int_ge(lock, 0);
    ck_assert(rundir_keep_name(dir, "b", NULL));
    ck_assert(!rundir_keep_name(dir, "a", &error));
    ck_assert_ptr_nonnull(strstr(error->message, "name = b"));
    close(lock);
    ck_assert(rundir_keep_name(dir, "a", NULL));
}
END_TEST

typedef struct Over {
    unsigned n;
    uint8_t uuid[RCACHE_UUID_LEN];
    uint64_t incarnation;
} Over;

static void note_over(const uint8_t *uuid, uint64_t incarnation,
                      const char *name, void *opaque)
{
    Over *over = opaque;

    over->n++;
    memcpy(over->uuid, uuid, sizeof(over->uuid));
    over->incarnation = incarnation;
}

/* A daemon that notes who is over, and a VM with a pager. */
static pid_t begin_over(Over *over, const char *name, pid_t *pager)
{
    pid_t vmm;

    fix.config.over = note_over;
    fix.config.over_opaque = over;
    next_daemon();
    vmm = other_vmm(1, 42, name);
    *pager = wait_for_pager();
    return vmm;
}

static void expect_over(const Over *over)
{
    ck_assert_uint_ge(over->n, 1);
    ck_assert_uint_eq(over->uuid[0], 1);
    ck_assert_uint_eq(over->incarnation, 42);
}

/* Pages of one that lives may be away, whatever its pagers do. */
START_TEST(a_vm_is_over_when_its_process_is_dead)
{
    Over over = { 0 };
    pid_t pager, vmm = begin_over(&over, "web", &pager);

    kill(pager, SIGKILL);
    ck_assert(fake_pump(5000, no_pager, NULL));
    fake_pump(fix.config.forget_ms + 1200, NULL, NULL);
    ck_assert_uint_eq(over.n, 0);
    fake_vmm_kill(vmm);
    ck_assert(fake_pump(5000, no_vm, NULL));
    expect_over(&over);
    /* Between two daemons. */
    over.n = 0;
    vmm = other_vmm(1, 42, "web");
    pager = wait_for_pager();
    vms_free(fix.vms);
    kill_pager(pager);
    fake_vmm_kill(vmm);
    fix.vms = vms_new(&fix.config, NULL);
    expect_over(&over);
}
END_TEST

/* Its pid names nobody in the namespace of the daemon that comes next. */
START_TEST(a_vm_of_another_pid_namespace_is_not_taken_for_dead)
{
    g_autofree char *first = rundir_path(fix.dir, "pid-1");
    Over over = { 0 };
    pid_t pager, vmm = begin_over(&over, "web", &pager);

    vms_free(fix.vms);
    kill_pager(pager);
    fake_vmm_kill(vmm);
    ck_assert(g_file_set_contents(first, "1\n", -1, NULL));
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert_uint_eq(over.n, 0);
    next_daemon();              /* nor by the one after that */
    ck_assert_uint_eq(over.n, 0);
}
END_TEST

/* A pid of another namespace is a stranger's here, who would be killed. */
START_TEST(a_pager_of_another_pid_namespace_is_known_by_its_link)
{
    struct LinkHello hello = { .incarnation = 42, .name = "web" };
    g_autofree char *first = rundir_path(fix.dir, "pid-1");
    int fd = start(1, 42, "web");
    pid_t pager = pager_of(fd);
    const Vm *vm;

    vms_free(fix.vms);
    ck_assert(g_file_set_contents(first, "1\n", -1, NULL));
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert_ptr_null(the_vm()->pager);
    start(2, 42, "mail");       /* which makes the namespace this one */
    fake_pump(100, NULL, NULL);
    next_daemon();
    memset(hello.uuid, 1, sizeof(hello.uuid));
    vm = vms_find(fix.vms, "web");
    ck_assert_ptr_nonnull(vm);
    ck_assert_ptr_null(vm->pager);
    ck_assert_ptr_eq(vms_link_hello(fix.vms, &hello, pager, NULL), vm);
    ck_assert_int_eq(pager_process_pid(vm->pager), pager);
    close(fd);
}
END_TEST

/* An older daemon has not said of which namespace its pids are. */
START_TEST(nothing_is_over_where_the_namespace_is_not_known)
{
    g_autofree char *first = rundir_path(fix.dir, "pid-1");
    bool killed_pager = _i;
    Over over = { 0 };
    pid_t pager, vmm = begin_over(&over, "stubborn", &pager);

    vms_free(fix.vms);
    fake_vmm_kill(vmm);
    if (killed_pager) {
        kill_pager(pager);
    }
    ck_assert_int_eq(g_unlink(first), 0);
    fix.vms = vms_new(&fix.config, NULL);
    if (!killed_pager) {
        kill(pager, SIGKILL);
    }
    ck_assert(fake_pump(5000, no_vm, NULL));
    ck_assert_uint_eq(over.n, 0);
}
END_TEST

/* As where there is no room for one file more: whose a VM is, is known. */
START_TEST(a_vm_is_noted_whatever_else_cannot_be)
{
    g_autofree char *first = rundir_path(fix.dir, "pid-1");
    g_autofree char *file = vm_file();
    int fd;

    g_unlink(first);
    ck_assert_int_eq(g_mkdir(first, 0700), 0);
    fd = start(1, 42, "web");
    pager_of(fd);
    ck_assert(g_file_test(file, G_FILE_TEST_EXISTS));
    /* And that one is written by the next who comes, when it can be. */
    ck_assert_int_eq(g_rmdir(first), 0);
    start(2, 42, "mail");
    fake_pump(100, NULL, NULL);
    ck_assert(g_file_test(first, G_FILE_TEST_EXISTS));
    close(fd);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, a_host_keeps_its_name_while_pagers_run);
    tcase_add_test(tc, pagers_outlive_the_daemon_and_are_found);
    tcase_add_test(tc, an_unknown_vmm_of_a_found_pager_is_given_the_doubt);
    tcase_add_test(tc, what_dead_pagers_left_is_cleared_away);
    tcase_add_test(tc, a_vm_without_a_pager_is_known_to_the_next_daemon);
    tcase_add_test(tc, a_hold_lasts_as_long_as_its_vm);
    tcase_add_test(tc, a_pid_that_another_process_has_now_is_no_vm);
    tcase_add_test(tc, a_note_that_makes_no_sense_is_none);
    tcase_add_test(tc, a_vmm_that_died_meanwhile_is_dead);
    tcase_add_test(tc, a_file_without_its_lock_proves_nothing);
    tcase_add_test(tc, a_link_adopts_only_the_holder_of_the_lock);
    tcase_add_test(tc, a_vm_is_over_when_its_process_is_dead);
    tcase_add_test(tc, a_vm_of_another_pid_namespace_is_not_taken_for_dead);
    tcase_add_test(tc, a_pager_of_another_pid_namespace_is_known_by_its_link);
    tcase_add_loop_test(tc, nothing_is_over_where_the_namespace_is_not_known,
                        0, 2);
    tcase_add_test(tc, a_vm_is_noted_whatever_else_cannot_be);
    tcase_add_test(tc, one_daemon_in_a_folder_and_no_socket_after_it);
    return fake_pager_run("vms-next", tc);
}
