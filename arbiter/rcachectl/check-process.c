/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-process: see check-process.h. */
#include "arbiter/rcachectl/check-process.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define GROUPS_MAX      256

/* What stands behind @key at the start of a line; NULL: there is none. */
static const char *line_of(const char *text, const char *key)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (g_str_has_prefix(line, key)) {
            return line + strlen(key);
        }
    }
    return NULL;
}

static char *read_file(const char *root, int64_t pid, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/%s",
                                            pid, name);

    return host_facts_text(root, path);
}

/* "Max open files   1024   524288   files": the second figure, which the
 * daemon raises the first one to. */
static uint64_t hard_limit(const char *limits, const char *key)
{
    const char *at = limits ? line_of(limits, key) : NULL;

    if (!at) {
        return UINT64_MAX;
    }
    at += strspn(at, " ");
    at += strcspn(at, " \n");
    at += strspn(at, " ");
    return g_ascii_isdigit(*at) ? g_ascii_strtoull(at, NULL, 10) : UINT64_MAX;
}

static void read_lock_limit(const char *limits, HostFacts *host)
{
    const char *at = line_of(limits, "Max locked memory");

    if (!at) {
        return;
    }
    at += strspn(at, " ");
    host->lock_is_limited = g_ascii_isdigit(*at);
    host->lock_limit = g_ascii_strtoull(at, NULL, 10);
    host->lock_err = host->lock_is_limited ? HOST_UNKNOWN : 0;
}

/* "Uid: REAL EFFECTIVE ..." and "Groups: A B C" */
static void read_user(const char *status, HostUser *user)
{
    const char *uid = line_of(status, "Uid:");
    const char *gid = line_of(status, "Gid:");
    const char *groups = line_of(status, "Groups:");
    struct passwd *pw;
    char *end;
    uint64_t id;

    if (!uid || !gid) {
        return;
    }
    user->known = true;
    user->uid = g_ascii_strtoull(uid, NULL, 10);
    user->groups = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    id = g_ascii_strtoull(gid, NULL, 10);
    g_array_append_val(user->groups, id);
    while (groups && *(groups += strspn(groups, " \t")) != '\n' && *groups) {
        id = g_ascii_strtoull(groups, &end, 10);
        if (end == groups) {
            break;
        }
        g_array_append_val(user->groups, id);
        groups = end;
    }
    pw = getpwuid(user->uid);
    user->name = pw ? g_strdup(pw->pw_name) : NULL;
}

/* The limit of its own cgroup of version 2, which is the unit's. */
static uint64_t read_tasks(const char *root, int64_t pid)
{
    g_autofree char *cgroup = read_file(root, pid, "cgroup");
    const char *at = cgroup ? line_of(cgroup, "0::/") : NULL;
    g_autofree char *name = at ? g_strndup(at, strcspn(at, "\n")) : NULL;
    g_autofree char *path = g_strdup_printf("/sys/fs/cgroup/%s/pids.max",
                                            name ? name : "");
    int64_t most = name ? host_facts_number(root, path) : HOST_UNKNOWN;

    return most >= 0 ? (uint64_t)most : UINT64_MAX;
}

/* Only root and its own user may look. */
static bool is_replaced(const char *root, int64_t pid)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%" G_GINT64_FORMAT "/exe",
                                            root, pid);
    g_autofree char *file = g_file_read_link(path, NULL);

    return file && g_str_has_suffix(file, " (deleted)");
}

void check_process_read(const char *root, int64_t pid, CheckProcess *process,
                        HostFacts *host)
{
    g_autofree char *limits = read_file(root, pid, "limits");
    g_autofree char *status = read_file(root, pid, "status");

    process->known = limits && status;
    if (process->known) {
        process->descriptors = hard_limit(limits, "Max open files");
        process->tasks = read_tasks(root, pid);
        process->replaced = is_replaced(root, pid);
        read_lock_limit(limits, host);
        read_user(status, &host->user);
    }
}

void check_process_expect(const char *name, HostFacts *host)
{
    const struct passwd *pw = getpwnam(name);
    gid_t groups[GROUPS_MAX];
    int n = GROUPS_MAX;

    if (!pw) {
        return;
    }
    host->user.known = true;
    host->user.uid = pw->pw_uid;
    host->user.name = g_strdup(name);
    host->user.groups = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    if (getgrouplist(name, pw->pw_gid, groups, &n) < 0) {
        host->user.known = false;       /* in more than can be told */
        n = 0;
    }
    for (int i = 0; i < n; i++) {
        uint64_t gid = groups[i];

        g_array_append_val(host->user.groups, gid);
    }
}
