/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slots: which places in the leased slabs are in use.
 *
 * Pure.  A slot is (slab index + 1) << 14 | page in the slab, the number that
 * stands in a page word.  A slot is taken before its PUT is sent and given
 * back only when nothing of its old use can still arrive: after the ack of
 * its FREE, or when the provider's session has been fenced.  That is the
 * caller's part; here a slot is taken or it is not.
 *
 * A frozen slab, one that moves to another provider, keeps what is taken but
 * nothing more is taken in it.
 *
 * The map is not kept in the state memfd: a new pager builds it from the page
 * words with slots_mark(), so that the two can never differ.  Until it has seen
 * all words the map is partial: a slot that is not marked may be in use, so
 * that none counts as free and none is taken.
 */
#ifndef PAGER_SLOTS_H
#define PAGER_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

typedef struct SlotSlab {
    uint64_t *used;             /* bitmap; NULL: no such slab */
    uint64_t *read;             /* bitmap: the caller is reading the slot */
    uint64_t *leaving;          /* bitmap: on the way back, see slots_leave() */
    uint32_t lease;             /* index of the lease */
    uint32_t number;            /* the provider's */
    uint32_t pages;
    uint32_t nr_used;
    uint32_t hint;              /* where the last search ended */
    bool frozen;
} SlotSlab;

typedef struct Slots {
    SlotSlab *slabs;            /* RCACHE_NR_SLABS of them */
    uint32_t nr;                /* one past the highest in use */
    bool partial;               /* unmarked slots may be in use; attach.c's */
    uint64_t pages[RCACHE_NR_LEASES];   /* of each lease */
    uint64_t used[RCACHE_NR_LEASES];
    uint64_t held[RCACHE_NR_LEASES];    /* free, but in frozen slabs */
} Slots;

/*
 * A slot is a slab's index in the slab table and a page in that slab; the index
 * is stored plus one, so that 0 is no slot.
 */
static inline uint32_t slot_slab(uint64_t slot)
{
    return (slot >> RCACHE_SLOT_PAGE_BITS) - 1;
}

static inline uint32_t slot_page(uint64_t slot)
{
    return slot & (RCACHE_SLAB_PAGES_MAX - 1);
}

static inline uint64_t slot_make(uint32_t slab, uint32_t page)
{
    return ((uint64_t)slab + 1) << RCACHE_SLOT_PAGE_BITS | page;
}

/** slots_init() - no slabs; slots_deinit() forgets all */
void slots_init(Slots *slots);
void slots_deinit(Slots *slots);

/**
 * slots_add() - a slab of a lease
 * @slab: index in the state memfd's table, below RCACHE_NR_SLABS, unused
 * @pages: at most RCACHE_SLAB_PAGES_MAX
 */
void slots_add(Slots *slots, uint32_t slab, uint32_t lease, uint32_t number,
               uint32_t pages);

/** slots_remove() - the slab is no longer leased */
void slots_remove(Slots *slots, uint32_t slab);

/** slots_freeze() - take no more slots in a slab, or again */
void slots_freeze(Slots *slots, uint32_t slab, bool frozen);

/** slots_move() - the slab is now one of another lease, of the same size */
void slots_move(Slots *slots, uint32_t slab, uint32_t lease, uint32_t number);

/** slots_valid() - does @slot name a place in a slab that is leased? */
bool slots_valid(const Slots *slots, uint64_t slot);

/** slots_used() - is @slot, which must be valid, taken? */
bool slots_used(const Slots *slots, uint64_t slot);

/** slots_mark() - take @slot, which must be valid and free */
void slots_mark(Slots *slots, uint64_t slot);

/**
 * slots_leave() - a slot, which must be taken, is going to be given back
 *
 * Whoever finds it slots_leaving() leaves it alone: the words are shared with
 * the VMM, so that two of them may name one slot.
 */
void slots_leave(Slots *slots, uint64_t slot);

/** slots_leaving() - has slots_leave() been called for @slot? */
bool slots_leaving(const Slots *slots, uint64_t slot);

/** slots_clear() - give @slot back, which must be taken */
void slots_clear(Slots *slots, uint64_t slot);

/** slots_set_read() - a read of a valid slot begins, or ends */
void slots_set_read(Slots *slots, uint64_t slot, bool read);

/** slots_is_read() - is a valid slot being read? */
bool slots_is_read(const Slots *slots, uint64_t slot);

/**
 * slots_take() - take up to @n free slots of one lease
 * @lease: index of the lease
 * @out: the slots
 *
 * Return: how many were taken
 */
unsigned slots_take(Slots *slots, uint32_t lease, uint64_t *out, unsigned n);

/** slots_used_in() - taken slots of a lease */
static inline uint64_t slots_used_in(const Slots *slots, uint32_t lease)
{
    return slots->used[lease];
}

/** slots_free_in() - slots of a lease that can be taken, in unfrozen slabs */
static inline uint64_t slots_free_in(const Slots *slots, uint32_t lease)
{
    if (slots->partial) {
        return 0;
    }
    return slots->pages[lease] - slots->used[lease] - slots->held[lease];
}

#endif
