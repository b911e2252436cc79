/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch: which pages are watched, and what less local memory would cost by that
 * (docs/advice.rst).
 *
 * With observe=on nothing is ever evicted, and observe.c samples pages that are
 * here: a page is zapped, and its next touch ends the sample.  A zapped page is
 * then a watched one, not a cold one: report.c counts it as hot, and nothing
 * that evicts is ever run.
 *
 * Without observe=on nothing is sampled that is here.  Of pages that leave, one
 * in so many is watched until it comes back, which costs no fault.
 *
 * curve.h makes figures of both.  Whoever touches, sends away or brings back
 * pages says so here; this file calls none of them.
 */
#ifndef PAGER_WATCH_H
#define PAGER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"
#include "rcached/pager/curve.h"

typedef struct Pager Pager;

/* So often a page that is here is sampled, in a second. */
#define WATCH_SAMPLES_PER_S     64u

/**
 * struct Watch - private to watch.c, but for the first, and observe.c
 * @on: observe=on; vmm-messages.c sets it
 * @curve: samples; observe.c begins those of pages that are here
 * @local_max: pages, for which pages that leave are sampled
 * @shift: one page in 2^shift of those is
 * @figures: what the curve came to when last looked at
 * @look_at: ns, look again; 0: it never was
 */
typedef struct Watch {
    bool on;
    Curve curve;
    uint64_t local_max;
    unsigned shift;
    struct RcacheVmmCurve figures;
    uint64_t look_at;
} Watch;

void watch_deinit(Watch *watch);

/** watch_tick() - ten times a second: begin anew if it has to */
void watch_tick(Pager *p, uint64_t now);

/** watch_sweep() - once a second: give up what cannot be seen any more */
void watch_sweep(Pager *p, uint64_t now);

/** watch_touched() - a zapped page was touched, or is pinned for DMA */
void watch_touched(Pager *p, uint64_t page);

/** watch_left() - a page is at providers only now */
void watch_left(Pager *p, uint64_t page);

/** watch_back() - a page is here again */
void watch_back(Pager *p, uint64_t page);

/** watch_fill() - the figures, with a head; rates are a few seconds old */
void watch_fill(Pager *p, uint64_t now, struct RcacheVmmCurve *out);

#endif
