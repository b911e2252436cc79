/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory: how much memory there is and how tight it is.  See memory.h.
 *
 * What a cgroup could still take is its limit, less what it uses, plus what
 * the kernel can drop without writing it anywhere: inactive file pages whole,
 * and half of the active ones and of the slabs that can shrink, since some of
 * those are needed.  Lent memory is shmem, which the kernel does not count
 * among the file pages of these lists.
 */
#include "rcached/agent/memory.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>

/* From here on version 1 means "no limit". */
#define V1_UNLIMITED    (INT64_MAX / 2)

typedef struct CgroupNames {
    const char *limit;
    const char *usage;
    const char *inactive_file;
    const char *active_file;
    const char *slab_reclaimable;
} CgroupNames;

static const CgroupNames cgroup_v2 = {
    "memory.max", "memory.current",
    "inactive_file", "active_file", "slab_reclaimable",
};

static const CgroupNames cgroup_v1 = {
    "memory.limit_in_bytes", "memory.usage_in_bytes",
    "total_inactive_file", "total_active_file", "total_slab_reclaimable",
};

struct MemorySource {
    char *name;
    char *proc;
    char *cgroup;               /* its folder; NULL: the host alone */
    const CgroupNames *names;
};

/* -------------------------------------------------------------- parsers */

/*
 * Find "@key value" at the start of a line, with blanks or a colon between.
 * A value beyond 64 bits is no value.
 */
static bool find_number(const char *text, const char *key, uint64_t *out)
{
    size_t len = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, key, len) && strchr(": \t", line[len]) &&
            line[len]) {
            const char *at = line + len + strspn(line + len, ": \t");
            char *end;

            errno = 0;
            *out = g_ascii_strtoull(at, &end, 10);
            return g_ascii_isdigit(*at) && !errno;
        }
    }
    return false;
}

/* "12.34" to 1234 */
static bool parse_hundredths(const char *text, uint32_t *out)
{
    char *end;
    uint64_t whole = g_ascii_strtoull(text, &end, 10);
    uint32_t part = 0;

    if (end == text || whole > 100) {
        return false;
    }
    if (*end == '.' && g_ascii_isdigit(end[1])) {
        part = (end[1] - '0') * 10;
        part += g_ascii_isdigit(end[2]) ? end[2] - '0' : 0;
    }
    *out = whole * 100 + part;
    return true;
}

static bool pressure_line(const char *text, const char *start, uint32_t *out)
{
    const char *line = strstr(text, start);

    return line && (line == text || line[-1] == '\n') &&
           parse_hundredths(line + strlen(start), out);
}

bool memory_parse_pressure(const char *text, uint32_t *some, uint32_t *full)
{
    *some = *full = 0;
    if (!pressure_line(text, "some avg10=", some)) {
        return false;
    }
    pressure_line(text, "full avg10=", full);
    return true;
}

/* ----------------------------------------------------------------- host */

static bool read_host(MemorySource *source, MemorySample *out, GError **errp)
{
    g_autofree char *path = g_build_filename(source->proc, "meminfo", NULL);
    g_autofree char *text = NULL;
    uint64_t total, available;

    if (!g_file_get_contents(path, &text, NULL, errp)) {
        return false;
    }
    if (!find_number(text, "MemTotal", &total) ||
        !find_number(text, "MemAvailable", &available) ||
        total > UINT64_MAX / 1024 || available > total) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "%s does not say MemTotal and MemAvailable", path);
        return false;
    }
    out->total = total * 1024;
    out->available = available * 1024;
    return true;
}

/* Pressure is not always there (psi=0, cgroup version 1): that is no error. */
static void read_pressure(const char *path, MemorySample *out)
{
    g_autofree char *text = NULL;

    out->has_psi = g_file_get_contents(path, &text, NULL, NULL) &&
                   memory_parse_pressure(text, &out->psi_some_avg10,
                                         &out->psi_full_avg10);
}

/* --------------------------------------------------------------- cgroup */

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
                    "%s: '%s' is no number", path, text);
        return false;
    }
    return true;
}

static uint64_t reclaimable(const char *stat, const CgroupNames *names)
{
    uint64_t inactive = 0, active = 0, slab = 0;

    find_number(stat, names->inactive_file, &inactive);
    find_number(stat, names->active_file, &active);
    find_number(stat, names->slab_reclaimable, &slab);
    return inactive + active / 2 + slab / 2;
}

/* Let one level of the hierarchy bring the sample's figures down. */
static bool cgroup_level(const char *folder, const CgroupNames *names,
                         MemorySample *out, GError **errp)
{
    g_autofree char *path = g_build_filename(folder, "memory.stat", NULL);
    g_autofree char *stat = NULL;
    uint64_t limit, usage, room;

    if (!read_number(folder, names->limit, &limit, errp)) {
        return false;
    }
    if (limit >= V1_UNLIMITED) {
        return true;
    }
    if (!read_number(folder, names->usage, &usage, errp) ||
        !g_file_get_contents(path, &stat, NULL, errp)) {
        return false;
    }
    room = limit > usage ? limit - usage : 0;
    room += MIN(reclaimable(stat, names), usage);
    out->total = MIN(out->total, limit);
    out->available = MIN(out->available, MIN(room, limit));
    return true;
}

static bool has_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* From the cgroup up, as long as there are memory cgroups. */
static bool read_cgroup(MemorySource *source, MemorySample *out,
                        GError **errp)
{
    g_autofree char *folder = g_strdup(source->cgroup);

    if (!cgroup_level(folder, source->names, out, errp)) {
        return false;
    }
    for (;;) {
        char *up = g_path_get_dirname(folder);
        bool top = !strcmp(up, folder);

        g_free(folder);
        folder = up;
        if (top || !has_file(folder, source->names->limit)) {
            return true;
        }
        if (!cgroup_level(folder, source->names, out, errp)) {
            return false;
        }
    }
}

/* --------------------------------------------------------------- source */

static bool cgroup_find(MemorySource *source, const char *path,
                        GError **errp)
{
    if (!g_path_is_absolute(path)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "memory-source=cgroup:PATH needs an absolute path, not "
                    "'%s'", path);
        return false;
    }
    source->cgroup = g_canonicalize_filename(path, NULL);
    if (has_file(path, cgroup_v2.limit)) {
        source->names = &cgroup_v2;
    } else if (has_file(path, cgroup_v1.limit)) {
        source->names = &cgroup_v1;
    } else {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "%s is no memory cgroup (neither %s nor %s is there)",
                    path, cgroup_v2.limit, cgroup_v1.limit);
        return false;
    }
    return true;
}

MemorySource *memory_source_new(const char *spec, const char *proc,
                                GError **errp)
{
    g_autoptr(MemorySource) source = g_new0(MemorySource, 1);
    MemorySample sample;

    source->name = g_strdup(spec);
    source->proc = g_strdup(proc);
    if (g_str_has_prefix(spec, "cgroup:")) {
        if (!cgroup_find(source, spec + strlen("cgroup:"), errp)) {
            return NULL;
        }
    } else if (strcmp(spec, "host")) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "memory-source is 'host' or 'cgroup:PATH', not '%s'",
                    spec);
        return NULL;
    }
    if (!memory_source_read(source, &sample, errp)) {
        return NULL;
    }
    return g_steal_pointer(&source);
}

void memory_source_free(MemorySource *source)
{
    if (source) {
        g_free(source->name);
        g_free(source->proc);
        g_free(source->cgroup);
        g_free(source);
    }
}

const char *memory_source_name(const MemorySource *source)
{
    return source->name;
}

bool memory_source_watched(const MemorySource *source, char **path)
{
    bool v1 = source->names == &cgroup_v1;

    *path = v1 ? g_strdup(source->cgroup)
          : source->cgroup ? g_build_filename(source->cgroup,
                                              "memory.pressure", NULL)
          : g_build_filename(source->proc, "pressure", "memory", NULL);
    return v1;
}

bool memory_source_read(MemorySource *source, MemorySample *out,
                        GError **errp)
{
    g_autofree char *host = g_build_filename(source->proc, "pressure",
                                             "memory", NULL);
    MemorySample sample = { 0 };

    if (!read_host(source, &sample, errp)) {
        return false;
    }
    if (source->cgroup) {
        g_autofree char *own = g_build_filename(source->cgroup,
                                                "memory.pressure", NULL);

        if (!read_cgroup(source, &sample, errp)) {
            return false;
        }
        read_pressure(own, &sample);
    }
    if (!sample.has_psi) {
        read_pressure(host, &sample);
    }
    *out = sample;
    return true;
}
