/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * page: how a page word is taken apart and put together.
 *
 * Pure.  The layout, and who may take which step from state to state, stands
 * in docs/vmm-protocol.rst; the steps themselves are compare-and-swaps in
 * table.h.  A new word is always built from the old one, so that credit and
 * generation are carried along unless a function here says otherwise.
 */
#ifndef PAGER_PAGE_H
#define PAGER_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

static inline enum RcachePageState page_state(uint64_t word)
{
    return word & RCACHE_STATE_MASK;
}

/** page_slot() - where the page is; 0: nowhere (slots.h) */
static inline uint64_t page_slot(uint64_t word)
{
    return word >> RCACHE_SLOT_SHIFT;
}

/** page_credit() - for how many rounds clock.c still passes it by */
static inline unsigned page_credit(uint64_t word)
{
    return (word & RCACHE_CREDIT_MASK) >> RCACHE_CREDIT_SHIFT;
}

/** page_to() - @word in another state, CLEAN cleared, the rest as it was */
static inline uint64_t page_to(uint64_t word, enum RcachePageState state)
{
    return (word & ~(RCACHE_STATE_MASK | RCACHE_CLEAN)) | state;
}

/** page_begin() - the same with the next generation: something starts */
static inline uint64_t page_begin(uint64_t word, enum RcachePageState state)
{
    uint64_t gen = (word + (1ull << RCACHE_GEN_SHIFT)) & RCACHE_GEN_MASK;

    return (page_to(word, state) & ~RCACHE_GEN_MASK) | gen;
}

/** page_with_slot() - @word with another slot; 0 takes it out */
static inline uint64_t page_with_slot(uint64_t word, uint64_t slot)
{
    return (word & ~RCACHE_SLOT_MASK) | slot << RCACHE_SLOT_SHIFT;
}

static inline uint64_t page_with_credit(uint64_t word, unsigned credit)
{
    return (word & ~RCACHE_CREDIT_MASK) |
           (uint64_t)credit << RCACHE_CREDIT_SHIFT;
}

/** page_has_bytes() - are the page's bytes in the memfd in this state? */
static inline bool page_has_bytes(enum RcachePageState state)
{
    return state == RCACHE_HOT || state == RCACHE_ZAPPING ||
           state == RCACHE_ZAPPED || state == RCACHE_EVICTING ||
           state == RCACHE_CACHED;
}

#endif
