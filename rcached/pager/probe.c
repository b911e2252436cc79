/* SPDX-License-Identifier: GPL-2.0-or-later */
/* probe: a page that proves a provider.  See probe.h. */
#include "rcached/pager/probe.h"

#include <string.h>

#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

#define PROBE_NS        (2 * NS_PER_SEC)

static void probe_send(Pager *p, uint8_t type)
{
    Probe *probe = &p->probe;
    Remote *r = probe->lease->remote;
    bool put = type == RCACHE_PUT;
    const SlotSlab *slab = &p->slots.slabs[slot_slab(probe->slot)];
    int which = slots_which(slab, probe->lease->index);
    RcacheSlot wire = wire_slot(slab->place[which].number,
                                slot_page(probe->slot));
    WireHead head = { .type = type, .count = 1,
                      .lease = probe->lease->known.id,
                      .epoch = probe->lease->known.epoch };

    probe->serial = ++p->serial;
    head.tag = tag_encode(TAG_PROBE, 0, probe->serial);
    passage_asked(&r->passage, put ? PASSAGE_PUT : PASSAGE_GET, pager_now());
    data_conn_send(put ? &r->bulk : &r->fault, &head, &wire,
                   put ? probe->page : NULL, put ? sizeof(probe->page) : 0);
}

static bool lease_can_be_probed(const Pager *p, const Lease *l)
{
    const Passage *passage = &l->remote->passage;

    return passage_is_suspect(passage) && lease_ready(l) && !l->releasing &&
           !l->sweep && !l->lost && !passage->out[PASSAGE_PUT] &&
           !passage->out[PASSAGE_GET] && slots_free_in(&p->slots, l->index);
}

void probe_tick(Pager *p, uint64_t now)
{
    Probe *probe = &p->probe;
    const Lease *l;

    if (probe->lease || now < probe->at) {
        return;
    }
    LEASES_FOREACH(l, &p->leases) {
        if (lease_can_be_probed(p, l) &&
            slots_take(&p->slots, l->index, &probe->slot, 1)) {
            probe->at = now + PROBE_NS;
            probe->lease = l;
            for (unsigned i = 0; i < G_N_ELEMENTS(probe->page); i++) {
                probe->page[i] = probe->slot + i * now;
            }
            probe_send(p, RCACHE_PUT);
            return;
        }
    }
}

static void probe_end(Pager *p)
{
    p->probe.lease = NULL;
    location_free(p, p->probe.slot);
}

bool probe_answer(Pager *p, const Remote *remote, const WireHead *head,
                  const void *payload)
{
    Probe *probe = &p->probe;
    Tag tag = tag_decode(head->tag);
    bool put = head->type == RCACHE_PUT_ACK;
    bool good = !head->status && (put || head->count == 1);

    if (tag.kind != TAG_PROBE || !probe->lease ||
        probe->lease->remote != remote || tag.serial != probe->serial) {
        return false;
    }
    if (good && !put && memcmp(payload, probe->page, sizeof(probe->page))) {
        good = false;
    }
    good &= slots_is_at(&p->slots.slabs[slot_slab(probe->slot)],
                        probe->lease->index);
    providers_pages(probe->lease->remote, put ? PASSAGE_PUT : PASSAGE_GET, good,
                    p);
    if (good && put) {
        probe_send(p, RCACHE_GET);
    } else {
        probe_end(p);
    }
    return true;
}

bool probe_is_out(const Pager *p, uint32_t slab)
{
    return p->probe.lease && slot_slab(p->probe.slot) == slab;
}

void probe_remote_down(Pager *p, const Remote *remote)
{
    if (p->probe.lease && p->probe.lease->remote == remote) {
        probe_end(p);
    }
}

void probe_lease_gone(Pager *p, const Lease *l)
{
    if (p->probe.lease == l) {
        p->probe.lease = NULL;
    }
}
