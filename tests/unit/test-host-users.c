/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host's status says of local users: of their VMs and their limits. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rcached/host-status.h"
#include "tests/unit/daemon-fixture.h"

static Daemon daemon_;

static void tear_down(void)
{
    daemon_stop(&daemon_);
}

static char *problem_of(unsigned i)
{
    g_autoptr(JsonObject) o = host_status(daemon_.rcached, 0);
    JsonArray *problems = json_object_get_array_member(o, "problems");

    return g_strdup(i < json_array_get_length(problems)
                        ? json_array_get_string_element(problems, i) : "");
}

static bool is_attached(void *opaque)
{
    const Vm *vm = vms_find(daemon_.rcached->vms, "web");

    return vm && vm->figures.attached;
}

static bool has_refused(void *opaque)
{
    return vms_find(daemon_.rcached->vms, "web")->refused.count;
}

/* Which of the two is the VM, the operator has to see. */
START_TEST(who_comes_with_the_uuid_of_a_vm_is_told)
{
    g_autofree char *problem = NULL, *expected = NULL;
    pid_t pid;
    int fd;

    daemon_start(&daemon_, NULL);
    fd = daemon_vm(&daemon_, 5, "web");
    ck_assert(fake_pump(5000, is_attached, NULL));
    pid = fork();
    if (!pid) {
        g_autofree char *path = g_build_filename(daemon_.folder, "vmm.sock",
                                                 NULL);
        struct RcacheVmmHello hello = fake_vmm_hello(5, 43, "web");
        int other = fake_vmm_connect(path);

        _exit(send(other, &hello, sizeof(hello), 0) < 0 || pause());
    }
    ck_assert(fake_pump(5000, has_refused, NULL));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    problem = problem_of(0);
    expected = g_strdup_printf("vm web: process %d of user %u came with the "
                               "same uuid and was refused (1 time): process %d "
                               "of user %u has it, since ",
                               (int)pid, geteuid(), (int)getpid(), geteuid());
    ck_assert_msg(g_str_has_prefix(problem, expected), "%s", problem);
    close(fd);
}
END_TEST

START_TEST(a_limit_that_bites_is_told)
{
    g_autofree char *conf = NULL, *option = NULL, *problem = NULL;
    const char *more[] = { NULL, NULL };
    g_autoptr(JsonObject) status = NULL;
    struct RcacheVmmHello hello = fake_vmm_hello(6, 42, "mail");
    g_autofree char *path = NULL;
    union {
        struct RcacheVmmHelloAck ack;
        char bytes[RCACHE_VMM_MSG_MAX];
    } msg;
    int fd, other, file;

    file = g_file_open_tmp("test-host-users-XXXXXX", &conf, NULL);
    ck_assert_int_ge(file, 0);
    ck_assert(g_file_set_contents(conf, "[limits]\npagers-per-user = 1\n", -1,
                                  NULL));
    more[0] = option = g_strdup_printf("--config=%s", conf);
    daemon_start(&daemon_, more);
    path = g_build_filename(daemon_.folder, "vmm.sock", NULL);
    fd = daemon_vm(&daemon_, 5, "web");
    ck_assert(fake_pump(5000, is_attached, NULL));
    other = fake_vmm_connect(path);
    ck_assert_int_eq(send(other, &hello, sizeof(hello), 0), sizeof(hello));
    ck_assert_int_eq(fake_vmm_recv(other, &msg), sizeof(msg.ack));
    ck_assert_int_eq(msg.ack.status, -EDQUOT);
    problem = problem_of(0);
    ck_assert_msg(g_str_has_prefix(problem, "the limit [limits] "
                                   "pagers-per-user = 1 has kept VMs from "
                                   "having a pager 1 time, "), "%s", problem);
    status = daemon_ask_object(&daemon_, "status");
    ck_assert_int_eq(json_object_get_int_member(status, "pagers_refused"), 1);
    ck_assert_int_eq(json_object_get_int_member(status, "pagers_per_user_max"),
                     1);
    close(file);
    unlink(conf);
    close(other);
    close(fd);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    tcase_add_checked_fixture(tc, NULL, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_limit_that_bites_is_told);
    tcase_add_test(tc, who_comes_with_the_uuid_of_a_vm_is_told);
    return fake_pager_run("host-users", tc);
}
