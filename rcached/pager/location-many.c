/* SPDX-License-Identifier: GPL-2.0-or-later */
/* location-many: pages are asked for many in a frame.  See location-many.h. */
#include "rcached/pager/location-many.h"

#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

/* Pages that are dealt with between two looks at what is urgent. */
#define BETWEEN_PAGES   16u

_Static_assert(LOCATION_FRAME_PAGES <= RCACHE_BATCH_PAGES,
               "a provider answers a frame");

static ManyFrame *frame_find_free(Many *many)
{
    for (unsigned i = 0; i < LOCATION_FRAMES; i++) {
        if (!many->frame[i].remote) {
            return &many->frame[i];
        }
    }
    return NULL;
}

/* Who is asked for a slot in a frame; NULL: nobody can be. */
static Lease *lease_to_ask(const Pager *p, uint64_t slot, unsigned *place)
{
    const SlotSlab *s = slots_slab(&p->slots, slot);
    int which = get_choose(p, slot, 0);
    Lease *l;

    if (which < 0 || s->place[which].stale) {
        return NULL;            /* the sum has to decide: one at a time */
    }
    l = leases_of(&p->leases, s, which);
    *place = which;
    return get_is_full(l->remote, p->locations.gets.nr) ? NULL : l;
}

/* ------------------------------------------------------------ it goes out */

/* A frame that is put together. */
typedef struct Draft {
    ManyFrame *frame;
    Lease *lease;
    GetAt at;
    RcacheSlot wire[LOCATION_FRAME_PAGES];
} Draft;

static bool draft_begin(Pager *p, Draft *d, Lease *l)
{
    d->frame = frame_find_free(&p->locations.many);
    if (!d->frame) {
        return false;
    }
    d->lease = l;
    d->at = (GetAt) { .remote = l->remote, .serial = ++p->serial,
                      .sent = pager_now() };
    d->frame->remote = l->remote;
    d->frame->serial = d->at.serial;
    d->frame->n = 0;
    return true;
}

static void draft_add(Pager *p, Draft *d, unsigned i, uint64_t slot,
                      unsigned place)
{
    ManyFrame *f = d->frame;

    get_many_sent(p, i, slot, place, &d->at);
    d->wire[f->n] = wire_slot(slots_slab(&p->slots, slot)->place[place].number,
                              slot_page(slot));
    f->number[f->n++] = i;
}

static void draft_send(Pager *p, Draft *d)
{
    WireHead head = {
        .type = RCACHE_GET, .count = d->frame->n,
        .tag = tag_encode(TAG_GETS, d->frame - p->locations.many.frame,
                          d->at.serial),
        .lease = d->lease->known.id, .epoch = d->lease->known.epoch,
    };

    data_conn_send(&d->at.remote->bulk, &head, d->wire, NULL, 0);
    d->frame = NULL;
}

/* One frame to whoever is asked for the first page that has not been sent. */
static bool frame_send(Pager *p, const unsigned *i, const uint64_t *slot,
                       unsigned n, bool *done)
{
    Draft d = { 0 };

    for (unsigned k = 0; k < n; k++) {
        unsigned place;
        Lease *l;

        if (done[k]) {
            continue;
        }
        l = lease_to_ask(p, slot[k], &place);
        if (!l || (!d.frame && !draft_begin(p, &d, l))) {
            done[k] = true;
            p->locations.ops->missing(p, i[k]);
        } else if (l == d.lease) {
            done[k] = true;
            draft_add(p, &d, i[k], slot[k], place);
            if (d.frame->n == LOCATION_FRAME_PAGES) {
                break;
            }
        }
    }
    if (!d.frame) {
        return false;
    }
    draft_send(p, &d);
    return true;
}

void location_get_many(Pager *p, const unsigned *i, const uint64_t *slot,
                       unsigned n)
{
    bool done[RCACHE_BATCH_PAGES] = { false };

    while (frame_send(p, i, slot, n, done)) {
    }
}

/* --------------------------------------------------------------- it ends */

static void frame_refused(const Pager *p, Remote *remote, uint16_t status)
{
    if (providers_may_tell(remote, p)) {
        g_warning("vm %s: provider %s did not send pages that were read ahead "
                  "(%s): none are for a second", p->name, remote->host,
                  wire_status_name(status));
    }
}

bool location_many_answer(Pager *p, Remote *remote, const WireHead *head,
                          const void *payload)
{
    Tag tag = tag_decode(head->tag);
    ManyFrame *f = tag.kind == TAG_GETS && tag.index < LOCATION_FRAMES
                       ? &p->locations.many.frame[tag.index] : NULL;
    bool good;

    if (!f || f->remote != remote || f->serial != tag.serial) {
        return false;
    }
    good = !head->status && head->count == f->n;
    if (head->status == RCACHE_E_FENCED) {
        remote_close(remote, "the provider has a newer session of this VM");
        return true;
    }
    if (head->status == RCACHE_E_BUSY) {
        providers_get_busy(remote, p);
    } else if (!good) {
        frame_refused(p, remote, head->status);
    }
    if (!good) {
        p->locations.many.refused_at = pager_now();
    }
    for (unsigned k = 0; k < f->n; k++) {
        get_many_in(p, f->number[k],
                    good ? (const uint8_t *)payload + k * RCACHE_PAGE_SIZE
                         : NULL);
        if (k % BETWEEN_PAGES == BETWEEN_PAGES - 1) {
            p->locations.ops->between(p);
        }
    }
    f->remote = NULL;
    return true;
}

void location_many_down(Pager *p, const Remote *remote)
{
    for (unsigned i = 0; i < LOCATION_FRAMES; i++) {
        ManyFrame *f = &p->locations.many.frame[i];

        if (f->remote != remote) {
            continue;
        }
        for (unsigned k = 0; k < f->n; k++) {
            get_many_in(p, f->number[k], NULL);
        }
        f->remote = NULL;
    }
}
