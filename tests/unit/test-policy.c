/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policy: it acts at its own rate, whoever looks, however often. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "rcached/host-json.h"
#include "rcached/host-status.h"
#include "tests/unit/daemon-fixture.h"

#define MIB     (INT64_C(1) << 20)

static Daemon daemon_;

static void put(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    ck_assert(g_file_set_contents(path, text, -1, NULL));
}

/* A cgroup with so much free of 1000 MiB. */
static void put_cgroup(const char *folder, int64_t available)
{
    g_autofree char *used = g_strdup_printf("%" G_GINT64_FORMAT,
                                            1000 * MIB - available);
    g_autofree char *max = g_strdup_printf("%" G_GINT64_FORMAT, 1000 * MIB);

    put(folder, "memory.max", max);
    put(folder, "memory.current", used);
    put(folder, "memory.stat", "inactive_file 0\n");
}

/*
 * Every command that only reads, so often that a look which acted would be
 * seen in what was decided: the budget follows what is free step by step.
 */
START_TEST(looking_changes_nothing)
{
    g_autofree char *folder = g_dir_make_tmp("test-cgroup-XXXXXX", NULL);
    g_autofree char *source = g_strdup_printf("--memory-source=cgroup:%s",
                                              folder);
    g_autofree char *command = g_strdup_printf("rm -rf %s", folder);
    const char *const options[] = { source, NULL };
    HostState before;

    put_cgroup(folder, 900 * MIB);
    daemon_start(&daemon_, options);
    before = *policy_state(daemon_.rcached->policy);
    ck_assert_uint_eq(before.runs, 1);
    ck_assert_uint_eq(before.budget, 900 * MIB);
    put_cgroup(folder, 100 * MIB);
    for (unsigned i = 0; i < 100; i++) {
        json_object_unref(host_status(daemon_.rcached, 0));
        json_object_unref(host_json_host(daemon_.rcached));
        json_array_unref(host_json_leases(daemon_.rcached));
        json_array_unref(host_json_vms(daemon_.rcached));
    }
    ck_assert_mem_eq(&before, policy_state(daemon_.rcached->policy),
                     sizeof(before));
    /* And a run does change it, but at its own rate. */
    for (unsigned i = 0; i < 100; i++) {
        policy_run(daemon_.rcached->policy, g_get_monotonic_time() +
                   G_USEC_PER_SEC);
    }
    ck_assert_uint_eq(policy_state(daemon_.rcached->policy)->runs, 101);
    ck_assert_uint_eq(policy_state(daemon_.rcached->policy)->budget,
                      300 * MIB);
    daemon_stop(&daemon_);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(int argc, char **argv)
{
    TCase *tc = tcase_create("all");

    fake_pager_main(argc, argv);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, looking_changes_nothing);
    return fake_pager_run("policy", tc);
}
