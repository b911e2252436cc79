/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wanting: slabs with something in them that want a place at another provider.
 *
 * That is a second copy, or one to go to from this host's own disk.  For each
 * that finds an unused slab one is kept: empty slabs get as many second places
 * as are left, and no more.  They would take all there are at once, while those
 * with pages go one by one.  It is counted in all, not by lease, and an empty
 * slab without a second place is itself an unused one: so some that are kept
 * may go to empty slabs all the same, which give them up again (revoke.c).
 * For the others memory has to be leased, though no more slots are lacking:
 * what goes is a slab as a whole, however few pages are in it.
 */
#ifndef PAGER_WANTING_H
#define PAGER_WANTING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Pager Pager;
typedef struct Remote Remote;

/**
 * struct Wanting - what slabs want
 * @pages: of the slabs that find no place
 * @beside: all of those have their other copy there; NULL: at several, or none
 * @kept: slabs that an unused one is kept for
 * @left: unused slabs that are kept for none, at whichever lease that takes any
 */
typedef struct Wanting {
    uint64_t pages;
    const Remote *beside;
    uint32_t kept;
    uint32_t left;
} Wanting;

/**
 * wanting_look() - look at all slabs
 * @elsewhere: also at those that are to leave this host's own disk
 * @now: ns
 *
 * More than can be made use of soon is not told: a provider allocates a lease
 * whole before it is granted.
 */
void wanting_look(const Pager *p, bool elsewhere, uint64_t now, Wanting *w);

#endif
