/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease-demand: how much memory of other hosts is asked for, and what is given
 * back because nobody needs it.
 */
#ifndef PAGER_LEASE_DEMAND_H
#define PAGER_LEASE_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/link.h"
#include "rcached/pager/demand.h"

typedef struct Pager Pager;

/**
 * enum WantFor - what leases are asked for
 * @WANT_PAGES: pages that are to go, and headroom
 * @WANT_SLABS: slabs that want a place (wanting.h)
 * @WANT_MOVES: slabs that a provider wants back
 *
 * That nobody has room for one says nothing about room for another.  So each
 * has its own pause, and who is no place for one may be one for another.
 */
typedef enum WantFor {
    WANT_PAGES,
    WANT_SLABS,
    WANT_MOVES,
    WANT_FORS
} WantFor;

/**
 * struct LeaseWant - the request for leases
 * @tag: of the WANT that is out at rcached; 0: none is
 * @what: it is for that
 * @at: ns, none before: one is out
 * @next_at: ns, for each: not again before
 * @pause: ns, before it is asked again when there was nothing to be had; 0:
 *         there was, the last time
 * @text: what rcached answered last, for a person
 * @demand: how much is asked for
 */
typedef struct LeaseWant {
    uint64_t tag;
    WantFor what;
    uint64_t at;
    uint64_t next_at[WANT_FORS];
    uint64_t pause[WANT_FORS];
    char text[192];
    Demand demand;
} LeaseWant;

/** want_hurry() - ask for it now, if nothing else has been asked for */
static inline void want_hurry(LeaseWant *want, WantFor what)
{
    if (!want->tag) {
        want->at = want->next_at[what] = 0;
    }
}

/** lease_demand_tick() - ask for more, or give back what is too much */
void lease_demand_tick(Pager *p, uint64_t now);

/** lease_demand_answer() - rcached's answer to a request for leases */
void lease_demand_answer(Pager *p, const struct LinkGrants *msg);

/** lease_is_coming() - has more been asked for, or is one being claimed? */
bool lease_is_coming(const Pager *p);

#endif
