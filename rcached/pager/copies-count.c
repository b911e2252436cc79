/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copies-count: how many copies of pages can be had at this moment.
 *
 * A place can be read now if its session is up and has claimed the lease, and
 * if it is not stale.  All pages of a slab are at the same places, so it is
 * slabs that are looked at, each once for all figures.
 */
#include "rcached/pager/copies-count.h"

#include <string.h>

#include "rcached/pager/pager.h"

/* Bit i: place i of this slab can be read now. */
static unsigned slab_live(const Pager *p, const SlotSlab *s)
{
    unsigned live = 0;

    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Lease *l = leases_of(&p->leases, s, i);

        if (l && !s->place[i].stale && lease_ready(l)) {
            live |= 1u << i;
        }
    }
    return live;
}

/* A place that is away may be back before the other one is gone: both of two
 * such have the only copy. */
static void count_sole(const SlotSlab *s, unsigned live, uint32_t pages,
                       CopiesCount *count)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        if (slots_counts(s, i) && !(live & ~(1u << i))) {
            count->sole[s->place[i].lease] += pages;
        }
    }
}

void copies_count(const Pager *p, CopiesCount *count)
{
    memset(count, 0, sizeof(*count));
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];
        /* What is here as well is lost with no provider. */
        uint32_t pages = slots_needed(s);
        unsigned live;

        if (!pages) {
            continue;
        }
        live = slab_live(p, s);
        if (!(live & (live - 1))) {
            count->one += pages;
        }
        if (slots_copies(s) < p->locations.copies) {
            count->pending += pages;
        }
        count_sole(s, live, pages, count);
    }
}
