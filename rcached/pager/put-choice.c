/* SPDX-License-Identifier: GPL-2.0-or-later */
/* put-choice: which slabs get the next pages.  See put-choice.h. */
#include "rcached/pager/put-choice.h"

#include "rcached/pager/pager.h"

/*
 * How long pages wait for room with enough copies: as long as a session takes
 * to come back.  A guest waits for it, when a provider has died.
 */
#define DEGRADE_NS      (250 * NS_PER_MS)

#define RANK_DISK       16u     /* above all that speaks against others */
#define RANK_ONE_COPY   64u     /* above all of a group's others */

static bool lease_takes(const Lease *l)
{
    return l && lease_ready(l) && !l->releasing && !l->sweep &&
           !l->abandoned && !l->lost;
}

/* Is one of them this host's own disk? */
static bool group_is_here(Lease *const *lease, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (lease[i]->remote->own) {
            return true;
        }
    }
    return false;
}

/* Is all of each of them wanted back? */
static bool group_leaves(Lease *const *lease, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (lease[i]->keep) {
            return false;
        }
    }
    return true;
}

/*
 * The leases of a group; 0: one is not there.  This host's own disk is wanted
 * back when it is about to end: what is put there, and nowhere else, ends with
 * it.
 */
static unsigned group_all_leases(const Pager *p, guint group,
                                 Lease *lease[SLOTS_PLACES])
{
    const SlotGroup *g = slots_group(&p->slots, group);
    unsigned n = 0;

    if (!g->slabs) {
        return 0;
    }
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        Lease *l = leases_at(&p->leases, g->lease[i]);

        if (g->lease[i] == SLOTS_NO_LEASE) {
            continue;
        }
        if (!lease_takes(l)) {
            return 0;
        }
        lease[n++] = l;
    }
    return group_is_here(lease, n) && group_leaves(lease, n) ? 0 : n;
}

/* Those of one that has room; else 0. */
static unsigned group_leases(const Pager *p, guint group,
                             Lease *lease[SLOTS_PLACES])
{
    return slots_group(&p->slots, group)->slabs &&
           slots_free_in_group(&p->slots, group)
               ? group_all_leases(p, group, lease) : 0;
}

/* Is one of them in trouble, so that a page that is put there would not be
 * stored?  Where all are, it is tried all the same. */
static bool group_in_trouble(Lease *const *lease, unsigned n, uint64_t now)
{
    uint64_t since;

    for (unsigned i = 0; i < n; i++) {
        if (remote_trouble(lease[i]->remote, now, &since) ||
            remote_refuses(lease[i]->remote, now)) {
            return true;
        }
    }
    return false;
}

/* May one more PUT be sent to each of them now? */
static bool group_may_put(Lease *const *lease, unsigned n, uint64_t now)
{
    for (unsigned i = 0; i < n; i++) {
        if (now < lease[i]->put_at || !providers_may_put(lease[i]->remote) ||
            lease[i]->remote->puts >= LOCATION_PUTS_EACH) {
            return false;
        }
    }
    return true;
}

/*
 * What speaks against a group, the worst of its leases: that no pages get
 * through, that bytes were changed there lately, that it is wanted back (what
 * goes there has to move again), that it is slow.
 */
static unsigned group_rank(const Pager *p, Lease *const *lease, unsigned n,
                           bool trouble, uint64_t now)
{
    unsigned rank = 0;

    for (unsigned i = 0; i < n; i++) {
        const Lease *l = lease[i];
        unsigned r = remote_is_wrong(l->remote, now) * 4 +
                     (l->keep < l->nr_slabs) * 2 + l->remote->judge.slow;

        rank = MAX(rank, r);
    }
    return rank + trouble * 8 + group_is_here(lease, n) * RANK_DISK +
           (n < p->locations.copies ? RANK_ONE_COPY : 0);
}

static uint64_t group_used(const Pager *p, Lease *const *lease, unsigned n)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < n; i++) {
        used = MAX(used, slots_used_in(&p->slots, lease[i]->index));
    }
    return used;
}

/* Has none of them been BUSY a moment ago? */
static bool group_is_open(Lease *const *lease, unsigned n, uint64_t now)
{
    for (unsigned i = 0; i < n; i++) {
        if (now < lease[i]->put_at) {
            return false;
        }
    }
    return true;
}

bool put_is_room(const Pager *p, uint32_t group, unsigned copies,
                 uint64_t now)
{
    Lease *lease[SLOTS_PLACES];
    unsigned n = group_all_leases(p, group, lease);

    for (unsigned i = 0; i < n; i++) {
        if (providers_is_silent(p, lease[i]->remote, now)) {
            return false;
        }
    }
    return n && n >= copies && !group_in_trouble(lease, n, now) &&
           !group_is_here(lease, n) && !group_leaves(lease, n);
}

/* What is kept in a group, if that is room for all copies. */
static uint64_t put_kept_in(const Pager *p, guint group, uint64_t now)
{
    const SlotGroup *g = slots_group(&p->slots, group);

    return g->slabs && g->kept &&
           put_is_room(p, group, p->locations.copies, now) ? g->kept : 0;
}

uint64_t put_kept(const Pager *p, uint64_t now)
{
    uint64_t kept = 0;

    for (guint i = 0; p->slots.nr_kept && i < p->slots.groups->len; i++) {
        kept += put_kept_in(p, i, now);
    }
    return kept;
}

/* What all groups with room come to. */
typedef struct Room {
    bool whole;                 /* one has enough copies, and is well */
    bool well;                  /* one is well */
    unsigned stays;             /* copies, of one that is well, open, and not
                                 * wanted back as a whole; 0: there is none */
    unsigned lent;              /* the same, without this host's own disk,
                                 * open or not */
} Room;

/* What is kept is room as well: it is given up before it is needed. */
static Room room_look(const Pager *p, uint64_t now)
{
    Lease *lease[SLOTS_PLACES];
    Room room = { 0 };

    for (guint i = 0; i < p->slots.groups->len; i++) {
        unsigned n = put_kept_in(p, i, now)
                         ? group_all_leases(p, i, lease)
                         : group_leases(p, i, lease);

        if (!n || group_in_trouble(lease, n, now)) {
            continue;
        }
        room.well = true;
        room.whole |= n >= p->locations.copies;
        if (!group_leaves(lease, n)) {
            room.stays = group_is_open(lease, n, now) ? MAX(room.stays, n)
                                                      : room.stays;
            room.lent = group_is_here(lease, n) ? room.lent
                                                : MAX(room.lent, n);
        }
    }
    return room;
}

uint64_t put_room(const Pager *p, uint64_t now)
{
    Lease *lease[SLOTS_PLACES];
    uint64_t room = 0;

    for (guint i = 0; i < p->slots.groups->len; i++) {
        unsigned n = group_leases(p, i, lease);

        if (n >= p->locations.copies && !group_in_trouble(lease, n, now) &&
            !group_is_here(lease, n) && !group_leaves(lease, n)) {
            room += slots_free_in_group(&p->slots, i);
        }
    }
    return room;
}

void put_choice_tick(Pager *p, uint64_t now)
{
    Puts *puts = &p->locations.puts;

    if (room_look(p, now).whole) {
        puts->lacking_since = 0;
    } else if (!puts->lacking_since) {
        puts->lacking_since = now;
    }
}

/* Has there been no room with enough copies for too long?  C8. */
static bool may_degrade(const Pager *p, uint64_t now)
{
    uint64_t since = p->locations.puts.lacking_since;

    return since && now - since >= DEGRADE_NS;
}

uint32_t put_choose(const Pager *p, uint64_t now)
{
    uint64_t least = 0;
    unsigned best_rank = 0;
    uint32_t best = PUT_NOWHERE;
    Lease *lease[SLOTS_PLACES];
    Room room = room_look(p, now);
    bool degrade = may_degrade(p, now);

    for (guint i = 0; i < p->slots.groups->len; i++) {
        unsigned n = group_leases(p, i, lease), rank;
        bool trouble = n && group_in_trouble(lease, n, now);
        uint64_t used;

        if (!n || (trouble && room.well) ||
            (n <= room.lent && group_is_here(lease, n)) ||
            (n <= room.stays && group_leaves(lease, n)) ||
            (n < p->locations.copies && !degrade) ||
            !group_may_put(lease, n, now)) {
            continue;
        }
        rank = group_rank(p, lease, n, trouble, now);
        used = group_used(p, lease, n);
        if (best == PUT_NOWHERE || rank < best_rank ||
            (rank == best_rank && used < least)) {
            best = i;
            best_rank = rank;
            least = used;
        }
    }
    return best;
}
