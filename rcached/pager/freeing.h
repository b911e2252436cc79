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
 * struct FreeOut - slots whose FREE is out; freeing.c writes it
 * @tag: of the FREE
 * @n: slots in it
 * @slot: the slots; 0: freeing_forget() has been called for it
 */
typedef struct FreeOut {
    uint64_t tag;
    unsigned n;
    uint64_t slot[RCACHE_BATCH_FREES];
} FreeOut;

/**
 * freeing_slot() - free a slot that is used: at every place, and when the GETs
 * on it are in and its slab is not frozen
 */
void freeing_slot(Pager *p, uint64_t slot);

/** freeing_at() - a slot on its way back is to be freed at place @which too */
void freeing_at(Pager *p, uint64_t slot, unsigned which);

/**
 * freeing_hold() - move slots of a slab that wait for their FREE to @held
 * @which: the slab's place at @l
 * @held: of Held
 */
void freeing_hold(Lease *l, uint32_t slab, unsigned which, GArray *held);

/** freeing_forget() - no slot of a slab is to be freed at @l any more */
void freeing_forget(Lease *l, uint32_t slab);

/** freeing_flush() - send FREEs; @all: also less than a full frame */
void freeing_flush(Pager *p, bool all);

/** freeing_answer() - to a FREE; false: none that is out at @remote */
bool freeing_answer(Pager *p, const Remote *remote, const WireHead *head);

/** freeing_pages() - slots that the provider of @l has still to free */
static inline uint64_t freeing_pages(const Lease *l)
{
    uint64_t pages = l->to_free->len;

    for (const GList *at = l->frees.head; at; at = at->next) {
        const FreeOut *out = at->data;

        for (unsigned i = 0; i < out->n; i++) {
            pages += out->slot[i] != 0;
        }
    }
    return pages;
}

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
