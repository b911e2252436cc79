/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vms-fixture: a table of VMs and VMMs that talk to it.  See its header. */
#include "tests/unit/vms-fixture.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

VmmsFixture fix;

void set_up(void)
{
    fix.folder = g_dir_make_tmp("test-vms-XXXXXX", NULL);
    fix.dir = rundir_new(fix.folder, NULL);
    ck_assert_ptr_nonnull(fix.dir);
    fix.vmm_path = rundir_path(fix.dir, "vmm.sock");
    fix.link_path = rundir_path(fix.dir, "pager.sock");
    vms_config_init(&fix.config);
    fix.config.dir = fix.dir;
    fix.config.exe = "/proc/self/exe";
    fix.config.vmm_path = fix.vmm_path;
    fix.config.link_path = fix.link_path;
    fix.config.host = "here";
    fix.config.hello_ms = 200;
    fix.config.pager_exit_ms = 300;
    fix.config.forget_ms = 200;
    fix.config.sweep_ms = 200;
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert_ptr_nonnull(fix.vms);
    fix.pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
}

void tear_down(void)
{
    g_autofree char *command = g_strdup_printf("rm -rf %s", fix.folder);

    vms_free(fix.vms);
    for (unsigned i = 0; i < fix.pids->len; i++) {
        kill(g_array_index(fix.pids, pid_t, i), SIGKILL);
    }
    g_array_unref(fix.pids);
    rundir_free(fix.dir);
    ck_assert_int_eq(system(command), 0);
    g_free(fix.vmm_path);
    g_free(fix.link_path);
    g_free(fix.folder);
}

/* ------------------------------------------------------------------ VMMs */

int say(const struct RcacheVmmHello *hello)
{
    int fd = fake_vmm_connect(fix.vmm_path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(send(fd, hello, sizeof(*hello), 0), sizeof(*hello));
    return fd;
}

int start(uint8_t uuid, uint64_t incarnation, const char *name)
{
    struct RcacheVmmHello hello = fake_vmm_hello(uuid, incarnation, name);

    return say(&hello);
}

struct RcacheVmmHelloAck read_ack(int fd)
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
pid_t pager_of(int fd)
{
    struct RcacheVmmHelloAck ack = read_ack(fd);
    pid_t pid;

    ck_assert_msg(ack.status == 0, "refused: %s", ack.text);
    ck_assert_int_eq(sscanf(ack.text, "pid=%d", &pid), 1);
    g_array_append_val(fix.pids, pid);
    return pid;
}

void expect_refusal(int fd, int status, const char *word)
{
    struct RcacheVmmHelloAck ack = read_ack(fd);
    char byte;

    ck_assert_int_eq(ack.status, status);
    ck_assert_msg(strstr(ack.text, word) != NULL, "'%s'", ack.text);
    fake_pump(20, NULL, NULL);
    ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    close(fd);
}

bool is_dead(void *opaque)
{
    return kill(*(pid_t *)opaque, 0) < 0;
}

const Vm *the_vm(void)
{
    g_autoptr(GPtrArray) list = vms_list(fix.vms);

    ck_assert_uint_eq(list->len, 1);
    return g_ptr_array_index(list, 0);
}

bool no_vm(void *opaque)
{
    g_autoptr(GPtrArray) list = vms_list(fix.vms);

    return list->len == 0;
}

bool no_pager(void *opaque)
{
    return !the_vm()->pager;
}

/* A VMM that is another process: it starts, and stays until it is killed. */
pid_t other_vmm(uint8_t uuid, uint64_t incarnation, const char *name)
{
    struct RcacheVmmHello hello = fake_vmm_hello(uuid, incarnation, name);

    return fake_vmm_process(fix.vmm_path, getuid(), &hello);
}

static bool has_pager(void *opaque)
{
    g_autoptr(GPtrArray) list = vms_list(fix.vms);

    return list->len == 1 && ((Vm *)g_ptr_array_index(list, 0))->pager;
}

/* The pager of who is not us. */
pid_t wait_for_pager(void)
{
    pid_t pid;

    ck_assert(fake_pump(5000, has_pager, NULL));
    pid = pager_process_pid(the_vm()->pager);
    g_array_append_val(fix.pids, pid);
    return pid;
}

/* Start over with another patience, so that nobody is killed for slowness. */
void be_patient(void)
{
    vms_free(fix.vms);
    fix.config.pager_exit_ms = 60 * 1000;
    fix.vms = vms_new(&fix.config, NULL);
    ck_assert_ptr_nonnull(fix.vms);
}
