/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move: a slab is copied from one provider to another, and is there instead of
 * where it was (a move), or there as well (a copy); or it loses a stale place,
 * once the other one has been compared with what is known here.
 */
#ifndef PAGER_MOVE_H
#define PAGER_MOVE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire-move.h"
#include "rcached/pager/avoid.h"
#include "rcached/pager/lease.h"

#define MOVES_MAX       4u      /* slabs on their way to another provider */
#define MOVES_PUT_OFF   64u     /* slabs that wait until they can be read */

enum MoveState {
    MOVE_NONE,
    MOVE_EXPECTING,
    MOVE_WAITING,               /* for PUTs and FREEs into it to be answered */
    MOVE_MOVING,
    MOVE_CONFIRMING,
    MOVE_CHECKING,              /* what is there is compared: compare.c */
    MOVE_WIPING                 /* no move: a spare slab is to be used */
};

/**
 * struct Move - a slab on its way to another provider; private to move.c, but
 *               that revoke.c counts by @leaves, and copies.c those without
 * @slab: its index in the slab table
 * @which: the place that will be at @to
 * @number: of the spare slab it goes to, the provider's
 * @from: who pushes it; NULL when WIPING
 * @to: where it goes
 * @leaves: the lease that it leaves; NULL: it stays where it is as well
 * @empty: nothing is stored in it, so that nothing is pushed
 * @sheds: nothing is copied: @which, at @to, is stale and goes
 * @unread: @from cannot read some of it; CHECKING which, and it stays
 * @tag: of the request that is out
 * @asked_at: ns, it was sent
 * @retry_at: ns, send it again; 0: a request is out
 * @token: of this attempt; the providers show it to each other
 * @moved: what @from says it has pushed
 */
typedef struct Move {
    enum MoveState state;
    uint32_t slab;
    unsigned which;
    uint32_t number;
    Lease *from, *to;
    const Lease *leaves;
    bool empty;
    bool sheds;
    bool unread;
    uint64_t tag;
    uint64_t asked_at;
    uint64_t retry_at;
    uint8_t token[RCACHE_TOKEN_LEN];
    WireMoved moved;
} Move;

/* A slab that could not be read as a whole: others go first. */
typedef struct MovePutOff {
    uint32_t slab;
    uint64_t until;             /* ns */
} MovePutOff;

/**
 * struct Moves - all that move
 * @nr: entries that are in use
 * @avoid: of Avoid: Remotes that cannot push to one another
 * @put_off: the last slabs that could not be read
 */
typedef struct Moves {
    Move entry[MOVES_MAX];
    unsigned nr;
    GArray *avoid;
    MovePutOff put_off[MOVES_PUT_OFF];
    unsigned next_put_off;
} Moves;

/** moves_is_put_off() - is a slab not to be moved or copied for now? */
static inline bool moves_is_put_off(const Moves *moves, uint32_t slab,
                                    uint64_t now)
{
    for (unsigned i = 0; i < MOVES_PUT_OFF; i++) {
        if (moves->put_off[i].slab == slab &&
            now < moves->put_off[i].until) {
            return true;
        }
    }
    return false;
}

void moves_init(Moves *moves);
void moves_deinit(Moves *moves);

/**
 * move_begin() - move slab @slab of @from to the spare slab @number of @to
 *
 * There must be less than MOVES_MAX under way; so for move_wipe().
 */
void move_begin(Pager *p, Lease *from, uint32_t slab, Lease *to,
                uint32_t number);

/**
 * move_copy() - make place @which of a slab one at @to as well
 *
 * That place must be none, or stale.
 */
void move_copy(Pager *p, uint32_t slab, unsigned which, Lease *to,
               uint32_t number);

/**
 * move_shed() - give up the stale place @which of a slab, at @to
 *
 * The other place, at a provider that can be asked for sums, has to have right
 * bytes first.
 */
void move_shed(Pager *p, uint32_t slab, unsigned which, Lease *to);

/** move_source_gone() - slab @slab is no more at @l, which may push it */
void move_source_gone(Pager *p, uint32_t slab, const Lease *l);

/** move_wipe() - put the spare slab @number of @l into the slab table */
void move_wipe(Pager *p, Lease *l, uint32_t number);

/**
 * move_answer() - to EXPECT, MOVE, CONFIRM or DROP
 * @remote: who has sent it: it counts only from the one who was asked
 */
void move_answer(Pager *p, const Remote *remote, const WireHead *head,
                 const void *payload);

/** move_lease_gone() - give up what is under way from or to @l */
void move_lease_gone(Pager *p, const Lease *l);

/** move_names() - is the slab @number of @to one that something moves to? */
bool move_names(const Pager *p, const Lease *to, uint32_t number);

/** move_answered() - a PUT or FREE has been: a move may have waited for it */
void move_answered(Pager *p);

/**
 * move_retry() - ask again who was busy, and go on where what was waited for
 * will never be answered: its session has ended, or its place is gone
 */
void move_retry(Pager *p, uint64_t now);

/** move_remote_down() - what was asked of @remote is not answered any more */
void move_remote_down(Pager *p, const Remote *remote);

#endif
