/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * location-put: pages go to all places that their slab has.
 *
 * A PUT begins only into slabs all of whose places that count are ready, goes
 * to all of them, and is stored when all have confirmed the bytes (C1).  A
 * session that ends, a refusal, or a place that is cleared meanwhile calls it
 * off; but it is over only when every place has answered or is fenced, since
 * its bytes are read and its slots are in use until then.
 *
 * put-choice.c says which slabs.
 */
#ifndef PAGER_LOCATION_PUT_H
#define PAGER_LOCATION_PUT_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/leases.h"
#include "rcached/pager/slots.h"

typedef struct Pager Pager;

#define LOCATION_PUTS   32u     /* PUTs on their way */
/* Of them to one provider: one that does not answer must not stop others. */
#define LOCATION_PUTS_EACH  8u

/**
 * struct PutAt - a PUT at one place; private to location-put.c
 * @remote: where it is out; NULL: it is not
 * @lease: index of the lease there
 * @digest: what its PUT_ACK has to confirm
 */
typedef struct PutAt {
    Remote *remote;
    uint32_t lease;
    uint64_t digest;
} PutAt;

/**
 * struct Put - pages on their way; private to location-put.c
 * @failed: it will not be stored everywhere
 * @serial: of the tag
 * @sent: ns
 * @slot: the caller's, @n of them; NULL: this number is not in use
 */
typedef struct Put {
    bool failed;
    uint32_t serial;
    uint64_t sent;
    unsigned n;
    const uint64_t *slot;
    PutAt at[SLOTS_PLACES];
} Put;

/**
 * struct Puts - all of them
 * @lacking_since: ns, no room with enough copies since; 0: there is some
 */
typedef struct Puts {
    Put put[LOCATION_PUTS];
    uint64_t lacking_since;
} Puts;

/** location_overdue() - pages in PUTs that have been out for long */
uint64_t location_overdue(const Pager *p, uint64_t now);

/** location_has_room() - is there anywhere to put pages? */
bool location_has_room(const Pager *p);

/**
 * location_reserve() - slots that can be put to with one location_put()
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
 * Return: false if not everybody is there to take them any more: nothing was
 * sent
 */
bool location_put(Pager *p, unsigned i, const uint64_t *slot, unsigned n,
                  const uint64_t *sum, const void *bytes);

/* For location.c: */

/** location_put_is_out() - is a PUT into a slab out? */
bool location_put_is_out(const Pager *p, uint32_t slab);

/** location_put_call_off() - a place of a slab is not what it was */
void location_put_call_off(Pager *p, uint32_t slab);

/** location_put_answer() - PUT_ACK; false: to none that is out there */
bool location_put_answer(Pager *p, Remote *remote, const WireHead *head,
                         const void *payload);

/** location_put_down() - what is out at @remote will not be answered */
void location_put_down(Pager *p, const Remote *remote);

#endif
