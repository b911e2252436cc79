/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-tree: see host-tree.h. */
#include "host-tree.h"

#include <check.h>
#include <glib/gstdio.h>

#define SOME_USER       4242u

static const struct {
    const char *path, *text;
} good[] = {
    { "/proc/meminfo", "MemTotal:        8388608 kB\n" },
    { "/proc/swaps", "Filename  Type  Size  Used  Priority\n" },
    { "/proc/sys/kernel/osrelease", "6.12.3-test\n" },
    { "/proc/sys/kernel/io_uring_disabled", "0\n" },
    { "/proc/sys/kernel/io_uring_group", "-1\n" },
    { "/proc/sys/vm/unprivileged_userfaultfd", "0\n" },
    { "/proc/sys/vm/overcommit_memory", "0\n" },
    { "/proc/sys/net/core/somaxconn", "4096\n" },
    { "/dev/userfaultfd", "" },
    { HOST_HUGE_DIR "shmem_enabled",
      "always within_size advise [never] deny force\n" },
    { HOST_HUGE_DIR "hugepages-64kB/shmem_enabled",
      "always inherit within_size advise [never]\n" },
    { HOST_HUGE_DIR "hugepages-2048kB/shmem_enabled",
      "always [inherit] within_size advise never\n" },
};

void host_tree_put(const char *root, const char *path, const char *text)
{
    g_autofree char *file = g_strconcat(root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(file);

    if (!text) {
        g_unlink(file);
        return;
    }
    ck_assert_int_eq(g_mkdir_with_parents(folder, 0700), 0);
    ck_assert(g_file_set_contents(file, text, -1, NULL));
}

char *host_tree_new(void)
{
    char *root = g_dir_make_tmp("host-XXXXXX", NULL);
    g_autofree char *device = g_strconcat(root, HOST_UFFD, NULL);

    ck_assert_ptr_nonnull(root);
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        host_tree_put(root, good[i].path, good[i].text);
    }
    ck_assert_int_eq(g_chmod(device, 0660), 0);
    return root;
}

static void remove_all(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR) &&
            !g_file_test(path, G_FILE_TEST_IS_SYMLINK)) {
            remove_all(path);
        } else {
            g_unlink(path);
        }
    }
    g_rmdir(folder);
}

void host_tree_free(char *root)
{
    remove_all(root);
    g_free(root);
}

HostUser host_tree_user(const int *groups)
{
    HostUser user = {
        .known = true,
        .uid = SOME_USER,
        .name = g_strdup("somebody"),
        .groups = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
    };

    for (; *groups >= 0; groups++) {
        uint64_t gid = *groups;

        g_array_append_val(user.groups, gid);
    }
    return user;
}
