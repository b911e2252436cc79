/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup-memory: see cgroup-memory.h.
 *
 * From the cgroup's folder every folder up to "/" is looked at; one without
 * a limit file is skipped: the memory controller of version 2 may be off at a
 * level and on above it, and the top has no limit.
 *
 * The own cgroups are found as the kernel tells them: /proc/self/cgroup has
 * the path inside the hierarchy, /proc/self/mountinfo where the hierarchy is
 * mounted, and which part of it.  A path that is outside that part (a cgroup
 * namespace, a bind mount) is taken for the mount point itself.
 */
#include "rcached/agent/cgroup-memory.h"

#include <gio/gio.h>
#include <string.h>

#include "common/proc-text.h"

/* From here on version 1 means "no limit". */
#define UNLIMITED       (UINT64_MAX / 4)

typedef struct CgroupNames {
    const char *limit;
    const char *limit2;         /* or NULL; need not be there */
    const char *usage;
    const char *inactive_file;
    const char *active_file;
    const char *slab_reclaimable;
} CgroupNames;

static const CgroupNames cgroup_v2 = {
    "memory.max", "memory.high", "memory.current",
    "inactive_file", "active_file", "slab_reclaimable",
};

static const CgroupNames cgroup_v1 = {
    "memory.limit_in_bytes", NULL, "memory.usage_in_bytes",
    "total_inactive_file", "total_active_file", "total_slab_reclaimable",
};

struct CgroupMemory {
    char *folder;
    const CgroupNames *names;
    bool own;                   /* its leaf need not have a limit file */
};

/* ---------------------------------------------------------------- levels */

static bool has_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* A file with one number in it; "max" is UINT64_MAX. */
static bool read_number(const char *folder, const char *name, uint64_t *out,
                        GError **errp)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, errp)) {
        return false;
    }
    g_strstrip(text);
    if (!strcmp(text, "max")) {
        *out = UINT64_MAX;
        return true;
    }
    if (!g_ascii_string_to_unsigned(text, 10, 0, UINT64_MAX, out, NULL)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "%s: '%s' is not a number", path, text);
        return false;
    }
    return true;
}

static bool read_limit(const char *folder, const CgroupNames *names,
                       uint64_t *limit, GError **errp)
{
    uint64_t second;

    if (!read_number(folder, names->limit, limit, errp)) {
        return false;
    }
    if (names->limit2 && has_file(folder, names->limit2)) {
        if (!read_number(folder, names->limit2, &second, errp)) {
            return false;
        }
        *limit = MIN(*limit, second);
    }
    return true;
}

static uint64_t reclaimable(const char *stat, const CgroupNames *names)
{
    uint64_t inactive = 0, active = 0, slab = 0;

    proc_text_number(stat, names->inactive_file, &inactive);
    proc_text_number(stat, names->active_file, &active);
    proc_text_number(stat, names->slab_reclaimable, &slab);
    return inactive + active / 2 + slab / 2;
}

/* Pressure of a level's own is told by version 2 only, and not always. */
static void level_pressure(const char *folder, CgroupRoom *room)
{
    g_autofree char *path = g_build_filename(folder, "memory.pressure", NULL);
    g_autofree char *text = NULL;
    uint32_t some, full;

    if (g_file_get_contents(path, &text, NULL, NULL) &&
        proc_text_pressure(text, &some, &full)) {
        room->psi_some_avg10 = MAX(room->psi_some_avg10, some);
        room->psi_full_avg10 = MAX(room->psi_full_avg10, full);
    }
}

static bool level_read(const char *folder, const CgroupNames *names,
                       CgroupRoom *room, GError **errp)
{
    g_autofree char *path = g_build_filename(folder, "memory.stat", NULL);
    g_autofree char *stat = NULL;
    uint64_t limit, usage, left;

    if (!read_limit(folder, names, &limit, errp)) {
        return false;
    }
    if (limit >= UNLIMITED) {
        return true;
    }
    if (!read_number(folder, names->usage, &usage, errp) ||
        !g_file_get_contents(path, &stat, NULL, errp)) {
        return false;
    }
    left = limit > usage ? limit - usage : 0;
    left += MIN(reclaimable(stat, names), usage);
    room->limited = true;
    room->total = MIN(room->total, limit);
    room->available = MIN(room->available, MIN(left, limit));
    level_pressure(folder, room);
    return true;
}

bool cgroup_memory_read(const CgroupMemory *cgroup, CgroupRoom *room,
                        GError **errp)
{
    g_autofree char *folder = g_strdup(cgroup->folder);
    bool must = !cgroup->own;

    for (;;) {
        char *up;

        if ((must || has_file(folder, cgroup->names->limit)) &&
            !level_read(folder, cgroup->names, room, errp)) {
            return false;
        }
        must = false;
        up = g_path_get_dirname(folder);
        if (!strcmp(up, folder)) {
            g_free(up);
            return true;
        }
        g_free(folder);
        folder = up;
    }
}

/* ------------------------------------------------------------ own cgroups */

/* One line of mountinfo, as far as it matters here. */
typedef struct Mount {
    char *root;                 /* the part of the hierarchy it shows */
    char *point;
    bool v1;                    /* of version 1, with the memory controller */
    bool v2;
} Mount;

static void mount_clear(Mount *mount)
{
    g_free(mount->root);
    g_free(mount->point);
}

/*
 * proc(5): "36 35 98:0 ROOT POINT OPTIONS [TAG]... - TYPE SOURCE SUPEROPTIONS"
 * with blanks in octal.
 */
static bool mount_parse(const char *line, Mount *out)
{
    const char *dash = strstr(line, " - ");
    g_auto(GStrv) front = g_strsplit(line, " ", 6);
    g_auto(GStrv) back = dash ? g_strsplit(dash + strlen(" - "), " ", 3)
                              : NULL;
    g_auto(GStrv) options = NULL;

    *out = (Mount) { 0 };
    if (!back || g_strv_length(front) < 6 || g_strv_length(back) < 3) {
        return false;
    }
    options = g_strsplit(g_strchomp(back[2]), ",", 0);
    out->v2 = !strcmp(back[0], "cgroup2");
    out->v1 = !strcmp(back[0], "cgroup") &&
              g_strv_contains((const char *const *)options, "memory");
    if (!out->v1 && !out->v2) {
        return false;
    }
    out->root = g_strcompress(front[3]);
    out->point = g_strcompress(front[4]);
    return true;
}

/* What of @path is below @root; NULL if it is not there. */
static const char *below(const char *path, const char *root)
{
    size_t len = strcmp(root, "/") ? strlen(root) : 0;

    if (strncmp(path, root, len) || (path[len] && path[len] != '/') ||
        strstr(path + len, "/..")) {
        return NULL;
    }
    return path + len;
}

static char *own_folder(GStrv mounts, bool v1, const char *path)
{
    g_autofree char *guess = NULL;

    for (unsigned i = 0; mounts[i]; i++) {
        Mount mount;
        char *found = NULL;

        if (mount_parse(mounts[i], &mount) && (v1 ? mount.v1 : mount.v2)) {
            const char *rest = below(path, mount.root);

            if (rest) {
                found = g_build_filename(mount.point, rest, NULL);
            } else if (!guess) {
                guess = g_strdup(mount.point);
            }
        }
        mount_clear(&mount);
        if (found) {
            return found;
        }
    }
    return g_steal_pointer(&guess);
}

/* "4:memory:/path" or "0::/path" */
static CgroupMemory *own_parse(const char *line, GStrv mounts)
{
    g_auto(GStrv) part = g_strsplit(line, ":", 3);
    g_auto(GStrv) controllers = NULL;
    g_autofree char *folder = NULL;
    CgroupMemory *cgroup;
    bool v1;

    if (g_strv_length(part) < 3) {
        return NULL;
    }
    controllers = g_strsplit(part[1], ",", 0);
    v1 = g_strv_contains((const char *const *)controllers, "memory");
    if (!v1 && (strcmp(part[0], "0") || *part[1])) {
        return NULL;
    }
    folder = own_folder(mounts, v1, part[2]);
    if (!folder) {
        return NULL;
    }
    cgroup = g_new0(CgroupMemory, 1);
    cgroup->folder = g_canonicalize_filename(folder, NULL);
    cgroup->names = v1 ? &cgroup_v1 : &cgroup_v2;
    cgroup->own = true;
    return cgroup;
}

static GStrv read_lines(const char *proc, const char *name)
{
    g_autofree char *path = g_build_filename(proc, "self", name, NULL);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL)
               ? g_strsplit(g_strchomp(text), "\n", 0) : g_new0(char *, 1);
}

void cgroup_memory_own(const char *proc, GPtrArray *out)
{
    g_auto(GStrv) lines = read_lines(proc, "cgroup");
    g_auto(GStrv) mounts = read_lines(proc, "mountinfo");

    for (unsigned i = 0; lines[i]; i++) {
        CgroupMemory *cgroup = own_parse(lines[i], mounts);

        if (cgroup) {
            g_ptr_array_add(out, cgroup);
        }
    }
}

/* ------------------------------------------------------------------ life */

CgroupMemory *cgroup_memory_open(const char *folder, GError **errp)
{
    g_autoptr(CgroupMemory) cgroup = g_new0(CgroupMemory, 1);

    cgroup->folder = g_canonicalize_filename(folder, NULL);
    if (has_file(folder, cgroup_v2.limit)) {
        cgroup->names = &cgroup_v2;
    } else if (has_file(folder, cgroup_v1.limit)) {
        cgroup->names = &cgroup_v1;
    } else {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "%s is not a memory cgroup (neither %s nor %s is there)",
                    folder, cgroup_v2.limit, cgroup_v1.limit);
        return NULL;
    }
    return g_steal_pointer(&cgroup);
}

void cgroup_memory_free(CgroupMemory *cgroup)
{
    if (cgroup) {
        g_free(cgroup->folder);
        g_free(cgroup);
    }
}

const char *cgroup_memory_folder(const CgroupMemory *cgroup)
{
    return cgroup->folder;
}

bool cgroup_memory_is_v1(const CgroupMemory *cgroup)
{
    return cgroup->names == &cgroup_v1;
}
