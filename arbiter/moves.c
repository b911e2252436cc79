/* SPDX-License-Identifier: GPL-2.0-or-later */
/* moves: the cap on moves.  See moves.h. */
#include "arbiter/moves.h"

#include <glib.h>

/* One move: per_minute of them come in a minute's milliseconds. */
#define ONE             60000u

void moves_init(Moves *moves, unsigned per_minute, uint64_t now)
{
    *moves = (Moves) {
        .per_minute = per_minute, .at_ms = now,
        .level = (uint64_t)per_minute * ONE,
    };
}

uint64_t moves_of(uint64_t bytes, uint64_t slab)
{
    return slab ? bytes / slab + !!(bytes % slab) : 0;
}

uint64_t moves_left(Moves *moves, uint64_t now)
{
    uint64_t most = (uint64_t)moves->per_minute * ONE;
    uint64_t passed = now > moves->at_ms ? MIN(now - moves->at_ms, ONE) : 0;

    if (!moves->per_minute) {
        return UINT64_MAX;
    }
    moves->level = MIN(moves->level + passed * moves->per_minute, most);
    moves->at_ms = MAX(now, moves->at_ms);
    return moves->level / ONE;
}

void moves_take(Moves *moves, uint64_t slabs, uint64_t now)
{
    if (!moves->per_minute) {
        return;
    }
    if (slabs >= moves_left(moves, now)) {
        moves->level = 0;
    } else {
        moves->level -= slabs * ONE;
    }
}
