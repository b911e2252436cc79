/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slots: which places in the leased slabs are in use.
 *
 * Pure.  A slot is (slab index + 1) << 14 | page in the slab, the number that
 * stands in a page word.  A slab is at up to SLOTS_PLACES providers, and so is
 * each of its slots.  A slot is taken before its PUTs are sent and given back
 * only when nothing of its old use can still arrive at any of them: after the
 * ack of its FREE there, or when the provider's session has been fenced.  That
 * is the caller's part; here a slot is taken or it is not, and a place still
 * has to answer for a slot that is leaving or it has not.
 *
 * A place that is stale (its provider has been silent for so long that it was
 * given up) is still named, but counts for nothing: no PUT, no FREE goes there.
 *
 * Slabs whose places that count are at the same leases are a group: a PUT goes
 * to slots of one group, since its frames name one lease each.
 *
 * A frozen slab, one that is copied to another provider, keeps what is taken
 * but nothing more is taken in it.
 *
 * A slot whose page is here as well may be kept (K4 of docs/design.md): it is
 * taken, and the map says for which page, so that no word alone can have it
 * freed.  Whatever gives the slot back ends that; until it is free it counts as
 * one that no page needs, as it did before.
 *
 * The map is not kept in the state memfd: a new pager builds it from the page
 * words with slots_mark(), so that the two can never differ.  Until it has seen
 * all words the map is partial: a slot that is not marked may be in use, so
 * that none counts as free and none is taken.
 */
#ifndef PAGER_SLOTS_H
#define PAGER_SLOTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

#define SLOTS_PLACES    RCACHE_LOCATIONS
#define SLOTS_NO_LEASE  UINT32_MAX

/**
 * struct SlotPlace - where a slab is
 * @lease: index of the lease, or SLOTS_NO_LEASE: there is no such place
 * @number: the provider's name for the slab
 * @stale: it may lack what was stored since it was given up
 */
typedef struct SlotPlace {
    uint32_t lease;
    uint32_t number;
    bool stale;
} SlotPlace;

#define SLOTS_NO_PAGE   UINT64_MAX
#define SLOTS_VOID      UINT64_MAX      /* no side record has that version */
#define SLOTS_ENDED     (UINT64_MAX - 1)

/**
 * struct SlotKept - for which page a slot is kept
 * @page: its index plus one; 0: the slot is not kept
 * @version: that its side record had when it came; SLOTS_VOID: the slot is to
 *           be given back, but its word cannot be changed at this moment;
 *           SLOTS_ENDED: it was kept, and is on its way back
 */
typedef struct SlotKept {
    uint64_t page;
    uint64_t version;
} SlotKept;

/**
 * struct SlotSlab - one slab
 * @used: bitmap; NULL: no such slab
 * @read: bitmap: the caller is reading the slot
 * @leaving: bitmaps: on the way back, and this place has not answered yet
 * @going: bitmap: on the way back; see slots_leave()
 * @place: where it is
 * @kept: for each slot; NULL: none is kept here, or was and is not free
 * @nr_kept: how many are, of @nr_used
 * @nr_ended: how many were, and are on their way back, of @nr_used
 * @group: index of its group
 * @hint: where the last search ended
 */
typedef struct SlotSlab {
    uint64_t *used;
    uint64_t *read;
    uint64_t *leaving[SLOTS_PLACES];
    uint64_t *going;
    SlotKept *kept;
    SlotPlace place[SLOTS_PLACES];
    uint32_t group;
    uint32_t pages;
    uint32_t nr_used;
    uint32_t nr_kept;
    uint32_t nr_ended;
    uint32_t hint;
    bool frozen;
} SlotSlab;

/**
 * struct SlotGroup - slabs whose places that count are at the same leases
 * @lease: the lower index first; SLOTS_NO_LEASE last
 * @slabs: how many; 0: this entry can be used again
 * @pages: in them
 * @used: of @pages
 * @held: free, but in frozen slabs
 * @kept: of @used, those that are kept
 * @spare: of @used, those that no page needs: kept, or on their way back since
 */
typedef struct SlotGroup {
    uint32_t lease[SLOTS_PLACES];
    uint32_t slabs;
    uint64_t pages;
    uint64_t used;
    uint64_t held;
    uint64_t kept;
    uint64_t spare;
} SlotGroup;

/**
 * struct Slots - all slabs
 * @slabs: RCACHE_NR_SLABS of them
 * @nr: one past the highest in use
 * @partial: unmarked slots may be in use; attach.c's
 * @groups: of SlotGroup
 * @nr_kept: of all slabs
 * @pages: of each lease, those at stale places as well
 * @used: of @pages
 * @held: of @pages, free, but in frozen slabs
 * @kept: of @used, those that are kept
 * @spare: of @used, those that no page needs, as in a group
 * @alone: slabs at that lease and nowhere else that are empty and not frozen
 * @empty: slabs with a place there that counts that are empty and not frozen
 */
typedef struct Slots {
    SlotSlab *slabs;
    uint32_t nr;
    bool partial;
    GArray *groups;
    uint64_t nr_kept;
    uint64_t pages[RCACHE_NR_LEASES];
    uint64_t used[RCACHE_NR_LEASES];
    uint64_t held[RCACHE_NR_LEASES];
    uint64_t kept[RCACHE_NR_LEASES];
    uint64_t spare[RCACHE_NR_LEASES];
    uint32_t alone[RCACHE_NR_LEASES];
    uint32_t empty[RCACHE_NR_LEASES];
} Slots;

/*
 * A slot is a slab's index in the slab table and a page in that slab; the index
 * is stored plus one, so that 0 is no slot.
 */
static inline uint32_t slot_slab(uint64_t slot)
{
    return (slot >> RCACHE_SLOT_PAGE_BITS) - 1;
}

static inline uint32_t slot_page(uint64_t slot)
{
    return slot & (RCACHE_SLAB_PAGES_MAX - 1);
}

static inline uint64_t slot_make(uint32_t slab, uint32_t page)
{
    return ((uint64_t)slab + 1) << RCACHE_SLOT_PAGE_BITS | page;
}

/** slots_slab() - the slab of a slot that is slots_valid() */
static inline const SlotSlab *slots_slab(const Slots *slots, uint64_t slot)
{
    return &slots->slabs[slot_slab(slot)];
}

/** slots_init() - no slabs; slots_deinit() forgets all */
void slots_init(Slots *slots);
void slots_deinit(Slots *slots);

/**
 * slots_add() - a slab at one place
 * @slab: index in the state memfd's table, below RCACHE_NR_SLABS, unused
 * @pages: at most RCACHE_SLAB_PAGES_MAX
 */
void slots_add(Slots *slots, uint32_t slab, uint32_t lease, uint32_t number,
               uint32_t pages);

/** slots_add_at() - the same, at places of different leases */
void slots_add_at(Slots *slots, uint32_t slab,
                  const SlotPlace place[SLOTS_PLACES], uint32_t pages);

/** slots_remove() - the slab is at no place any more */
void slots_remove(Slots *slots, uint32_t slab);

/**
 * slots_set_place() - place @which of a slab is another now, or none
 * @place: at a lease whose slabs are of the same size; not at the lease of
 *         the other place
 *
 * A slot on its way back that awaits an answer of place @which awaits that of
 * the new one.  Where there will be none, the caller says so: slots_left().
 */
void slots_set_place(Slots *slots, uint32_t slab, unsigned which,
                     SlotPlace place);

/** slots_which() - the place of a slab that is at a lease, or -1 */
int slots_which(const SlotSlab *s, uint32_t lease);

/** slots_is_at() - is a slab at a lease, stale or not? */
static inline bool slots_is_at(const SlotSlab *s, uint32_t lease)
{
    return s->used && slots_which(s, lease) >= 0;
}

/** slots_counts() - does place @which of a slab exist, and is not stale? */
static inline bool slots_counts(const SlotSlab *s, unsigned which)
{
    return s->place[which].lease != SLOTS_NO_LEASE && !s->place[which].stale;
}

/** slots_copies() - places of a slab that count */
static inline unsigned slots_copies(const SlotSlab *s)
{
    return slots_counts(s, 0) + slots_counts(s, 1);
}

/** slots_needed() - taken slots of a slab that pages which are away need */
static inline uint32_t slots_needed(const SlotSlab *s)
{
    return s->used ? s->nr_used - s->nr_kept - s->nr_ended : 0;
}

/** slots_is_kept_only() - is nothing in a slab but what is kept? */
static inline bool slots_is_kept_only(const SlotSlab *s)
{
    return s->used && s->nr_kept && s->nr_kept == s->nr_used && !s->frozen;
}

/** slots_freeze() - take no more slots in a slab, or again */
void slots_freeze(Slots *slots, uint32_t slab, bool frozen);

/** slots_valid() - does @slot name a place in a slab that is leased? */
bool slots_valid(const Slots *slots, uint64_t slot);

/** slots_used() - is @slot, which must be valid, taken? */
bool slots_used(const Slots *slots, uint64_t slot);

/** slots_mark() - take @slot, which must be valid and free */
void slots_mark(Slots *slots, uint64_t slot);

/**
 * slots_leave() - a slot, which must be taken, is going to be given back
 *
 * Whoever finds it slots_leaving() leaves it alone: the words are shared with
 * the VMM, so that two of them may name one slot.
 *
 * Return: the places that have to answer, a bit for each; 0: none, and the
 * slot is free
 */
unsigned slots_leave(Slots *slots, uint64_t slot);

/** slots_leaving() - is @slot on its way back? */
bool slots_leaving(const Slots *slots, uint64_t slot);

/** slots_await() - place @which has to answer for a slot on its way back too */
void slots_await(Slots *slots, uint64_t slot, unsigned which);

/** slots_awaits() - has place @which still to answer for @slot? */
bool slots_awaits(const Slots *slots, uint64_t slot, unsigned which);

/**
 * slots_left() - place @which has answered for @slot, or never will
 *
 * Return: true if it was the last one, and the slot is free
 */
bool slots_left(Slots *slots, uint64_t slot, unsigned which);

/** slots_clear() - give @slot back, which must be taken */
void slots_clear(Slots *slots, uint64_t slot);

/**
 * slots_keep() - a taken slot is kept for a page that is here
 * @version: of the page's side record
 */
void slots_keep(Slots *slots, uint64_t slot, uint64_t page, uint64_t version);

/** slots_unkeep() - it is not: the page is away, or the slot is to go */
void slots_unkeep(Slots *slots, uint64_t slot);

/** slots_keep_void() - it is, until its word can be changed, and no longer */
void slots_keep_void(Slots *slots, uint64_t slot);

/** slots_kept() - for which page; .page is 0: for none, or there is no slot */
static inline SlotKept slots_kept(const Slots *slots, uint64_t slot)
{
    const SlotSlab *s = slot >> RCACHE_SLOT_PAGE_BITS &&
                        slot_slab(slot) < slots->nr ? slots_slab(slots, slot)
                                                    : NULL;

    return s && s->kept && slot_page(slot) < s->pages
               ? s->kept[slot_page(slot)] : (SlotKept) { 0 };
}

/** slots_set_read() - a read of a valid slot begins, or ends */
void slots_set_read(Slots *slots, uint64_t slot, bool read);

/** slots_is_read() - is a valid slot being read? */
bool slots_is_read(const Slots *slots, uint64_t slot);

/**
 * slots_take() - take up to @n free slots of one lease, whatever the group
 * @lease: index of the lease
 * @out: the slots
 *
 * Return: how many were taken
 */
unsigned slots_take(Slots *slots, uint32_t lease, uint64_t *out, unsigned n);

/** slots_take_group() - the same, of one group */
unsigned slots_take_group(Slots *slots, uint32_t group, uint64_t *out,
                          unsigned n);

/** slots_group() - a group, by its index; .slabs is 0 if there is none */
static inline const SlotGroup *slots_group(const Slots *slots, uint32_t group)
{
    return &g_array_index(slots->groups, SlotGroup, group);
}

/** slots_free_in_group() - slots of a group that can be taken */
static inline uint64_t slots_free_in_group(const Slots *slots, uint32_t group)
{
    const SlotGroup *g = slots_group(slots, group);

    return slots->partial ? 0 : g->pages - g->used - g->held;
}

/** slots_used_in() - taken slots of a lease */
static inline uint64_t slots_used_in(const Slots *slots, uint32_t lease)
{
    return slots->used[lease];
}

/** slots_needed_in() - taken slots of a lease that pages need */
static inline uint64_t slots_needed_in(const Slots *slots, uint32_t lease)
{
    return slots->used[lease] - slots->spare[lease];
}

/** slots_free_in() - slots of a lease that can be taken, in unfrozen slabs */
static inline uint64_t slots_free_in(const Slots *slots, uint32_t lease)
{
    if (slots->partial) {
        return 0;
    }
    return slots->pages[lease] - slots->used[lease] - slots->held[lease];
}

#endif
