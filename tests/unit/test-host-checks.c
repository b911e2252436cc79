/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host-facts and host-checks, on a made-up /proc, /sys and /dev: each finding
 * is there when its setting is wrong, alone, and not when all is well.
 */
#include "common/host-checks.h"

#include <check.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-tree.h"

#define SWAPS   "Filename Type Size Used Priority\n/dev/vdb partition 1 0 -2\n"
#define NOBODYS 4711

static char *root;
static HostFacts facts;
static Findings *found;

static void set_up(void)
{
    root = host_tree_new();
}

static void tear_down(void)
{
    host_facts_clear(&facts);
    findings_free(found);
    found = NULL;
    host_tree_free(root);
}

/* Read the tree anew, as a process for which all works that is tried. */
static void read_tree(void)
{
    host_facts_clear(&facts);
    host_facts_read(&facts, root);
    facts.uring_err = 0;
    facts.lock_err = 0;
}

static void judge(void)
{
    findings_free(found);
    found = findings_new();
    host_check_vms(&facts, found);
    host_check_kernel(&facts, found);
    findings_sort(found);
}

static void is_alone(const char *id)
{
    unsigned n = 0;

    judge();
    ck_assert_msg(findings_find(found, id) != NULL, "no %s", id);
    for (unsigned i = 0; i < findings_count(found); i++) {
        const Finding *f = findings_at(found, i);

        n += f->level != FINDING_OK;
    }
    ck_assert_msg(n == 1, "%s is one of %u", id, n);
}

static void is_silent(const char *id)
{
    judge();
    ck_assert_msg(!findings_find(found, id), "%s", id);
}

START_TEST(a_good_host_has_none)
{
    read_tree();
    judge();
    ck_assert_uint_eq(findings_nr(found, FINDING_OK), findings_count(found));
    ck_assert_uint_eq(findings_count(found), 8);
    ck_assert_uint_eq(facts.mem_total, UINT64_C(8) << 30);
    ck_assert_str_eq(facts.release, "6.12.3-test");
}
END_TEST

/* A file that is wrong, and what is found then. */
static const struct {
    const char *path, *text, *id;
} settings[] = {
    { "/proc/sys/kernel/osrelease", "5.15.0-91-generic\n", "kernel-old" },
    { "/proc/sys/kernel/osrelease", "6.0.9\n", "kernel-old" },
    { "/proc/sys/kernel/io_uring_disabled", "2\n", "uring-disabled" },
    { "/dev/userfaultfd", NULL, "uffd-missing" },
    { HOST_HUGE_DIR "shmem_enabled",
      "[always] within_size advise never deny force\n", "shmem-huge" },
    { HOST_HUGE_DIR "shmem_enabled",
      "always within_size advise never deny [force]\n", "shmem-huge" },
    { HOST_HUGE_DIR "hugepages-64kB/shmem_enabled",
      "[always] inherit within_size advise never\n", "shmem-huge" },
    { "/proc/swaps", SWAPS, "swap-on" },
    { "/proc/sys/vm/overcommit_memory", "2\n", "overcommit-strict" },
    { "/proc/sys/net/core/somaxconn", "1023\n", "somaxconn-low" },
};

START_TEST(a_wrong_setting_is_found_alone)
{
    host_tree_put(root, settings[_i].path, settings[_i].text);
    read_tree();
    is_alone(settings[_i].id);
}
END_TEST

/* Settings that look wrong and are not. */
static const struct {
    const char *path, *text, *id;
} harmless[] = {
    { "/proc/sys/kernel/osrelease", "6.1.0-13-amd64\n", "kernel-old" },
    { "/proc/sys/kernel/osrelease", "10.0\n", "kernel-old" },
    { "/proc/sys/vm/overcommit_memory", "1\n", "overcommit-strict" },
    { "/proc/sys/net/core/somaxconn", "1024\n", "somaxconn-low" },
    { HOST_HUGE_DIR "shmem_enabled",
      "always within_size [advise] never deny force\n", "shmem-huge" },
    { HOST_HUGE_DIR "shmem_enabled",
      "always [within_size] advise never deny force\n", "shmem-huge" },
};

START_TEST(a_setting_that_does_no_harm_is_not_found)
{
    host_tree_put(root, harmless[_i].path, harmless[_i].text);
    read_tree();
    is_silent(harmless[_i].id);
}
END_TEST

START_TEST(sizes_go_by_the_setting_above_only_if_told_to)
{
    host_tree_put(root, HOST_HUGE_DIR "shmem_enabled",
                  "[always] within_size advise never deny force\n");
    host_tree_put(root, HOST_HUGE_DIR "hugepages-2048kB/shmem_enabled",
                  "always inherit within_size advise [never]\n");
    read_tree();
    is_silent("shmem-huge");
    host_tree_put(root, HOST_HUGE_DIR "hugepages-64kB/shmem_enabled",
                  "[always] inherit within_size advise never\n");
    read_tree();
    is_alone("shmem-huge");
    ck_assert_str_eq(facts.huge_file,
                     HOST_HUGE_DIR "hugepages-64kB/shmem_enabled");
    ck_assert_ptr_nonnull(strstr(findings_find(found, "shmem-huge")->remedy,
                                 "echo advise >" HOST_HUGE_DIR
                                 "hugepages-64kB/shmem_enabled"));
    host_tree_put(root, HOST_HUGE_DIR "shmem_enabled",
                  "always within_size advise never [deny] force\n");
    read_tree();
    is_silent("shmem-huge");
}
END_TEST

START_TEST(a_kernel_before_there_were_sizes)
{
    host_tree_put(root, HOST_HUGE_DIR "hugepages-64kB/shmem_enabled", NULL);
    host_tree_put(root, HOST_HUGE_DIR "hugepages-2048kB/shmem_enabled", NULL);
    host_tree_put(root, HOST_HUGE_DIR "shmem_enabled",
                  "[always] within_size advise never deny force\n");
    read_tree();
    is_alone("shmem-huge");
}
END_TEST

START_TEST(io_uring_is_for_a_group)
{
    const int outside[] = { NOBODYS, -1 }, inside[] = { NOBODYS, 7, -1 };

    host_tree_put(root, "/proc/sys/kernel/io_uring_disabled", "1\n");
    host_tree_put(root, "/proc/sys/kernel/io_uring_group", "7\n");
    read_tree();
    facts.user = host_tree_user(outside);
    facts.has_uffd = false;
    facts.uffd_for_all = 1;
    is_alone("uring-group");
    ck_assert_ptr_nonnull(strstr(findings_find(found, "uring-group")->remedy,
                                 "io_uring_group=4711"));
    facts.user.uid = 0;
    is_silent("uring-group");
    read_tree();
    facts.user = host_tree_user(inside);
    is_silent("uring-group");

    /* Whoever can try it knows without a user. */
    read_tree();
    facts.uring_err = EPERM;
    is_alone("uring-group");
}
END_TEST

START_TEST(io_uring_does_not_work)
{
    read_tree();
    facts.uring_err = ENOSYS;
    is_alone("uring-missing");
    facts.uring_err = ENOMEM;
    is_alone("uring-refused");
    /* Not tried: its sysctl is what is known. */
    facts.uring_err = HOST_UNKNOWN;
    judge();
    ck_assert_uint_eq(findings_nr(found, FINDING_OK), findings_count(found));
    facts.uring_disabled = HOST_UNKNOWN;
    is_alone("not-looked-at");
}
END_TEST

START_TEST(the_device_is_not_open_to_the_daemon)
{
    const int outside[] = { NOBODYS, -1 };
    const int inside[] = { getegid(), -1 };
    g_autofree char *device = g_strconcat(root, HOST_UFFD, NULL);

    read_tree();
    facts.user = host_tree_user(outside);
    is_alone("uffd-closed");
    ck_assert_ptr_nonnull(strstr(findings_find(found, "uffd-closed")->remedy,
                                 "usermod -a -G kvm somebody"));
    read_tree();
    facts.user = host_tree_user(inside);
    is_silent("uffd-closed");
    ck_assert_int_eq(g_chmod(device, 0600), 0);
    read_tree();
    facts.user = host_tree_user(inside);
    is_alone("uffd-closed");
    facts.user.uid = geteuid();
    is_silent("uffd-closed");
    ck_assert_int_eq(g_chmod(device, 0666), 0);
    read_tree();
    facts.user = host_tree_user(outside);
    is_silent("uffd-closed");
    /* Without the device the sysctl does. */
    host_tree_put(root, "/dev/userfaultfd", NULL);
    host_tree_put(root, "/proc/sys/vm/unprivileged_userfaultfd", "1\n");
    read_tree();
    judge();
    ck_assert_uint_eq(findings_nr(found, FINDING_OK), findings_count(found));
}
END_TEST

/* Swap alone is a note; that memory cannot be locked is none of it. */
static void is_beside_swap(const char *id)
{
    judge();
    ck_assert_ptr_nonnull(findings_find(found, id));
    ck_assert_ptr_nonnull(findings_find(found, "swap-on"));
}

START_TEST(memory_cannot_be_locked)
{
    host_tree_put(root, "/proc/swaps", SWAPS);
    read_tree();
    is_silent("memlock-low");
    facts.lock_err = ENOMEM;
    is_beside_swap("memlock-low");
    facts.lock_err = HOST_UNKNOWN;
    is_beside_swap("not-looked-at");
    facts.lock_is_limited = true;
    facts.lock_limit = HOST_LOCK_BYTES - 1;
    is_beside_swap("memlock-low");
    facts.lock_limit = HOST_LOCK_BYTES;
    is_beside_swap("memlock-finite");
    facts.lock_is_limited = false;
    facts.lock_err = 0;
    is_silent("memlock-finite");

    /* Without swap a small limit only means that nothing is locked; a large
     * one is in the way all the same. */
    host_tree_put(root, "/proc/swaps", "Filename\n");
    read_tree();
    facts.lock_is_limited = true;
    facts.lock_limit = 8 << 20;
    judge();
    ck_assert_uint_eq(findings_nr(found, FINDING_OK), findings_count(found));
    facts.lock_limit = UINT64_C(1) << 30;
    is_alone("memlock-finite");
    facts.user = host_tree_user((const int[]) { 0, -1 });
    facts.user.uid = 0;
    is_silent("memlock-finite");
}
END_TEST

START_TEST(what_cannot_be_read_is_said)
{
    host_tree_put(root, "/proc/sys/kernel/osrelease", NULL);
    read_tree();
    is_alone("not-looked-at");
    host_tree_put(root, "/proc/sys/vm/overcommit_memory", NULL);
    host_tree_put(root, "/proc/sys/net/core/somaxconn", NULL);
    read_tree();
    judge();
    ck_assert_uint_eq(findings_nr(found, FINDING_NOTE), 3);
    for (unsigned i = 0; i < findings_count(found); i++) {
        const Finding *f = findings_at(found, i);

        ck_assert(f->level == FINDING_OK || f->remedy);
    }
}
END_TEST

/* The tests above name each kind; one that is new has to be among them. */
START_TEST(each_kind_has_a_test)
{
    static const char *const others[] = {
        "uring-group", "uring-missing", "uring-refused", "uffd-closed",
        "memlock-low", "memlock-finite",
    };
    unsigned n;
    const FindingKind *kinds = host_check_kinds(&n);

    for (unsigned i = 0; i < n; i++) {
        bool tested = false;

        for (unsigned s = 0; s < G_N_ELEMENTS(settings); s++) {
            tested |= !strcmp(kinds[i].id, settings[s].id);
        }
        for (unsigned s = 0; s < G_N_ELEMENTS(others); s++) {
            tested |= !strcmp(kinds[i].id, others[s]);
        }
        ck_assert_msg(tested, "%s", kinds[i].id);
        ck_assert_int_gt(kinds[i].level, FINDING_OK);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host-checks");
    TCase *tc = tcase_create("host-checks");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_good_host_has_none);
    tcase_add_loop_test(tc, a_wrong_setting_is_found_alone, 0,
                        G_N_ELEMENTS(settings));
    tcase_add_loop_test(tc, a_setting_that_does_no_harm_is_not_found, 0,
                        G_N_ELEMENTS(harmless));
    tcase_add_test(tc, sizes_go_by_the_setting_above_only_if_told_to);
    tcase_add_test(tc, a_kernel_before_there_were_sizes);
    tcase_add_test(tc, io_uring_is_for_a_group);
    tcase_add_test(tc, io_uring_does_not_work);
    tcase_add_test(tc, the_device_is_not_open_to_the_daemon);
    tcase_add_test(tc, memory_cannot_be_locked);
    tcase_add_test(tc, what_cannot_be_read_is_said);
    tcase_add_test(tc, each_kind_has_a_test);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
