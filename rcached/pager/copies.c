/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copies: slabs get a second place, and lose one that is of no use.
 *
 * A new slab has one place.  While it is empty a second one costs no more than
 * an EXPECT, so that room with two copies is there before pages need it.  A
 * slab with pages in it that has lost a place (location_clear(), on proof), or
 * whose second place is stale, is copied (move.c): COPIES_AT_ONCE at a time,
 * and no faster than .rate, since it takes from the network that faults use.
 *
 * A provider that is away keeps its places: silence proves nothing (C2).
 * After .give_up_ns they are stale, if the other place is there.  So they are
 * where a provider has sessions, but does not accept the lease (another host
 * may answer at its address), or sends no page: a lease that is of no use is
 * given up, whatever keeps it from being of any.  One that is of use again
 * finds its place stale: once the other place has been compared with the sums
 * that are kept here, and lacks nothing, the slab there is spare, and another
 * copy, perhaps in the same slab, is made.
 *
 * Which two places a slab may have says apart.c.
 */
#include "rcached/pager/copies.h"

#include "common/crash-point.h"
#include "rcached/pager/apart.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/wanting.h"

#define COPIES_AT_ONCE  2u
/* copies_tick() is called ten times a second, if this process is run at all. */
#define WATCH_MOST_NS   NS_PER_SEC

/* ---------------------------------------------------------------- give up */

/*
 * Where only PUTs do not get through, what is there can be read: that is a
 * copy.
 */
static bool lease_is_of_use(const Lease *l)
{
    return lease_ready(l) && !l->remote->passage.suspect[PASSAGE_GET];
}

/*
 * For how long each lease has been of no use.  It is counted from look to look,
 * since time in which nobody looked proves nothing: the host may have slept.
 */
static void copies_watch(Pager *p, uint64_t now)
{
    uint64_t last = p->copies.watched_at;
    uint64_t step = last && now > last ? MIN(now - last, WATCH_MOST_NS) : 0;
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        l->useless_ns = lease_is_of_use(l) ? 0 : l->useless_ns + step;
    }
    p->copies.watched_at = now;
}

/* Place @which of slab @slab, at a lease that is of no use. */
static void slab_give_up(Pager *p, uint32_t slab, const Lease *l)
{
    const SlotSlab *s = &p->slots.slabs[slab];
    int which = s->used ? slots_which(s, l->index) : -1;
    const Lease *other;

    if (which < 0 || s->place[which].stale || !slots_counts(s, !which)) {
        return;
    }
    other = leases_of(&p->leases, s, !which);
    if (other && lease_ready(other)) {
        move_source_gone(p, slab, l);
        location_give_up(p, slab, which);
    }
}

static void copies_give_up(Pager *p, uint64_t now)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (!copies_lease_is_given_up(&p->copies, l, now)) {
            continue;
        }
        for (uint32_t i = 0; i < p->slots.nr; i++) {
            slab_give_up(p, i, l);
        }
    }
}

/* Also what is compared before a stale place goes. */
static unsigned copies_under_way(const Pager *p)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MOVES_MAX; i++) {
        const Move *m = &p->moves.entry[i];

        n += m->state && m->state != MOVE_WIPING && !m->leaves && !m->empty;
    }
    return n;
}

/* Is @l, with a stale place, of use again? */
static bool lease_is_back(const Pager *p, const Lease *l, uint64_t now)
{
    return lease_ready(l) && !copies_lease_is_given_up(&p->copies, l, now);
}

/*
 * A stale place whose provider is back is of no use any more: it is spare.  In
 * an empty slab it lacks nothing, also where the other provider stays away.
 */
static void slab_take_back(Pager *p, uint32_t slab, unsigned which,
                           uint64_t now)
{
    const SlotSlab *s = &p->slots.slabs[slab];
    SlotPlace place = s->place[which];
    Lease *l = leases_of(&p->leases, s, which);
    const Lease *other = leases_of(&p->leases, s, !which);

    if (!l || !lease_is_back(p, l, now) || s->frozen) {
        return;
    }
    if (!s->nr_used) {
        location_clear(p, slab, which);
        revoke_spare(l, place.number, slab + 1);
    } else if (other && lease_ready(other) && p->moves.nr < MOVES_MAX &&
               now >= other->move_at &&
               copies_under_way(p) < COPIES_AT_ONCE &&
               !compare_keeps_off(p, slab)) {
        move_shed(p, slab, which, l);
    }
}

static void copies_take_back(Pager *p, uint64_t now)
{
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        for (unsigned k = 0; k < SLOTS_PLACES; k++) {
            if (s->used && s->place[k].stale && slots_counts(s, !k)) {
                slab_take_back(p, i, k, now);
                break;
            }
        }
    }
}

/* ------------------------------------------------------------------- shed */

/* Has its provider returned wrong bytes lately, or do no pages come through? */
static bool lease_is_bad(const Lease *l, uint64_t now)
{
    uint64_t since;

    return remote_is_wrong(l->remote, now) ||
           remote_trouble(l->remote, now, &since);
}

/* One copy is wanted: the place goes that is of less use. */
static void slab_shed(Pager *p, uint32_t slab, uint64_t now)
{
    const SlotSlab *s = &p->slots.slabs[slab];
    Lease *l[SLOTS_PLACES] = {
        leases_of(&p->leases, s, 0), leases_of(&p->leases, s, 1),
    };
    unsigned which = 1;
    uint32_t number;

    if (s->frozen || !l[0] || !l[1] || location_put_is_out(p, slab)) {
        return;
    }
    if (s->place[0].stale || !lease_ready(l[0]) ||
        (lease_is_bad(l[0], now) && !lease_is_bad(l[1], now))) {
        which = 0;
    }
    if (s->place[!which].stale || !lease_ready(l[!which])) {
        return;                 /* the one that stays has to be there */
    }
    number = s->place[which].number;
    location_clear(p, slab, which);
    crash_point("copy-shed");
    if (lease_ready(l[which])) {
        revoke_spare(l[which], number, slab + 1);
    }
}

/* ------------------------------------------------------------------- make */

static bool slab_make(Pager *p, uint32_t slab, uint64_t now)
{
    const SlotSlab *s = &p->slots.slabs[slab];
    unsigned which = slots_counts(s, 0);
    const Lease *from = leases_of(&p->leases, s, !which);
    uint32_t number, used = s->nr_used;
    Lease *to;

    if (!from || !lease_ready(from) || from->sweep || now < from->move_at ||
        (used && (copies_under_way(p) >= COPIES_AT_ONCE ||
                  now < p->copies.next_at || compare_keeps_off(p, slab) ||
                  moves_is_put_off(&p->moves, slab, now)))) {
        return false;
    }
    to = revoke_find_place(p, slab, NULL, from, now, &number);
    if (!to) {
        return false;
    }
    if (used) {
        p->copies.made++;
        p->copies.next_at = !p->copies.rate ? 0
            : now + (uint64_t)used * RCACHE_PAGE_SIZE * NS_PER_SEC /
                    p->copies.rate;
    }
    move_copy(p, slab, which, to, number);
    return true;
}

/* Of @most slabs: those that are empty, or those that are not. */
static void copies_make(Pager *p, bool empty, uint32_t most, uint64_t now)
{
    for (uint32_t i = 0;
         i < p->slots.nr && most && p->moves.nr < MOVES_MAX; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        if (s->used && !s->frozen && slots_copies(s) == 1 &&
            empty == !s->nr_used) {
            most -= slab_make(p, i, now);
        }
    }
}

/* Slabs in which something is stored come first. */
static void copies_make_all(Pager *p, uint64_t now)
{
    Wanting w;

    copies_make(p, false, UINT32_MAX, now);
    wanting_look(p, true, now, &w);
    copies_make(p, true, w.left, now);
}

void copies_tick(Pager *p, uint64_t now)
{
    copies_watch(p, now);
    if (p->slots.partial) {
        return;                 /* which slabs are empty is not known yet */
    }
    put_choice_tick(p, now);
    copies_give_up(p, now);
    copies_take_back(p, now);
    if (p->locations.copies > 1) {
        copies_make_all(p, now);
        return;
    }
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        if (p->slots.slabs[i].used && slots_copies(&p->slots.slabs[i]) > 1) {
            slab_shed(p, i, now);
        }
    }
}
