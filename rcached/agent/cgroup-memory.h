/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cgroup-memory: what memory cgroups, version 1 or 2, still let their
 * processes take.
 *
 * A limit holds for everything below it, so a cgroup is looked at together
 * with all that it lies in.  What a level could still take is its limit, less
 * what it uses, plus what the kernel can drop without writing it anywhere:
 * inactive file pages whole, and half of the active ones and of the slabs that
 * can shrink, since some of those are needed.  Lent memory is shmem, which the
 * kernel does not count among the file pages of these lists.
 *
 * Of version 2 memory.high counts as well as memory.max: a cgroup above it is
 * throttled.
 */
#ifndef RCACHED_AGENT_CGROUP_MEMORY_H
#define RCACHED_AGENT_CGROUP_MEMORY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct CgroupMemory CgroupMemory;

/* What the levels let one have; the caller sets what it has without them. */
typedef struct CgroupRoom {
    uint64_t total;             /* bytes; lowered to the lowest limit */
    uint64_t available;         /* bytes; lowered to the least room */
    bool limited;               /* some level has a limit */
    uint32_t psi_some_avg10;    /* hundredths of a percent; the highest of */
    uint32_t psi_full_avg10;    /* the levels that have a limit, or higher */
} CgroupRoom;

/**
 * cgroup_memory_open() - a cgroup by its folder
 *
 * Return: the cgroup, or NULL with @errp set if it is no memory cgroup
 */
CgroupMemory *cgroup_memory_open(const char *folder, GError **errp);

/**
 * cgroup_memory_own() - the cgroups that this process is in, of both versions
 * @proc: where proc is mounted
 * @out: CgroupMemory are added, for cgroup_memory_free(); none where this
 *       process is in none, or where no cgroups can be seen
 */
void cgroup_memory_own(const char *proc, GPtrArray *out);

void cgroup_memory_free(CgroupMemory *cgroup);

/** cgroup_memory_folder() - its own; belongs to it */
const char *cgroup_memory_folder(const CgroupMemory *cgroup);

/** cgroup_memory_is_v1() - is it of version 1? */
bool cgroup_memory_is_v1(const CgroupMemory *cgroup);

/**
 * cgroup_memory_read() - let it and each level above bring @room down
 *
 * Return: false with @errp set if a figure cannot be read; @room is then
 * undefined
 */
bool cgroup_memory_read(const CgroupMemory *cgroup, CgroupRoom *room,
                        GError **errp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CgroupMemory, cgroup_memory_free)

#endif
