/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stretch: local_max gives way for a time.  See stretch.h. */
#include "rcached/pager/stretch.h"

#include <glib.h>

#define LOOK_NS         UINT64_C(100000000)
/* Fewer in that time are no flow that a guest could live on. */
#define FLOW_PAGES      64u

static void stretch_open(Stretch *stretch, const StretchInput *in,
                         uint64_t now)
{
    stretch->state = STRETCH_OPEN;
    stretch->evicted = in->evicted;
    stretch->at = now;
}

static void stretch_close(Stretch *stretch, const StretchInput *in,
                          uint64_t gone)
{
    uint64_t limit = stretch->state == STRETCH_OPEN
                         ? in->resident : MIN(stretch->limit, in->resident);

    stretch->state = STRETCH_CLOSING;
    stretch->limit = limit - MIN(gone / 2, limit);
}

void stretch_look(Stretch *stretch, const StretchInput *in, uint64_t now)
{
    uint64_t gone = in->evicted - stretch->evicted;

    if (in->stuck) {
        stretch_open(stretch, in, now);
        return;
    }
    if (stretch->state == STRETCH_OFF) {
        return;
    }
    if (!in->waiting && in->resident < in->local_max) {
        stretch->state = STRETCH_OFF;
        return;
    }
    if (now - stretch->at < LOOK_NS) {
        return;
    }
    stretch->evicted = in->evicted;
    stretch->at = now;
    if (gone >= FLOW_PAGES) {
        stretch_close(stretch, in, gone);
    }
}

uint64_t stretch_limit(const Stretch *stretch, uint64_t local_max)
{
    switch (stretch->state) {
    case STRETCH_OPEN:
        return UINT64_MAX;
    case STRETCH_CLOSING:
        return MAX(stretch->limit, local_max);
    case STRETCH_OFF:
        break;
    }
    return local_max;
}
