/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kept: slots of pages that are here and clean.  See kept.h. */
#include "rcached/pager/kept.h"

#include "common/crash-point.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/places.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/written.h"

/* Free slots that pages on their way out find: a part of size. */
#define ROOM_PART       64u
#define ROOM_LEAST      ((uint64_t)RCACHE_BATCH_PAGES)
#define ROOM_MOST       UINT64_C(512)
/* FREEs are answered by then, mostly. */
#define ROOM_AGAIN_NS   (2 * NS_PER_MS)
/* And what has not been by then is not counted on. */
#define ROOM_COMES_NS   PROVIDERS_SILENT_NS
/* PINGs go out every second, and are looked for ten times a second. */
#define HEARD_NS        (1300 * NS_PER_MS)
/* A word that the VMM changes each time it is looked at. */
#define TRIES           8

/* -------------------------------------------------------------- tracking */

void kept_track(Pager *p, unsigned block)
{
    GuestBlock *b = &p->guest.block[block];
    int ret;

    if (!p->kept.wanted) {
        return;
    }
    ret = written_is_tracked(p->guest.pagemap_fd, b->address);
    b->tracked = ret == 0;
    if (ret < 0 && !p->kept.told) {
        p->kept.told = true;
        g_message("vm %s: keep-clean has no effect: the kernel does not tell "
                  "which pages are written (%s), so that each page that leaves "
                  "is sent", p->name, g_strerror(-ret));
    }
}

bool kept_tracks(Pager *p, uint64_t page)
{
    const GuestBlock *b = p->kept.wanted ? guest_block_of_page(&p->guest, page)
                                         : NULL;

    return b && b->tracked;
}

/* ------------------------------------------------------------ may it stay */

/* Is what is at a place to go from there, or can it not be asked about? */
static bool lease_is_left(const Lease *l)
{
    return l->releasing || l->abandoned || l->remote->own ||
           places_excess(l) || (l->remote->state == REMOTE_UP &&
                                !(l->remote->features & RCACHE_FEATURE_SUMS));
}

/* A slab that is to go as a whole keeps none; nor does one that is gone. */
static bool slab_may_keep(const Pager *p, const SlotSlab *s)
{
    bool there = false;

    if (s->frozen) {
        return false;
    }
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Lease *l = leases_of(&p->leases, s, i);

        if (l && lease_is_left(l)) {
            return false;
        }
        there |= l && !l->lost && slots_counts(s, i);
    }
    return there;
}

/* Those on their way as well, but for those that are kept so far: clean.c. */
static uint64_t pages_away(const Pager *p)
{
    uint64_t going = MAX(p->table.count[RCACHE_EVICTING], 0);

    return table_away(&p->table) + going - MIN(going, p->cleans.nr);
}

bool kept_may_keep(const Pager *p, uint64_t slot)
{
    return p->kept.wanted && location_knows(p, slot) &&
           slab_may_keep(p, slots_slab(&p->slots, slot)) &&
           p->slots.nr_kept + pages_away(p) <= p->limits.size &&
           p->limits.size;
}

/* ---------------------------------------------------------- may it leave */

/*
 * Can it be asked, and will it answer at once, so far as is known?  Pages wait
 * for that, and what it may say is all that they leave for.
 */
static bool place_is_sound(const Pager *p, const SlotSlab *s, unsigned i,
                           uint64_t now)
{
    const Lease *l = leases_of(&p->leases, s, i);
    uint64_t since;

    return l && !s->place[i].stale && lease_ready(l) && !l->lost &&
           !l->sweep && !lease_is_left(l) &&
           now < l->remote->heard_at + HEARD_NS &&
           !remote_trouble(l->remote, now, &since) &&
           !providers_is_silent(p, l->remote, now) &&
           !remote_is_wrong(l->remote, now);
}

bool kept_may_leave(const Pager *p, uint64_t page, uint64_t word, uint64_t now)
{
    uint64_t slot = page_slot(word);
    const SlotSlab *s;

    if (!kept_is_of(&p->slots, page, word) || !location_knows(p, slot) ||
        slots_is_read(&p->slots, slot) ||
        slots_kept(&p->slots, slot).version !=
        __atomic_load_n(&p->table.sides[page].version, __ATOMIC_RELAXED)) {
        return false;
    }
    s = slots_slab(&p->slots, slot);
    if (s->frozen || slots_copies(s) < p->locations.copies) {
        return false;
    }
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        if (s->place[i].lease != SLOTS_NO_LEASE &&
            !place_is_sound(p, s, i, now)) {
            return false;
        }
    }
    return true;
}

/* ----------------------------------------------------------- slots that go */

void kept_end(Pager *p, uint64_t page, uint64_t word)
{
    uint64_t slot = page_slot(word), owner = slots_kept(&p->slots, slot).page;

    /* None: of a page that an earlier pager kept it for, and that was being
     * discarded when this one came. */
    if (slot && (!owner || owner == page + 1)) {
        crash_point("kept-ended");
        location_free(p, slot);
    }
}

/* Is the page of such a word this pager's to change? */
static bool word_can_end(uint64_t word)
{
    return page_state(word) == RCACHE_HOT ||
           page_state(word) == RCACHE_ZAPPED ||
           page_state(word) == RCACHE_EVICTING;
}

/* The same page without its slot; one that is asked about is not any more. */
static uint64_t word_ended(uint64_t word)
{
    enum RcachePageState state = page_state(word);

    return page_with_slot(page_to(word, state == RCACHE_EVICTING ? RCACHE_ZAPPED
                                                                 : state), 0);
}

/* A kept slot is given back; false: a moment later. */
static bool slot_give_up(Pager *p, uint64_t slot)
{
    uint64_t page = slots_kept(&p->slots, slot).page - 1;

    for (int i = 0; i < TRIES; i++) {
        uint64_t word = table_load(&p->table, page);

        if (page_slot(word) != slot) {
            kept_end(p, page, page_with_slot(0, slot));
            return true;        /* only the VMM can have written that */
        }
        if (!word_can_end(word)) {
            break;
        }
        if (table_step(&p->table, page, word, word_ended(word))) {
            kept_end(p, page, word);
            return true;
        }
    }
    slots_keep_void(&p->slots, slot);
    return false;
}

/*
 * The next slot of a slab that is kept, from @page on; 0: there is none.  Those
 * that are void are among them: what their pages' words waited for may have
 * come to nothing, as a discard does that the kernel refuses.
 */
static uint64_t slab_next_kept(const SlotSlab *s, uint32_t slab, uint32_t page)
{
    for (; s->nr_kept && page < s->pages; page++) {
        if (s->kept[page].page) {
            return slot_make(slab, page);
        }
    }
    return 0;
}

unsigned kept_slab_changes(Pager *p, uint32_t slab)
{
    const SlotSlab *s = &p->slots.slabs[slab];
    unsigned gone = 0;
    uint64_t slot = slab_next_kept(s, slab, 0);

    while (slot) {
        gone += slot_give_up(p, slot);
        slot = slab_next_kept(s, slab, slot_page(slot) + 1);
    }
    return gone;
}

unsigned kept_lease_changes(Pager *p, const Lease *l)
{
    unsigned gone = 0;

    for (uint32_t i = 0; p->slots.nr_kept && i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        if (s->nr_kept && slots_is_at(s, l->index)) {
            gone += kept_slab_changes(p, i);
        }
    }
    return gone;
}

/* Is what a slab has no use for room for pages with @copies copies?  0: it need
 * not be. */
static bool slab_is_room(const Pager *p, const SlotSlab *s, unsigned copies,
                         uint64_t now)
{
    return !copies || (!s->frozen && put_is_room(p, s->group, copies, now));
}

/*
 * Up to @n slots, from where the last ones were taken; of slabs that
 * slab_is_room().
 *
 * Return: how many
 */
static uint64_t kept_give_up(Pager *p, uint64_t n, unsigned copies,
                             uint64_t now)
{
    KeptSlots *kept = &p->kept;
    uint64_t gone = 0;

    for (uint32_t i = 0; gone < n && p->slots.nr_kept && i <= p->slots.nr;
         i++) {
        const SlotSlab *s;
        uint64_t slot;

        if (kept->slab >= p->slots.nr) {
            kept->slab = kept->page = 0;
        }
        s = &p->slots.slabs[kept->slab];
        while (gone < n && s->nr_kept && slab_is_room(p, s, copies, now) &&
               (slot = slab_next_kept(s, kept->slab, kept->page))) {
            kept->page = slot_page(slot) + 1;
            if (slot_give_up(p, slot)) {
                kept->given_up++;
                gone++;
            }
        }
        if (gone < n) {
            kept->slab++;
            kept->page = 0;
        }
    }
    return gone;
}

/* Slots that will be room when their FREEs are answered, which takes no time,
 * or is not to be counted on. */
static uint64_t room_coming(const Pager *p, uint64_t now)
{
    uint64_t pages = 0;

    for (uint32_t i = 0; now < p->kept.comes_until && i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        if (s->used && s->nr_ended &&
            slab_is_room(p, s, p->locations.copies, now)) {
            pages += s->nr_ended;
        }
    }
    return pages;
}

/*
 * Where pages go with all of their copies first.  Slabs with fewer copies than
 * are wanted are room, too, for as long as there are no others; no page leaves
 * for what is kept there.
 */
void kept_make_room(Pager *p, uint64_t now)
{
    uint64_t want = CLAMP(p->limits.size / ROOM_PART, ROOM_LEAST, ROOM_MOST);
    uint64_t room, gone;

    if (!p->slots.nr_kept || now < p->kept.again_at) {
        return;
    }
    p->kept.again_at = now + ROOM_AGAIN_NS;
    room = put_room(p, now) + room_coming(p, now);
    if (room >= want) {
        return;
    }
    gone = kept_give_up(p, want - room, p->locations.copies, now);
    if (!gone && !room) {
        gone = kept_give_up(p, want, 1, now);
    }
    if (gone) {
        p->kept.comes_until = now + ROOM_COMES_NS;
        freeing_flush(p, true);
    }
}

uint64_t kept_give(Pager *p, uint64_t pages)
{
    uint64_t gone = 0;

    for (uint32_t i = 0; p->slots.nr_kept && i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        if (slots_is_kept_only(s) && gone + s->pages <= pages &&
            kept_slab_changes(p, i)) {
            gone += s->pages;
        }
    }
    return gone;
}

void kept_tick(Pager *p, uint64_t now)
{
    uint64_t all = p->slots.nr_kept + pages_away(p);

    if (!p->slots.nr_kept) {
        return;
    }
    if (all > p->limits.size) {
        kept_give_up(p, all - p->limits.size, 0, now);
    }
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        if (s->nr_kept && !s->frozen && !slab_may_keep(p, s)) {
            kept_slab_changes(p, i);
        }
    }
}
