/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory watch: the host's PSI trigger can be set, and a memory cgroup of
 * version 1 wakes us when it has to reclaim.  Needs root and such a cgroup
 * for the second.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rcached/agent/memory-watch.h"

#define ROOT    "/sys/fs/cgroup/memory"
#define MIB     (1u << 20)

static unsigned calls;

static void pressed(void *opaque)
{
    ck_assert_ptr_eq(opaque, &calls);
    calls++;
}

static MemoryWatch *watch_new(const char *spec, MemorySource **source)
{
    g_autoptr(GError) error = NULL;
    MemoryWatch *watch;

    *source = memory_source_new(spec, "/proc", &error);
    ck_assert_msg(*source != NULL, "%s", error ? error->message : "");
    watch = memory_watch_new(*source, pressed, &calls, &error);
    ck_assert_msg(watch != NULL, "%s", error ? error->message : "");
    return watch;
}

static void put(const char *folder, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    int fd = open(path, O_WRONLY);

    ck_assert_msg(fd >= 0 && write(fd, text, strlen(text)) >= 0, "%s: %s",
                  path, strerror(errno));
    close(fd);
}

/* A process in the cgroup leaves so much in the page cache, and is gone. */
static void fill_cache(const char *cgroup, const char *file)
{
    static char block[MIB];
    int status, fd;
    pid_t pid = fork();

    if (pid == 0) {
        put(cgroup, "cgroup.procs", "0");
        fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
        for (unsigned i = 0; i < 16; i++) {
            if (write(fd, block, sizeof(block)) != sizeof(block)) {
                _exit(1);
            }
        }
        _exit(fsync(fd));
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static gboolean too_late(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}

START_TEST(a_cgroup_that_reclaims_wakes_us)
{
    g_autofree char *cgroup = g_strdup_printf(ROOT "/rcached-test-%d",
                                              (int)getpid());
    g_autofree char *spec = g_strconcat("cgroup:", cgroup, NULL);
    g_autofree char *file = g_strdup_printf("test-memory-watch-%d",
                                            (int)getpid());
    MemorySource *source;
    MemoryWatch *watch;
    bool late = false;

    if (g_mkdir(cgroup, 0755)) {
        printf("skipped in part: %s: %s\n", cgroup, strerror(errno));
        return;
    }
    watch = watch_new(spec, &source);
    fill_cache(cgroup, file);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    ck_assert_uint_eq(calls, 0);
    put(cgroup, "memory.force_empty", "0");
    g_timeout_add_seconds(30, too_late, &late);
    while (!calls && !late) {
        g_main_context_iteration(NULL, TRUE);
    }
    memory_watch_free(watch);
    memory_source_free(source);
    g_unlink(file);
    ck_assert_int_eq(g_rmdir(cgroup), 0);
    ck_assert_uint_ge(calls, 1);
}
END_TEST

START_TEST(the_host_can_be_watched)
{
    MemorySource *source;

    if (access("/proc/pressure/memory", W_OK)) {
        printf("skipped in part: /proc/pressure/memory: %s\n",
               strerror(errno));
        return;
    }
    memory_watch_free(watch_new("host", &source));
    memory_source_free(source);
}
END_TEST

START_TEST(what_cannot_be_watched_is_said)
{
    g_autofree char *root = g_dir_make_tmp("test-watch-XXXXXX", NULL);
    g_autofree char *meminfo = g_build_filename(root, "meminfo", NULL);
    g_autoptr(GError) error = NULL;
    MemorySource *source;

    ck_assert(g_file_set_contents(meminfo, "MemTotal: 100 kB\n"
                                  "MemAvailable: 50 kB\n", -1, NULL));
    source = memory_source_new("host", root, NULL);
    ck_assert_ptr_nonnull(source);
    ck_assert_ptr_null(memory_watch_new(source, pressed, NULL, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "pressure/memory"));
    memory_source_free(source);
    g_unlink(meminfo);
    g_rmdir(root);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory-watch");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_cgroup_that_reclaims_wakes_us);
    tcase_add_test(tc, the_host_can_be_watched);
    tcase_add_test(tc, what_cannot_be_watched_is_said);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
