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
 * struct LeaseWant - the request for leases
 * @tag: of the WANT that is out at rcached; 0: none is
 * @for_slabs: it is for slabs that want a place (wanting.h), not for pages
 * @at: ns, ask again
 * @pause: ns, before it is asked again when there was nothing to be had
 * @slabs_at, @slabs_pause: the same for slabs alone: that no host has room for
 *                          a second copy says nothing about room for the first
 * @text: what rcached answered last, for a person
 * @demand: how much is asked for
 */
typedef struct LeaseWant {
    uint64_t tag;
    bool for_slabs;
    uint64_t at;
    uint64_t pause;
    uint64_t slabs_at;
    uint64_t slabs_pause;
    char text[192];
    Demand demand;
} LeaseWant;

/** lease_demand_tick() - ask for more, or give back what is too much */
void lease_demand_tick(Pager *p, uint64_t now);

/** lease_demand_answer() - rcached's answer to a request for leases */
void lease_demand_answer(Pager *p, const struct LinkGrants *msg);

/** lease_is_coming() - has more been asked for, or is one being claimed? */
bool lease_is_coming(const Pager *p);

#endif
