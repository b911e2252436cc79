/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory-watch: to be woken when memory gets tight, instead of at the next
 * look.
 *
 * The host and a cgroup of version 2 have a PSI trigger: some task has waited
 * for memory for a tenth of two seconds (a window that needs no privilege).
 * A cgroup of version 1 says by an eventfd that it has begun to reclaim.
 */
#ifndef RCACHED_AGENT_MEMORY_WATCH_H
#define RCACHED_AGENT_MEMORY_WATCH_H

#include "rcached/agent/memory.h"

typedef struct MemoryWatch MemoryWatch;

typedef void MemoryPressed(void *opaque);

/**
 * memory_watch_new() - watch what @source reads
 * @pressed: called from the main loop, a few times a second at most
 *
 * Return: the watch, or NULL with @errp set: this kernel does not tell, or
 * not to us
 */
MemoryWatch *memory_watch_new(const MemorySource *source,
                              MemoryPressed *pressed, void *opaque,
                              GError **errp);
void memory_watch_free(MemoryWatch *watch);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryWatch, memory_watch_free)

#endif
