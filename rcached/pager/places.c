/* SPDX-License-Identifier: GPL-2.0-or-later */
/* places: unused slabs, and which slabs find one.  See places.h. */
#include "rcached/pager/places.h"

#include "common/wire-move.h"
#include "rcached/pager/apart.h"
#include "rcached/pager/pager.h"

uint32_t places_kept(const Lease *l)
{
    return l->ceding ? MIN(l->keep, l->cede_to) : l->keep;
}

/* Does it lose slabs for being slow, or this host's own disk, only? */
static bool lease_only_cedes(const Lease *l)
{
    return l->ceding && l->keep >= l->nr_slabs;
}

uint32_t places_excess(const Lease *l)
{
    uint32_t has = l->nr_slabs - MIN(l->drops->len, l->nr_slabs);

    return l->releasing || has <= places_kept(l) ? 0 : has - places_kept(l);
}

static bool lease_can_take(const Pager *p, const Lease *l,
                           const Lease *from, uint64_t now)
{
    return l != from && lease_ready(l) && !l->releasing && !l->lost &&
           !l->sweep && places_kept(l) >= l->nr_slabs &&
           l->remote->features & RCACHE_FEATURE_MOVE &&
           !passage_is_suspect(&l->remote->passage) && !l->abandoned &&
           (!from || (l->remote != from->remote &&
                      !(lease_only_cedes(from) && l->remote->judge.slow) &&
                      !health_shuns(&p->health, l->remote, now) &&
                      !avoid_is(p->moves.avoid, from->remote, l->remote, now) &&
                      l->slab_pages == from->slab_pages));
}

/*
 * This host's own disk takes what has nowhere else to go, and only where the
 * other provider can reach it.
 */
static bool disk_can_take(const Lease *disk, const Lease *from)
{
    return !lease_only_cedes(from) && (!remote_is_loopback(disk->remote) ||
                                       remote_is_loopback(from->remote));
}

bool places_can_take(const Pager *p, const Lease *l, const Lease *from,
                     uint64_t now)
{
    return lease_can_take(p, l, from, now) &&
           (!from || !l->remote->own || disk_can_take(l, from));
}

bool places_is_empty(const Pager *p, uint32_t slab, const Lease *l)
{
    const SlotSlab *s = &p->slots.slabs[slab];

    return slots_is_at(s, l->index) && !s->nr_used && !s->frozen;
}

bool places_is_unused(const Pager *p, uint32_t slab, const Lease *l)
{
    const SlotSlab *s = &p->slots.slabs[slab];

    return places_is_empty(p, slab, l) &&
           s->place[!slots_which(s, l->index)].lease == SLOTS_NO_LEASE;
}

bool places_can_leave(const Pager *p, uint32_t slab, const Lease *l)
{
    const SlotSlab *s = &p->slots.slabs[slab];

    return slots_is_at(s, l->index) && !s->frozen &&
           (slots_counts(s, slots_which(s, l->index)) || !slots_copies(s));
}

uint32_t places_unused(const Pager *p, const Lease *l)
{
    return l->spare->len + p->slots.alone[l->index];
}

uint32_t places_room(const Pager *p, const Lease *l)
{
    return l->spare->len + p->slots.empty[l->index];
}

void places_count(const Pager *p, const Lease *from, const Places *taken,
                  uint64_t now, Places *places)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        uint32_t nr = places_can_take(p, l, from, now)
                          ? places_room(p, l) : 0;

        places->nr[l->index] =
            nr - (taken ? MIN(nr, taken->nr[l->index]) : 0);
    }
}

const Lease *places_for(const Pager *p, uint32_t slab, const Lease *from,
                        const Places *places)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (places->nr[l->index] && apart_may_be_at(p, slab, from, l)) {
            return l;
        }
    }
    return NULL;
}

uint32_t places_find(const Pager *p, const Lease *l, uint32_t most,
                     Places *taken, uint32_t *filled, uint64_t now)
{
    uint32_t found = 0, looked = 0;
    Places places;

    places_count(p, l, taken, now, &places);
    for (uint32_t i = 0; i < p->slots.nr && found < most; i++) {
        const Lease *to;

        if (!places_can_leave(p, i, l) || !p->slots.slabs[i].nr_used ||
            slots_is_kept_only(&p->slots.slabs[i])) {
            continue;
        }
        looked++;
        to = places_for(p, i, l, &places);
        if (to) {
            places.nr[to->index]--;
            taken->nr[to->index]++;
            found++;
        }
    }
    if (filled) {
        *filled = looked;
    }
    return found;
}
