/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slots: which places in the leased slabs are in use.  See slots.h. */
#include "rcached/pager/slots.h"

void slots_init(Slots *slots)
{
    *slots = (Slots) {
        .slabs = g_new0(SlotSlab, RCACHE_NR_SLABS),
        .groups = g_array_new(FALSE, FALSE, sizeof(SlotGroup)),
    };
}

void slots_deinit(Slots *slots)
{
    for (uint32_t i = 0; slots->slabs && i < slots->nr; i++) {
        g_free(slots->slabs[i].used);
        g_free(slots->slabs[i].kept);
    }
    g_clear_pointer(&slots->slabs, g_free);
    g_clear_pointer(&slots->groups, g_array_unref);
}

/* --------------------------------------------------------------- groups */

static void group_leases(const SlotSlab *s, uint32_t lease[SLOTS_PLACES])
{
    uint32_t a = slots_counts(s, 0) ? s->place[0].lease : SLOTS_NO_LEASE;
    uint32_t b = slots_counts(s, 1) ? s->place[1].lease : SLOTS_NO_LEASE;

    lease[0] = MIN(a, b);
    lease[1] = MAX(a, b);
}

/* The group of those leases; a new one if there is none. */
static uint32_t group_find(Slots *slots, const uint32_t lease[SLOTS_PLACES])
{
    SlotGroup new = { .lease = { lease[0], lease[1] } };
    guint unused = slots->groups->len;

    for (guint i = 0; i < slots->groups->len; i++) {
        const SlotGroup *g = slots_group(slots, i);

        if (!g->slabs) {
            unused = MIN(unused, i);
        } else if (g->lease[0] == lease[0] && g->lease[1] == lease[1]) {
            return i;
        }
    }
    if (unused == slots->groups->len) {
        g_array_append_val(slots->groups, new);
    } else {
        g_array_index(slots->groups, SlotGroup, unused) = new;
    }
    return unused;
}

/* Count slab @s in (@sign 1) or out (-1), at its places and in its group. */
static void slab_count(Slots *slots, const SlotSlab *s, int sign)
{
    SlotGroup *g = &g_array_index(slots->groups, SlotGroup, s->group);
    uint64_t held = s->frozen ? s->pages - s->nr_used : 0;
    uint64_t spare = s->nr_kept + s->nr_ended;
    bool empty = !s->nr_used && !s->frozen;

    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        uint32_t lease = s->place[i].lease;

        if (lease != SLOTS_NO_LEASE) {
            slots->pages[lease] += sign * (int64_t)s->pages;
            slots->used[lease] += sign * (int64_t)s->nr_used;
            slots->held[lease] += sign * (int64_t)held;
            slots->kept[lease] += sign * (int64_t)s->nr_kept;
            slots->spare[lease] += sign * (int64_t)spare;
            slots->alone[lease] +=
                empty && s->place[!i].lease == SLOTS_NO_LEASE ? sign : 0;
            slots->empty[lease] += empty && slots_counts(s, i) ? sign : 0;
        }
    }
    g->slabs += sign;
    g->pages += sign * (int64_t)s->pages;
    g->used += sign * (int64_t)s->nr_used;
    g->held += sign * (int64_t)held;
    g->kept += sign * (int64_t)s->nr_kept;
    g->spare += sign * (int64_t)spare;
}

static void slab_enter(Slots *slots, SlotSlab *s)
{
    uint32_t lease[SLOTS_PLACES];

    group_leases(s, lease);
    s->group = group_find(slots, lease);
    slab_count(slots, s, 1);
}

/* One more slot of @s is used (@by 1), or one less (-1). */
static void slab_used(Slots *slots, SlotSlab *s, int by)
{
    slab_count(slots, s, -1);
    s->nr_used += by;
    slab_count(slots, s, 1);
}

/* ---------------------------------------------------------------- slabs */

void slots_add(Slots *slots, uint32_t slab, uint32_t lease, uint32_t number,
               uint32_t pages)
{
    SlotPlace place[SLOTS_PLACES] = {
        { lease, number, false }, { SLOTS_NO_LEASE, 0, false },
    };

    slots_add_at(slots, slab, place, pages);
}

void slots_add_at(Slots *slots, uint32_t slab,
                  const SlotPlace place[SLOTS_PLACES], uint32_t pages)
{
    SlotSlab *s = &slots->slabs[slab];
    uint32_t longs = (pages + 63) / 64;

    g_assert(slab < RCACHE_NR_SLABS && !s->used);
    g_assert(pages && pages <= RCACHE_SLAB_PAGES_MAX);
    g_assert(place[0].lease != place[1].lease);
    *s = (SlotSlab) {
        .used = g_new0(uint64_t, (3 + SLOTS_PLACES) * longs),
        .place = { place[0], place[1] }, .pages = pages,
    };
    s->read = s->used + longs;
    s->going = s->read + longs;
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        s->leaving[i] = s->going + (1 + i) * longs;
    }
    slots->nr = MAX(slots->nr, slab + 1);
    slab_enter(slots, s);
}

void slots_freeze(Slots *slots, uint32_t slab, bool frozen)
{
    SlotSlab *s = &slots->slabs[slab];

    slab_count(slots, s, -1);
    s->frozen = frozen;
    slab_count(slots, s, 1);
}

void slots_set_place(Slots *slots, uint32_t slab, unsigned which,
                     SlotPlace place)
{
    SlotSlab *s = &slots->slabs[slab];

    g_assert(s->used && which < SLOTS_PLACES);
    g_assert(place.lease == SLOTS_NO_LEASE ||
             (place.lease < RCACHE_NR_LEASES &&
              place.lease != s->place[!which].lease));
    slab_count(slots, s, -1);
    s->place[which] = place;
    slab_enter(slots, s);
}

int slots_which(const SlotSlab *s, uint32_t lease)
{
    return s->place[0].lease == lease ? 0 : s->place[1].lease == lease ? 1 : -1;
}

void slots_remove(Slots *slots, uint32_t slab)
{
    SlotSlab *s = &slots->slabs[slab];

    slab_count(slots, s, -1);
    slots->nr_kept -= s->nr_kept;
    s->nr_kept = s->nr_ended = 0;
    g_clear_pointer(&s->kept, g_free);
    g_clear_pointer(&s->used, g_free);
    while (slots->nr && !slots->slabs[slots->nr - 1].used) {
        slots->nr--;
    }
}

/* ---------------------------------------------------------------- slots */

static bool bit_is_set(const uint64_t *map, uint32_t page)
{
    return map[page / 64] >> (page % 64) & 1;
}

static void bit_set(uint64_t *map, uint32_t page, bool set)
{
    uint64_t bit = UINT64_C(1) << (page % 64);

    map[page / 64] = set ? map[page / 64] | bit : map[page / 64] & ~bit;
}

bool slots_valid(const Slots *slots, uint64_t slot)
{
    return slot >> RCACHE_SLOT_PAGE_BITS && slot_slab(slot) < slots->nr &&
           slots->slabs[slot_slab(slot)].used &&
           slot_page(slot) < slots->slabs[slot_slab(slot)].pages;
}

bool slots_used(const Slots *slots, uint64_t slot)
{
    return bit_is_set(slots->slabs[slot_slab(slot)].used, slot_page(slot));
}

static bool is_ended(SlotKept kept)
{
    return !kept.page && kept.version == SLOTS_ENDED;
}

/* What is kept, and what was, is counted; without any there is no map. */
static void kept_store(Slots *slots, SlotSlab *s, uint64_t slot, SlotKept new)
{
    SlotKept *at = s->kept ? &s->kept[slot_page(slot)] : NULL;

    if (!at) {
        return;
    }
    slab_count(slots, s, -1);
    slots->nr_kept += !!new.page - !!at->page;
    s->nr_kept += !!new.page - !!at->page;
    s->nr_ended += is_ended(new) - is_ended(*at);
    *at = new;
    slab_count(slots, s, 1);
    if (!s->nr_kept && !s->nr_ended) {
        g_clear_pointer(&s->kept, g_free);
    }
}

void slots_mark(Slots *slots, uint64_t slot)
{
    SlotSlab *s = &slots->slabs[slot_slab(slot)];

    g_assert(slots_valid(slots, slot) && !slots_used(slots, slot));
    bit_set(s->used, slot_page(slot), true);
    slab_used(slots, s, 1);
}

unsigned slots_leave(Slots *slots, uint64_t slot)
{
    SlotSlab *s = &slots->slabs[slot_slab(slot)];
    unsigned mask = 0;

    g_assert(slots_valid(slots, slot) && slots_used(slots, slot));
    if (slots_kept(slots, slot).page) {
        kept_store(slots, s, slot, (SlotKept) { 0, SLOTS_ENDED });
    }
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        bit_set(s->leaving[i], slot_page(slot), slots_counts(s, i));
        mask |= slots_counts(s, i) << i;
    }
    bit_set(s->going, slot_page(slot), true);
    if (!mask) {
        slots_clear(slots, slot);
    }
    return mask;
}

bool slots_leaving(const Slots *slots, uint64_t slot)
{
    return bit_is_set(slots->slabs[slot_slab(slot)].going, slot_page(slot));
}

void slots_await(Slots *slots, uint64_t slot, unsigned which)
{
    g_assert(slots_leaving(slots, slot));
    bit_set(slots->slabs[slot_slab(slot)].leaving[which], slot_page(slot),
            true);
}

bool slots_awaits(const Slots *slots, uint64_t slot, unsigned which)
{
    return bit_is_set(slots->slabs[slot_slab(slot)].leaving[which],
                      slot_page(slot));
}

bool slots_left(Slots *slots, uint64_t slot, unsigned which)
{
    SlotSlab *s = &slots->slabs[slot_slab(slot)];

    if (!slots_leaving(slots, slot)) {
        return false;
    }
    bit_set(s->leaving[which], slot_page(slot), false);
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        if (slots_awaits(slots, slot, i)) {
            return false;
        }
    }
    slots_clear(slots, slot);
    return true;
}

void slots_clear(Slots *slots, uint64_t slot)
{
    SlotSlab *s = &slots->slabs[slot_slab(slot)];

    g_assert(slots_valid(slots, slot) && slots_used(slots, slot));
    kept_store(slots, s, slot, (SlotKept) { 0 });
    bit_set(s->used, slot_page(slot), false);
    bit_set(s->going, slot_page(slot), false);
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        bit_set(s->leaving[i], slot_page(slot), false);
    }
    slab_used(slots, s, -1);
}

void slots_set_read(Slots *slots, uint64_t slot, bool read)
{
    g_assert(slots_valid(slots, slot));
    bit_set(slots->slabs[slot_slab(slot)].read, slot_page(slot), read);
}

bool slots_is_read(const Slots *slots, uint64_t slot)
{
    return bit_is_set(slots->slabs[slot_slab(slot)].read, slot_page(slot));
}

/* ----------------------------------------------------------------- kept */

void slots_keep(Slots *slots, uint64_t slot, uint64_t page, uint64_t version)
{
    SlotSlab *s = &slots->slabs[slot_slab(slot)];

    g_assert(slots_valid(slots, slot) && slots_used(slots, slot) &&
             !slots_leaving(slots, slot));
    if (!s->kept) {
        s->kept = g_new0(SlotKept, s->pages);
    }
    kept_store(slots, s, slot, (SlotKept) { page + 1, version });
}

void slots_unkeep(Slots *slots, uint64_t slot)
{
    if (slots_kept(slots, slot).page) {
        kept_store(slots, &slots->slabs[slot_slab(slot)], slot,
                   (SlotKept) { 0 });
    }
}

void slots_keep_void(Slots *slots, uint64_t slot)
{
    if (slots_kept(slots, slot).page) {
        slots->slabs[slot_slab(slot)].kept[slot_page(slot)].version =
            SLOTS_VOID;
    }
}

/* ------------------------------------------------------------ taking some */

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

static unsigned slab_take(Slots *slots, uint32_t slab, uint64_t *out,
                          unsigned n)
{
    SlotSlab *s = &slots->slabs[slab];
    unsigned taken = 0;

    while (taken < n && s->nr_used < s->pages) {
        uint32_t page = slab_next_free(s, s->hint);

        if (page == s->pages) {
            s->hint = 0;
            continue;
        }
        out[taken] = slot_make(slab, page);
        slots_mark(slots, out[taken++]);
        s->hint = page + 1;
    }
    return taken;
}

unsigned slots_take(Slots *slots, uint32_t lease, uint64_t *out, unsigned n)
{
    unsigned taken = 0;

    for (uint32_t i = 0; !slots->partial && i < slots->nr && taken < n; i++) {
        if (slots_is_at(&slots->slabs[i], lease) && !slots->slabs[i].frozen) {
            taken += slab_take(slots, i, out + taken, n - taken);
        }
    }
    return taken;
}

unsigned slots_take_group(Slots *slots, uint32_t group, uint64_t *out,
                          unsigned n)
{
    unsigned taken = 0;

    for (uint32_t i = 0; !slots->partial && i < slots->nr && taken < n; i++) {
        const SlotSlab *s = &slots->slabs[i];

        if (s->used && s->group == group && !s->frozen) {
            taken += slab_take(slots, i, out + taken, n - taken);
        }
    }
    return taken;
}
