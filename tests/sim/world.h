/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world: the same hosts, lending under one rule.  There is one world for the
 * predictor, one for each rule it is compared with, and one for the oracle.
 *
 * Memory that is called back is the host's again when the deadline is over,
 * not earlier: that is the most that a requester may take.  A slab has missed
 * its deadline when the host needs its memory (memory - demand - reserve is
 * less than what is lent) before that, or before it was called back at all.
 * It then leaves at once, to a spill file.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct WorldHost {
    uint32_t lent;              /* slabs, without those called back */
    uint32_t returning;         /* slabs */
    uint32_t *due;              /* slabs, by beat; a ring */
} WorldHost;

typedef struct World {
    unsigned nr_hosts;
    unsigned deadline;          /* beats */
    uint64_t slab;              /* bytes */
    WorldHost *host;
    uint32_t *dues;             /* of all hosts */
    /* Counted from world_count() on: */
    bool counts;
    uint64_t revoked;           /* slabs, and so are the next */
    uint64_t missed;
    uint64_t lost;              /* with a host that failed */
    double lent_beats;          /* slabs times beats */
    uint64_t lent;              /* slabs, now, returning ones with them */
} World;

World *world_new(unsigned nr_hosts, unsigned deadline, uint64_t slab);
void world_free(World *world);

/** world_beat() - what is returned by now is the host's; nothing is summed */
void world_beat(World *world);

/**
 * world_host_beat() - a host at this beat: what was called back comes back,
 *                     and what the host has to have leaves
 * @up: false: all that it had lent is lost
 * @room: memory - demand - reserve, in bytes, 0 if less
 *
 * Return: slabs that the leases on this host have to do without now
 */
unsigned world_host_beat(World *world, unsigned i, uint64_t beat, bool up,
                         uint64_t room);

/** world_revoke() - call @slabs back */
void world_revoke(World *world, unsigned i, uint64_t beat, unsigned slabs);

/** world_lend() - so many more are leased */
void world_lend(World *world, unsigned i, unsigned slabs);

/** world_leased() - bytes in leases, returning ones with them */
uint64_t world_leased(const World *world, unsigned i);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(World, world_free)

#endif
