/* SPDX-License-Identifier: GPL-2.0-or-later */
/* location: where the bytes of pages that are away are.  See location.h. */
#include "rcached/pager/location.h"

#include "common/crash-point.h"
#include "rcached/pager/pager.h"

void locations_init(Locations *locations, const LocationOps *ops)
{
    locations->ops = ops;
    locations->copies = 1;
    locations->held = g_array_new(FALSE, FALSE, sizeof(Held));
}

void locations_deinit(Locations *locations)
{
    g_array_free(locations->held, TRUE);
}

/* ------------------------------------------------------------- one page */

bool location_knows(const Pager *p, uint64_t slot)
{
    return slots_valid(&p->slots, slot) && slots_used(&p->slots, slot) &&
           !slots_leaving(&p->slots, slot);
}

bool location_is_lost(const Pager *p, uint64_t slot)
{
    bool lost = false;

    if (!slots_valid(&p->slots, slot) || slots_is_read(&p->slots, slot) ||
        p->slots.slabs[slot_slab(slot)].frozen) {
        return false;
    }
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Lease *l = leases_of(&p->leases, slots_slab(&p->slots, slot), i);

        if (l && !l->lost) {
            return false;
        }
        lost |= l != NULL;
    }
    return lost;
}

bool location_is_given_up(const Pager *p, uint64_t slot, uint64_t now)
{
    bool known = false;

    for (unsigned i = 0; slots_valid(&p->slots, slot) && i < SLOTS_PLACES;
         i++) {
        const Lease *l = leases_of(&p->leases, slots_slab(&p->slots, slot), i);

        if (l && !l->lost && !copies_lease_is_given_up(&p->copies, l, now)) {
            return false;
        }
        known |= l != NULL;
    }
    return known;
}

const char *location_host(const Pager *p, uint64_t slot)
{
    const Remote *remote = location_remote(p, slot);

    return remote ? remote->host : "";
}

void location_free(Pager *p, uint64_t slot)
{
    if (location_knows(p, slot)) {
        freeing_slot(p, slot);
    }
}

/* ----------------------------------------------------------------- slabs */

void location_freeze(Pager *p, uint32_t slab)
{
    /* Their FREEs go first, so that they are not copied (K5). */
    if (kept_slab_changes(p, slab)) {
        freeing_flush(p, true);
    }
    slots_freeze(&p->slots, slab, true);
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        Lease *l = leases_of(&p->leases, &p->slots.slabs[slab], i);

        if (l) {
            freeing_hold(l, slab, i, p->locations.held);
        }
    }
}

void location_thaw(Pager *p, uint32_t slab)
{
    GArray *held = p->locations.held;
    guint n = 0;

    slots_freeze(&p->slots, slab, false);
    for (guint i = 0; i < held->len; i++) {
        Held h = g_array_index(held, Held, i);

        if (slot_slab(h.slot) != slab) {
            g_array_index(held, Held, n++) = h;
        } else if (slots_leaving(&p->slots, h.slot) &&
                   slots_awaits(&p->slots, h.slot, h.which)) {
            freeing_at(p, h.slot, h.which);
        }
    }
    g_array_set_size(held, n);
}

/* One store in the table, and the same in the slots. */
static void place_store(Pager *p, uint32_t slab, unsigned which,
                        SlotPlace place)
{
    Location at = { LOCATION_NONE, 0, false };

    if (place.lease != SLOTS_NO_LEASE) {
        at = (Location) { place.lease, place.number, place.stale };
    }
    slab_table_set(guest_slabs(&p->guest), slab, which, at);
    slots_set_place(&p->slots, slab, which, place);
}

/* Place @which has what is on its way back, too: the copy had it. */
static void place_await(Pager *p, uint32_t slab, unsigned which)
{
    uint32_t pages = p->slots.slabs[slab].pages;

    for (uint32_t page = 0; page < pages; page++) {
        uint64_t slot = slot_make(slab, page);

        if (slots_leaving(&p->slots, slot) &&
            !slots_awaits(&p->slots, slot, which)) {
            slots_await(&p->slots, slot, which);
            freeing_at(p, slot, which);
        }
    }
}

void location_set(Pager *p, uint32_t slab, unsigned which, const Lease *to,
                  uint32_t number)
{
    place_store(p, slab, which, (SlotPlace) { to->index, number, false });
    place_await(p, slab, which);
    /* What could not be asked of the old provider, which may be gone. */
    location_lease_ready(p, to);
    location_thaw(p, slab);
}

/* Place @which counts no more: nothing is put there, and no FREE waited for. */
static void place_discount(Pager *p, uint32_t slab, unsigned which,
                           SlotPlace place)
{
    Lease *l = leases_of(&p->leases, &p->slots.slabs[slab], which);
    uint32_t pages = p->slots.slabs[slab].pages;

    location_put_call_off(p, slab);
    place_store(p, slab, which, place);
    crash_point(place.stale ? "place-stale" : "place-cleared");
    if (l) {
        freeing_forget(l, slab);
    }
    for (uint32_t page = 0; page < pages; page++) {
        uint64_t slot = slot_make(slab, page);

        if (slots_awaits(&p->slots, slot, which)) {
            slots_left(&p->slots, slot, which);
        }
    }
}

void location_clear(Pager *p, uint32_t slab, unsigned which)
{
    SlotPlace other = p->slots.slabs[slab].place[!which];
    bool was_stale = other.stale;

    g_assert(other.lease != SLOTS_NO_LEASE);
    if (was_stale) {
        other.stale = false;    /* before there is none that counts */
        place_store(p, slab, !which, other);
    }
    place_discount(p, slab, which, (SlotPlace) { SLOTS_NO_LEASE, 0, false });
    if (was_stale) {
        /* Its free slots are room again, with no FREE and no CLAIM answered. */
        progress_hope(&p->evictor.progress, PROGRESS_ROOM, pager_now());
    }
}

void location_give_up(Pager *p, uint32_t slab, unsigned which)
{
    SlotPlace place = p->slots.slabs[slab].place[which];

    place.stale = true;
    place_discount(p, slab, which, place);
}

/* The first free entry of the slab table at or after @from. */
static uint32_t free_slab(const Pager *p, uint32_t from)
{
    const struct RcacheSlab *table = guest_slabs(&p->guest);
    uint32_t slab = slab_table_find_free(table, from);

    /* The VMM can write to the table, and make an entry free that is not. */
    while (slab < RCACHE_NR_SLABS && p->slots.slabs[slab].used) {
        slab = slab_table_find_free(table, slab + 1);
    }
    return slab;
}

bool location_add(Pager *p, const Lease *l, uint32_t number)
{
    struct RcacheSlab *table = guest_slabs(&p->guest);
    uint32_t slab = free_slab(p, p->locations.free_slab);

    if (slab == RCACHE_NR_SLABS) {
        slab = free_slab(p, 0);         /* the VMM may have freed one */
    }
    p->locations.free_slab = slab;
    if (slab == RCACHE_NR_SLABS) {
        return false;
    }
    slab_table_set(table, slab, 0, (Location) { l->index, number, false });
    crash_point("slab-listed");
    slots_add(&p->slots, slab, l->index, number, l->slab_pages);
    return true;
}

void location_remove(Pager *p, uint32_t slab)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        slab_table_set(guest_slabs(&p->guest), slab, i,
                       (Location) { LOCATION_NONE, 0, false });
    }
    crash_point("slab-unlisted");
    slots_remove(&p->slots, slab);
    p->locations.free_slab = MIN(p->locations.free_slab, slab);
}

bool location_is_quiet(const Pager *p, uint32_t slab)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Lease *l = leases_of(&p->leases, &p->slots.slabs[slab], i);

        if (l && freeing_is_out(l, slab)) {
            return false;
        }
    }
    return !location_put_is_out(p, slab);
}

/* ------------------------------------------------------------- providers */

bool location_answer(Pager *p, Remote *remote, const WireHead *head,
                     const void *payload)
{
    switch (head->type) {
    case RCACHE_GET_REPLY:
        return location_many_answer(p, remote, head, payload) ||
               location_get_answer(p, remote, head, payload);
    case RCACHE_PUT_ACK:
        return location_put_answer(p, remote, head, payload);
    case RCACHE_FREE_ACK:
        return freeing_answer(p, remote, head);
    default:
        return false;
    }
}

void location_remote_down(Pager *p, Remote *remote)
{
    location_many_down(p, remote);
    location_get_down(p, remote);
    location_put_down(p, remote);
}
