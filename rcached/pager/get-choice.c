/* SPDX-License-Identifier: GPL-2.0-or-later */
/* get-choice: which place of a slab is asked.  See get-choice.h. */
#include "rcached/pager/get-choice.h"

#include "rcached/pager/pager.h"

/* A place is quicker if its answers take less than this part of the other's. */
#define QUICKER_NUM     3u
#define QUICKER_DEN     4u

bool get_is_full(const Remote *r, unsigned busy)
{
    return r->unanswered >= LOCATION_GETS - busy;
}

/* How bad it is to ask a place that is ready; more is worse. */
static unsigned place_rank(const Pager *p, const SlotSlab *s, unsigned which,
                           const Remote *r, uint64_t now)
{
    uint64_t since;

    return s->place[which].stale * 16 +
           get_is_full(r, p->locations.gets.nr) * 8 +
           (remote_trouble(r, now, &since) != RCACHE_CAUSE_NONE) * 4 +
           remote_is_wrong(r, now) * 2 + r->judge.slow;
}

/* Of two that are as good: the quicker one, or each for half of the pages. */
static unsigned place_quicker(const Remote *a, const Remote *b, uint64_t slot)
{
    uint64_t x = a->judge.median, y = b->judge.median;

    if (x && y && x * QUICKER_DEN < y * QUICKER_NUM) {
        return 0;
    }
    if (x && y && y * QUICKER_DEN < x * QUICKER_NUM) {
        return 1;
    }
    return slot & 1;
}

int get_choose(const Pager *p, uint64_t slot, unsigned not)
{
    const SlotSlab *s = slots_slab(&p->slots, slot);
    const Lease *l[SLOTS_PLACES];
    unsigned rank[SLOTS_PLACES];
    uint64_t now;

    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        l[i] = not >> i & 1 ? NULL : leases_of(&p->leases, s, i);
        if (l[i] && !lease_ready(l[i])) {
            l[i] = NULL;
        }
    }
    if (!l[0] || !l[1]) {
        return l[0] ? 0 : l[1] ? 1 : -1;
    }
    now = pager_now();
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        rank[i] = place_rank(p, s, i, l[i]->remote, now);
    }
    if (rank[0] != rank[1]) {
        return rank[0] > rank[1];
    }
    return place_quicker(l[0]->remote, l[1]->remote, slot);
}

bool get_is_there(const Pager *p, uint64_t slot)
{
    int which = slots_valid(&p->slots, slot) ? get_choose(p, slot, 0) : -1;

    return which >= 0 && !slots_slab(&p->slots, slot)->place[which].stale;
}

int location_get_place(const Pager *p, uint64_t slot)
{
    const SlotSlab *s;
    int which;

    if (!slots_valid(&p->slots, slot)) {
        return -1;
    }
    which = get_choose(p, slot, 0);
    if (which >= 0) {
        return which;
    }
    s = slots_slab(&p->slots, slot);
    return leases_of(&p->leases, s, 0) ? 0
           : leases_of(&p->leases, s, 1) ? 1 : -1;
}

Remote *location_remote(const Pager *p, uint64_t slot)
{
    int which = location_get_place(p, slot);

    return which < 0 ? NULL
           : leases_of(&p->leases, slots_slab(&p->slots, slot), which)->remote;
}
