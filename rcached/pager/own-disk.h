/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * own-disk: this host's own disk, the last place that pages go to.
 *
 * rcached on this host serves it as a provider, from the spill file; what is
 * there is a slab's place as any other is (location.h), and counts as a copy.
 * A lease there comes from rcached and not from an arbiter: it helps when all
 * arbiters are away.
 *
 *   nothing --an arbiter has refused, and pages have nowhere to go--> leased
 *   leased: PUTs go there only while no other host has room (put-choice.c)
 *   leased --other hosts have unused slabs--> those slabs leave that find a
 *           place there (places.c), by the way a REVOKE takes (revoke.c): empty
 *           ones are given back, others move
 *
 * It never counts as memory that is leased, so that arbiters are asked for
 * more for as long as anything is there (lease-demand.c).
 */
#ifndef PAGER_OWN_DISK_H
#define PAGER_OWN_DISK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Pager Pager;

/**
 * struct OwnDisk - the disk as this VM uses it
 * @asked: the request for leases that is out is for it
 * @at: ns, ask no sooner
 * @unused_at: ns, it has been leased and nothing stored there since; 0: it is
 *             not so
 * @told: whoever gets the events knows that pages are there
 */
typedef struct OwnDisk {
    bool asked;
    uint64_t at;
    uint64_t unused_at;
    bool told;
} OwnDisk;

/** own_disk_tick() - ask for it, and leave it */
void own_disk_tick(Pager *p, uint64_t now);

/**
 * own_disk_is_asked() - is a request for it out?
 *
 * Then none goes to the arbiters: an answer says only which request it is to.
 */
bool own_disk_is_asked(const Pager *p, uint64_t now);

/** own_disk_answer() - rcached has answered: @used: there is a lease */
void own_disk_answer(Pager *p, bool used);

#endif
