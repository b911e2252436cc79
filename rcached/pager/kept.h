/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kept: slots of pages that are here and clean ([pager] keep-clean).
 *
 * docs/design.md, "Clean pages", has the rules; K1 to K8 are theirs.  A page
 * that keeps its slot has CLEAN and the slot in its word, in HOT, ZAPPING,
 * ZAPPED or EVICTING, and the slot's entry in the map (slots.h) names the page.
 * Both have to agree: the words are shared with the VMM, which also takes CLEAN
 * out of them when it discards.  A slot that a word names is in use, and so its
 * lease and its slab stay, until the word does not name it any more.
 *
 *   kept    by arrival.c, when a page has come that is tracked
 *   clean   by clean.c, in ZAPPED: the scan after the zap has said so
 *   leaves  by clean.c, without bytes, when its providers have said that they
 *           have it: EVICTING meanwhile
 *   ended   here: the page is dirty, or touched in a way that is not tracked,
 *           or its slot is wanted for something else
 *
 * A page whose word is ZAPPING or DISCARDING is somebody else's at that moment:
 * its slot is marked void, and goes with the step that ends that state.
 *
 * With keep-clean=no nothing is ever kept, and all of this finds nothing.
 */
#ifndef PAGER_KEPT_H
#define PAGER_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/leases.h"
#include "rcached/pager/page.h"
#include "rcached/pager/slots.h"

typedef struct Pager Pager;

/**
 * struct KeptSlots - kept.c's and clean.c's
 * @wanted: keep-clean=yes; pager-main.c sets it
 * @told: that the kernel does not track writes
 * @slab, @page: where slots are given up next
 * @again_at: ns, look again whether slots are short
 * @comes_until: ns, so long slots count as room that were given up for it
 * @left: pages that left without bytes, since this pager began
 * @given_up: slots that were given up to have room, since then
 */
typedef struct KeptSlots {
    bool wanted;
    bool told;
    uint32_t slab;
    uint32_t page;
    uint64_t again_at;
    uint64_t comes_until;
    uint64_t left;
    uint64_t given_up;
} KeptSlots;

/** kept_track() - see that writes to a block are tracked that is registered */
void kept_track(Pager *p, unsigned block);

/** kept_tracks() - is a page to be installed write-protected? */
bool kept_tracks(Pager *p, uint64_t page);

/** kept_may_keep() - may a page that comes from @slot keep it?  K4, K5 */
bool kept_may_keep(const Pager *p, uint64_t slot);

/** kept_is_of() - does @page, whose word is @word, keep its slot? */
static inline bool kept_is_of(const Slots *slots, uint64_t page, uint64_t word)
{
    SlotKept kept = slots_kept(slots, page_slot(word));

    return word & RCACHE_CLEAN && kept.page == page + 1 &&
           kept.version != SLOTS_VOID;
}

/** kept_clean() - CLEAN, if @page keeps its slot; to be or-ed to a new word */
static inline uint64_t kept_clean(const Slots *slots, uint64_t page,
                                  uint64_t word)
{
    return kept_is_of(slots, page, word) ? RCACHE_CLEAN : 0;
}

/**
 * kept_end() - the word of @page, which was @word, does not name its slot any
 * more, if it had one: that is given back, unless another page keeps it
 */
void kept_end(Pager *p, uint64_t page, uint64_t word);

/** kept_may_leave() - may a page go for nothing, by K3, once its places have
 * said that they have it? */
bool kept_may_leave(const Pager *p, uint64_t page, uint64_t word,
                    uint64_t now);

/**
 * kept_slab_changes() - a slab is to be copied, moved or left: it keeps none
 *
 * Return: how many slots were given back
 */
unsigned kept_slab_changes(Pager *p, uint32_t slab);

/** kept_lease_changes() - the same for all slabs of a lease */
unsigned kept_lease_changes(Pager *p, const Lease *l);

/** kept_make_room() - give slots up that pages on their way out will need */
void kept_make_room(Pager *p, uint64_t now);

/**
 * kept_give() - give up what is kept in slabs that nothing else is in
 * @pages: of such slabs, at most
 *
 * Return: pages of those slabs, which are empty when their FREEs are answered
 */
uint64_t kept_give(Pager *p, uint64_t pages);

/** kept_tick() - no more than size, and none where none is to be: K4, K5 */
void kept_tick(Pager *p, uint64_t now);

#endif
