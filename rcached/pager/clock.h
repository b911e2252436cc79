/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock: the two hands that choose which pages go.
 *
 * Pure.  The front hand goes through the words in address order and picks hot
 * pages to be zapped; the back hand follows and picks those that nobody has
 * touched since.  The way between them is the age a page must reach.  A page
 * that was touched in between has earned credit, and the front hand passes it
 * by while the credit lasts, one unit a turn, so that hot memory is rarely
 * sampled.  (Two-handed clock as in 4.3BSD; the credit is the use bit of
 * CLOCK-Pro, with more than one bit.)
 *
 * The hands move only when they are asked to, and look at a bounded number of
 * words each time.  Frames that have nothing for a hand, by the table's counts,
 * are passed in one step, and the words between the VM's blocks by a skip: a
 * turn costs what the VM has, not what its table has room for.
 */
#ifndef PAGER_CLOCK_H
#define PAGER_CLOCK_H

#include "rcached/pager/table.h"

#define CLOCK_CREDIT_MAX        3u
#define CLOCK_SCAN_MAX          16384u  /* words one call may look at */
#define CLOCK_ENOUGH            64u     /* pages: a call ends with the frame */

typedef struct Clock {
    uint64_t front;             /* next word the front hand looks at */
    uint64_t back;              /* next word the back hand looks at */
    uint64_t between;           /* words from back to front */
    uint64_t swept;             /* words the back hand has passed, ever */
} Clock;

/** clock_start() - both hands to the word @page, as if they had met there */
void clock_start(Clock *clock, uint64_t page);

/**
 * clock_front() - move the front hand
 * @table: its credits are counted down
 * @start, @end: the words that may be picked: those of one block
 * @out: indices of hot pages without credit, ascending
 * @max: room in @out
 *
 * The hand is where it was if @start..@end does not hold it.  It stops at the
 * end of a frame once it has found enough: pages that are near each other cost
 * less to zap than as many that are not.
 *
 * Return: how many stand in @out
 */
unsigned clock_front(Clock *clock, Table *table, uint64_t start, uint64_t end,
                     uint64_t *out, unsigned max);

/**
 * clock_back() - move the back hand, never past the front hand, nor past a
 * page whose zap has not been answered yet
 * @start, @end: it stays in these words, and does not move if it is outside
 * @out: indices of zapped pages, in the order of the sweep
 * @max: room in @out
 *
 * Return: how many stand in @out
 */
unsigned clock_back(Clock *clock, const Table *table, uint64_t start,
                    uint64_t end, uint64_t *out, unsigned max);

/**
 * clock_front_rests() - nothing is HOT: the front hand waits behind the back
 * hand, which may go round once more, for what it has left behind
 *
 * If the front hand went on looking it would push the back hand past pages that
 * are ZAPPED.
 *
 * Return: how many words it has passed by that
 */
uint64_t clock_front_rests(Clock *clock, const Table *table);

/** clock_skip_front() - move the front hand to @to, past words of no block */
void clock_skip_front(Clock *clock, const Table *table, uint64_t to);

/** clock_skip_back() - the same for the back hand, up to the front hand */
void clock_skip_back(Clock *clock, const Table *table, uint64_t to);

/** clock_credit() - @word, touched once more while it was being sampled */
static inline uint64_t clock_credit(uint64_t word)
{
    unsigned credit = page_credit(word);

    return credit < CLOCK_CREDIT_MAX ? page_with_credit(word, credit + 1)
                                     : word;
}

#endif
