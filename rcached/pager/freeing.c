/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * freeing: the way back of slots.
 *
 * A slot that nothing needs any more waits in its lease's to_free, goes out
 * in a FREE with others, and is taken off the map with the ack.  When a
 * session ends, FREEs that were not answered are queued again: the next
 * session fences the old one, so that they are then as good as new.
 */
#include <string.h>

#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

/* On their way at a time: a large lease's must not fill memory and link. */
#define FREES_OUT_MAX   16u

void freeing_add(Lease *l, uint64_t slot)
{
    g_array_append_val(l->to_free, slot);
}

void freeing_hold(Lease *l, uint32_t slab, GArray *held)
{
    guint n = 0;

    for (guint i = 0; i < l->to_free->len; i++) {
        uint64_t slot = g_array_index(l->to_free, uint64_t, i);

        if (slot_slab(slot) == slab) {
            g_array_append_val(held, slot);
        } else {
            g_array_index(l->to_free, uint64_t, n++) = slot;
        }
    }
    g_array_set_size(l->to_free, n);
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

        wire[i] = wire_slot(s->number, slot_page(out->slot[i]));
    }
    head.tag = out->tag;
    g_queue_push_tail(&l->frees, out);
    data_conn_send(&l->remote->bulk, &head, wire, NULL, 0);
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
        for (unsigned i = 0; i < out->n; i++) {
            slots_clear(&p->slots, out->slot[i]);
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

static void sweep_slab(Pager *p, Lease *l, uint32_t slab)
{
    for (uint32_t page = 0; page < p->slots.slabs[slab].pages; page++) {
        uint64_t slot = slot_make(slab, page);

        if (!slots_used(&p->slots, slot)) {
            slots_mark(&p->slots, slot);
            slots_leave(&p->slots, slot);
            g_array_append_val(l->to_free, slot);
            l->sweeping++;
        }
    }
}

/* The next slab of a lease; the lease is swept when there is none. */
static void sweep_some(Pager *p, Lease *l)
{
    while (l->swept < p->slots.nr) {
        uint32_t slab = l->swept++;
        const SlotSlab *s = &p->slots.slabs[slab];

        if (s->used && s->lease == l->index) {
            sweep_slab(p, l, slab);
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
        g_array_append_vals(l->to_free, out->slot, out->n);
        g_free(out);
    }
}
