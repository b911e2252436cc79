/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wanting: slabs that want a place at another provider.  See wanting.h. */
#include "rcached/pager/wanting.h"

#include "rcached/pager/apart.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/places.h"

#define WANTING_MAX     (8 * RCACHE_SLAB_PAGES_MAX)

/*
 * Slabs of each lease that one with pages in it may have, where something can
 * go now.
 *
 * Return: those of them that nothing uses
 */
static uint32_t room_count(const Pager *p, uint64_t now,
                           uint32_t room[RCACHE_NR_LEASES])
{
    uint32_t unused = 0;
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (places_can_take(p, l, NULL, now)) {
            room[l->index] = places_room(p, l);
            unused += places_unused(p, l);
        }
    }
    return unused;
}

static bool disk_is_used(const Pager *p)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote->own) {
            return true;
        }
    }
    return false;
}

/* The place of a slab on this host's own disk, or -1. */
static int disk_place(const Pager *p, const SlotSlab *s)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Lease *l = leases_of(&p->leases, s, i);

        if (l && l->remote->own && slots_counts(s, i)) {
            return i;
        }
    }
    return -1;
}

/*
 * Would a slab find one of those?  Then that is kept for it.
 * @leaves: the lease that it leaves, or NULL: it wants a second place
 */
static bool slab_finds_place(const Pager *p, uint32_t slab, const Lease *from,
                             const Lease *leaves, uint64_t now,
                             uint32_t room[RCACHE_NR_LEASES])
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (room[l->index] && !(leaves && l->remote->own) &&
            places_can_take(p, l, from, now) &&
            apart_may_be_at(p, slab, leaves, l)) {
            room[l->index]--;
            return true;
        }
    }
    return false;
}

static void wanting_add(Wanting *w, const SlotSlab *s, const Remote *beside)
{
    w->beside = !w->pages || w->beside == beside ? beside : NULL;
    w->pages += s->pages;
}

/*
 * Slab @slab holds pages.  Of one that is only on the disk the second copy
 * comes first.
 * @disk: its place there; -1: none, or it may stay
 */
static void slab_look(const Pager *p, uint32_t slab, int disk, uint64_t now,
                      uint32_t room[RCACHE_NR_LEASES], Wanting *w)
{
    const SlotSlab *s = &p->slots.slabs[slab];
    bool second = p->locations.copies > 1 && slots_copies(s) == 1;
    const Lease *from, *other;
    unsigned which;

    if (!second && disk < 0) {
        return;
    }
    which = second ? !slots_counts(s, 0) : (unsigned)disk;
    from = leases_of(&p->leases, s, which);
    if (!from || !lease_ready(from)) {
        return;                 /* nothing can be copied from there */
    }
    other = second ? from : leases_of(&p->leases, s, !which);
    if (slab_finds_place(p, slab, from, second ? NULL : from, now, room)) {
        w->kept++;
        w->left -= w->left > 0;
    } else {
        wanting_add(w, s, other ? other->remote : NULL);
    }
}

void wanting_look(const Pager *p, bool elsewhere, uint64_t now, Wanting *w)
{
    uint32_t room[RCACHE_NR_LEASES] = { 0 };

    *w = (Wanting) { 0 };
    elsewhere = elsewhere && disk_is_used(p);
    if (p->slots.partial) {
        return;                 /* which slabs are empty is not known yet */
    }
    if (p->locations.copies < 2 && !elsewhere) {
        return;                 /* none can want anything */
    }
    w->left = room_count(p, now, room);
    for (uint32_t i = 0; i < p->slots.nr && w->pages < WANTING_MAX; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        if (s->used && s->nr_used && !slots_is_kept_only(s) && !s->frozen) {
            slab_look(p, i, elsewhere ? disk_place(p, s) : -1, now, room, w);
        }
    }
}
