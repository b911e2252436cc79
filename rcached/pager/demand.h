/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * demand: how much memory of other hosts a VM should lease now.
 *
 * What is in use, what is about to go, and headroom: what will have gone by the
 * time that an assignment is there, at the rate at which slots in use have
 * risen of late beyond what they had been, twice over; and a part of the limit
 * at least, so that the first burst finds room.  An eviction so does not wait
 * for a lease.  The rate is the highest seen, and fades.  How long assignments
 * take is measured.
 *
 * What is beyond that, and beyond a margin that keeps a VM which comes and goes
 * from leasing and releasing in turn, is given back once it has been too much
 * for a while.  What is beyond the limit goes at once.
 *
 * Pure: time is an argument, in nanoseconds; memory is in pages.
 */
#ifndef RCACHED_PAGER_DEMAND_H
#define RCACHED_PAGER_DEMAND_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Demand {
    uint64_t keep_ns;           /* before what is too much goes */
    uint64_t used, last_at;
    uint64_t peak;              /* the most in use since something was given */
                                /* back: up to there room was leased before */
    double rate;                /* pages a second, the rise beyond .peak */
    uint64_t asked_at;          /* 0: nothing is being assigned */
    uint64_t assign_ns;         /* how long that takes */
    uint64_t surplus_since;     /* 0: there is none */
} Demand;

typedef struct DemandInput {
    uint64_t limit;             /* never lease more; 0: nothing at all */
    uint64_t used;              /* slots in use */
    uint64_t excess;            /* pages that should go now */
    uint64_t have;              /* leased */
    bool pending;               /* more has been asked for, or is on its way */
} DemandInput;

typedef struct DemandOutput {
    uint64_t target;            /* to be leased in all */
    uint64_t ask;               /* more, if it is not pending already */
    uint64_t give;              /* too much; no more than that may go */
} DemandOutput;

void demand_init(Demand *d, uint64_t keep_ns);

/** demand_update() - at every tick */
void demand_update(Demand *d, const DemandInput *in, uint64_t now,
                   DemandOutput *out);

/** demand_asked() - an assignment begins; it ends when it is not pending */
void demand_asked(Demand *d, uint64_t now);

/** demand_given() - something went back: what is left is looked at anew */
void demand_given(Demand *d);

#endif
