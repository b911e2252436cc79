/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * location: where the bytes of pages that are away are.
 *
 * What is above (fetch.c, evict.c) knows slots: a slab's index and a page in
 * it.  Here a slot becomes one or two places at providers: "put these pages,
 * get this page, free this slot, may this slab be written".  Nobody above sees
 * how many copies there are.  The rules are those of docs/design.md, "Copies";
 * the numbers in comments are theirs.
 *
 * location.c         slabs: their places, in the slab table and in the slots
 * location-get.c     GETs: where a page is asked for, and when elsewhere
 * get-choice.c       which place that is
 * location-many.c    GETs of many pages, for which nobody waits
 * location-put.c     PUTs: which slabs are written, and when they are stored
 * freeing.c          FREEs
 *
 * A slot is in use from location_reserve() until its FREE is answered by every
 * place that counts.  It is not freed while a GET on it is out, and not while
 * its slab is frozen, which a slab is that is copied: what is to be freed then
 * waits here.
 */
#ifndef PAGER_LOCATION_H
#define PAGER_LOCATION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/leases.h"
#include "rcached/pager/location-get.h"
#include "rcached/pager/location-many.h"
#include "rcached/pager/location-put.h"
#include "rcached/pager/slots.h"

typedef struct Pager Pager;

/**
 * struct LocationOps - what is told to who asked; set once
 * @got: bytes have come for a location_get()
 *   @i: its number
 *   @from: who sent them; NULL if nobody is to blame for wrong ones, since a
 *          stale place may lack what was stored since it was given up
 *   @bytes: RCACHE_PAGE_SIZE, unchecked, until the function returns
 *   Return: true if they are right, or not needed any more; false: wrong, and
 *           the other place is asked
 * @between: called while a large answer is dealt with: whatever is urgent
 * @missing: nobody has right bytes for now; or @i is not wanted, its slot being
 *           free.  The number is the caller's again
 * @stored: the answer to location_put()
 *   @i: its number
 *   @ok: every place has them, as they were sent; else the slots are the
 *        caller's to free
 */
typedef struct LocationOps {
    bool (*got)(Pager *p, unsigned i, Remote *from, const void *bytes);
    void (*missing)(Pager *p, unsigned i);
    void (*between)(Pager *p);
    void (*stored)(Pager *p, unsigned i, bool ok);
} LocationOps;

/**
 * struct Held - a FREE that waits for its slab to thaw; private to location.c
 *               and freeing.c
 * @which: the place that it goes to
 */
typedef struct Held {
    uint64_t slot;
    unsigned which;
} Held;

/**
 * struct Locations - all that is on its way to or from providers
 * @copies: wanted of each slab
 * @gets: location-get.c's
 * @many: location-many.c's
 * @puts: location-put.c's
 * @free_slab: no entry of the slab table before it is free, most likely
 * @held: of Held
 */
typedef struct Locations {
    const LocationOps *ops;
    unsigned copies;
    Gets gets;
    Many many;
    Puts puts;
    uint32_t free_slab;
    GArray *held;
} Locations;

void locations_init(Locations *locations, const LocationOps *ops);
void locations_deinit(Locations *locations);

/* ------------------------------------------------------------- one page */

/** location_knows() - is @slot, of a word, one in which something is stored? */
bool location_knows(const Pager *p, uint64_t slot);

/**
 * location_is_lost() - are all places that a slot's slab has proved gone?
 *
 * Not while a GET on the slot is out, whose answer may have the bytes, and not
 * while the slab is copied: the copy may have all that was there.
 */
bool location_is_lost(const Pager *p, uint64_t slot);

/**
 * location_is_given_up() - is nobody left who will have a slot's bytes soon?
 *
 * Each place of its slab is proved gone, or its provider has been away for
 * longer than copies.give_up_ns.  It may be back at any moment.
 */
bool location_is_given_up(const Pager *p, uint64_t slot, uint64_t now);

/** location_host() - the name of that provider; "" */
const char *location_host(const Pager *p, uint64_t slot);

/** location_free() - nothing needs @slot any more; no effect if it is free */
void location_free(Pager *p, uint64_t slot);

/* ----------------------------------------------------------------- slabs */

/** location_freeze() - take no slot in a slab and free none: it is copied */
void location_freeze(Pager *p, uint32_t slab);

/** location_thaw() - that is over, or has been given up */
void location_thaw(Pager *p, uint32_t slab);

/**
 * location_set() - place @which of a frozen slab is at @to now; thaws it
 *
 * One store: what was there is not named any more (C4).
 */
void location_set(Pager *p, uint32_t slab, unsigned which, const Lease *to,
                  uint32_t number);

/**
 * location_clear() - place @which of a slab is proved gone, or not needed
 *
 * PUTs into the slab that are out are called off.  The other place must exist.
 * If it is stale it counts again: what it lacks is nowhere, and what it has is
 * to be copied, and not to be given up with its provider.
 */
void location_clear(Pager *p, uint32_t slab, unsigned which);

/** location_give_up() - place @which has been silent for too long: stale */
void location_give_up(Pager *p, uint32_t slab, unsigned which);

/**
 * location_add() - put a slab of @l into the slab table
 *
 * Return: false if the table is full
 */
bool location_add(Pager *p, const Lease *l, uint32_t number);

/** location_remove() - take an empty slab out of it */
void location_remove(Pager *p, uint32_t slab);

/** location_is_quiet() - are all PUTs and FREEs into a slab answered? */
bool location_is_quiet(const Pager *p, uint32_t slab);

/* ------------------------------------------------------------- providers */

/**
 * location_answer() - GET_REPLY, PUT_ACK or FREE_ACK
 *
 * Return: false: to nothing that is out at @remote
 */
bool location_answer(Pager *p, Remote *remote, const WireHead *head,
                     const void *payload);

/** location_remote_down() - what is out at @remote will not be answered */
void location_remote_down(Pager *p, Remote *remote);

#endif
