/* SPDX-License-Identifier: GPL-2.0-or-later */
/* world: hosts that lend under one rule.  See world.h. */
#include "world.h"

World *world_new(unsigned nr_hosts, unsigned deadline, uint64_t slab)
{
    World *world = g_new0(World, 1);

    world->nr_hosts = nr_hosts;
    world->deadline = deadline;
    world->slab = slab;
    world->host = g_new0(WorldHost, nr_hosts);
    world->dues = g_new0(uint32_t, (size_t)nr_hosts * deadline);
    for (unsigned i = 0; i < nr_hosts; i++) {
        world->host[i].due = &world->dues[(size_t)i * deadline];
    }
    return world;
}

void world_free(World *world)
{
    if (world) {
        g_free(world->dues);
        g_free(world->host);
        g_free(world);
    }
}

static void world_count(World *world, uint64_t *counter, unsigned slabs)
{
    if (world->counts) {
        *counter += slabs;
    }
}

/*
 * Slabs that were called back leave early: the last due first, since the
 * others will be back soon in any case.
 */
static unsigned leave_early(World *world, WorldHost *h, uint64_t beat,
                            unsigned slabs)
{
    unsigned left = MIN(slabs, h->returning);

    slabs = left;
    for (unsigned i = world->deadline; i > 0 && left; i--) {
        uint32_t *due = &h->due[(beat + i) % world->deadline];
        unsigned n = MIN(*due, left);

        *due -= n;
        left -= n;
    }
    h->returning -= slabs;
    return slabs;
}

static unsigned world_host_down(World *world, WorldHost *h)
{
    unsigned lent = h->lent;

    world_count(world, &world->lost, h->lent + h->returning);
    world->lent -= h->lent + h->returning;
    for (unsigned i = 0; i < world->deadline; i++) {
        h->due[i] = 0;
    }
    h->lent = h->returning = 0;
    return lent;
}

unsigned world_host_beat(World *world, unsigned i, uint64_t beat, bool up,
                         uint64_t room)
{
    WorldHost *h = &world->host[i];
    uint32_t *due = &h->due[beat % world->deadline];
    uint64_t most = room / world->slab;
    unsigned excess, early, taken;

    h->returning -= *due;
    world->lent -= *due;
    *due = 0;
    if (!up) {
        return world_host_down(world, h);
    }
    if (h->lent + h->returning <= most) {
        return 0;
    }
    excess = h->lent + h->returning - most;
    early = leave_early(world, h, beat, excess);
    taken = excess - early;
    h->lent -= taken;
    world->lent -= excess;
    world_count(world, &world->missed, excess);
    world_count(world, &world->revoked, taken);
    return taken;
}

void world_revoke(World *world, unsigned i, uint64_t beat, unsigned slabs)
{
    WorldHost *h = &world->host[i];

    slabs = MIN(slabs, h->lent);
    h->lent -= slabs;
    h->returning += slabs;
    h->due[beat % world->deadline] += slabs;
    world_count(world, &world->revoked, slabs);
}

void world_lend(World *world, unsigned i, unsigned slabs)
{
    world->host[i].lent += slabs;
    world->lent += slabs;
}

uint64_t world_leased(const World *world, unsigned i)
{
    const WorldHost *h = &world->host[i];

    return (uint64_t)(h->lent + h->returning) * world->slab;
}

void world_beat(World *world)
{
    if (world->counts) {
        world->lent_beats += world->lent;
    }
}
