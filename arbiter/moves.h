/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * moves: how many slabs may be moved in a minute because an operator drains
 * hosts.  A bucket that fills up evenly and holds a minute's worth.  What a
 * host under pressure wants back is not counted: it cannot wait.
 *
 * Pure: time is an argument, in milliseconds.
 */
#ifndef ARBITER_MOVES_H
#define ARBITER_MOVES_H

#include <stdint.h>

typedef struct Moves {
    unsigned per_minute;        /* 0: no limit */
    uint64_t level;             /* moves, in 60000ths */
    uint64_t at_ms;
} Moves;

/** moves_init() - a minute's worth is there at once */
void moves_init(Moves *moves, unsigned per_minute, uint64_t now);

/** moves_of() - how many it takes to move @bytes in slabs of @slab */
uint64_t moves_of(uint64_t bytes, uint64_t slab);

/** moves_left() - how many slabs may be moved now */
uint64_t moves_left(Moves *moves, uint64_t now);

/** moves_take() - so many will be; all that are left, if that is more */
void moves_take(Moves *moves, uint64_t slabs, uint64_t now);

#endif
