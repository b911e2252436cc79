/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stretch: local_max gives way for a time.  See stretch.h. */
#include "rcached/pager/stretch.h"

#include <glib.h>

#define LOOK_NS         UINT64_C(200000000)
/* Fewer in that time are no flow that a guest could live on. */
#define FLOW_PAGES      64u
/* What a guest gets that has waited in vain, at first. */
#define STEP_PAGES      64u

static void stretch_open(Stretch *stretch, const StretchInput *in)
{
    stretch->state = STRETCH_OPEN;
    stretch->step = STEP_PAGES;
    stretch->limit = MAX(in->resident, in->local_max) + stretch->step;
}

/* Nothing goes, and what the guest got last is used up. */
static void stretch_rise(Stretch *stretch)
{
    /* More than any guest has would gain nothing, and could overflow. */
    stretch->step = MIN(2 * stretch->step, UINT64_C(1) << 32);
    stretch->limit += stretch->step;
}

static void stretch_close(Stretch *stretch, const StretchInput *in,
                          uint64_t gone)
{
    uint64_t limit = MIN(stretch->limit, in->resident);

    stretch->state = STRETCH_CLOSING;
    stretch->limit = limit - MIN(gone / 2, limit);
}

void stretch_look(Stretch *stretch, const StretchInput *in, uint64_t now)
{
    uint64_t gone = in->evicted - stretch->evicted;

    if (in->stuck && stretch->state != STRETCH_OPEN) {
        stretch_open(stretch, in);
    } else if (stretch->state == STRETCH_OFF) {
        return;
    } else if (!in->waiting && in->resident < in->local_max) {
        stretch->state = STRETCH_OFF;
        return;
    } else if (now - stretch->at < LOOK_NS) {
        return;
    } else if (gone >= FLOW_PAGES) {
        stretch_close(stretch, in, gone);
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
