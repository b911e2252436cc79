/* SPDX-License-Identifier: GPL-2.0-or-later */
/* own-disk: this host's own disk.  See own-disk.h. */
#include "rcached/pager/own-disk.h"

#include "rcached/pager/pager.h"
#include "rcached/pager/places.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/wanting.h"

/* Asked for at a time: a part of size, since there is room for no more than
 * RCACHE_NR_LEASES; of a VM that is not large 256 MiB at most. */
#define STEPS           16u
#define STEP_PAGES      65536u
#define REFUSED_NS      (5 * NS_PER_SEC)
/* So long no arbiter is asked meanwhile.  An answer that comes later than that
 * is taken all the same. */
#define ANSWER_NS       (10 * NS_PER_SEC)

/* What there is in the leases on the disk, in pages. */
typedef struct DiskRoom {
    uint64_t free;              /* that nothing is stored in */
    uint64_t whole;             /* of them, those of slabs that are empty */
} DiskRoom;

/*
 * Pages that have nowhere to go: second copies, and, if the arbiters had no
 * room for those either, evictions and moves.  Copies and moves need slabs as
 * a whole: what is free in others is of no use to them.
 */
static uint64_t disk_lacking(const Pager *p, const DiskRoom *disk,
                             uint64_t now)
{
    uint64_t low = limit_low_water(p), here = pager_resident(p);
    uint64_t excess = MAX(here > low ? here - low : 0, command_wants(p));
    uint64_t room = put_room(p, now) + put_kept(p, now) + disk->free;
    uint64_t slabs, pages = 0;
    Wanting copies;

    wanting_look(p, false, now, &copies);
    slabs = copies.pages;
    if (p->want.pause[WANT_PAGES]) {
        pages = excess > room ? excess - room : 0;
    }
    if (p->want.pause[WANT_MOVES]) {
        slabs += revoke_lacking(p);
    }
    return pages + (slabs > disk->whole ? slabs - disk->whole : 0);
}

/* Have the arbiters been asked in vain? */
static bool others_refused(const Pager *p)
{
    bool refused = false;

    for (unsigned i = 0; i < WANT_FORS; i++) {
        refused |= p->want.pause[i];
    }
    return refused && !lease_is_coming(p);
}

static void disk_ask(Pager *p, const DiskRoom *disk, uint64_t now)
{
    uint64_t lacking, step;

    /* What others grant has to find an entry, too, or nobody is asked again. */
    if (!p->takeover.managing || now < p->disk.at || !others_refused(p) ||
        leases_free(&p->leases) <= LINK_GRANTS_MAX) {
        return;
    }
    lacking = disk_lacking(p, disk, now);
    if (!lacking) {
        return;
    }
    step = p->limits.size / STEPS;
    step = CLAMP(lacking, step, MAX(STEP_PAGES, step));
    step = MIN(step, limit_of_a_lease(&p->limits));
    uplink_want_disk(p, step * RCACHE_PAGE_SIZE);
    p->disk.asked = p->want.tag;
    p->disk.at = p->disk.asked ? now + ANSWER_NS : p->disk.at;
}

bool own_disk_is_asked(const Pager *p, uint64_t now)
{
    return p->disk.asked && now < p->disk.at;
}

void own_disk_answer(Pager *p, bool used)
{
    p->disk.asked = false;
    p->disk.at = used ? 0 : pager_now() + REFUSED_NS;
}

/* Slabs of @disk that are on their way to another host. */
static uint32_t slabs_moving(const Pager *p, const Lease *disk)
{
    uint32_t slabs = 0;

    for (unsigned i = 0; i < MOVES_MAX; i++) {
        slabs += p->moves.entry[i].state && p->moves.entry[i].leaves == disk;
    }
    return slabs;
}

/*
 * Has nothing been stored there for as long as unused memory is kept?  That is
 * counted from the lease on: before it nothing could be.
 */
static bool disk_is_unused(OwnDisk *disk, unsigned leases, uint64_t stored,
                           uint64_t keep_ns, uint64_t now)
{
    if (stored || !leases) {
        disk->unused_at = 0;
    } else if (!disk->unused_at) {
        disk->unused_at = now;
    }
    return disk->unused_at && now - disk->unused_at >= keep_ns;
}

/*
 * Unused slabs at other hosts that pages can be put to without the disk: where
 * there are to be two copies, those that find a second place.
 */
static uint32_t slabs_elsewhere(const Pager *p, const Places *taken,
                                uint64_t now)
{
    uint32_t nr[RCACHE_NR_LEASES] = { 0 }, all = 0, most = 0;
    const Lease *l, *other;

    LEASES_FOREACH(l, &p->leases) {
        if (!l->remote->own && places_can_take(p, l, NULL, now)) {
            nr[l->index] = places_unused(p, l);
            nr[l->index] -= MIN(nr[l->index], taken->nr[l->index]);
            all += nr[l->index];
        }
    }
    if (p->locations.copies < 2) {
        return all;
    }
    LEASES_FOREACH(l, &p->leases) {
        uint32_t there = 0;

        LEASES_FOREACH(other, &p->leases) {
            there += other->remote == l->remote ? nr[other->index] : 0;
        }
        most = MAX(most, there);
    }
    return MIN(all / 2, all - most);
}

/*
 * As many slabs leave as find a place elsewhere: of those with pages in them
 * each has to find its own, since its other copy may be where all the room is.
 * Empty ones go while others have room for the pages that they are kept for.
 * @found: of those with pages in them, how many find a place
 * @room: slabs elsewhere that are of use without the disk
 */
static void disk_leave(Pager *p, Lease *l, bool unused, uint32_t found,
                       uint32_t *room)
{
    uint32_t go = MIN(found + slabs_moving(p, l), l->nr_slabs);
    uint32_t empty = MIN(*room, l->nr_slabs - go);

    *room -= empty;
    go = unused ? l->nr_slabs : go + empty;
    l->ceding = go > 0;
    l->cede_to = l->nr_slabs - go;
}

static void disks_leave(Pager *p, bool unused, uint64_t now)
{
    uint32_t found[RCACHE_NR_LEASES] = { 0 }, room;
    const DiskRoom none = { 0 };
    Places taken = { 0 };
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote->own && lease_ready(l)) {
            l->ceding = true;   /* or more would find a place than may go */
            l->cede_to = l->nr_slabs;
            found[l->index] = places_find(p, l, l->nr_slabs, &taken, NULL,
                                          now);
        }
    }
    /* What would be asked for again at once stays. */
    room = disk_lacking(p, &none, now) ? 0 : slabs_elsewhere(p, &taken, now);
    LEASES_FOREACH(l, &p->leases) {
        if (l->remote->own && lease_ready(l)) {
            disk_leave(p, l, unused, found[l->index], &room);
        }
    }
}

/* Not again for pages that come home and go there again. */
static void disk_tell(OwnDisk *disk, Pager *p, unsigned leases,
                      uint64_t stored)
{
    if (!disk->told && stored) {
        disk->told = true;
        report_event(p, RCACHE_EVENT_DEGRADED, REPORT_NO_PAGE,
                     "no other host has room: pages go to this host's own "
                     "disk");
    } else if (disk->told && !leases) {
        disk->told = false;
        report_event(p, RCACHE_EVENT_RECOVERED, REPORT_NO_PAGE,
                     "nothing is on this host's own disk any more");
    }
}

void own_disk_tick(Pager *p, uint64_t now)
{
    DiskRoom room = { 0 };
    uint64_t stored = 0;
    unsigned leases = 0;
    bool unused;
    Lease *l;

    if (p->slots.partial) {
        return;                 /* what is where is not known yet */
    }
    LEASES_FOREACH(l, &p->leases) {
        if (l->remote->own) {
            uint64_t used = slots_used_in(&p->slots, l->index);
            uint64_t pages = l->nr_slabs * (uint64_t)l->slab_pages;

            leases++;
            stored += used;
            if (lease_ready(l) && l->keep && pages > used) {
                room.free += pages - used;
                room.whole += places_room(p, l) * (uint64_t)l->slab_pages;
            }
        }
    }
    disk_tell(&p->disk, p, leases, stored);
    unused = disk_is_unused(&p->disk, leases, stored, p->want.demand.keep_ns,
                            now);
    if (leases) {
        disks_leave(p, unused, now);
    }
    disk_ask(p, &room, now);
}
