/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * location: where the bytes of pages that are away are.
 *
 * What is above (fetch.c, evict.c) knows slots: a slab's index and a page in
 * it.  Here a slot becomes a place at a provider: "put these pages, get this
 * page, free this slot, may this slab be written".  A slab has one location
 * today and may have two; nobody above will see the difference.
 *
 * A slot is in use from location_reserve() until its FREE is answered.  It is
 * not freed while a GET on it is out, and not while its slab is frozen, which
 * a slab is that moves: what is to be freed then waits here.
 *
 * All providers share the GETs.  One may be asked for no more pages than could
 * still be asked of others: alone it has half of all, and however many hang,
 * the next finds some.  A page counts from location_get() to location_forget(),
 * so that wrong bytes and bytes that wait for memory count too.
 *
 * A GET that cannot be sent now, since its provider is away, is kept and sent
 * when its lease is ready or its slab has moved to where one is.  One that its
 * provider answers with BUSY is sent again after a millisecond, then after two,
 * and so on, up to ten times a second.  A PUT whose
 * session ends is called off: its slots are fenced, and freed.
 */
#ifndef PAGER_LOCATION_H
#define PAGER_LOCATION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/leases.h"

typedef struct Pager Pager;

#define LOCATION_GETS   512u    /* GETs on their way, or waiting to be sent */
#define LOCATION_PUTS   32u     /* PUTs on their way */
/* Of them to one provider: one that does not answer must not stop others. */
#define LOCATION_PUTS_EACH  8u

/**
 * struct LocationOps - what is told to who asked; set once
 * @got: the answer to location_get()
 *   @i: its number
 *   @from: who answered; NULL: it was given up, since its slot is free
 *   @bytes: RCACHE_PAGE_SIZE, unchecked, until the function returns; NULL:
 *           there are none for now
 * @stored: the answer to location_put()
 *   @i: its number
 *   @ok: every location has them, as they were sent; else the slots are the
 *        caller's to free
 */
typedef struct LocationOps {
    void (*got)(Pager *p, unsigned i, Remote *from, const void *bytes);
    void (*stored)(Pager *p, unsigned i, bool ok);
} LocationOps;

enum GetState {
    GET_NONE,
    GET_WANTED,                 /* to be sent when its lease is ready */
    GET_OUT
};

/**
 * struct Get - a page that is asked for; private to location.c
 * @free_slot: nobody needs the slot once the GET is in
 * @serial: of the tag, another for each time it is sent
 * @sent: ns
 * @pause: ns, how long it waited after the last BUSY
 * @again_at: ns, send it again; 0: its lease says when
 * @remote: where it is out
 * @counted: in its .gets; NULL: the number is not in use
 */
typedef struct Get {
    enum GetState state;
    bool free_slot;
    uint32_t serial;
    uint64_t slot;
    uint64_t sent;
    uint64_t pause;
    uint64_t again_at;
    Remote *remote;
    Remote *counted;
} Get;

/**
 * struct Put - pages on their way; private to location.c
 * @out: it has not been answered
 * @serial: of the tag
 * @sent: ns
 * @slot: the caller's, @n of them
 * @digest: what its PUT_ACK has to confirm
 * @remote: where it is out
 */
typedef struct Put {
    bool out;
    uint32_t serial;
    uint64_t sent;
    unsigned n;
    const uint64_t *slot;
    uint64_t digest;
    Remote *remote;
} Put;

/**
 * struct Locations - all that is on its way to or from providers
 * @nr_gets: GETs that are WANTED or OUT
 * @nr_counted: of which .counted is set
 * @free_slab: no entry of the slab table before it is free, most likely
 * @held: of uint64_t, slots of frozen slabs that are to be freed afterwards
 */
typedef struct Locations {
    const LocationOps *ops;
    Get get[LOCATION_GETS];
    unsigned nr_gets;
    unsigned nr_counted;
    Put put[LOCATION_PUTS];
    uint32_t free_slab;
    GArray *held;
} Locations;

void locations_init(Locations *locations, const LocationOps *ops);
void locations_deinit(Locations *locations);

/* ------------------------------------------------------------- one page */

/** location_knows() - is @slot, of a word, one in which something is stored? */
bool location_knows(const Pager *p, uint64_t slot);

/**
 * location_is_lost() - are all locations that a slot's slab has proved gone?
 *
 * Not while a GET on the slot is out, whose answer may have the bytes, and not
 * while the slab moves: it may have all that the old provider had.
 */
bool location_is_lost(const Pager *p, uint64_t slot);

/** location_remote() - the provider of a slot; NULL: it is at none */
Remote *location_remote(const Pager *p, uint64_t slot);

/**
 * location_may_get() - may one more page be asked of the provider of a slot?
 * @pool: of so many, at most LOCATION_GETS, which all providers share
 */
bool location_may_get(const Pager *p, uint64_t slot, unsigned pool);

/** location_host() - the name of a provider that has a known slot */
const char *location_host(const Pager *p, uint64_t slot);

/**
 * location_get() - ask for the bytes of a known slot; ops->got() follows
 * @i: the caller's number for it, below LOCATION_GETS, not in use
 */
void location_get(Pager *p, unsigned i, uint64_t slot);

/** location_is_coming() - has a page been asked for that is still expected? */
bool location_is_coming(const Pager *p, uint64_t now);

/** location_get_is_out() - has GET @i been sent and not been answered? */
bool location_get_is_out(const Pager *p, unsigned i);

/** location_forget() - number @i, which is not out, is not in use any more */
void location_forget(Pager *p, unsigned i);

/** location_free() - nothing needs @slot any more; no effect if it is free */
void location_free(Pager *p, uint64_t slot);

/* --------------------------------------------------------------- batches */

/** location_overdue() - pages in PUTs that have been out for long */
uint64_t location_overdue(const Pager *p, uint64_t now);

/** location_has_room() - is there anywhere to put pages? */
bool location_has_room(const Pager *p);

/**
 * location_reserve() - slots that can be put to with one PUT
 * @out: @max of them at most
 *
 * Return: how many; 0: there is no room, or nobody is there to take pages
 */
unsigned location_reserve(Pager *p, uint64_t *out, unsigned max);

/** location_unreserve() - @n slots that no PUT was sent for */
void location_unreserve(Pager *p, const uint64_t *slot, unsigned n);

/**
 * location_put() - put pages to slots of one location_reserve()
 * @i: the caller's number for it, below LOCATION_PUTS, not in use
 * @slot: @n, the caller's until ops->stored()
 * @sum: wire_page_sum() of each page
 * @bytes: @n pages, the same as @slot
 *
 * Return: false if nobody is there to take them any more: nothing was sent
 */
bool location_put(Pager *p, unsigned i, const uint64_t *slot, unsigned n,
                  const uint64_t *sum, const void *bytes);

/* ----------------------------------------------------------------- slabs */

/** location_freeze() - take no slot in a slab and free none: it moves */
void location_freeze(Pager *p, uint32_t slab);

/** location_thaw() - it stays where it is; or has moved, by location_move() */
void location_thaw(Pager *p, uint32_t slab);

/** location_move() - a frozen slab is at @to now, in one store; thaws it */
void location_move(Pager *p, uint32_t slab, const Lease *to, uint32_t number);

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

/** location_is_read() - is a GET on a slab out at @remote? */
bool location_is_read(const Pager *p, const Remote *remote, uint32_t slab);

/* ------------------------------------------------------------- providers */

/** location_retry() - ask again for pages whose provider was BUSY */
void location_retry(Pager *p, uint64_t now);

/** location_lease_ready() - send the GETs that waited for @l */
void location_lease_ready(Pager *p, const Lease *l);

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
