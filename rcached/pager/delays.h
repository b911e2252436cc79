/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delays: what a fault on a page that is away waits for, and how long VMs stall
 * for it.
 *
 * Each fetch has a clock of its own, under its number, which is always in one
 * phase (enum RcachePhase): to enter the next is to leave the one before.  So
 * nothing is left out, and nothing counts twice, whatever way a fetch takes
 * (BUSY, a second place, wrong bytes): the phases add up to the whole wait, to
 * the nanosecond.  A fetch that nobody waits for has one too, for the guest may
 * come to wait for it; only what is waited for is counted at the end.
 *
 * What is counted stands in buckets since the pager's start, and as sums of the
 * last minute; with them what threads have waited in all (stalls.h).
 *
 * Pure.  Time is in nanoseconds.
 */
#ifndef PAGER_DELAYS_H
#define PAGER_DELAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"
#include "rcached/pager/location-get.h"
#include "rcached/pager/stalls.h"

#define DELAYS_SAMPLES  61u     /* one a second: a minute between the ends */

/**
 * struct DelayClock - of one fetch
 * @begun: when its first fault was read
 * @last: when it entered .phase
 * @ns: in each phase so far, but for the time in .phase since
 */
typedef struct DelayClock {
    uint64_t begun;
    uint64_t last;
    uint64_t ns[RCACHE_NR_PHASES];
    enum RcachePhase phase;
} DelayClock;

/* What was so far at a time. */
typedef struct DelaySample {
    uint64_t at;
    uint64_t waited;
    uint64_t faults;
    uint64_t whole;
    uint64_t ns[RCACHE_NR_PHASES];
} DelaySample;

/**
 * struct Delays - of all fetches; private to delays.c, but for the first
 * @vcpus: as the VMM says; 0: it does not
 * @stalls: who waits
 * @clock: by the fetch's number
 * @sending: numbers whose GET the kernel may not have got yet
 * @faults: counted
 * @whole: of each fault; .recent is not used here, nor is it of .phase
 * @sample: of the last minute, a ring
 * @first: index of the oldest
 */
typedef struct Delays {
    uint32_t vcpus;
    Stalls stalls;
    DelayClock clock[LOCATION_GETS];
    uint16_t sending[LOCATION_GETS];
    unsigned nr_sending;
    uint64_t faults;
    struct RcacheDelay whole;
    struct RcacheDelay phase[RCACHE_NR_PHASES];
    DelaySample sample[DELAYS_SAMPLES];
    unsigned first;
    unsigned nr_samples;
} Delays;

/* In all of these @i is the number of a fetch, below LOCATION_GETS. */

/**
 * delays_begin() - a fetch of @page begins
 * @now: when its fault was read, if it has not waited for its turn
 *
 * Return: when the fault was read
 */
uint64_t delays_begin(Delays *delays, unsigned i, uint64_t page,
                      uint64_t now);

/** delays_wanted() - a guest waits from @now on for what is on its way */
void delays_wanted(Delays *delays, unsigned i, uint64_t now);

/** delays_enter() - it goes on to another phase */
void delays_enter(Delays *delays, unsigned i, enum RcachePhase phase,
                  uint64_t now);

/** delays_sent() - a GET has been made; delays_handed() follows */
void delays_sent(Delays *delays, unsigned i, uint64_t now);

/** delays_sending() - has a GET been made since the last delays_handed()? */
static inline bool delays_sending(const Delays *delays)
{
    return delays->nr_sending;
}

/** delays_handed() - the kernel has all GETs that have been made */
void delays_handed(Delays *delays, uint64_t now);

/**
 * delays_answer() - a GET has been answered, with pages or not
 * @came: when the answer began to come; 0: not known, at @now
 * @service: ns that the provider says it has taken; 0: it does not say
 * @pages: there are any, which are checked next
 */
void delays_answer(Delays *delays, unsigned i, uint64_t came,
                   uint32_t service, bool pages, uint64_t now);

/**
 * delays_done() - the page is in the guest, which waited for it: count it
 *
 * Return: how long it was waited for
 */
uint64_t delays_done(Delays *delays, unsigned i, uint64_t now);

/** delays_tick() - time passes; called at least once a second */
void delays_tick(Delays *delays, uint64_t now);

/** delays_fill() - the figures, but for the head */
void delays_fill(const Delays *delays, uint64_t now,
                 struct RcacheVmmDelays *out);

#endif
