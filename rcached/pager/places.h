/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * places: slabs at providers that nothing uses, and which of the slabs that
 * leave a lease find one.
 *
 * A slab is unused if the slab table does not name it (it is spare), or if it
 * the only place of an empty one.  A slab with pages in it that finds none of
 * those has one place of an empty slab that has two, which is left with the
 * other.  Not each slab may go to each of them: its other place can be at that
 * provider (apart.c), or the two providers do not reach each other.  So what
 * one lease could take says little; places_find() asks for each slab.
 */
#ifndef PAGER_PLACES_H
#define PAGER_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/leases.h"

typedef struct Pager Pager;

/** places_excess() - slabs that a lease has to lose and that no DROP is out
 * for */
uint32_t places_excess(const Lease *l);

/** places_kept() - slabs that a lease may keep */
uint32_t places_kept(const Lease *l);

/**
 * places_can_take() - may a slab go to @l?
 * @from: the lease its bytes are at; NULL: none
 * @now: ns
 */
bool places_can_take(const Pager *p, const Lease *l, const Lease *from,
                     uint64_t now);

/** places_is_empty() - is slab @slab of the table at @l, and empty? */
bool places_is_empty(const Pager *p, uint32_t slab, const Lease *l);

/** places_is_unused() - is it there and nowhere else, too? */
bool places_is_unused(const Pager *p, uint32_t slab, const Lease *l);

/**
 * places_can_leave() - can slab @slab be moved from @l?
 *
 * A stale place may lack pages: what is copied from it must not count as whole.
 * It goes by itself (copies.c), unless there is no other.
 */
bool places_can_leave(const Pager *p, uint32_t slab, const Lease *l);

/** places_unused() - slabs of @l that nothing uses */
uint32_t places_unused(const Pager *p, const Lease *l);

/** places_room() - slabs of @l that one with pages in it may have */
uint32_t places_room(const Pager *p, const Lease *l);

/**
 * struct Places - room for slabs with pages in them, by the index of its lease
 * @nr: of that which slabs that leave one lease may go to
 */
typedef struct Places {
    uint32_t nr[RCACHE_NR_LEASES];
} Places;

/**
 * places_count() - count them
 * @from: the lease that slabs leave
 * @taken: those that others are to go to; or NULL
 * @now: ns
 */
void places_count(const Pager *p, const Lease *from, const Places *taken,
                  uint64_t now, Places *places);

/** places_for() - a lease where slab @slab, which leaves @from, finds one of
 * @places, or NULL */
const Lease *places_for(const Pager *p, uint32_t slab, const Lease *from,
                        const Places *places);

/**
 * places_find() - find one for each slab with pages in it that leaves @l
 * @most: for so many at most
 * @taken: those that others are to go to; what is found is added
 * @filled: out: slabs that one was looked for; or NULL
 * @now: ns
 *
 * Return: how many have found one
 */
uint32_t places_find(const Pager *p, const Lease *l, uint32_t most,
                     Places *taken, uint32_t *filled, uint64_t now);

#endif
