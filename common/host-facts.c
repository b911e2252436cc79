/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-facts: see host-facts.h. */
#include "common/host-facts.h"

#include <string.h>
#include <sys/stat.h>

#include "common/proc-text.h"
#include "common/secrecy.h"

#define KIB     1024u

char *host_facts_text(const char *root, const char *path)
{
    g_autofree char *file = g_strconcat(root, path, NULL);
    char *text = NULL;

    return g_file_get_contents(file, &text, NULL, NULL) ? g_strchomp(text)
                                                        : NULL;
}

int64_t host_facts_number(const char *root, const char *path)
{
    g_autofree char *text = host_facts_text(root, path);
    int64_t value;

    return text && g_ascii_string_to_signed(text, 10, INT64_MIN, INT64_MAX,
                                            &value, NULL)
               ? value : HOST_UNKNOWN;
}

bool host_user_in(const HostUser *user, uint64_t gid)
{
    for (guint i = 0; user->groups && i < user->groups->len; i++) {
        if (g_array_index(user->groups, uint64_t, i) == gid) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------ large folios */

/* Has a shmem_enabled chosen @mode? */
static bool huge_chosen(const char *text, const char *mode)
{
    g_autofree char *chosen = g_strdup_printf("[%s]", mode);

    return text && strstr(text, chosen);
}

static const char *huge_bad(const char *text)
{
    return huge_chosen(text, "always") ? "always"
           : huge_chosen(text, "force") ? "force" : NULL;
}

/*
 * As QEMU's object looks at it.  Since Linux 6.11 each size has a setting of
 * its own, which can be to go by the one above; but "deny" and "force" there
 * hold for all of them.
 */
static void read_huge(HostFacts *facts, const char *root)
{
    static const char *const top_file = HOST_HUGE_DIR "shmem_enabled";
    g_autofree char *top = host_facts_text(root, top_file);
    g_autofree char *folder = g_strconcat(root, HOST_HUGE_DIR, NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    bool sizes = false, inherited = false;
    const char *name;

    if (!top || huge_chosen(top, "deny")) {
        return;
    }
    while (dir && !facts->huge && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_strconcat(HOST_HUGE_DIR, name,
                                            "/shmem_enabled", NULL);
        g_autofree char *text = host_facts_text(root, file);

        if (text) {
            sizes = true;
            inherited |= huge_chosen(text, "inherit");
            facts->huge = huge_bad(text);
            facts->huge_file = facts->huge ? g_steal_pointer(&file) : NULL;
        }
    }
    if (!facts->huge && (inherited || !sizes || huge_chosen(top, "force"))) {
        facts->huge = huge_bad(top);
        facts->huge_file = facts->huge ? g_strdup(top_file) : NULL;
    }
}

/* ------------------------------------------------------------------- all */

static void read_device(HostFacts *facts, const char *root)
{
    g_autofree char *path = g_strconcat(root, HOST_UFFD, NULL);
    struct stat st;

    facts->has_uffd = !stat(path, &st);
    if (facts->has_uffd) {
        facts->uffd_mode = st.st_mode & 07777;
        facts->uffd_uid = st.st_uid;
        facts->uffd_gid = st.st_gid;
    }
}

void host_facts_read(HostFacts *facts, const char *root)
{
    g_autofree char *memory = host_facts_text(root, "/proc/meminfo");
    uint64_t kib;

    *facts = (HostFacts) {
        .release = host_facts_text(root, "/proc/sys/kernel/osrelease"),
        .has_swap = secrecy_host_has_swap(root),
        .uring_disabled = host_facts_number(
            root, "/proc/sys/kernel/io_uring_disabled"),
        .uring_group = host_facts_number(
            root, "/proc/sys/kernel/io_uring_group"),
        .uffd_for_all = host_facts_number(
            root, "/proc/sys/vm/unprivileged_userfaultfd"),
        .overcommit = host_facts_number(
            root, "/proc/sys/vm/overcommit_memory"),
        .backlog = host_facts_number(root, "/proc/sys/net/core/somaxconn"),
        .uring_err = HOST_UNKNOWN,
        .lock_err = HOST_UNKNOWN,
    };
    if (memory && proc_text_number(memory, "MemTotal", &kib) &&
        kib <= UINT64_MAX / KIB) {
        facts->mem_total = kib * KIB;
    }
    read_device(facts, root);
    read_huge(facts, root);
}

void host_facts_clear(HostFacts *facts)
{
    g_clear_pointer(&facts->release, g_free);
    g_clear_pointer(&facts->huge_file, g_free);
    g_clear_pointer(&facts->user.name, g_free);
    g_clear_pointer(&facts->user.groups, g_array_unref);
}
