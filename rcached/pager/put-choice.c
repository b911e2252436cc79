/* SPDX-License-Identifier: GPL-2.0-or-later */
/* put-choice: which lease gets the next pages.  See put-choice.h. */
#include "rcached/pager/put-choice.h"

#include "rcached/pager/pager.h"

static bool lease_has_room(const Pager *p, const Lease *l)
{
    return lease_ready(l) && !l->releasing && !l->sweep && !l->abandoned &&
           slots_free_in(&p->slots, l->index);
}

/* Those providers that answer and have room: one of them, and are there two? */
static const Remote *room_at(const Pager *p, uint64_t now, bool *two)
{
    const Remote *one = NULL;
    uint64_t since;
    const Lease *l;

    *two = false;
    LEASES_FOREACH(l, &p->leases) {
        if (l->remote != one && lease_has_room(p, l) &&
            !remote_trouble(l->remote, now, &since)) {
            *two |= one != NULL;
            one = l->remote;
        }
    }
    return one;
}

Lease *put_choose(const Pager *p, uint64_t now)
{
    uint64_t least = 0, since;
    unsigned best_rank = 0;
    Lease *best = NULL, *l;
    bool two;
    const Remote *one = room_at(p, now, &two);

    LEASES_FOREACH(l, &p->leases) {
        uint64_t used = slots_used_in(&p->slots, l->index);
        bool trouble, elsewhere = two || (one && one != l->remote);
        unsigned rank;

        if (!lease_has_room(p, l) || now < l->put_at ||
            l->remote->puts >= LOCATION_PUTS_EACH) {
            continue;
        }
        trouble = remote_trouble(l->remote, now, &since);
        if ((trouble && elsewhere) || !providers_may_put(l->remote)) {
            continue;
        }
        rank = trouble * 8 + remote_is_wrong(l->remote, now) * 4 +
               (l->keep < l->nr_slabs) * 2 + l->remote->judge.slow;
        if (!best || rank < best_rank ||
            (rank == best_rank && used < least)) {
            best = l;
            best_rank = rank;
            least = used;
        }
    }
    return best;
}
