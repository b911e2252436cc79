/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * freeing: the way back of slots.
 */
#ifndef PAGER_FREEING_H
#define PAGER_FREEING_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/proto.h"
#include "rcached/pager/lease.h"

/**
 * struct FreeOut - slots whose FREE is out; private to freeing.c
 * @tag: of the FREE
 * @n: slots in it
 */
typedef struct FreeOut {
    uint64_t tag;
    unsigned n;
    uint64_t slot[RCACHE_BATCH_FREES];
} FreeOut;

/** freeing_add() - free a used slot of @l; location_free() says when */
void freeing_add(Lease *l, uint64_t slot);

/** freeing_hold() - move slots of a slab that wait for their FREE to @held */
void freeing_hold(Lease *l, uint32_t slab, GArray *held);

/** freeing_flush() - send FREEs; @all: also less than a full frame */
void freeing_flush(Pager *p, bool all);

/** freeing_answer() - to a FREE; false: none that is out at @remote */
bool freeing_answer(Pager *p, const Remote *remote, const WireHead *head);

/** freeing_is_out() - is a FREE in slab @slab of @l not yet answered? */
bool freeing_is_out(const Lease *l, uint32_t slab);

/**
 * freeing_sweep() - free slots that no word names, of a lease that a pager
 * before this one had: those of one slab, as there may be many
 *
 * Return: true if there may be more
 */
bool freeing_sweep(Pager *p);

/** freeing_requeue() - the session ended: what was not answered goes again */
void freeing_requeue(Lease *l);

#endif
