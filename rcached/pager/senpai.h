/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * senpai: how far a guest may be shrunk below local_max without feeling it.
 *
 * After Senpai, the loop of Meta's Transparent Memory Offloading (Weiner et
 * al., ASPLOS 2022; github.com/facebookincubator/senpai): take a little memory
 * as long as what is waited for stays under a target, less the nearer it is;
 * give way at once when it does not.  Senpai goes by the kernel's pressure
 * (PSI); here it is the time that the guest's threads have really waited, as a
 * share of its vCPUs' time.  docs/design.md ("Proactive mode") has the rules
 * P1 to P9 that the code names, and why they are so.
 *
 *            an interval has passed well
 *   RESTING -----------------------------> SHRINKING: some pages are owed
 *      ^                                       |
 *      |   the intervals of rest are over      | too much was waited for
 *      +---- GROWING, BACK: nothing is owed <--+ (at once), or what went came
 *                                                back
 *   HELD: somebody waits so long that it is no matter of memory; nothing is
 *   owed, and nothing is learned from it
 *
 * What is owed is taken from what is resident now, not from a limit that was
 * set once: a guest that grows takes its limit with it, and nothing is evicted
 * to hold it.  Nobody waits for room because of it; only local_max does that.
 *
 * Pure: time is an argument, in nanoseconds; memory is in pages.
 */
#ifndef PAGER_SENPAI_H
#define PAGER_SENPAI_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

/* No fewer are owed at a time: what one PUT takes. */
#define SENPAI_PORTION  64u
/* A touch of a page that was sampled stops a vCPU for about so long. */
#define SENPAI_TOUCH_NS UINT64_C(10000)
/* Intervals of rest after a mistake, at most; after the first there are two. */
#define SENPAI_REST_MAX 32u

/**
 * struct SenpaiConfig - what it is to do
 * @on: it is to shrink the guest at all
 * @target: what may be waited for, in millionths of the vCPUs' time
 * @interval: ns, between two decisions to shrink
 * @floor: pages that stay
 * @rate: pages a second that go and come; 0: no limit
 */
typedef struct SenpaiConfig {
    bool on;
    uint32_t target;
    uint64_t interval;
    uint64_t floor;
    uint64_t rate;
} SenpaiConfig;

/**
 * struct SenpaiInput - how things stand; the counts only ever grow
 * @ready: the pager knows all pages, and no command is under way
 * @room: another host has room for pages, and more may be away
 * @hung: a thread waits, or has waited since the last look, for longer than
 *        any amount of memory explains
 * @vcpus: 0: not known
 * @resident: pages that are here
 * @local_max: pages that may be
 * @waited: ns that threads have waited, without what @hung is about
 * @touched: pages that were sampled and in use
 * @freed: pages that have gone, those of zeros too
 * @fetched: pages that have come back
 * @moved: pages that went over the network, either way
 */
typedef struct SenpaiInput {
    bool ready;
    bool room;
    bool hung;
    uint32_t vcpus;
    uint64_t resident;
    uint64_t local_max;
    uint64_t waited;
    uint64_t touched;
    uint64_t freed;
    uint64_t fetched;
    uint64_t moved;
} SenpaiInput;

/**
 * struct Senpai - its state; all zeros at first.  Others read the first four
 * @state: an enum RcacheProactiveState
 * @owed: pages that are to go now
 * @sample: pages that may be sampled until the next look, to find them
 * @limit: pages that the guest is wanted to have here
 * @stall: what was waited for in the last interval, in millionths
 * @old: the counts at the last look
 * @begun: ns, this interval's beginning; 0: there is none
 * @at: ns, the last look
 * @waited: at the beginning; and so .touched
 * @step: pages to be owed in this interval
 * @due: of these, the part whose time has come and that are not owed yet
 * @credit: pages that may go over the network
 * @pace: of the largest step
 * @mistakes: in a row, of which good intervals take back one each
 * @rest: intervals until the next step
 * @slowed: more would have been owed in this interval, but for .rate
 * @probe_freed: of late, since the last rest; and so .probe_fetched
 */
typedef struct Senpai {
    enum RcacheProactiveState state;
    uint64_t owed;
    uint64_t sample;
    uint64_t limit;
    uint32_t stall;
    SenpaiInput old;
    uint64_t begun;
    uint64_t at;
    uint64_t waited, touched;
    double step;
    double due;
    double credit;
    double pace;
    unsigned mistakes;
    unsigned rest;
    bool slowed;
    uint64_t probe_freed, probe_fetched;
} Senpai;

/** senpai_look() - several times an interval: what is owed and may be sampled
 * from now on */
void senpai_look(Senpai *senpai, const SenpaiConfig *config,
                 const SenpaiInput *in, uint64_t now);

#endif
