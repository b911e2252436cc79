/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has to hold in test-settle once all has been well for a while.  See
 * settle.h.
 */
#include <string.h>

#include "rcached/pager/apart.h"
#include "rcached/pager/places.h"
#include "tests/fuzz/vmm-played.h"
#include "settle.h"

#define BUSY_NS         (20 * NS_PER_SEC)       /* the guest goes on */
#define STILL_NS        (100 * NS_PER_SEC)      /* it does nothing */
#define WATCH_NS        (30 * NS_PER_SEC)       /* nor does anybody else */
#define WAIT_MOST_NS    (20 * NS_PER_SEC)

/* Slabs of a lease in which nothing is stored. */
static unsigned lease_empty(const Pager *p, const Lease *l)
{
    unsigned n = l->spare->len;

    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        n += s->used && slots_is_at(s, l->index) && !s->nr_used;
    }
    return n;
}

/* Slabs at a host that a page could go to, leased or not. */
static unsigned host_room(const Pager *p, unsigned host)
{
    unsigned n = world.host[host].draining || world.host[host].cut
                     ? 0 : host_free(host);
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (host_of(l) == host && lease_ready(l) &&
            !world.host[host].draining && l->keep >= l->nr_slabs) {
            n += lease_empty(p, l);
        }
    }
    return n;
}

static void rooms_tell(const Pager *p)
{
    const Lease *l;

    guest_tell();
    tell("  %u pages are here, %u may be, %u copies are wanted",
         (unsigned)pager_resident(p), (unsigned)p->limits.local_max,
         p->locations.copies);
    for (unsigned i = 0; i <= OWN; i++) {
        if (world.host[i].used) {
            tell("  %s has room for %u slabs, and %u are leased",
                 world.host[i].name, host_room(p, i), host_slabs(i));
        }
    }
    LEASES_FOREACH(l, &p->leases) {
        tell("  lease %" G_GUINT64_FORMAT " at %s: %u slabs, keeps %u, %u "
             "spare, %u empty, %s", l->known.id, world.host[host_of(l)].name,
             l->nr_slabs, l->keep, l->spare->len, lease_empty(p, l),
             lease_ready(l) ? "ready" : l->lost ? "lost" : "not ready");
    }
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        if (s->used && s->nr_used) {
            const Lease *a = leases_of(&p->leases, s, 0);
            const Lease *b = leases_of(&p->leases, s, 1);

            tell("  slab %u: %u pages, at %s%s and %s%s", i, s->nr_used,
                 a ? a->remote->host : "-", s->place[0].stale ? " (stale)" : "",
                 b ? b->remote->host : "-",
                 s->place[1].stale ? " (stale)" : "");
        }
    }
}

/* ------------------------------------------------------------ what must be */

/* Is @host of another domain than all that @s is at? */
static bool host_is_apart(const Pager *p, const SlotSlab *s, unsigned host,
                          int leaves)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Lease *l = leases_of(&p->leases, s, i);

        if (!l || (int)i == leaves) {
            continue;
        }
        if (host_of(l) == host ||
            (*l->known.label && host != OWN &&
             !strcmp(l->known.label, world.host[host].label))) {
            return false;
        }
    }
    return true;
}

/*
 * A host that could have slab @s as well, or instead of at place @leaves, or
 * -1.  One of the same domain is no fault where the VM has a lease in another
 * one (C0), so that it does not count here.
 */
static int host_for(const Pager *p, const SlotSlab *s, int leaves)
{
    for (unsigned i = 0; i < HOSTS_MAX; i++) {
        if (world.host[i].used && host_room(p, i) &&
            host_is_apart(p, s, i, leaves)) {
            return i;
        }
    }
    return leaves < 0 && host_room(p, OWN) && host_is_apart(p, s, OWN, -1)
               ? (int)OWN : -1;
}

/* Nothing can be copied from a host that is dead. */
static bool can_be_read(const Pager *p, const SlotSlab *s)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Lease *l = leases_of(&p->leases, s, i);

        if (l && lease_ready(l) && slots_counts(s, i)) {
            return true;
        }
    }
    return false;
}

static void check_copies(const Pager *p)
{
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];
        int host;

        if (!s->used || !s->nr_used || !can_be_read(p, s) ||
            slots_copies(s) >= p->locations.copies) {
            continue;
        }
        host = host_for(p, s, -1);
        if (host >= 0) {
            fail("slab %u has one copy, though %s has room", i,
                 world.host[host].name);
        }
    }
}

/* What should not be where it is, and could be elsewhere. */
static void check_places(const Pager *p)
{
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        for (unsigned k = 0; s->used && s->nr_used && k < SLOTS_PLACES; k++) {
            const Lease *l = leases_of(&p->leases, s, k);
            unsigned at = l ? host_of(l) : 0;
            int host;

            if (!l || !lease_ready(l) ||
                (at != OWN && !world.host[at].draining)) {
                continue;
            }
            host = host_for(p, s, k);
            if (host >= 0) {
                fail("slab %u is %s %s still, though %s has room", i,
                     at == OWN ? "on the own disk" : "at the drained",
                     world.host[at].name, world.host[host].name);
            }
        }
    }
}

/* Empty slabs are given back to who wants them back. */
static void check_drained(const Pager *p)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (host_of(l) != OWN && !world.host[host_of(l)].cut &&
            world.host[host_of(l)].draining && lease_empty(p, l)) {
            fail("%u empty slabs are still at %s, which is drained",
                 lease_empty(p, l), world.host[host_of(l)].name);
        }
    }
}

static void check_asked_back(const Pager *p)
{
    for (unsigned i = 0; i < HOSTS_MAX; i++) {
        const Host *h = &world.host[i];
        const Lease *l;

        if (h->used && !h->cut && !h->draining &&
            host_slabs(i) > h->capacity) {
            LEASES_FOREACH(l, &p->leases) {
                if (host_of(l) == i && l->keep < l->nr_slabs &&
                    lease_empty(p, l)) {
                    fail("%s wants slabs back, and has %u of %u that are "
                         "empty", h->name, lease_empty(p, l), host_slabs(i));
                }
            }
        }
    }
}

/* The guest is no larger than it may be, if anybody has room. */
static void check_evicted(const Pager *p)
{
    uint64_t here = pager_resident(p), most = p->limits.local_max;

    if (here <= most + limit_slack(p) || !limit_allowance(p)) {
        return;
    }
    for (unsigned i = 0; i <= OWN; i++) {
        if (world.host[i].used && host_room(p, i)) {
            fail("%u pages are here, %u may be, and %s has room",
                 (unsigned)here, (unsigned)most, world.host[i].name);
        }
    }
}

/* Pages that were there only are waited for. */
static bool any_is_dead(void)
{
    for (unsigned i = 0; i <= OWN; i++) {
        if (world.host[i].cut) {
            return true;
        }
    }
    return false;
}

static void check_waits(const char *when)
{
    if (guest_waits() > WAIT_MOST_NS && !any_is_dead()) {
        fail("the guest has waited for a page for %u s, %s",
             (unsigned)(guest_waits() / NS_PER_SEC), when);
    }
}

/*
 * Nothing goes to and fro.  But a guest as small as this one never comes down
 * to its low water (evict.c keeps more pages than that zapped), so that room
 * for the rest is asked for on this host's own disk, and given back unused.
 */
static void check_quiet(const Counts *c, uint64_t ns)
{
    unsigned seconds = ns / NS_PER_SEC, disk = ns / KEEP_NS;

    if (c->moves || c->releases > 2 + disk || c->drops > 2 + 4 * disk ||
        c->claims > 2 + 2 * disk || c->grants > 1 + disk ||
        c->expects > 2 + 4 * disk || c->puts > 64) {
        fail("in the last %u s, in which nothing happened, there were %u "
             "moves, %u expects, %u drops, %u releases, %u grants, %u claims, "
             "%u pages put", seconds, c->moves, c->expects, c->drops,
             c->releases, c->grants, c->claims, c->puts);
    }
    if (c->wants > seconds * 5 / 2) {
        fail("in the last %u s there were %u requests for leases", seconds,
             c->wants);
    }
}

void end_settle(void)
{
    const Pager *p = played.p;

    world.rate = 8;
    world.span = RAM;
    for (unsigned i = 0; i < BUSY_NS / NS_PER_SEC && !*world.why; i++) {
        run(NS_PER_SEC);
    }
    world.rate = 0;
    tell("the guest sits still");
    run(STILL_NS);
    check_waits("though nothing has been wrong for long");
    world.count = (Counts) { 0 };
    tell("from now on nothing should happen");
    run(WATCH_NS);
    if (!p->attached || p->done) {
        fail("the pager is not there");
        return;
    }
    check_quiet(&world.count, WATCH_NS);
    check_evicted(p);
    check_copies(p);
    check_places(p);
    check_drained(p);
    check_asked_back(p);
    if (*world.why) {
        rooms_tell(p);
    }
}
