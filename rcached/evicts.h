/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evicts: what operators have asked of VMs' pagers: cold pages to go, now.
 *
 * It is the pager that does it, and answers when all has gone, or no more
 * can.  Each one is answered exactly once: by its pager, or when the pager's
 * link ends, or when this daemon does.
 */
#ifndef RCACHED_EVICTS_H
#define RCACHED_EVICTS_H

#include <glib.h>
#include <stdbool.h>

#include "rcached/vms.h"

typedef struct Evicts Evicts;

typedef struct Evicted {
    const char *vm;             /* its name */
    bool failed;                /* nothing went; .text says why */
    uint64_t bytes;             /* that went and are confirmed */
    const char *text;           /* why not all; "" if it is all */
} Evicted;

/** EvictDone - the answer; on the main loop, once for each */
typedef void EvictDone(const Evicted *evicted, void *opaque);

/** evicts_new() - none under way */
Evicts *evicts_new(void);

/** evicts_free() - those that are under way fail; takes NULL */
void evicts_free(Evicts *evicts);

/**
 * evicts_start() - ask the pager of @vm to evict @bytes
 *
 * Return: false with @errp set (domain ADMIN_ERROR), and @done is not called
 */
bool evicts_start(Evicts *evicts, const Vm *vm, uint64_t bytes,
                  EvictDone *done, void *opaque, GError **errp);

/** evicts_result() - a pager has answered LINK_EVICT */
void evicts_result(Evicts *evicts, const Vm *vm,
                   const struct LinkResult *msg);

/** evicts_link_closed() - what was asked of this VM's pager fails */
void evicts_link_closed(Evicts *evicts, const Vm *vm);

#endif
