/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copies: slabs get a second place, and lose one that is of no use.
 */
#ifndef PAGER_COPIES_H
#define PAGER_COPIES_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/leases.h"
#include "rcached/pager/remote.h"
#include "rcached/pager/slots.h"

typedef struct Pager Pager;

/**
 * struct Copies - the making of copies
 * @rate: bytes a second that may be copied, of slabs in which something is
 *        stored; 0: as many as can be
 * @give_up_ns: how long a provider may be away before what is there is stale
 * @next_at: ns, no copy of a slab that is not empty begins before
 * @watched_at: ns, the last look at which leases are of use; 0: none yet
 * @made: slabs with something in them that got a second place, so far
 */
typedef struct Copies {
    uint64_t rate;
    uint64_t give_up_ns;
    uint64_t next_at;
    uint64_t watched_at;
    uint64_t made;
} Copies;

/** copies_tick() - make, give up, shed */
void copies_tick(Pager *p, uint64_t now);

/** copies_is_given_up() - has a provider been away for too long? */
static inline bool copies_is_given_up(const Copies *copies, const Remote *r,
                                      uint64_t now)
{
    return r->state != REMOTE_UP && r->away_at &&
           now >= r->away_at + copies->give_up_ns;
}

/**
 * copies_lease_is_given_up() - has a lease been of no use for too long?
 *
 * Its provider is away, or has a session, but does not accept the lease, or
 * sends no pages.
 */
static inline bool copies_lease_is_given_up(const Copies *copies,
                                            const Lease *l, uint64_t now)
{
    return copies_is_given_up(copies, l->remote, now) ||
           (l->useless_ns && l->useless_ns >= copies->give_up_ns);
}

#endif
