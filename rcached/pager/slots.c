/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slots: which places in the leased slabs are in use.  See slots.h. */
#include "rcached/pager/slots.h"

#include <glib.h>

void slots_init(Slots *slots)
{
    *slots = (Slots) { .slabs = g_new0(SlotSlab, RCACHE_NR_SLABS) };
}

void slots_deinit(Slots *slots)
{
    for (uint32_t i = 0; slots->slabs && i < slots->nr; i++) {
        g_free(slots->slabs[i].used);
    }
    g_clear_pointer(&slots->slabs, g_free);
}

void slots_add(Slots *slots, uint32_t slab, uint32_t lease, uint32_t number,
               uint32_t pages)
{
    SlotSlab *s = &slots->slabs[slab];
    uint32_t longs = (pages + 63) / 64;

    g_assert(slab < RCACHE_NR_SLABS && lease < RCACHE_NR_LEASES && !s->used);
    g_assert(pages && pages <= RCACHE_SLAB_PAGES_MAX);
    *s = (SlotSlab) {
        .used = g_new0(uint64_t, 3 * longs),
        .lease = lease, .number = number, .pages = pages,
    };
    s->read = s->used + longs;
    s->leaving = s->read + longs;
    slots->nr = MAX(slots->nr, slab + 1);
    slots->pages[lease] += pages;
}

void slots_freeze(Slots *slots, uint32_t slab, bool frozen)
{
    SlotSlab *s = &slots->slabs[slab];

    if (s->frozen != frozen) {
        s->frozen = frozen;
        slots->held[s->lease] += (frozen ? 1 : -1) *
                                 (int64_t)(s->pages - s->nr_used);
    }
}

void slots_move(Slots *slots, uint32_t slab, uint32_t lease, uint32_t number)
{
    SlotSlab *s = &slots->slabs[slab];

    slots_freeze(slots, slab, false);
    slots->pages[s->lease] -= s->pages;
    slots->used[s->lease] -= s->nr_used;
    s->lease = lease;
    s->number = number;
    slots->pages[lease] += s->pages;
    slots->used[lease] += s->nr_used;
}

void slots_remove(Slots *slots, uint32_t slab)
{
    SlotSlab *s = &slots->slabs[slab];

    slots_freeze(slots, slab, false);
    slots->pages[s->lease] -= s->pages;
    slots->used[s->lease] -= s->nr_used;
    g_clear_pointer(&s->used, g_free);
    while (slots->nr && !slots->slabs[slots->nr - 1].used) {
        slots->nr--;
    }
}

bool slots_valid(const Slots *slots, uint64_t slot)
{
    return slot >> RCACHE_SLOT_PAGE_BITS && slot_slab(slot) < slots->nr &&
           slots->slabs[slot_slab(slot)].used &&
           slot_page(slot) < slots->slabs[slot_slab(slot)].pages;
}

bool slots_used(const Slots *slots, uint64_t slot)
{
    const SlotSlab *s = &slots->slabs[slot_slab(slot)];

    return s->used[slot_page(slot) / 64] >> (slot_page(slot) % 64) & 1;
}

void slots_mark(Slots *slots, uint64_t slot)
{
    SlotSlab *s = &slots->slabs[slot_slab(slot)];

    g_assert(slots_valid(slots, slot) && !slots_used(slots, slot));
    s->used[slot_page(slot) / 64] |= 1ull << (slot_page(slot) % 64);
    s->nr_used++;
    slots->used[s->lease]++;
    slots->held[s->lease] -= s->frozen;
}

bool slots_leaving(const Slots *slots, uint64_t slot)
{
    const SlotSlab *s = &slots->slabs[slot_slab(slot)];

    return s->leaving[slot_page(slot) / 64] >> (slot_page(slot) % 64) & 1;
}

void slots_leave(Slots *slots, uint64_t slot)
{
    SlotSlab *s = &slots->slabs[slot_slab(slot)];

    g_assert(slots_valid(slots, slot) && slots_used(slots, slot));
    s->leaving[slot_page(slot) / 64] |= 1ull << (slot_page(slot) % 64);
}

void slots_clear(Slots *slots, uint64_t slot)
{
    SlotSlab *s = &slots->slabs[slot_slab(slot)];

    g_assert(slots_valid(slots, slot) && slots_used(slots, slot));
    s->used[slot_page(slot) / 64] &= ~(1ull << (slot_page(slot) % 64));
    s->leaving[slot_page(slot) / 64] &= ~(1ull << (slot_page(slot) % 64));
    s->nr_used--;
    slots->used[s->lease]--;
    slots->held[s->lease] += s->frozen;
}

void slots_set_read(Slots *slots, uint64_t slot, bool read)
{
    SlotSlab *s = &slots->slabs[slot_slab(slot)];
    uint64_t bit = 1ull << (slot_page(slot) % 64);

    g_assert(slots_valid(slots, slot));
    if (read) {
        s->read[slot_page(slot) / 64] |= bit;
    } else {
        s->read[slot_page(slot) / 64] &= ~bit;
    }
}

bool slots_is_read(const Slots *slots, uint64_t slot)
{
    const SlotSlab *s = &slots->slabs[slot_slab(slot)];

    return s->read[slot_page(slot) / 64] >> (slot_page(slot) % 64) & 1;
}

/* The first free page of @s at or after @from, or s->pages. */
static uint32_t slab_next_free(const SlotSlab *s, uint32_t from)
{
    for (uint32_t page = from; page < s->pages; page = (page | 63) + 1) {
        uint64_t free = ~s->used[page / 64] >> (page % 64);

        if (free) {
            return MIN(page + __builtin_ctzll(free), s->pages);
        }
    }
    return s->pages;
}

unsigned slots_take(Slots *slots, uint32_t lease, uint64_t *out, unsigned n)
{
    unsigned taken = 0;

    if (slots->partial) {
        return 0;
    }
    for (uint32_t i = 0; i < slots->nr && taken < n; i++) {
        SlotSlab *s = &slots->slabs[i];

        if (!s->used || s->lease != lease || s->frozen) {
            continue;
        }
        while (taken < n && s->nr_used < s->pages) {
            uint32_t page = slab_next_free(s, s->hint);

            if (page == s->pages) {
                s->hint = 0;
                continue;
            }
            out[taken] = slot_make(i, page);
            slots_mark(slots, out[taken++]);
            s->hint = page + 1;
        }
    }
    return taken;
}
