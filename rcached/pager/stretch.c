/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stretch: local_max gives way for a time.  See stretch.h. */
#include "rcached/pager/stretch.h"

#include <glib.h>

#define LOOK_NS         UINT64_C(200000000)
/* Fewer in that time are no flow that a guest could live on. */
#define FLOW_PAGES      64u
/* What a guest gets that has waited in vain, at first. */
#define STEP_PAGES      64u
/* Stuck again after less than that, a guest gets more than last time. */
#define SOON_NS         UINT64_C(2000000000)
/* So long all has to be within local_max of a guest that goes on pressing. */
#define HOLDS_NS        SOON_NS

/* More than any guest has would gain nothing, and could overflow. */
static uint64_t step_next(uint64_t step)
{
    return MIN(2 * step, UINT64_C(1) << 32);
}

static void stretch_open(Stretch *stretch, const StretchInput *in,
                         uint64_t now)
{
    bool again = stretch->state == STRETCH_CLOSING &&
                 now - stretch->closed_at < SOON_NS;

    stretch->state = STRETCH_OPEN;
    stretch->step = again ? step_next(stretch->step) : STEP_PAGES;
    stretch->limit = MAX(in->resident, in->local_max) + stretch->step;
}

/* Nothing goes, and what the guest got last is used up. */
static void stretch_rise(Stretch *stretch)
{
    stretch->step = step_next(stretch->step);
    stretch->limit += stretch->step;
}

static void stretch_close(Stretch *stretch, const StretchInput *in,
                          uint64_t gone, uint64_t now)
{
    uint64_t limit = MIN(stretch->limit, in->resident);

    if (stretch->state != STRETCH_CLOSING) {
        stretch->closed_at = now;
    }
    stretch->state = now - MAX(stretch->closed_at, stretch->above_at) < HOLDS_NS
                         ? STRETCH_CLOSING : STRETCH_OFF;
    stretch->limit = limit - MIN(gone / 2, limit);
}

void stretch_look(Stretch *stretch, const StretchInput *in, uint64_t now)
{
    uint64_t gone = in->evicted - stretch->evicted;

    if (in->resident > in->local_max + in->slack) {
        stretch->above_at = now;
    }
    if (in->stuck && stretch->state != STRETCH_OPEN) {
        stretch_open(stretch, in, now);
    } else if (stretch->state == STRETCH_OFF) {
        return;
    } else if (!in->waiting && in->resident < in->local_max) {
        stretch->state = STRETCH_OFF;
        return;
    } else if (now - stretch->at < LOOK_NS) {
        return;
    } else if (gone >= FLOW_PAGES) {
        stretch_close(stretch, in, gone, now);
    } else if (stretch->state == STRETCH_OPEN && in->waiting) {
        stretch_rise(stretch);
    }
    stretch->evicted = in->evicted;
    stretch->at = now;
}

uint64_t stretch_limit(const Stretch *stretch, uint64_t local_max)
{
    return stretch->state == STRETCH_OFF ? local_max
                                         : MAX(stretch->limit, local_max);
}
