/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * freeing: the way back of slots.
 *
 * A slot that nothing needs any more waits in the to_free of the lease of each
 * of its places, goes out in FREEs with others, and is taken off the map with
 * the last ack.  When a session ends, FREEs that were not answered are queued
 * again: the next session fences the old one, so that they are then as good as
 * new.
 */
#include <string.h>

#include "common/crash-point.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

/* On their way at a time: a large lease's must not fill memory and link. */
#define FREES_OUT_MAX   16u

static void freeing_add(Lease *l, uint64_t slot)
{
    g_array_append_val(l->to_free, slot);
}

void freeing_at(Pager *p, uint64_t slot, unsigned which)
{
    const SlotSlab *s = slots_slab(&p->slots, slot);
    Held held = { slot, which };

    if (s->frozen) {
        g_array_append_val(p->locations.held, held);
    } else {
        freeing_add(leases_of(&p->leases, s, which), slot);
    }
}

void freeing_slot(Pager *p, uint64_t slot)
{
    unsigned places;

    if (slots_is_read(&p->slots, slot)) {
        slots_unkeep(&p->slots, slot);
        location_get_free(p, slot);
        return;
    }
    places = slots_leave(&p->slots, slot);
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        if (places >> i & 1) {
            freeing_at(p, slot, i);
        }
    }
}

void freeing_hold(Lease *l, uint32_t slab, unsigned which, GArray *held)
{
    guint n = 0;

    for (guint i = 0; i < l->to_free->len; i++) {
        uint64_t slot = g_array_index(l->to_free, uint64_t, i);

        if (slot_slab(slot) == slab) {
            Held h = { slot, which };

            g_array_append_val(held, h);
        } else {
            g_array_index(l->to_free, uint64_t, n++) = slot;
        }
    }
    g_array_set_size(l->to_free, n);
}

void freeing_forget(Lease *l, uint32_t slab)
{
    guint n = 0;

    for (guint i = 0; i < l->to_free->len; i++) {
        uint64_t slot = g_array_index(l->to_free, uint64_t, i);

        if (slot_slab(slot) != slab) {
            g_array_index(l->to_free, uint64_t, n++) = slot;
        }
    }
    g_array_set_size(l->to_free, n);
    for (GList *at = l->frees.head; at; at = at->next) {
        FreeOut *out = at->data;

        for (unsigned i = 0; i < out->n; i++) {
            if (slot_slab(out->slot[i]) == slab) {
                out->slot[i] = 0;
            }
        }
    }
}

static void freeing_send(Pager *p, Lease *l, unsigned n)
{
    RcacheSlot wire[RCACHE_BATCH_FREES];
    FreeOut *out = g_new(FreeOut, 1);
    WireHead head = { .type = RCACHE_FREE, .count = n,
                      .lease = l->known.id, .epoch = l->known.epoch };
    guint rest = l->to_free->len - n;

    out->tag = tag_encode(TAG_FREE, l->index, ++p->serial);
    out->n = n;
    memcpy(out->slot, &g_array_index(l->to_free, uint64_t, rest),
           n * sizeof(uint64_t));
    g_array_set_size(l->to_free, rest);
    for (unsigned i = 0; i < n; i++) {
        const SlotSlab *s = &p->slots.slabs[slot_slab(out->slot[i])];
        int which = slots_which(s, l->index);

        g_assert(which >= 0);
        wire[i] = wire_slot(s->place[which].number, slot_page(out->slot[i]));
    }
    head.tag = out->tag;
    g_queue_push_tail(&l->frees, out);
    data_conn_send(&l->remote->bulk, &head, wire, NULL, 0);
    crash_point_sent("free-sent");
}

void freeing_flush(Pager *p, bool all)
{
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        while (lease_ready(l) && !l->releasing &&
               l->frees.length < FREES_OUT_MAX &&
               l->to_free->len >= (all ? 1 : RCACHE_BATCH_FREES / 4)) {
            freeing_send(p, l, MIN(l->to_free->len, RCACHE_BATCH_FREES));
        }
    }
}

static void free_done(Pager *p, const Lease *l, uint64_t slot)
{
    if (slot) {
        slots_left(&p->slots, slot,
                   slots_which(&p->slots.slabs[slot_slab(slot)], l->index));
    }
}

/*
 * There is room again.  A sweep is before the first eviction and comes to an
 * end, so that it is waited for however long it takes.
 */
static void freeing_made_room(Pager *p, Lease *l, unsigned slots)
{
    if (l->sweeping) {
        l->sweeping -= MIN(slots, l->sweeping);
        progress_made(&p->evictor.progress, pager_now());
    } else {
        progress_hope(&p->evictor.progress, PROGRESS_ROOM, pager_now());
    }
}

bool freeing_answer(Pager *p, const Remote *remote, const WireHead *head)
{
    Lease *l = leases_at(&p->leases, tag_decode(head->tag).index);

    if (l && l->remote != remote) {
        return false;
    }
    for (GList *at = l ? l->frees.head : NULL; at; at = at->next) {
        FreeOut *out = at->data;

        if (out->tag != head->tag) {
            continue;
        }
        if (head->status) {
            remote_close(l->remote, wire_status_name(head->status));
            return true;        /* queued again when it is down */
        }
        crash_point("free-acked");
        for (unsigned i = 0; i < out->n; i++) {
            free_done(p, l, out->slot[i]);
        }
        freeing_made_room(p, l, out->n);
        g_queue_delete_link(&l->frees, at);
        g_free(out);
        return true;
    }
    return !l;                  /* released meanwhile: then it is late */
}

bool freeing_is_out(const Lease *l, uint32_t slab)
{
    for (const GList *at = l->frees.head; at; at = at->next) {
        const FreeOut *out = at->data;

        for (unsigned i = 0; i < out->n; i++) {
            if (slot_slab(out->slot[i]) == slab) {
                return true;
            }
        }
    }
    return false;
}

/* The other place is swept by its own lease. */
static void sweep_others(Pager *p, uint64_t slot, unsigned which)
{
    if (slots_awaits(&p->slots, slot, !which)) {
        slots_left(&p->slots, slot, !which);
    }
}

static void sweep_slab(Pager *p, Lease *l, uint32_t slab, unsigned which)
{
    for (uint32_t page = 0; page < p->slots.slabs[slab].pages; page++) {
        uint64_t slot = slot_make(slab, page);

        if (!slots_used(&p->slots, slot)) {
            slots_mark(&p->slots, slot);
            slots_leave(&p->slots, slot);
            sweep_others(p, slot, which);
        } else if (!slots_leaving(&p->slots, slot) ||
                   slots_awaits(&p->slots, slot, which)) {
            continue;
        } else {
            slots_await(&p->slots, slot, which);
        }
        freeing_add(l, slot);
        l->sweeping++;
    }
}

/* The next slab of a lease; the lease is swept when there is none. */
static void sweep_some(Pager *p, Lease *l)
{
    while (l->swept < p->slots.nr) {
        uint32_t slab = l->swept++;
        const SlotSlab *s = &p->slots.slabs[slab];
        int which = s->used ? slots_which(s, l->index) : -1;

        if (which >= 0 && slots_counts(s, which)) {
            sweep_slab(p, l, slab, which);
            crash_point("sweep-begun");
            return;
        }
    }
    l->sweep = false;
}

/*
 * What no word names was perhaps stored by the pager before this one: tell
 * the provider once that it is free, so that both count alike.
 */
bool freeing_sweep(Pager *p)
{
    Lease *l;

    if (p->slots.partial) {
        return false;           /* a word not seen yet may name it */
    }
    LEASES_FOREACH(l, &p->leases) {
        if (l->sweep && lease_ready(l)) {
            sweep_some(p, l);
            return true;
        }
    }
    return false;
}

void freeing_requeue(Lease *l)
{
    FreeOut *out;

    while ((out = g_queue_pop_head(&l->frees))) {
        for (unsigned i = 0; i < out->n; i++) {
            if (out->slot[i]) {
                freeing_add(l, out->slot[i]);
            }
        }
        g_free(out);
    }
}
