/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory: how much memory there is and how tight it is, from one of two
 * places behind one interface.
 *
 * "host" reads /proc/meminfo and /proc/pressure/memory.  "cgroup:PATH" reads
 * a memory cgroup, version 1 or 2, in which the daemon and what it shares the
 * memory with live; the host counts too, since a cgroup's limit does not say
 * that the host has the memory.  The pressure is the cgroup's where it is told
 * (version 2), else the host's.
 *
 * Whatever the source, the cgroups this daemon itself is in count: what it
 * lends is charged to them, and above their limit it is killed.  Their limits
 * at every level lower the figures, and the pressure of those levels that have
 * a limit (version 2) raises it.
 */
#ifndef RCACHED_AGENT_MEMORY_H
#define RCACHED_AGENT_MEMORY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct MemorySource MemorySource;

typedef struct MemorySample {
    uint64_t total;             /* bytes, and so is the next */
    uint64_t available;         /* without swapping */
    bool has_psi;               /* the kernel told the pressure */
    uint32_t psi_some_avg10;    /* hundredths of a percent */
    uint32_t psi_full_avg10;
} MemorySample;

/**
 * memory_source_new() - open a source by its name
 * @spec: "host", or "cgroup:PATH", PATH being the cgroup's absolute folder
 * @proc: where proc is mounted: "/proc" but in tests
 *
 * Return: the source, or NULL with @errp set if nothing can be read there
 */
MemorySource *memory_source_new(const char *spec, const char *proc,
                                GError **errp);

void memory_source_free(MemorySource *source);

/** memory_source_name() - in words, for the log and for status */
const char *memory_source_name(const MemorySource *source);

/**
 * memory_source_watched() - what tells that memory gets tight
 * @path: new; a pressure file, or the folder of a cgroup of version 1
 *
 * Return: true if it is such a cgroup
 */
bool memory_source_watched(const MemorySource *source, char **path);

/**
 * memory_source_read() - take a sample now
 *
 * Return: false with @errp set if it cannot be read; @out is then unchanged
 */
bool memory_source_read(MemorySource *source, MemorySample *out,
                        GError **errp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemorySource, memory_source_free)

#endif
