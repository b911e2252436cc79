/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory: how much memory there is and how tight it is.  See memory.h.
 *
 * The daemon may be moved from cgroup to cgroup while it runs, and a limit may
 * be set at any time, so its own are looked for at every look; but only at some
 * of them while none has a limit: there is nothing that could get tight then,
 * and an idle daemon would spend more on this than on all else.
 */
#include "rcached/agent/memory.h"

#include <gio/gio.h>
#include <string.h>

#include "common/proc-text.h"
#include "rcached/agent/cgroup-memory.h"

#define CGROUP          "cgroup:"
#define OWN_PAUSE       15u     /* looks without the own cgroups */

struct MemorySource {
    char *name;
    char *proc;
    CgroupMemory *cgroup;       /* the one that was asked for, or NULL */
    unsigned own_pause;         /* looks until the own ones are looked at */
};

/* ----------------------------------------------------------------- host */

static bool read_host(MemorySource *source, MemorySample *out, GError **errp)
{
    g_autofree char *path = g_build_filename(source->proc, "meminfo", NULL);
    g_autofree char *text = NULL;
    uint64_t total, available;

    if (!g_file_get_contents(path, &text, NULL, errp)) {
        return false;
    }
    if (!proc_text_number(text, "MemTotal", &total) ||
        !proc_text_number(text, "MemAvailable", &available) ||
        total > UINT64_MAX / 1024 || available > total) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "%s lacks MemTotal or MemAvailable", path);
        return false;
    }
    out->total = total * 1024;
    out->available = available * 1024;
    return true;
}

/* Pressure is not always there (psi=0, cgroup version 1): that is no error. */
static bool read_pressure(const char *path, MemorySample *out)
{
    g_autofree char *text = NULL;

    out->has_psi = g_file_get_contents(path, &text, NULL, NULL) &&
                   proc_text_pressure(text, &out->psi_some_avg10,
                                      &out->psi_full_avg10);
    return out->has_psi;
}

/* --------------------------------------------------------------- cgroups */

/* The asked-for one's pressure stands in for the host's where it is told. */
static bool read_asked(MemorySource *source, MemorySample *out,
                       CgroupRoom *room, GError **errp)
{
    g_autofree char *host = g_build_filename(source->proc, "pressure",
                                             "memory", NULL);

    if (source->cgroup) {
        g_autofree char *path = g_build_filename(
            cgroup_memory_folder(source->cgroup), "memory.pressure", NULL);

        if (!cgroup_memory_read(source->cgroup, room, errp)) {
            return false;
        }
        if (read_pressure(path, out)) {
            return true;
        }
    }
    read_pressure(host, out);
    return true;
}

static bool read_own(MemorySource *source, CgroupRoom *room, GError **errp)
{
    g_autoptr(GPtrArray) own = g_ptr_array_new_with_free_func(
        (GDestroyNotify)cgroup_memory_free);

    if (source->own_pause) {
        source->own_pause--;
        return true;
    }
    cgroup_memory_own(source->proc, own);
    for (unsigned i = 0; i < own->len; i++) {
        if (!cgroup_memory_read(g_ptr_array_index(own, i), room, errp)) {
            return false;
        }
    }
    source->own_pause = room->limited ? 0 : OWN_PAUSE;
    return true;
}

/* --------------------------------------------------------------- source */

static bool source_find(MemorySource *source, const char *spec,
                        GError **errp)
{
    const char *path = spec + strlen(CGROUP);

    if (!strcmp(spec, "host")) {
        return true;
    }
    if (!g_str_has_prefix(spec, CGROUP)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "memory-source is 'host' or 'cgroup:PATH', not '%s'",
                    spec);
        return false;
    }
    if (!g_path_is_absolute(path)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "memory-source=cgroup:PATH needs an absolute path, not "
                    "'%s'", path);
        return false;
    }
    source->cgroup = cgroup_memory_open(path, errp);
    return source->cgroup != NULL;
}

MemorySource *memory_source_new(const char *spec, const char *proc,
                                GError **errp)
{
    g_autoptr(MemorySource) source = g_new0(MemorySource, 1);
    MemorySample sample;

    source->name = g_strdup(spec);
    source->proc = g_strdup(proc);
    if (!source_find(source, spec, errp) ||
        !memory_source_read(source, &sample, errp)) {
        return NULL;
    }
    return g_steal_pointer(&source);
}

void memory_source_free(MemorySource *source)
{
    if (source) {
        g_free(source->name);
        g_free(source->proc);
        cgroup_memory_free(source->cgroup);
        g_free(source);
    }
}

const char *memory_source_name(const MemorySource *source)
{
    return source->name;
}

/* The own cgroup that limits this daemon and can wake it; NULL if none. */
static CgroupMemory *source_limiting(const MemorySource *source)
{
    g_autoptr(GPtrArray) own = g_ptr_array_new_with_free_func(
        (GDestroyNotify)cgroup_memory_free);

    cgroup_memory_own(source->proc, own);
    for (unsigned i = 0; i < own->len; i++) {
        CgroupMemory *cgroup = g_ptr_array_index(own, i);
        CgroupRoom room = { .total = UINT64_MAX, .available = UINT64_MAX };

        if (cgroup_memory_is_v1(cgroup) &&
            cgroup_memory_read(cgroup, &room, NULL) && room.limited) {
            return g_ptr_array_steal_index(own, i);
        }
    }
    return NULL;
}

bool memory_source_watched(const MemorySource *source, char **path)
{
    g_autoptr(CgroupMemory) own = source->cgroup ? NULL
                                                 : source_limiting(source);
    const CgroupMemory *cgroup = source->cgroup ? source->cgroup : own;
    bool v1 = cgroup && cgroup_memory_is_v1(cgroup);

    *path = v1 ? g_strdup(cgroup_memory_folder(cgroup))
          : cgroup ? g_build_filename(cgroup_memory_folder(cgroup),
                                      "memory.pressure", NULL)
          : g_build_filename(source->proc, "pressure", "memory", NULL);
    return v1;
}

bool memory_source_read(MemorySource *source, MemorySample *out,
                        GError **errp)
{
    MemorySample sample = { 0 };
    CgroupRoom room = { 0 };

    if (!read_host(source, &sample, errp)) {
        return false;
    }
    room.total = sample.total;
    room.available = sample.available;
    if (!read_asked(source, &sample, &room, errp)) {
        return false;
    }
    if (source->cgroup) {
        /* What was asked for has said all that counts of its pressure. */
        room.psi_some_avg10 = room.psi_full_avg10 = 0;
    }
    if (!read_own(source, &room, errp)) {
        return false;
    }
    sample.total = room.total;
    sample.available = MIN(room.available, room.total);
    sample.psi_some_avg10 = MAX(sample.psi_some_avg10, room.psi_some_avg10);
    sample.psi_full_avg10 = MAX(sample.psi_full_avg10, room.psi_full_avg10);
    *out = sample;
    return true;
}
