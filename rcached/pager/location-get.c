/* SPDX-License-Identifier: GPL-2.0-or-later */
/* location-get: a page is asked for.  See location-get.h. */
#include "rcached/pager/location-get.h"

#include "rcached/pager/get-choice.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

/* How long a GET that was BUSY waits, and maybe a guest: twice as long. */
#define BUSY_MIN_NS     NS_PER_MS
#define BUSY_MAX_NS     (100 * NS_PER_MS)
#define HEDGE_MIN_NS    NS_PER_MS
#define HEDGE_QUANTILE  0.95
/* And not longer than so many answers of the other place take. */
#define HEDGE_ANSWERS   4u
/* Places that have refused a page whose frame is out are asked again. */
#define REFUSED_NS      NS_PER_SEC

/* --------------------------------------------------------------- counting */

bool location_may_get(const Pager *p, uint64_t slot, unsigned pool)
{
    const Remote *r = location_remote(p, slot);
    unsigned used = p->locations.gets.nr_counted;

    return used < pool && (!r || (r->gets < pool - used &&
                                  !get_is_full(r, p->locations.gets.nr)));
}

/* Against whom a GET counts: who has its slot, and slabs move; or nobody. */
static void get_count(Pager *p, Get *g, Remote *remote)
{
    if (g->counted) {
        g->counted->gets--;
        p->locations.gets.nr_counted--;
    }
    if (remote) {
        remote->gets++;
        p->locations.gets.nr_counted++;
    }
    g->counted = remote;
}

static unsigned get_out(const Get *g)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        mask |= (g->at[i].remote != NULL) << i;
    }
    return mask;
}

static bool get_is_out(const Get *g)
{
    return get_out(g) || g->many.remote;
}

static unsigned get_tried(const Get *g)
{
    return g->at[0].tried | g->at[1].tried << 1;
}

/* ------------------------------------------------------------ it goes out */

static bool slot_is_stored(const Slots *slots, uint64_t slot)
{
    return slots_valid(slots, slot) && slots_used(slots, slot) &&
           !slots_leaving(slots, slot);
}

/* It is out nowhere: what its page waits for is that somebody can be asked. */
static void get_queues(Pager *p, const Get *g, uint64_t now)
{
    delays_enter(&p->delays, g - p->locations.gets.get, RCACHE_PHASE_QUEUE,
                 now);
}

/* It is out nowhere, and goes to nobody for a while. */
static void get_wait(Pager *p, Get *g, uint64_t now)
{
    get_queues(p, g, now);
    slots_set_read(&p->slots, g->slot, false);
    g->pause = CLAMP(2 * g->pause, BUSY_MIN_NS, BUSY_MAX_NS);
    g->again_at = now + g->pause;
    pager_soon(p);
}

/*
 * Sent to the best place that is left and not in @not.  False: that is full,
 * and the GET waits unless it is out elsewhere; or none is ready; or the slot
 * has been freed while the GET waited for one: the page has been discarded, and
 * what is there now, if anything, is not the page.
 */
static bool get_send_but(Pager *p, Get *g, unsigned not)
{
    WireHead head = { .type = RCACHE_GET, .count = 1 };
    int which = slot_is_stored(&p->slots, g->slot)
                    ? get_choose(p, g->slot,
                                 not | get_out(g) | get_tried(g)) : -1;
    const SlotSlab *s;
    RcacheSlot wire;
    GetAt *at;
    Lease *l;

    g->again_at = 0;
    if (which < 0) {
        return false;
    }
    s = slots_slab(&p->slots, g->slot);
    l = leases_of(&p->leases, s, which);
    if (get_is_full(l->remote, p->locations.gets.nr - 1)) {
        if (!get_is_out(g)) {
            get_wait(p, g, pager_now());
        }
        return false;
    }
    at = &g->at[which];
    if (!get_out(g)) {
        get_count(p, g, l->remote);
    }
    *at = (GetAt) { .remote = l->remote, .serial = ++p->serial,
                    .sent = pager_now() };
    delays_sent(&p->delays, g - p->locations.gets.get, at->sent);
    l->remote->unanswered++;
    passage_asked(&l->remote->passage, PASSAGE_GET, at->sent);
    slots_set_read(&p->slots, g->slot, true);
    head.tag = tag_encode(TAG_GET, g - p->locations.gets.get, at->serial);
    head.lease = l->known.id;
    head.epoch = l->known.epoch;
    wire = wire_slot(s->place[which].number, slot_page(g->slot));
    data_conn_send(&l->remote->fault, &head, &wire, NULL, 0);
    if (leases_of(&p->leases, s, !which)) {
        pager_soon(p);          /* the other one is asked if this takes long */
    }
    return true;
}

static bool get_send(Pager *p, Get *g)
{
    return get_send_but(p, g, 0);
}

void location_get(Pager *p, unsigned i, uint64_t slot)
{
    Get *g = &p->locations.gets.get[i];

    g_assert(!g->wanted && !get_is_out(g));
    p->locations.gets.nr += !g->held;
    *g = (Get) { .held = true, .wanted = true, .slot = slot,
                 .counted = g->counted };
    if (!get_send(p, g)) {
        get_queues(p, g, pager_now());
        get_count(p, g, location_remote(p, slot));
    }
}

void location_lease_ready(Pager *p, const Lease *l)
{
    for (unsigned i = 0; i < LOCATION_GETS && p->locations.gets.nr; i++) {
        Get *g = &p->locations.gets.get[i];

        if (g->wanted && !get_is_out(g) && slots_valid(&p->slots, g->slot) &&
            slots_is_at(&p->slots.slabs[slot_slab(g->slot)], l->index)) {
            get_send(p, g);
        }
    }
}

void location_hedge_tick(Pager *p)
{
    p->locations.gets.hedge_ns =
        MAX(histogram_quantile(&p->report.network_ns, HEDGE_QUANTILE),
            HEDGE_MIN_NS);
}

/* How long a GET may be out before @other is asked as well. */
static uint64_t hedge_delay(const Pager *p, const Remote *other)
{
    uint64_t delay = p->locations.gets.hedge_ns;
    uint64_t recent = other->judge.recent;

    return recent ? MAX(MIN(delay, HEDGE_ANSWERS * recent), HEDGE_MIN_NS)
                  : delay;
}

/* Out at one place for longer than an answer of place @other takes? */
static bool get_is_late(const Pager *p, const Get *g, unsigned other,
                        uint64_t now)
{
    const Lease *l = leases_of(&p->leases, slots_slab(&p->slots, g->slot),
                               other);
    const GetAt *at = g->at[0].remote ? &g->at[0] : &g->at[1];

    return now >= at->sent + hedge_delay(p, l->remote);
}

/* How long who waits for what is out in a frame of many waits for that. */
static uint64_t many_delay(const Pager *p, const Get *g)
{
    unsigned not = 1u << g->many_place;
    int other = slots_valid(&p->slots, g->slot)
                    ? get_choose(p, g->slot, not) : -1;

    return other < 0 ? p->locations.gets.hedge_ns
           : hedge_delay(p, leases_of(&p->leases,
                                      slots_slab(&p->slots, g->slot),
                                      other)->remote);
}

/*
 * Then it is asked for alone, at another place if there is one; and when all
 * places have refused it, though the frame is not answered, again after a
 * while, as others are.
 */
static bool get_retry_many(Pager *p, Get *g, uint64_t now)
{
    if (get_tried(g) && now >= g->since + REFUSED_NS) {
        g->at[0].tried = g->at[1].tried = false;
        g->since = now;
    }
    if (now >= g->since + many_delay(p, g) &&
        (get_send_but(p, g, 1u << g->many_place) || get_send(p, g))) {
        p->locations.gets.nr_hedges++;
        return false;
    }
    return true;
}

/* Looked at again in a millisecond? */
static bool get_retry(Pager *p, Get *g, uint64_t now)
{
    unsigned out = get_out(g);
    int other;

    if (!g->wanted || g->idle || out == 3) {
        return false;
    }
    if (!out && g->many.remote) {
        return get_retry_many(p, g, now);
    }
    if (!out) {
        if (g->again_at && now >= g->again_at) {
            get_send(p, g);
        }
        return g->again_at;
    }
    other = slots_valid(&p->slots, g->slot)
                ? get_choose(p, g->slot, out | get_tried(g)) : -1;
    if (other < 0) {
        return false;
    }
    if (get_is_late(p, g, other, now) && get_send(p, g)) {
        p->locations.gets.nr_hedges++;
        return false;
    }
    return true;
}

void location_retry(Pager *p, uint64_t now)
{
    unsigned left = p->locations.gets.nr;
    bool again = false;

    for (unsigned i = 0; i < LOCATION_GETS && left; i++) {
        Get *g = &p->locations.gets.get[i];

        left -= location_get_is_busy(p, i);
        again |= get_retry(p, g, now);
    }
    if (again) {
        pager_soon(p);
    }
}

bool location_is_coming(const Pager *p, uint64_t now)
{
    unsigned left = p->locations.gets.nr;

    for (unsigned i = 0; i < LOCATION_GETS && left; i++) {
        const Get *g = &p->locations.gets.get[i];

        for (unsigned k = 0; k < SLOTS_PLACES; k++) {
            const GetAt *at = &g->at[k];

            if (at->remote && !providers_overdue(at->remote, at->sent, now)) {
                return true;
            }
        }
        if (g->many.remote &&
            !providers_overdue(g->many.remote, g->many.sent, now)) {
            return true;
        }
        left -= location_get_is_busy(p, i);
    }
    return false;
}

/* --------------------------------------------------------------- it ends */

/* It is not out there any more. */
static void get_at_in(GetAt *at)
{
    at->remote->unanswered--;
    at->remote = NULL;
}

/* Answered everywhere and wanted by nobody; what waited for that is freed. */
static void get_end(Pager *p, Get *g)
{
    bool free_slot = g->free_slot;

    if (g->wanted || get_is_out(g)) {
        return;
    }
    p->locations.gets.nr -= !g->held;
    g->free_slot = false;
    if (slots_valid(&p->slots, g->slot)) {
        slots_set_read(&p->slots, g->slot, false);
    }
    if (free_slot) {
        freeing_slot(p, g->slot);
    }
}

bool location_get_is_out(const Pager *p, unsigned i)
{
    const Get *g = &p->locations.gets.get[i];

    return g->wanted && get_is_out(g);
}

bool location_get_failed(const Pager *p, unsigned i)
{
    return get_tried(&p->locations.gets.get[i]) == 3;
}

bool location_get_is_busy(const Pager *p, unsigned i)
{
    const Get *g = &p->locations.gets.get[i];

    return g->held || get_is_out(g);
}

void location_forget(Pager *p, unsigned i)
{
    Get *g = &p->locations.gets.get[i];

    get_count(p, g, NULL);
    if (!g->held) {
        return;
    }
    g->held = false;
    if (g->wanted) {
        g->wanted = false;
        get_end(p, g);
    } else {
        p->locations.gets.nr -= !get_is_out(g); /* it has ended before */
    }
}

/* Nobody has right bytes now: the caller asks again, or lets it be. */
static void get_missing(Pager *p, Get *g)
{
    g->wanted = false;
    get_end(p, g);
    p->locations.ops->missing(p, g - p->locations.gets.get);
}

/* A place is of no use: the other one, if it can be asked. */
static void get_go_on(Pager *p, Get *g)
{
    if (!g->wanted) {
        get_end(p, g);
    } else if (g->idle) {
        get_missing(p, g);
    } else if (!get_out(g) && !get_send(p, g)) {
        if (g->many.remote) {
            pager_soon(p);      /* get_retry_many() */
        } else if (get_tried(g) && !g->again_at) {
            get_missing(p, g);
        } else {
            get_queues(p, g, pager_now());
        }
    }
}

static void get_bytes(Pager *p, Get *g, unsigned which, Remote *remote,
                      const void *payload)
{
    unsigned i = g - p->locations.gets.get;
    bool stale = slots_valid(&p->slots, g->slot) &&
                 slots_slab(&p->slots, g->slot)->place[which].stale;

    if (!p->locations.ops->got(p, i, stale ? NULL : remote, payload)) {
        get_go_on(p, g);
    } else if (g->wanted) {
        g->wanted = false;
        get_end(p, g);
    }
}

/*
 * The provider cannot send it at this moment: the other place, if it can be
 * asked, or the same again soon.
 */
static void get_busy(Pager *p, Get *g, unsigned which, Remote *remote,
                     uint64_t now)
{
    providers_get_busy(remote, p);
    if (!g->wanted) {
        get_end(p, g);
    } else if (get_out(g) || get_send_but(p, g, 1u << which) || g->again_at) {
        return;
    } else if (g->many.remote) {
        g->since = now;         /* get_retry_many() */
        pager_soon(p);
    } else if (g->free_slot) {
        get_missing(p, g);
    } else {
        get_wait(p, g, now);
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

static GetAt *get_find(Get *g, const Remote *remote, const Tag *tag)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        if (g->at[i].remote == remote && g->at[i].serial == tag->serial) {
            return &g->at[i];
        }
    }
    return NULL;
}

bool location_get_answer(Pager *p, Remote *remote, const WireHead *head,
                         const void *payload)
{
    Tag tag = tag_decode(head->tag);
    Get *g = tag.index < LOCATION_GETS ? &p->locations.gets.get[tag.index]
                                       : NULL;
    GetAt *at = g && tag.kind == TAG_GET ? get_find(g, remote, &tag) : NULL;
    uint64_t now = pager_now();

    if (!at) {
        return false;
    }
    histogram_add(&p->report.network_ns, now - at->sent, now);
    judge_add(&remote->judge, now - at->sent);
    delays_answer(&p->delays, tag.index, head->came, head->check,
                  !head->status && head->count == 1, now);
    providers_pages(remote, PASSAGE_GET, !head->status && head->count == 1, p);
    if (head->status == RCACHE_E_FENCED) {
        remote_close(remote, "the provider has a newer session of this VM");
        return true;            /* asked again when it is down */
    }
    get_at_in(at);
    if (head->status == RCACHE_E_BUSY) {
        get_busy(p, g, at - g->at, remote, now);
        return true;
    }
    at->tried = true;
    if (head->status || head->count != 1) {
        get_refused(p, remote, head->status);
        get_go_on(p, g);
    } else if (g->wanted) {
        get_bytes(p, g, at - g->at, remote, payload);
    } else {
        get_end(p, g);
    }
    return true;
}

/* ------------------------------------------------------- in a frame of many */

void get_many_sent(Pager *p, unsigned i, uint64_t slot, unsigned place,
                   const GetAt *at)
{
    Get *g = &p->locations.gets.get[i];

    g_assert(!g->wanted && !get_is_out(g));
    p->locations.gets.nr += !g->held;
    *g = (Get) { .held = true, .wanted = true, .idle = true, .slot = slot,
                 .counted = g->counted, .many = *at, .many_place = place };
    get_count(p, g, at->remote);
    at->remote->unanswered++;
    slots_set_read(&p->slots, slot, true);
    delays_enter(&p->delays, i, RCACHE_PHASE_NETWORK, at->sent);
}

void get_many_in(Pager *p, unsigned i, const void *bytes)
{
    Get *g = &p->locations.gets.get[i];
    GetAt *at = &g->at[g->many_place];
    Remote *remote = g->many.remote;

    get_at_in(&g->many);
    if (!g->wanted) {
        get_end(p, g);
    } else if (bytes) {
        delays_answer(&p->delays, i, 0, 0, true, pager_now());
        at->tried |= !at->remote;       /* it is of use, or has been asked */
        get_bytes(p, g, g->many_place, remote, bytes);
    } else if (g->free_slot && !get_out(g)) {
        get_missing(p, g);
    } else {
        if (!get_out(g) && slots_valid(&p->slots, g->slot)) {
            slots_set_read(&p->slots, g->slot, false);
        }
        get_go_on(p, g);
    }
}

void location_get_wanted(Pager *p, unsigned i, uint64_t now)
{
    Get *g = &p->locations.gets.get[i];

    if (g->wanted && g->idle) {
        g->idle = false;
        g->since = now;
        pager_soon(p);
    }
}

void location_get_free(Pager *p, uint64_t slot)
{
    for (unsigned i = 0; i < LOCATION_GETS; i++) {
        Get *g = &p->locations.gets.get[i];

        g->free_slot |= (g->wanted || get_is_out(g)) && g->slot == slot;
    }
}

bool location_is_read(const Pager *p, const Remote *remote, uint32_t slab)
{
    for (unsigned i = 0; i < LOCATION_GETS && p->locations.gets.nr; i++) {
        const Get *g = &p->locations.gets.get[i];

        if ((g->at[0].remote == remote || g->at[1].remote == remote ||
             g->many.remote == remote) && slot_slab(g->slot) == slab) {
            return true;
        }
    }
    return false;
}

void location_get_down(Pager *p, const Remote *remote)
{
    for (unsigned i = 0; i < LOCATION_GETS && p->locations.gets.nr; i++) {
        Get *g = &p->locations.gets.get[i];
        bool was = false;

        for (unsigned k = 0; k < SLOTS_PLACES; k++) {
            if (g->at[k].remote == remote) {
                get_at_in(&g->at[k]);
                was = true;
            }
        }
        if (!was || get_is_out(g)) {
            continue;
        }
        if (g->free_slot && g->wanted) {
            get_missing(p, g);
            continue;
        }
        if (slots_valid(&p->slots, g->slot)) {
            slots_set_read(&p->slots, g->slot, false);
        }
        get_go_on(p, g);
    }
}
