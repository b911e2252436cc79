/* SPDX-License-Identifier: GPL-2.0-or-later */
/* location-put: pages go to all places of their slab.  See location-put.h. */
#include "rcached/pager/location-put.h"

#include "common/crash-point.h"
#include "common/wire-check.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/tag.h"

/* How long a lease that was BUSY gets no PUT: twice as long each time. */
#define BUSY_MIN_NS     (50 * NS_PER_MS)
#define BUSY_MAX_NS     (2 * NS_PER_SEC)
/* Its provider refuses all that is put there: the third time in a row. */
#define REFUSES_NS      (200 * NS_PER_MS)

static unsigned put_out(const Put *put)
{
    return (put->at[0].remote != NULL) + (put->at[1].remote != NULL);
}

/* It is stored when the last place has answered. */
static bool put_is_overdue(const Put *put, uint64_t now)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        const Remote *remote = put->at[i].remote;

        if (remote && providers_overdue(remote, put->sent, now)) {
            return true;
        }
    }
    return false;
}

uint64_t location_overdue(const Pager *p, uint64_t now)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < LOCATION_PUTS; i++) {
        const Put *put = &p->locations.puts.put[i];

        if (put->slot && put_is_overdue(put, now)) {
            pages += put->n;
        }
    }
    return pages;
}

bool location_has_room(const Pager *p)
{
    return put_choose(p, pager_now()) != PUT_NOWHERE;
}

unsigned location_reserve(Pager *p, uint64_t *out, unsigned max)
{
    uint32_t group = put_choose(p, pager_now());

    return group == PUT_NOWHERE ? 0
           : slots_take_group(&p->slots, group, out, max);
}

void location_unreserve(Pager *p, const uint64_t *slot, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        slots_clear(&p->slots, slot[i]);
    }
}

/* ---------------------------------------------------------------- it goes */

static void put_send(Pager *p, Put *put, unsigned which, Lease *l,
                     const uint64_t *sum, const void *bytes)
{
    RcacheSlot wire[RCACHE_BATCH_PAGES];
    WireHead head = { .type = RCACHE_PUT, .count = put->n };

    head.tag = tag_encode(TAG_PUT, put - p->locations.puts.put, put->serial);
    head.lease = l->known.id;
    head.epoch = l->known.epoch;
    for (unsigned k = 0; k < put->n; k++) {
        const SlotSlab *s = &p->slots.slabs[slot_slab(put->slot[k])];
        int at = slots_which(s, l->index);

        wire[k] = wire_slot(s->place[at].number, slot_page(put->slot[k]));
    }
    put->at[which].remote = l->remote;
    put->at[which].lease = l->index;
    l->remote->puts++;
    put->at[which].digest = wire_put_digest(wire, sum, put->n);
    passage_asked(&l->remote->passage, PASSAGE_PUT, put->sent);
    data_conn_send(&l->remote->bulk, &head, wire, bytes,
                   (size_t)put->n * RCACHE_PAGE_SIZE);
}

bool location_put(Pager *p, unsigned i, const uint64_t *slot, unsigned n,
                  const uint64_t *sum, const void *bytes)
{
    const SlotSlab *s = slots_slab(&p->slots, slot[0]);
    Put *put = &p->locations.puts.put[i];
    Lease *lease[SLOTS_PLACES] = { NULL };
    unsigned copies = 0;

    g_assert(!put->slot && n <= RCACHE_BATCH_PAGES);
    for (unsigned k = 0; k < SLOTS_PLACES; k++) {
        if (slots_counts(s, k)) {
            lease[k] = leases_of(&p->leases, s, k);
            if (!lease[k] || !lease_ready(lease[k])) {
                return false;
            }
            copies++;
        }
    }
    if (!copies) {
        return false;
    }
    *put = (Put) { .serial = ++p->serial, .n = n, .slot = slot,
                   .sent = pager_now() };
    for (unsigned k = 0; k < SLOTS_PLACES; k++) {
        if (lease[k]) {
            put_send(p, put, k, lease[k], sum, bytes);
        }
    }
    crash_point_sent("put-sent");
    return true;
}

/* ------------------------------------------------------------ and is over */

/* Not now, and not for the session's sake: others take the pages meanwhile. */
static void lease_busy(const Pager *p, Lease *l)
{
    uint64_t now = pager_now();

    if (now < l->put_at) {
        return;                 /* it was sent before this pause began */
    }
    l->put_pause = CLAMP(2 * l->put_pause, BUSY_MIN_NS, BUSY_MAX_NS);
    l->put_at = now + l->put_pause;
    if (l->put_pause >= REFUSES_NS) {
        l->remote->refuses_until = now + REMOTE_REFUSES_NS;
        providers_put_in_vain(l->remote, p);
    }
}

/* The lease that a PUT went to, which may have ended meanwhile. */
static Lease *put_lease(const Pager *p, const PutAt *at)
{
    Lease *l = leases_at(&p->leases, at->lease);

    return l && l->remote == at->remote ? l : NULL;
}

/*
 * Rule 16: has the provider what was sent to it?  One that cannot say so is
 * believed, as provider_up() has logged.
 */
static bool put_is_confirmed(const PutAt *at, const WireHead *head,
                             const void *payload)
{
    uint64_t digest;

    if (!(at->remote->features & RCACHE_FEATURE_DIGEST)) {
        return true;
    }
    return !wire_put_ack_decode(payload, head->length, &digest) &&
           digest == at->digest;
}

/* Or never will be. */
static void put_answered(PutAt *at)
{
    at->remote->puts--;
    at->remote = NULL;
}

/* Every place has answered, or never will. */
static void put_end(Pager *p, Put *put)
{
    bool ok = !put->failed;

    if (ok) {
        crash_point(put_out(put) ? "put-acked-one" : "put-acked");
    }
    if (!put_out(put)) {
        put->slot = NULL;
        p->locations.ops->stored(p, put - p->locations.puts.put, ok);
    }
}

static void put_refused(const Pager *p, Remote *remote, uint16_t status)
{
    if (providers_may_tell(remote, p)) {
        g_warning("vm %s: provider %s refused to store pages: %s; the pages "
                  "stay here and a new session is opened", p->name,
                  remote->host, wire_status_name(status));
    }
}

/* What an answer says of the PUT and of who sent it. */
static void put_judge(Pager *p, Put *put, const PutAt *at,
                      const WireHead *head, const void *payload)
{
    Remote *remote = at->remote;
    Lease *l = put_lease(p, at);

    if (head->status == RCACHE_E_BUSY) {
        put->failed = true;
        if (l) {
            lease_busy(p, l);
        }
    } else if (head->status) {
        put->failed = true;
        put_refused(p, remote, head->status);
    } else if (l && l->lost) {
        put->failed = true;     /* its ack was overtaken by that word */
    } else if (!put_is_confirmed(at, head, payload)) {
        put->failed = true;
        if (l) {
            lease_busy(p, l);
        }
        providers_put_wrong(remote, p);
    } else if (l) {
        l->put_pause = 0;
        remote->refuses_until = 0;
    }
}

bool location_put_answer(Pager *p, Remote *remote, const WireHead *head,
                         const void *payload)
{
    Tag tag = tag_decode(head->tag);
    Put *put = tag.index < LOCATION_PUTS ? &p->locations.puts.put[tag.index]
                                         : NULL;

    if (!put || !put->slot || tag.kind != TAG_PUT ||
        tag.serial != put->serial) {
        return false;
    }
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        PutAt *at = &put->at[i];

        if (at->remote != remote) {
            continue;
        }
        providers_pages(remote, PASSAGE_PUT, !head->status, p);
        put_judge(p, put, at, head, payload);
        put_answered(at);
        put_end(p, put);
        if (head->status && head->status != RCACHE_E_BUSY) {
            remote_close(remote, wire_status_name(head->status));
        }
        return true;
    }
    return false;
}

bool location_put_is_out(const Pager *p, uint32_t slab)
{
    for (unsigned i = 0; i < LOCATION_PUTS; i++) {
        const Put *put = &p->locations.puts.put[i];

        for (unsigned k = 0; put->slot && k < put->n; k++) {
            if (slot_slab(put->slot[k]) == slab) {
                return true;
            }
        }
    }
    return false;
}

void location_put_call_off(Pager *p, uint32_t slab)
{
    for (unsigned i = 0; i < LOCATION_PUTS; i++) {
        Put *put = &p->locations.puts.put[i];

        for (unsigned k = 0; put->slot && k < put->n; k++) {
            put->failed |= slot_slab(put->slot[k]) == slab;
        }
    }
}

void location_put_down(Pager *p, const Remote *remote)
{
    for (unsigned i = 0; i < LOCATION_PUTS; i++) {
        Put *put = &p->locations.puts.put[i];

        for (unsigned k = 0; put->slot && k < SLOTS_PLACES; k++) {
            if (put->at[k].remote == remote) {
                put_answered(&put->at[k]);
                put->failed = true;
                put_end(p, put);
            }
        }
    }
}
