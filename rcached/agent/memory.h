/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory: how much memory there is and how tight it is, from one of two
 * places behind one interface.
 *
 * "host" reads /proc/meminfo and /proc/pressure/memory.  "cgroup:PATH" reads
 * a memory cgroup, version 1 or 2, in which the daemon and what it shares the
 * memory with live; every limit from there up to the top counts, and so does
 * the host, since a cgroup's limit does not say that the host has the memory.
 * The pressure is the cgroup's where it is told (version 2), else the host's.
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

/**
 * memory_parse_pressure() - the text of a pressure file
 * @some, @full: hundredths of a percent over the last ten seconds; a line
 *               that is missing counts as 0
 *
 * Return: false if there is no line "some"
 */
bool memory_parse_pressure(const char *text, uint32_t *some, uint32_t *full);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemorySource, memory_source_free)

#endif
