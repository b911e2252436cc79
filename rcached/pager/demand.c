/* SPDX-License-Identifier: GPL-2.0-or-later */
/* demand: how much memory of other hosts to lease.  See demand.h. */
#include "rcached/pager/demand.h"

#include <glib.h>

#define NS_PER_S        1e9
#define SAMPLE_NS       100000000u      /* rates of less time are chance */
#define FADE_S          3.0
#define ASSIGN_FIRST_NS UINT64_C(300000000)
#define ASSIGN_MOST_NS  UINT64_C(15000000000)
#define HEADROOM_PART   16u             /* of the limit, at least */
#define HEADROOM_MIN    4096u
#define MARGIN_PART     4u              /* of the target */

void demand_init(Demand *d, uint64_t keep_ns)
{
    *d = (Demand) { .keep_ns = keep_ns, .assign_ns = ASSIGN_FIRST_NS };
}

static void update_rate(Demand *d, uint64_t used, uint64_t now)
{
    double seconds = (now - d->last_at) / NS_PER_S, rise;

    if (d->last_at && now - d->last_at < SAMPLE_NS) {
        return;
    }
    if (d->last_at) {
        rise = used > d->peak ? (used - d->peak) / seconds : 0;
        d->rate *= 1 - MIN(seconds / FADE_S, 1.0);
        d->rate = MAX(d->rate, rise);
    }
    d->peak = MAX(d->peak, used);
    d->last_at = now;
}

/* The slowest of late: one quick answer says little about the next. */
static void update_assign(Demand *d, bool pending, uint64_t now)
{
    uint64_t took;

    if (!d->asked_at || pending) {
        return;
    }
    took = MIN(now - d->asked_at, ASSIGN_MOST_NS);
    d->assign_ns = MAX(took, d->assign_ns - d->assign_ns / 4);
    d->asked_at = 0;
}

static uint64_t target_of(const Demand *d, const DemandInput *in)
{
    uint64_t least = MAX(in->limit / HEADROOM_PART, HEADROOM_MIN);
    double ahead = d->rate * (2 * d->assign_ns / NS_PER_S);
    uint64_t headroom = MAX((uint64_t)MIN(ahead, (double)in->limit), least);

    return MIN(in->used + in->excess + headroom, in->limit);
}

void demand_update(Demand *d, const DemandInput *in, uint64_t now,
                   DemandOutput *out)
{
    uint64_t margin;

    if (!d->last_at) {
        d->peak = in->used;     /* a new pager's first look is no rise */
    }
    d->used = in->used;
    update_rate(d, in->used, now);
    update_assign(d, in->pending, now);
    *out = (DemandOutput) { .target = target_of(d, in) };
    if (in->have < out->target) {
        out->ask = out->target - in->have;
    }
    margin = MIN(out->target + MAX(out->target / MARGIN_PART, HEADROOM_MIN),
                 in->limit);
    if (in->have > in->limit) {
        out->give = in->have - in->limit;
    }
    if (in->have <= margin) {
        d->surplus_since = 0;
    } else if (!d->surplus_since) {
        d->surplus_since = now;
    } else if (now - d->surplus_since >= d->keep_ns) {
        out->give = in->have - margin;
    }
}

void demand_asked(Demand *d, uint64_t now)
{
    d->asked_at = now;
}

void demand_given(Demand *d)
{
    d->surplus_since = 0;
    d->peak = d->used;
}
