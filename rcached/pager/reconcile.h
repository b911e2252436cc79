/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reconcile: what a new pager makes of the words it finds (rule 2).
 *
 * The words may have been left in any state by a pager that was killed at any
 * point.  For each page: read the word, then ask the memfd, then compare and
 * swap from the word that was read; the VMM may be discarding meanwhile.  In
 * that order, since the memfd asked first could show data that a discard then
 * takes, and a word read later would look as if it still had it.
 *
 * It is done frame by frame (512 pages), in any order: where a guest waits,
 * and else from the start.  A frame costs some tens of microseconds, so that
 * a guest of any size is answered at once.  Until all frames are done the
 * counts of the table lack those that are not, and so does the map of used
 * slots, which is built from the words: Slots.partial says so, and nobody
 * takes, frees or counts slots by half a map.
 *
 * How the memfd is asked: one call says which pages of the frame are in
 * memory.  What is not in memory may still have data (it was swapped out), so
 * where the word makes a difference of it the memfd is asked again, for runs
 * of pages, where the next data is.
 *
 * Pure: the memfd is behind ReconcileOps.
 */
#ifndef PAGER_RECONCILE_H
#define PAGER_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/slots.h"
#include "rcached/pager/table.h"

/**
 * struct ReconcileOps - how the memfd is asked, and what is done there
 * @present: a byte for each of @n pages from @page, 1 for one in memory;
 *           0 or -errno, after which @next_data is asked for all
 * @next_data: the first page with data of @page..@end, @end if there is none,
 *             or -errno
 * @punch: give a page's memory back
 * @keep: have the kernel keep @n pages that have data; 0 or -errno
 * @lost: a page has been stepped to LOST, and why
 */
typedef struct ReconcileOps {
    int (*present)(void *owner, uint64_t page, unsigned n, uint8_t *has);
    int64_t (*next_data)(void *owner, uint64_t page, uint64_t end);
    void (*punch)(void *owner, uint64_t page);
    int (*keep)(void *owner, uint64_t page, unsigned n);
    void (*lost)(void *owner, uint64_t page, const char *why);
} ReconcileOps;

/**
 * struct ReconcileRange - the frames of one block; private to reconcile.c
 * @pending: bitmap over its frames: not reconciled yet; NULL: no block
 * @left: how many bits are set in it
 * @next: no bit is set before this one
 */
typedef struct ReconcileRange {
    uint64_t first;
    uint64_t pages;
    uint64_t *pending;
    uint64_t left;
    uint64_t next;
} ReconcileRange;

/**
 * struct Reconcile - how far a pager is
 * @left: frames that are not reconciled
 * @managed: a page was found that is under management
 */
typedef struct Reconcile {
    Table *table;
    Slots *slots;
    const ReconcileOps *ops;
    void *owner;
    ReconcileRange range[RCACHE_BLOCKS_MAX];
    uint64_t left;
    bool managed;
} Reconcile;

void reconcile_init(Reconcile *r, Table *table, Slots *slots,
                    const ReconcileOps *ops, void *owner);
void reconcile_deinit(Reconcile *r);

/** reconcile_add() - a block whose words are not known yet
 * @block: its id, below RCACHE_BLOCKS_MAX, not in use here
 */
void reconcile_add(Reconcile *r, unsigned block, uint64_t first,
                   uint64_t pages);

/** reconcile_remove() - the block goes; its words are counted, no more */
void reconcile_remove(Reconcile *r, unsigned block);

/** reconcile_page() - see that @page of @block is reconciled now */
void reconcile_page(Reconcile *r, unsigned block, uint64_t page);

/** reconcile_next() - one more frame; false: there was none left */
bool reconcile_next(Reconcile *r);

/**
 * reconcile_ask() - which pages have data
 * @page, @n: of one frame and one block
 * @word: theirs, read before; where one makes no difference of data that is
 *        not in memory (REMOTE, say), such data is not looked for
 * @has: a byte for each
 *
 * Return: 0 or -errno
 */
int reconcile_ask(Reconcile *r, uint64_t page, unsigned n,
                  const uint64_t *word, uint8_t *has);

#endif
