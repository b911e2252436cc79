/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table: the page words of a VM, and how many are in each state.
 *
 * Pure: works on memory that it is given.  The words are shared with the
 * VMM, which changes them too (discards), so that every step is a
 * compare-and-swap from a value read before, and a step that fails is looked
 * at again by its caller.
 *
 * The counts are kept by frame (512 pages) and in all.  A frame counts for
 * nothing until table_recount() has counted it the first time.  A step taken
 * here moves both counts; the VMM's steps are not seen, but it marks the frame,
 * and table_recount() then counts that frame anew.  Until then a frame's count
 * may be wrong by the pages just discarded: what they are now, too low, even
 * below zero; what they were, too high.  Nothing but a discard happens unseen,
 * so that no page is HOT, ZAPPED or REMOTE in a frame that counts none.
 *
 * Words outside the VMM's blocks are never read, and the counts of their
 * frames are memory that the kernel has only promised: a table is as large as
 * the VM may ever be (maxmem), and costs what the VM is.
 */
#ifndef PAGER_TABLE_H
#define PAGER_TABLE_H

#include "rcached/pager/page.h"

/* All that a word can hold: the VMM may put in states that do not exist. */
#define TABLE_STATES    (RCACHE_STATE_MASK + 1)

typedef struct FrameCount {
    int16_t state[TABLE_STATES];
} FrameCount;

typedef struct Table {
    uint64_t *words;            /* shared with the VMM */
    struct RcacheSide *sides;   /* of each page */
    uint64_t nr;
    int64_t count[TABLE_STATES];
    FrameCount *frames;
} Table;

/**
 * table_init() - take over a table, of which nothing is counted yet
 * @words: @nr words, owned by the caller, as @sides
 *
 * Return: 0 or -ENOMEM
 */
int table_init(Table *table, uint64_t *words, struct RcacheSide *sides,
               uint64_t nr);
void table_deinit(Table *table);

/** table_load() - a page's word now; what was stored before it is seen too */
static inline uint64_t table_load(const Table *table, uint64_t page)
{
    return __atomic_load_n(&table->words[page], __ATOMIC_ACQUIRE);
}

/**
 * table_step() - compare and swap a page's word
 * @page: its index
 * @old: the word as it was read
 * @new: the word it shall be
 *
 * Return: true if the word was @old and is @new now
 */
bool table_step(Table *table, uint64_t page, uint64_t old, uint64_t new);

/** table_recount() - count the frame of @page, for the first time or again */
void table_recount(Table *table, uint64_t page);

/** table_frame_has() - can a page of @page's frame be in @state? */
static inline bool table_frame_has(const Table *table, uint64_t page,
                                   enum RcachePageState state)
{
    return table->frames[page / RCACHE_FRAME_PAGES].state[state] > 0;
}

/** table_all_are() - is each of the pages @page..@end in @state, as of now? */
bool table_all_are(const Table *table, uint64_t page, uint64_t end,
                   enum RcachePageState state);

/** table_resident() - pages whose bytes take up memory here */
uint64_t table_resident(const Table *table);

/** table_away() - pages whose bytes are at a provider only */
uint64_t table_away(const Table *table);

#endif
