/* SPDX-License-Identifier: GPL-2.0-or-later */
/* apart: which two places a slab may have.  See apart.h. */
#include "rcached/pager/apart.h"

#include <string.h>

#include "rcached/pager/pager.h"

/* Do two leases not fail together, as far as is known? */
static bool leases_apart(const Lease *a, const Lease *b)
{
    return a->remote != b->remote &&
           (!*a->known.label || strcmp(a->known.label, b->known.label));
}

/*
 * Is there a lease apart from @other that slabs can go to?  None goes to one
 * that its provider wants back, as a host does that is drained.
 */
static bool any_apart(const Pager *p, const Lease *other)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (!l->remote->own && leases_apart(l, other) && lease_ready(l) &&
            !l->releasing && !l->lost && !l->abandoned &&
            l->keep >= l->nr_slabs && l->slab_pages == other->slab_pages) {
            return true;
        }
    }
    return false;
}

bool apart_may_be_at(const Pager *p, uint32_t slab, const Lease *leaves,
                     const Lease *to)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Lease *other = leases_of(&p->leases, &p->slots.slabs[slab], i);

        if (!other || other == leaves) {
            continue;
        }
        if (other->remote == to->remote ||
            (!leases_apart(other, to) && any_apart(p, other))) {
            return false;
        }
    }
    return true;
}
