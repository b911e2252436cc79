/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * limit: how much of the guest may be here and how much away, a local_max that
 * rcached chooses (local-max=auto), and a VM that is held (hold=on).
 */
#ifndef PAGER_LIMIT_H
#define PAGER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Pager Pager;

/**
 * struct Limits - in pages; all read it
 * @local_max: may be resident; vmm-messages.c, command.c and limit.c set it
 * @size: may be away; vmm-messages.c and command.c set it
 * @ram: the guest has; vmm-messages.c sets it
 * @auto_least: rcached may choose local_max from here on; 0: it may not
 * @auto_limit: what it has chosen
 * @held: nothing goes, and what is away comes home; limit_hold() sets it
 * @held_max: may be resident meanwhile, as the host has room; rcached says it
 */
typedef struct Limits {
    uint64_t local_max;
    uint64_t size;
    uint64_t ram;
    uint64_t auto_least;
    uint64_t auto_limit;
    bool held;
    uint64_t held_max;
} Limits;

/** limit_here() - pages that may be resident, with what a hold allows */
static inline uint64_t limit_here(const Limits *limits)
{
    return limits->held && limits->held_max > limits->local_max
               ? limits->held_max : limits->local_max;
}

/** limit_away() - pages that may stay away: none of a VM that is held */
static inline uint64_t limit_away(const Limits *limits)
{
    return limits->held ? 0 : limits->size;
}

/**
 * limit_of_a_lease() - pages, more than any lease of the VM has
 *
 * That is all that a pager knows of a lease which its predecessor was granted,
 * so no more may be asked for at once: claim.c takes a provider that has more,
 * and more than CLAIM_STEP_PAGES, for one that lies.
 */
static inline uint64_t limit_of_a_lease(const Limits *limits)
{
    return limits->size > limits->ram ? limits->size : limits->ram;
}

/** limit_begin() - rcached chooses local_max, from what it is now to @ram */
void limit_begin(Pager *p, uint64_t ram);

/** limit_end() - it does no longer */
void limit_end(Pager *p);

/** limit_resume() - it does again, from @least pages on: a resize has failed */
void limit_resume(Pager *p, uint64_t least);

/** limit_told() - rcached has chosen */
void limit_told(Pager *p, uint64_t bytes);

/**
 * limit_hold() - rcached says whether the VM is held
 * @bytes: of it may be resident meanwhile, beyond local-max
 */
void limit_hold(Pager *p, bool held, uint64_t bytes);

/** limit_tick() - bring local_max nearer to what has been chosen */
void limit_tick(Pager *p);

/** limit_is_all() - all of the guest may be here: pages go on command only */
bool limit_is_all(const Pager *p);

/** limit_low_water() - resident pages the evictor comes down to */
uint64_t limit_low_water(const Pager *p);

/**
 * limit_allowance() - pages that may still go until size is away
 *
 * What is on its way counts as away, unless it is overdue: evict.c looks again
 * when it has arrived after all.  Of a VM that is held none may go, but for a
 * fault that waits since the host has no room: one goes for one that comes.
 */
uint64_t limit_allowance(const Pager *p);

/**
 * limit_room() - pages that may come before local_max is reached
 *
 * Those that are on their way are here already, in this.
 */
uint64_t limit_room(const Pager *p);

/**
 * limit_slack() - pages by which a guest may be above local_max that has all of
 * size away
 *
 * Then a page can go only when one has come back.  With some room for those
 * that come, pages go by the batch and faults do not wait for each other.
 */
uint64_t limit_slack(const Pager *p);

#endif
