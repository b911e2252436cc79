/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory: both back ends, on folders that look like proc and cgroups. */
#include <check.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "common/proc-text.h"
#include "rcached/agent/memory.h"

#define MIB     (UINT64_C(1) << 20)
/* Looks after which a limit that is set must have been noticed. */
#define SOON    20

static char *root;
static char *proc;

static void put(const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(root, name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    ck_assert_int_eq(g_mkdir_with_parents(folder, 0755), 0);
    ck_assert(g_file_set_contents(path, text, -1, NULL));
}

static void set_up(void)
{
    root = g_dir_make_tmp("test-memory-XXXXXX", NULL);
    proc = g_build_filename(root, "proc", NULL);
    put("proc/meminfo",
        "MemTotal:        1024000 kB\n"
        "MemFree:          100000 kB\n"
        "MemAvailable:     512000 kB\n"
        "Buffers:               0 kB\n");
    put("proc/pressure/memory",
        "some avg10=1.25 avg60=3.00 avg300=0.10 total=2398576\n"
        "full avg10=0.50 avg60=0.00 avg300=0.00 total=1221\n");
}

static void remove_tree(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    if (dir) {
        g_dir_close(dir);
    }
    g_remove(path);
}

static void tear_down(void)
{
    remove_tree(root);
    g_clear_pointer(&root, g_free);
    g_clear_pointer(&proc, g_free);
}

static MemorySample read_host(void)
{
    g_autoptr(MemorySource) source = memory_source_new("host", proc, NULL);
    MemorySample sample;

    ck_assert_ptr_nonnull(source);
    ck_assert(memory_source_read(source, &sample, NULL));
    return sample;
}

static MemorySource *open_cgroup(const char *name, GError **errp)
{
    g_autofree char *spec = g_strdup_printf("cgroup:%s/%s", root, name);

    return memory_source_new(spec, proc, errp);
}

static MemorySample read_cgroup(const char *name)
{
    g_autoptr(MemorySource) source = open_cgroup(name, NULL);
    MemorySample sample;

    ck_assert_ptr_nonnull(source);
    ck_assert(memory_source_read(source, &sample, NULL));
    return sample;
}

START_TEST(host_reads_meminfo_and_pressure)
{
    MemorySample sample = read_host();

    ck_assert_uint_eq(sample.total, 1000 * MIB);
    ck_assert_uint_eq(sample.available, 500 * MIB);
    ck_assert(sample.has_psi);
    ck_assert_uint_eq(sample.psi_some_avg10, 125);
    ck_assert_uint_eq(sample.psi_full_avg10, 50);
}
END_TEST

START_TEST(no_pressure_is_no_error)
{
    g_autofree char *path = g_build_filename(proc, "pressure/memory", NULL);
    MemorySample sample;

    g_remove(path);
    sample = read_host();
    ck_assert(!sample.has_psi);
    ck_assert_uint_eq(sample.psi_some_avg10, 0);
}
END_TEST

START_TEST(a_meminfo_without_the_figures_is_an_error)
{
    static const char *const bad[] = {
        "", "MemTotal: 1000 kB\n", "MemAvailable: 1000 kB\n",
        "MemTotal: 1000 kB\nMemAvailable: 2000 kB\n",
        "MemTotal: 1000 kB\nMemAvailable: lots\n",
        "MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n",
        "MemTotal: 1000 kB\nNotMemAvailable: 100 kB\n",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        put("proc/meminfo", bad[i]);
        ck_assert_ptr_null(memory_source_new("host", proc, &error));
        ck_assert_ptr_nonnull(error);
    }
}
END_TEST

START_TEST(the_real_proc_can_be_read)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MemorySource) source = memory_source_new("host", "/proc",
                                                       &error);
    MemorySample sample;

    ck_assert_msg(source != NULL, "%s", error ? error->message : "");
    ck_assert(memory_source_read(source, &sample, NULL));
    ck_assert_uint_gt(sample.total, 16 * MIB);
    ck_assert_uint_gt(sample.available, 0);
    ck_assert_uint_le(sample.available, sample.total);
}
END_TEST

static void put_v2(const char *name, const char *max, const char *current,
                   const char *stat)
{
    g_autofree char *a = g_strdup_printf("%s/memory.max", name);
    g_autofree char *b = g_strdup_printf("%s/memory.current", name);
    g_autofree char *c = g_strdup_printf("%s/memory.stat", name);

    put(a, max);
    put(b, current);
    put(c, stat);
}

START_TEST(version_2_counts_what_can_be_dropped)
{
    MemorySample sample;

    put_v2("cg/a", "209715200\n", "104857600\n",        /* 200, 100 MiB */
           "anon 50000000\nfile 9000000\nshmem 40000000\n"
           "inactive_file 4194304\nactive_file 2097152\n"
           "slab_reclaimable 1048576\n");
    sample = read_cgroup("cg/a");
    ck_assert_uint_eq(sample.total, 200 * MIB);
    ck_assert_uint_eq(sample.available, 105 * MIB + 512 * 1024);
    ck_assert_uint_eq(sample.psi_some_avg10, 125);      /* the host's */
}
END_TEST

START_TEST(version_2_has_a_pressure_of_its_own)
{
    MemorySample sample;

    put_v2("cg/a", "209715200\n", "0\n", "inactive_file 0\n");
    put("cg/a/memory.pressure", "some avg10=40.01 avg60=0 avg300=0 total=1\n"
        "full avg10=100.00 avg60=0 avg300=0 total=1\n");
    sample = read_cgroup("cg/a");
    ck_assert_uint_eq(sample.psi_some_avg10, 4001);
    ck_assert_uint_eq(sample.psi_full_avg10, 10000);
}
END_TEST

START_TEST(every_level_and_the_host_count)
{
    put_v2("cg/a", "157286400\n", "104857600\n", "inactive_file 0\n");
    put_v2("cg/a/b", "max\n", "1048576\n", "inactive_file 0\n");
    ck_assert_uint_eq(read_cgroup("cg/a/b").total, 150 * MIB);
    ck_assert_uint_eq(read_cgroup("cg/a/b").available, 50 * MIB);
    put("cg/a/memory.max", "max\n");
    ck_assert_uint_eq(read_cgroup("cg/a/b").total, 1000 * MIB);
    ck_assert_uint_eq(read_cgroup("cg/a/b").available, 500 * MIB);
    put("cg/memory.max", "max\n");      /* and says no more than that */
    ck_assert_uint_eq(read_cgroup("cg/a/b").total, 1000 * MIB);
    put("cg/a/b/memory.max", "104857600000\n");         /* beyond the host */
    ck_assert_uint_eq(read_cgroup("cg/a/b").total, 1000 * MIB);
}
END_TEST

START_TEST(usage_above_the_limit_is_nothing_free)
{
    put_v2("cg/a", "1048576\n", "2097152\n", "inactive_file 0\n");
    ck_assert_uint_eq(read_cgroup("cg/a").available, 0);
    /* Never more than the limit, whatever the lists say. */
    put_v2("cg/a", "1048576\n", "2097152\n", "inactive_file 99999999\n");
    ck_assert_uint_eq(read_cgroup("cg/a").available, MIB);
}
END_TEST

START_TEST(version_1_is_told_by_its_files)
{
    MemorySample sample;

    put("cg/memory.limit_in_bytes", "9223372036854771712\n");   /* none */
    put("cg/memory.usage_in_bytes", "1\n");
    put("cg/memory.stat", "total_inactive_file 0\n");
    put("cg/a/memory.limit_in_bytes", "209715200\n");
    put("cg/a/memory.usage_in_bytes", "104857600\n");
    put("cg/a/memory.stat", "inactive_file 99999999\n"
        "total_inactive_file 4194304\ntotal_active_file 0\n");
    sample = read_cgroup("cg/a");
    ck_assert_uint_eq(sample.total, 200 * MIB);
    ck_assert_uint_eq(sample.available, 104 * MIB);
    ck_assert_uint_eq(read_cgroup("cg").total, 1000 * MIB);
}
END_TEST

START_TEST(what_is_no_source_is_refused)
{
    static const char *const bad[] = {
        "", "hosts", "cgroup", "cgroup:", "cgroup:relative",
        "cgroup:/does/not/exist",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        ck_assert_ptr_null(memory_source_new(bad[i], proc, &error));
        ck_assert_ptr_nonnull(error);
    }
    put_v2("cg/a", "a lot\n", "1\n", "");
    ck_assert_ptr_null(open_cgroup("cg/a", NULL));
}
END_TEST

START_TEST(a_source_that_goes_away_is_an_error_and_leaves_the_sample)
{
    g_autoptr(MemorySource) source = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(root, "cg/a/memory.max", NULL);
    MemorySample sample = { .total = 77 };

    put_v2("cg/a", "1048576\n", "0\n", "");
    source = open_cgroup("cg/a", NULL);
    ck_assert_ptr_nonnull(source);
    g_remove(path);
    ck_assert(!memory_source_read(source, &sample, &error));
    ck_assert_ptr_nonnull(error);
    ck_assert_uint_eq(sample.total, 77);
}
END_TEST

START_TEST(pressure_is_read_to_the_hundredth)
{
    uint32_t some, full;

    ck_assert(proc_text_pressure("some avg10=0.07 avg60=1", &some, &full));
    ck_assert_uint_eq(some, 7);
    ck_assert_uint_eq(full, 0);
    ck_assert(proc_text_pressure("some avg10=12.5 \nfull avg10=3\n",
                                    &some, &full));
    ck_assert_uint_eq(some, 1250);
    ck_assert_uint_eq(full, 300);
    ck_assert(!proc_text_pressure("", &some, &full));
    ck_assert(!proc_text_pressure("full avg10=1.00\n", &some, &full));
    ck_assert(!proc_text_pressure("some avg10=x\n", &some, &full));
    ck_assert(!proc_text_pressure("awesome avg10=1.00\n", &some, &full));
}
END_TEST

/* This process is in the cgroups that @lines say; where they are mounted. */
static void put_own(const char *lines)
{
    g_autofree char *mounts = g_strdup_printf(
        "22 1 0:20 / /proc rw - proc proc rw\n"
        "35 31 0:32 / %s/v1 rw,relatime shared:9 - cgroup cgroup rw,memory\n"
        "36 31 0:33 / %s/cpu rw,relatime - cgroup cgroup rw,cpu\n"
        "37 31 0:34 /part %s/with\\040blank rw - cgroup2 cgroup2 rw\n",
        root, root, root);

    put("proc/self/cgroup", lines);
    put("proc/self/mountinfo", mounts);
}

static void put_v1(const char *name, const char *limit, const char *usage)
{
    g_autofree char *a = g_strdup_printf("%s/memory.limit_in_bytes", name);
    g_autofree char *b = g_strdup_printf("%s/memory.usage_in_bytes", name);
    g_autofree char *c = g_strdup_printf("%s/memory.stat", name);

    put(a, limit);
    put(b, usage);
    put(c, "total_inactive_file 0\n");
}

START_TEST(own_cgroups_of_version_1_count)
{
    put_own("5:cpu:/small\n4:memory:/a/b\n0::/\n");
    put_v1("v1", "9223372036854771712\n", "1\n");
    put_v1("v1/a", "209715200\n", "104857600\n");      /* 200, 100 MiB */
    put_v1("v1/a/b", "9223372036854771712\n", "1\n");
    put_v1("cpu/small", "1048576\n", "0\n");            /* not for memory */
    ck_assert_uint_eq(read_host().total, 200 * MIB);
    ck_assert_uint_eq(read_host().available, 100 * MIB);
    put_v1("v1/a/b", "104857600\n", "94371840\n");     /* 100, 90 MiB */
    ck_assert_uint_eq(read_host().total, 100 * MIB);
    ck_assert_uint_eq(read_host().available, 10 * MIB);
}
END_TEST

START_TEST(own_cgroups_of_version_2_count)
{
    put_own("0::/part/a/b\n");
    /* The controller is off at the leaf and on above it. */
    put("with blank/a/b/cgroup.procs", "");
    put_v2("with blank/a", "209715200\n", "104857600\n",
           "inactive_file 0\n");
    ck_assert_uint_eq(read_host().total, 200 * MIB);
    ck_assert_uint_eq(read_host().available, 100 * MIB);
    ck_assert_uint_eq(read_host().psi_some_avg10, 125);
    put("with blank/a/memory.pressure", "some avg10=40.00 avg60=0\n"
        "full avg10=0.10 avg60=0\n");
    ck_assert_uint_eq(read_host().psi_some_avg10, 4000);
    ck_assert_uint_eq(read_host().psi_full_avg10, 50);
    put("with blank/a/memory.high", "157286400\n");     /* 150 MiB */
    ck_assert_uint_eq(read_host().total, 150 * MIB);
    ck_assert_uint_eq(read_host().available, 50 * MIB);
}
END_TEST

START_TEST(an_own_path_outside_the_mount_is_the_mount)
{
    put_own("0::/../other\n");
    put_v2("with blank", "209715200\n", "104857600\n", "");
    ck_assert_uint_eq(read_host().total, 200 * MIB);
    put_own("0::/part-of-another-name\n");
    ck_assert_uint_eq(read_host().total, 200 * MIB);
}
END_TEST

START_TEST(own_cgroups_without_limits_change_nothing)
{
    put_own("4:memory:/a\n0::/part/a\n");
    put_v1("v1/a", "9223372036854771712\n", "1\n");
    put_v2("with blank/a", "max\n", "1\n", "");
    put("with blank/a/memory.pressure", "some avg10=90.00 avg60=0\n");
    ck_assert_uint_eq(read_host().total, 1000 * MIB);
    ck_assert_uint_eq(read_host().available, 500 * MIB);
    ck_assert_uint_eq(read_host().psi_some_avg10, 125);
    put("proc/self/mountinfo", "garbage\n\n1 2 3 4 5 6 - cgroup2\n");
    ck_assert_uint_eq(read_host().total, 1000 * MIB);
}
END_TEST

START_TEST(own_limits_count_beside_a_cgroup_that_was_asked_for)
{
    put_own("4:memory:/a\n");
    put_v1("v1/a", "104857600\n", "94371840\n");       /* 100, 90 MiB */
    put_v2("cg/a", "209715200\n", "104857600\n", "");  /* 200, 100 MiB */
    ck_assert_uint_eq(read_cgroup("cg/a").total, 100 * MIB);
    ck_assert_uint_eq(read_cgroup("cg/a").available, 10 * MIB);
}
END_TEST

START_TEST(an_own_limit_that_cannot_be_read_is_an_error)
{
    g_autoptr(MemorySource) source = memory_source_new("host", proc, NULL);
    g_autoptr(GError) error = NULL;
    MemorySample sample;

    put_own("4:memory:/a\n");
    put_v1("v1/a", "lots\n", "1\n");
    for (int look = 0; look < SOON && !error; look++) {
        memory_source_read(source, &sample, &error);
    }
    ck_assert_ptr_nonnull(error);
}
END_TEST

START_TEST(an_own_limit_that_is_set_later_is_noticed_soon)
{
    g_autoptr(MemorySource) source = memory_source_new("host", proc, NULL);
    MemorySample sample = { 0 };

    put_own("4:memory:/a\n");
    put_v1("v1/a", "104857600\n", "94371840\n");       /* 100, 90 MiB */
    for (int look = 0; look < SOON && sample.total != 100 * MIB; look++) {
        ck_assert(memory_source_read(source, &sample, NULL));
    }
    ck_assert_uint_eq(sample.total, 100 * MIB);
    /* From then on each look counts. */
    put_v1("v1/a", "104857600\n", "83886080\n");
    ck_assert(memory_source_read(source, &sample, NULL));
    ck_assert_uint_eq(sample.available, 20 * MIB);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, host_reads_meminfo_and_pressure);
    tcase_add_test(tc, no_pressure_is_no_error);
    tcase_add_test(tc, a_meminfo_without_the_figures_is_an_error);
    tcase_add_test(tc, the_real_proc_can_be_read);
    tcase_add_test(tc, version_2_counts_what_can_be_dropped);
    tcase_add_test(tc, version_2_has_a_pressure_of_its_own);
    tcase_add_test(tc, every_level_and_the_host_count);
    tcase_add_test(tc, usage_above_the_limit_is_nothing_free);
    tcase_add_test(tc, version_1_is_told_by_its_files);
    tcase_add_test(tc, what_is_no_source_is_refused);
    tcase_add_test(tc,
                   a_source_that_goes_away_is_an_error_and_leaves_the_sample);
    tcase_add_test(tc, pressure_is_read_to_the_hundredth);
    tcase_add_test(tc, own_cgroups_of_version_1_count);
    tcase_add_test(tc, own_cgroups_of_version_2_count);
    tcase_add_test(tc, an_own_path_outside_the_mount_is_the_mount);
    tcase_add_test(tc, own_cgroups_without_limits_change_nothing);
    tcase_add_test(tc, own_limits_count_beside_a_cgroup_that_was_asked_for);
    tcase_add_test(tc, an_own_limit_that_cannot_be_read_is_an_error);
    tcase_add_test(tc, an_own_limit_that_is_set_later_is_noticed_soon);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
