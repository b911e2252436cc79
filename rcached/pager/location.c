/* SPDX-License-Identifier: GPL-2.0-or-later */
/* location: where the bytes of pages that are away are.  See location.h. */
#include "rcached/pager/location.h"

#include <string.h>

#include "common/wire-check.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/put-choice.h"
#include "rcached/pager/tag.h"

/* How long a lease that was BUSY gets no PUT: twice as long each time. */
#define BUSY_MIN_NS     (50 * NS_PER_MS)
#define BUSY_MAX_NS     (2 * NS_PER_SEC)
/* How long a GET that was BUSY waits, and maybe a guest: twice as long. */
#define GET_BUSY_MIN_NS NS_PER_MS
#define GET_BUSY_MAX_NS (100 * NS_PER_MS)

void locations_init(Locations *locations, const LocationOps *ops)
{
    locations->ops = ops;
    locations->held = g_array_new(FALSE, FALSE, sizeof(uint64_t));
}

void locations_deinit(Locations *locations)
{
    g_array_free(locations->held, TRUE);
}

/* The lease that has a slot; NULL if the slab has been given up. */
static Lease *lease_of_slot(const Pager *p, uint64_t slot)
{
    return slots_valid(&p->slots, slot)
               ? leases_at(&p->leases, p->slots.slabs[slot_slab(slot)].lease)
               : NULL;
}

static RcacheSlot slot_at_provider(const Pager *p, uint64_t slot)
{
    return wire_slot(p->slots.slabs[slot_slab(slot)].number, slot_page(slot));
}

bool location_knows(const Pager *p, uint64_t slot)
{
    return slots_valid(&p->slots, slot) && slots_used(&p->slots, slot) &&
           !slots_leaving(&p->slots, slot);
}

bool location_is_lost(const Pager *p, uint64_t slot)
{
    const Lease *l = lease_of_slot(p, slot);

    return l && l->lost && !slots_is_read(&p->slots, slot) &&
           !p->slots.slabs[slot_slab(slot)].frozen;
}

Remote *location_remote(const Pager *p, uint64_t slot)
{
    const Lease *l = lease_of_slot(p, slot);

    return l ? l->remote : NULL;
}

const char *location_host(const Pager *p, uint64_t slot)
{
    const Lease *l = lease_of_slot(p, slot);

    return l ? l->remote->host : "";
}

/* ------------------------------------------------------------------ GET */

bool location_may_get(const Pager *p, uint64_t slot, unsigned pool)
{
    const Remote *r = location_remote(p, slot);
    unsigned used = p->locations.nr_counted;

    return used < pool && (!r || r->gets < pool - used);
}

/* Against whom a GET counts: who has its slot, and slabs move; or nobody. */
static void get_count(Pager *p, Get *g, Remote *remote)
{
    if (g->counted) {
        g->counted->gets--;
        p->locations.nr_counted--;
    }
    if (remote) {
        remote->gets++;
        p->locations.nr_counted++;
    }
    g->counted = remote;
}

static void get_send(Pager *p, Get *g)
{
    Lease *l = lease_of_slot(p, g->slot);
    WireHead head = { .type = RCACHE_GET, .count = 1 };
    RcacheSlot wire;

    if (g->state != GET_WANTED || !l || !lease_ready(l)) {
        return;
    }
    get_count(p, g, l->remote);
    g->state = GET_OUT;
    g->serial = ++p->serial;
    g->remote = l->remote;
    g->sent = pager_now();
    passage_asked(&l->remote->passage, PASSAGE_GET, g->sent);
    slots_set_read(&p->slots, g->slot, true);
    head.tag = tag_encode(TAG_GET, g - p->locations.get, g->serial);
    head.lease = l->known.id;
    head.epoch = l->known.epoch;
    wire = slot_at_provider(p, g->slot);
    data_conn_send(&l->remote->fault, &head, &wire, NULL, 0);
}

void location_get(Pager *p, unsigned i, uint64_t slot)
{
    Get *g = &p->locations.get[i];

    g_assert(g->state == GET_NONE);
    *g = (Get) { .state = GET_WANTED, .slot = slot, .counted = g->counted };
    get_count(p, g, location_remote(p, slot));
    p->locations.nr_gets++;
    get_send(p, g);
}

bool location_is_coming(const Pager *p, uint64_t now)
{
    unsigned left = p->locations.nr_gets;

    for (unsigned i = 0; i < LOCATION_GETS && left; i++) {
        const Get *g = &p->locations.get[i];

        if (g->state == GET_OUT &&
            !providers_overdue(g->remote, g->sent, now)) {
            return true;
        }
        left -= g->state != GET_NONE;
    }
    return false;
}

bool location_get_is_out(const Pager *p, unsigned i)
{
    return p->locations.get[i].state == GET_OUT;
}

void location_forget(Pager *p, unsigned i)
{
    Get *g = &p->locations.get[i];

    g_assert(g->state != GET_OUT);
    if (g->state == GET_WANTED) {
        g->state = GET_NONE;
        p->locations.nr_gets--;
    }
    get_count(p, g, NULL);
}

/* It is out no more; what waited for that is freed. */
static void get_end(Pager *p, Get *g)
{
    g->state = GET_NONE;
    p->locations.nr_gets--;
    if (slots_valid(&p->slots, g->slot)) {
        slots_set_read(&p->slots, g->slot, false);
    }
    if (g->free_slot) {
        location_free(p, g->slot);
    }
}

/* It has not been answered, and is to be sent again; false: no need of it. */
static bool get_again(Pager *p, Get *g)
{
    if (g->free_slot) {
        get_end(p, g);
        p->locations.ops->got(p, g - p->locations.get, NULL, NULL);
        return false;
    }
    if (slots_valid(&p->slots, g->slot)) {
        slots_set_read(&p->slots, g->slot, false);
    }
    g->state = GET_WANTED;
    return true;
}

/* The provider cannot send it at this moment. */
static void get_busy(Pager *p, Get *g, Remote *remote, uint64_t now)
{
    providers_get_busy(remote, p);
    if (get_again(p, g)) {
        g->pause = CLAMP(2 * g->pause, GET_BUSY_MIN_NS, GET_BUSY_MAX_NS);
        g->again_at = now + g->pause;
        pager_soon(p);
    }
}

void location_retry(Pager *p, uint64_t now)
{
    unsigned left = p->locations.nr_gets;
    bool wait = false;

    for (unsigned i = 0; i < LOCATION_GETS && left; i++) {
        Get *g = &p->locations.get[i];

        left -= g->state != GET_NONE;
        if (g->state != GET_WANTED || !g->again_at) {
            continue;
        }
        if (now >= g->again_at) {
            g->again_at = 0;
            get_send(p, g);
        } else {
            wait = true;
        }
    }
    if (wait) {
        pager_soon(p);
    }
}

static void get_refused(const Pager *p, Remote *remote, uint16_t status)
{
    if (providers_may_tell(remote, p)) {
        g_warning("vm %s: provider %s did not send a page (%s): the page is "
                  "asked for again in a second", p->name, remote->host,
                  wire_status_name(status));
    }
}

static bool get_answer(Pager *p, Remote *remote, const WireHead *head,
                       const void *payload)
{
    Tag tag = tag_decode(head->tag);
    Get *g = tag.index < LOCATION_GETS ? &p->locations.get[tag.index] : NULL;
    uint64_t now = pager_now();

    if (!g || g->state != GET_OUT || tag.kind != TAG_GET ||
        tag.serial != g->serial || g->remote != remote) {
        return false;
    }
    histogram_add(&p->report.network_ns, now - g->sent, now);
    judge_add(&remote->judge, now - g->sent);
    providers_pages(remote, PASSAGE_GET, !head->status && head->count == 1, p);
    if (head->status == RCACHE_E_FENCED) {
        remote_close(remote, "the provider has a newer session of this VM");
        return true;            /* asked again when it is down */
    }
    if (head->status == RCACHE_E_BUSY) {
        get_busy(p, g, remote, now);
        return true;
    }
    get_end(p, g);
    if (head->status || head->count != 1) {
        get_refused(p, remote, head->status);
        payload = NULL;
    }
    p->locations.ops->got(p, tag.index, remote, payload);
    return true;
}

bool location_is_read(const Pager *p, const Remote *remote, uint32_t slab)
{
    for (unsigned i = 0; i < LOCATION_GETS && p->locations.nr_gets; i++) {
        const Get *g = &p->locations.get[i];

        if (g->state == GET_OUT && g->remote == remote &&
            slot_slab(g->slot) == slab) {
            return true;
        }
    }
    return false;
}

void location_lease_ready(Pager *p, const Lease *l)
{
    for (unsigned i = 0; i < LOCATION_GETS && p->locations.nr_gets; i++) {
        Get *g = &p->locations.get[i];

        if (g->state == GET_WANTED && lease_of_slot(p, g->slot) == l) {
            get_send(p, g);
        }
    }
}

/* ----------------------------------------------------------------- FREE */

void location_free(Pager *p, uint64_t slot)
{
    if (!location_knows(p, slot)) {
        return;
    }
    if (slots_is_read(&p->slots, slot)) {
        for (unsigned i = 0; i < LOCATION_GETS; i++) {
            Get *g = &p->locations.get[i];

            g->free_slot |= g->state == GET_OUT && g->slot == slot;
        }
        return;
    }
    slots_leave(&p->slots, slot);
    if (p->slots.slabs[slot_slab(slot)].frozen) {
        g_array_append_val(p->locations.held, slot);
    } else {
        freeing_add(lease_of_slot(p, slot), slot);
    }
}

/* ------------------------------------------------------------------ PUT */

uint64_t location_overdue(const Pager *p, uint64_t now)
{
    uint64_t pages = 0;

    for (unsigned i = 0; i < LOCATION_PUTS; i++) {
        const Put *put = &p->locations.put[i];

        if (put->out && providers_overdue(put->remote, put->sent, now)) {
            pages += put->n;
        }
    }
    return pages;
}

bool location_has_room(const Pager *p)
{
    return put_choose(p, pager_now());
}

unsigned location_reserve(Pager *p, uint64_t *out, unsigned max)
{
    const Lease *l = put_choose(p, pager_now());

    return l ? slots_take(&p->slots, l->index, out, max) : 0;
}

void location_unreserve(Pager *p, const uint64_t *slot, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        slots_clear(&p->slots, slot[i]);
    }
}

bool location_put(Pager *p, unsigned i, const uint64_t *slot, unsigned n,
                  const uint64_t *sum, const void *bytes)
{
    RcacheSlot wire[RCACHE_BATCH_PAGES];
    WireHead head = { .type = RCACHE_PUT, .count = n };
    Lease *l = lease_of_slot(p, slot[0]);
    Put *put = &p->locations.put[i];

    g_assert(!put->out && n <= RCACHE_BATCH_PAGES);
    if (!l || !lease_ready(l)) {
        return false;
    }
    *put = (Put) { .out = true, .serial = ++p->serial, .n = n, .slot = slot,
                   .sent = pager_now(), .remote = l->remote };
    head.tag = tag_encode(TAG_PUT, i, put->serial);
    head.lease = l->known.id;
    head.epoch = l->known.epoch;
    for (unsigned k = 0; k < n; k++) {
        wire[k] = slot_at_provider(p, slot[k]);
    }
    l->remote->puts++;
    put->digest = wire_put_digest(wire, sum, n);
    passage_asked(&l->remote->passage, PASSAGE_PUT, pager_now());
    data_conn_send(&l->remote->bulk, &head, wire, bytes,
                   (size_t)n * RCACHE_PAGE_SIZE);
    return true;
}

static void put_end(Put *put)
{
    put->out = false;
    put->remote->puts--;
}

/* Not now, and not for the session's sake: others take the pages meanwhile. */
static void put_busy(Pager *p, const Put *put)
{
    Lease *l = lease_of_slot(p, put->slot[0]);

    if (l) {
        l->put_pause = CLAMP(2 * l->put_pause, BUSY_MIN_NS, BUSY_MAX_NS);
        l->put_at = pager_now() + l->put_pause;
    }
}

static void put_done(Pager *p, const Put *put)
{
    Lease *l = lease_of_slot(p, put->slot[0]);

    if (l) {
        l->put_pause = 0;
    }
}

/*
 * Rule 16: has the provider what was sent to it?  One that cannot say so is
 * believed, as provider_up() has logged.
 */
static bool put_is_confirmed(const Put *put, const WireHead *head,
                             const void *payload)
{
    uint64_t digest;

    if (!(put->remote->features & RCACHE_FEATURE_DIGEST)) {
        return true;
    }
    return !wire_put_ack_decode(payload, head->length, &digest) &&
           digest == put->digest;
}

static void put_refused(const Pager *p, Remote *remote, uint16_t status)
{
    if (providers_may_tell(remote, p)) {
        g_warning("vm %s: provider %s refused to store pages: %s; the pages "
                  "stay here and a new session is opened", p->name,
                  remote->host, wire_status_name(status));
    }
}

/* Its ack was overtaken by the word that the provider has lost the lease. */
static bool put_is_lost(const Pager *p, const Put *put)
{
    const Lease *l = lease_of_slot(p, put->slot[0]);

    return l && l->lost;
}

static bool put_answer(Pager *p, Remote *remote, const WireHead *head,
                       const void *payload)
{
    Tag tag = tag_decode(head->tag);
    Put *put = tag.index < LOCATION_PUTS ? &p->locations.put[tag.index] : NULL;
    bool ok = !head->status;

    if (!put || !put->out || put->remote != remote ||
        tag.kind != TAG_PUT || tag.serial != put->serial) {
        return false;
    }
    put_end(put);
    providers_pages(remote, PASSAGE_PUT, !head->status, p);
    if (head->status == RCACHE_E_BUSY) {
        put_busy(p, put);
    } else if (head->status) {
        put_refused(p, remote, head->status);
    } else if (put_is_lost(p, put)) {
        ok = false;
    } else if (!put_is_confirmed(put, head, payload)) {
        ok = false;
        put_busy(p, put);
        providers_put_wrong(remote, p);
    } else {
        put_done(p, put);
    }
    p->locations.ops->stored(p, tag.index, ok);
    if (head->status && head->status != RCACHE_E_BUSY) {
        remote_close(remote, wire_status_name(head->status));
    }
    return true;
}

/* ---------------------------------------------------------------- slabs */

void location_freeze(Pager *p, uint32_t slab)
{
    slots_freeze(&p->slots, slab, true);
    freeing_hold(leases_at(&p->leases, p->slots.slabs[slab].lease), slab,
                 p->locations.held);
}

void location_thaw(Pager *p, uint32_t slab)
{
    GArray *held = p->locations.held;
    guint n = 0;

    slots_freeze(&p->slots, slab, false);
    for (guint i = 0; i < held->len; i++) {
        uint64_t slot = g_array_index(held, uint64_t, i);

        if (slot_slab(slot) == slab) {
            freeing_add(lease_of_slot(p, slot), slot);
        } else {
            g_array_index(held, uint64_t, n++) = slot;
        }
    }
    g_array_set_size(held, n);
}

void location_move(Pager *p, uint32_t slab, const Lease *to, uint32_t number)
{
    slab_table_set(guest_slabs(&p->guest), slab, 0,
                   (Location) { to->index, number });
    slots_move(&p->slots, slab, to->index, number);
    /* What could not be asked of the old provider, which may be gone. */
    location_lease_ready(p, to);
    location_thaw(p, slab);
}

/* The first free entry of the slab table at or after @from. */
static uint32_t free_slab(const Pager *p, uint32_t from)
{
    const struct RcacheSlab *table = guest_slabs(&p->guest);
    uint32_t slab = slab_table_find_free(table, from);

    /* The VMM can write to the table, and make an entry free that is not. */
    while (slab < RCACHE_NR_SLABS && p->slots.slabs[slab].used) {
        slab = slab_table_find_free(table, slab + 1);
    }
    return slab;
}

bool location_add(Pager *p, const Lease *l, uint32_t number)
{
    struct RcacheSlab *table = guest_slabs(&p->guest);
    uint32_t slab = free_slab(p, p->locations.free_slab);

    if (slab == RCACHE_NR_SLABS) {
        slab = free_slab(p, 0);         /* the VMM may have freed one */
    }
    p->locations.free_slab = slab;
    if (slab == RCACHE_NR_SLABS) {
        return false;
    }
    slab_table_set(table, slab, 0, (Location) { l->index, number });
    slots_add(&p->slots, slab, l->index, number, l->slab_pages);
    return true;
}

void location_remove(Pager *p, uint32_t slab)
{
    slab_table_set(guest_slabs(&p->guest), slab, 0,
                   (Location) { LOCATION_NONE, 0 });
    slots_remove(&p->slots, slab);
    p->locations.free_slab = MIN(p->locations.free_slab, slab);
}

bool location_is_quiet(const Pager *p, uint32_t slab)
{
    for (unsigned i = 0; i < LOCATION_PUTS; i++) {
        const Put *put = &p->locations.put[i];

        for (unsigned k = 0; put->out && k < put->n; k++) {
            if (slot_slab(put->slot[k]) == slab) {
                return false;
            }
        }
    }
    return !freeing_is_out(leases_at(&p->leases, p->slots.slabs[slab].lease),
                           slab);
}

/* ------------------------------------------------------------ providers */

bool location_answer(Pager *p, Remote *remote, const WireHead *head,
                     const void *payload)
{
    switch (head->type) {
    case RCACHE_GET_REPLY:
        return get_answer(p, remote, head, payload);
    case RCACHE_PUT_ACK:
        return put_answer(p, remote, head, payload);
    case RCACHE_FREE_ACK:
        return freeing_answer(p, remote, head);
    default:
        return false;
    }
}

void location_remote_down(Pager *p, Remote *remote)
{
    for (unsigned i = 0; i < LOCATION_GETS; i++) {
        Get *g = &p->locations.get[i];

        if (g->state != GET_OUT || g->remote != remote) {
            continue;
        }
        if (get_again(p, g)) {
            get_send(p, g);     /* if its slab is elsewhere by now */
        }
    }
    for (unsigned i = 0; i < LOCATION_PUTS; i++) {
        Put *put = &p->locations.put[i];

        if (put->out && put->remote == remote) {
            put_end(put);
            p->locations.ops->stored(p, i, false);
        }
    }
}
