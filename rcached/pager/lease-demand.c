/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease-demand: how much memory of other hosts is asked for, and what is given
 * back because nobody needs it.
 *
 * demand.c says how much there should be; here is what there is.  It is what
 * pages can be put to now, not what is leased.  When a provider dies, a guest
 * that goes on at full speed uses up the free slots at the others within a
 * second: what is free at a provider that is away, and in slabs that have their
 * other copy there, must not count as room, or nobody asks for more until that
 * second is over.
 */
#include "rcached/pager/claim.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/wanting.h"

/* Asked for at a time: a provider makes the slabs before it answers. */
#define WANT_STEP_PAGES CLAIM_STEP_PAGES        /* but a VM has room for no */
#define WANT_STEPS      32u             /* more leases than RCACHE_NR_LEASES */
#define WANT_MOST       3u              /* times the limit, of any use or not */
#define WANT_RETRY_NS   (2 * NS_PER_SEC)        /* at first, then twice that */
#define WANT_RETRY_MOST (8 * NS_PER_SEC)
#define MOVE_RETRY_NS   (500 * NS_PER_MS)       /* there is a deadline */
/*
 * rcached answers each request, if need be after a minute: a provider makes
 * gigabytes of slabs first.  This is for one that has forgotten it.
 */
#define WANT_ANSWER_NS  (180 * NS_PER_SEC)
/* A grant that is not claimed by then is not waited for. */
#define CLAIM_NS        NS_PER_SEC
/* As long as a provider may say nothing before that is trouble. */
#define CLAIM_TROUBLE_NS    (3 * NS_PER_SEC)

/*
 * Does its provider have a session, but not accept the CLAIM?  Another host may
 * answer at its address, and will not for as long as that is so.
 */
static bool claim_is_in_vain(const Lease *l, uint64_t now)
{
    return l->refused || (!lease_ready(l) && l->claim_sent &&
                          now > l->claim_sent + CLAIM_TROUBLE_NS);
}

static bool lease_in_trouble(const Lease *l, uint64_t now)
{
    uint64_t since;

    return l->abandoned || claim_is_in_vain(l, now) ||
           remote_trouble(l->remote, now, &since);
}

/* Does its provider take no pages now? */
static bool lease_takes_none(const Pager *p, const Lease *l, uint64_t now)
{
    const Remote *r = l->remote;

    return remote_is_away(r, now) || lease_in_trouble(l, now) ||
           health_shuns(&p->health, r, now) || providers_is_silent(p, r, now);
}

/* What is leased: in all, at each lease, and where most of it is. */
typedef struct Leased {
    uint64_t pages;
    uint64_t most;
    const Remote *at;
    uint64_t each[RCACHE_NR_LEASES];
    bool shut[RCACHE_NR_LEASES];        /* takes no pages now */
} Leased;

/*
 * Free slots count only where pages can be put.  This host's own disk counts
 * for nothing: what is there is to be leased elsewhere.
 */
static bool leased_each(const Pager *p, uint64_t now, Leased *leased)
{
    const Lease *l;
    bool any = false;

    LEASES_FOREACH(l, &p->leases) {
        uint64_t keeps = l->releasing || l->lost || l->remote->own
                             ? 0 : revoke_keeps(p, l);

        if (lease_takes_none(p, l, now)) {
            keeps = MIN(keeps, slots_used_in(&p->slots, l->index));
            any = leased->shut[l->index] = true;
        }
        leased->each[l->index] = keeps;
    }
    return any;
}

static bool group_is_shut(const SlotGroup *g, const Leased *leased)
{
    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        if (g->lease[i] != SLOTS_NO_LEASE && leased->shut[g->lease[i]]) {
            return true;
        }
    }
    return false;
}

/* A page goes to all places of its slab, or to none: C1. */
static void leased_bar(const Pager *p, Leased *leased)
{
    for (guint i = 0; i < p->slots.groups->len; i++) {
        const SlotGroup *g = slots_group(&p->slots, i);

        if (!g->slabs || !group_is_shut(g, leased)) {
            continue;
        }
        for (unsigned k = 0; k < SLOTS_PLACES; k++) {
            uint32_t index = g->lease[k];

            if (index != SLOTS_NO_LEASE && !leased->shut[index]) {
                leased->each[index] -= MIN(leased->each[index],
                                           slots_free_in_group(&p->slots, i));
            }
        }
    }
}

static uint64_t leased_at(const Pager *p, const Leased *leased,
                          const Remote *remote)
{
    uint64_t pages = 0;
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        pages += l->remote == remote ? leased->each[l->index] : 0;
    }
    return pages;
}

static void leased_look(const Pager *p, uint64_t now, Leased *leased)
{
    const Lease *l;

    memset(leased, 0, sizeof(*leased));
    if (leased_each(p, now, leased)) {
        leased_bar(p, leased);
    }
    LEASES_FOREACH(l, &p->leases) {
        uint64_t there = p->locations.copies > 1
                             ? leased_at(p, leased, l->remote) : 0;

        leased->pages += leased->each[l->index];
        if (there > leased->most) {
            leased->most = there;
            leased->at = l->remote;
        }
    }
}

/*
 * What of it is of use for all copies.  A page's copies are at different
 * providers: what one has beyond all others together is of none.
 */
static uint64_t leased_useful(const Pager *p, const Leased *leased)
{
    return p->locations.copies > 1
               ? MIN(leased->pages, 2 * (leased->pages - leased->most))
               : leased->pages;
}

/*
 * Slots that no page needs, but that a provider has to free which takes
 * nothing now: they are of no use until it answers, or has been given up.  One
 * that hangs has been sent the FREEs of most of them.
 */
static uint64_t pages_stuck(const Pager *p, uint64_t now)
{
    uint64_t pages = 0;
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        pages += lease_takes_none(p, l, now) ? freeing_pages(l) : 0;
    }
    return pages;
}

/* In slots, whatever they are for. */
static uint64_t stored_pages(const Pager *p)
{
    uint64_t pages = 0;

    for (uint32_t i = 0; i < p->slots.nr; i++) {
        pages += p->slots.slabs[i].used ? p->slots.slabs[i].nr_used : 0;
    }
    return pages;
}

/*
 * The most there may be: size, and room for slots whose FREE is on its way.  A
 * VM that is held needs no more than it still has away.
 */
static uint64_t most_pages(const Pager *p, uint64_t now)
{
    uint64_t size = p->limits.held ? MIN(stored_pages(p), p->limits.size)
                                   : p->limits.size;

    return size ? p->locations.copies *
                  (size + size / 64 + 1024 + pages_stuck(p, now)) : 0;
}

/* All copies, those that are still to be made as well. */
static uint64_t used_pages(const Pager *p)
{
    return stored_pages(p) * p->locations.copies;
}

/* Not those that may never be answered: there is no time for that. */
static bool claims_pending(const Pager *p, uint64_t now)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (!l->slab_pages && now < l->since + CLAIM_NS &&
            !lease_takes_none(p, l, now)) {
            return true;
        }
    }
    return false;
}

bool lease_is_coming(const Pager *p)
{
    uint64_t now = pager_now();
    const Lease *l;

    if (p->want.tag || claims_pending(p, now)) {
        return true;
    }
    LEASES_FOREACH(l, &p->leases) {
        if (!lease_ready(l) && !l->lost && !l->releasing &&
            !lease_in_trouble(l, now)) {
            return true;
        }
    }
    return false;
}

/* All that was granted, also what is of no use now. */
static uint64_t leased_in_all(const Pager *p)
{
    uint64_t pages = 0;
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (!l->remote->own) {
            pages += l->slab_pages ? p->slots.pages[l->index] : l->granted;
        }
    }
    return pages;
}

/*
 * Not on and on, where something keeps pages from what has been leased.
 * @what: what it is for
 * @lacking: pages of it
 * @most: pages there may be in all
 * @copies: at so many hosts
 * @at: but not there, since the other copy is there; or NULL
 */
static void want_more(Pager *p, WantFor what, uint64_t lacking, uint64_t most,
                      unsigned copies, const Remote *at, uint64_t now)
{
    uint64_t step = most / WANT_STEPS;
    const char *avoid[RCACHE_AVOID_MAX];
    unsigned n;

    if (!p->takeover.managing || now < p->want.at ||
        now < p->want.next_at[what] || !lacking || claims_pending(p, now) ||
        own_disk_is_asked(p, now) ||
        leases_free(&p->leases) < LINK_GRANTS_MAX ||
        leased_in_all(p) >= WANT_MOST * most) {
        return;
    }
    lacking = CLAMP(lacking, step, MAX(WANT_STEP_PAGES, step));
    lacking = MIN(lacking, copies * limit_of_a_lease(&p->limits));
    p->want.at = now + WANT_ANSWER_NS;
    p->want.what = what;
    p->disk.asked = false;
    n = revoke_avoids(p, what, avoid);
    if (at && !at->own) {
        n = MIN(n, RCACHE_AVOID_MAX - 1);
        avoid[n++] = at->host;
    }
    uplink_want(p, lacking / copies * RCACHE_PAGE_SIZE, copies, avoid, n);
    if (p->want.tag) {
        demand_asked(&p->want.demand, now);
    }
}

/*
 * Slabs that have to go somewhere come first, and may go beyond the limit: a
 * slab goes as a whole, however few pages are in it.  While nobody has room
 * for those, what pages need is asked for all the same: where one provider is
 * all there is, no slab ever finds a second place; and where the one that is
 * drained cannot reach the other, none finds another.
 */
static void want_what(Pager *p, const DemandOutput *out, const Leased *leased,
                      const Wanting *wanting, uint64_t most, uint64_t now)
{
    uint64_t revoked = revoke_lacking(p);
    bool enough = leased->most && leased->most >= out->target / 2;
    unsigned copies = enough ? 1 : p->locations.copies;
    const Remote *at = enough ? leased->at : NULL;

    if (wanting->pages > revoked && now >= p->want.next_at[WANT_SLABS]) {
        if (!lease_is_coming(p)) {
            want_more(p, WANT_SLABS, wanting->pages, most, 1, wanting->beside,
                      now);
        }
        return;
    }
    /* What leaves has its other copy: it needs one place, not a pair. */
    want_more(p, WANT_MOVES, revoked, most, 1, at, now);
    want_more(p, WANT_PAGES, out->ask, most, copies, at, now);
}

/* Whole leases that are empty, as long as @pages is not gone beyond. */
static uint64_t release_empty(Pager *p, uint64_t pages)
{
    uint64_t gone = 0;
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (gone >= pages) {
            break;
        }
        if (l->releasing || l->sweep || !lease_ready(l) || l->remote->own ||
            l->to_free->len || slots_used_in(&p->slots, l->index) ||
            revoke_keeps(p, l) > pages - gone) {
            continue;
        }
        gone += revoke_keeps(p, l);
        lease_release(p, l);
    }
    return gone;
}

static void give_back(Pager *p, uint64_t pages)
{
    uint64_t gone = release_empty(p, pages);

    gone += revoke_give_back(p, pages - gone);
    if (gone) {
        g_message("vm %s: %" G_GUINT64_FORMAT " MiB of other hosts' memory are "
                  "not needed and are given back", p->name,
                  gone / (1048576 / RCACHE_PAGE_SIZE));
        demand_given(&p->want.demand);
    }
}

/*
 * What may be given back of what is too much, and would not be asked for again
 * at once: what goes at one provider may leave as much at the others that is
 * of no use.
 */
static uint64_t pages_to_give(const Pager *p, const DemandOutput *out,
                              uint64_t have)
{
    uint64_t spare = have > out->target ? have - out->target : 0;

    return MIN(out->give, spare / p->locations.copies);
}

void lease_demand_tick(Pager *p, uint64_t now)
{
    uint64_t low = limit_low_water(p), here = pager_resident(p);
    Wanting wanting;
    Leased leased;
    DemandInput in = {
        .limit = most_pages(p, now), .used = used_pages(p),
        .excess = p->locations.copies *
                  MAX(here > low ? here - low : 0, command_wants(p)),
        .pending = lease_is_coming(p),
    };
    DemandOutput out;
    uint64_t give;

    if (p->slots.partial) {
        return;                 /* what is used is not known yet */
    }
    leased_look(p, now, &leased);
    in.have = leased_useful(p, &leased);
    demand_update(&p->want.demand, &in, now, &out);
    wanting_look(p, true, now, &wanting);
    want_what(p, &out, &leased, &wanting, in.limit, now);
    give = pages_to_give(p, &out, in.have);
    if (give && !revoke_pending(p) && !wanting.kept) {
        give_back(p, give);
    }
}

static void want_answered(Pager *p, bool used, uint64_t now)
{
    LeaseWant *want = &p->want;
    uint64_t *pause = &want->pause[want->what];

    if (used) {
        *pause = 0;
    } else if (want->what == WANT_MOVES) {
        *pause = MOVE_RETRY_NS;
    } else {
        *pause = CLAMP(2 * *pause, WANT_RETRY_NS, WANT_RETRY_MOST);
    }
    want->at = now;
    want->next_at[want->what] = now + *pause;
}

void lease_demand_answer(Pager *p, const struct LinkGrants *msg)
{
    uint64_t now = pager_now();
    unsigned used = 0;

    /* Grants are taken however late they are: memory is held for them. */
    for (uint32_t i = 0; i < MIN(msg->nr_grants, LINK_GRANTS_MAX); i++) {
        used += lease_granted(p, &msg->grant[i], msg->label[i]);
    }
    if (!p->want.tag || msg->hdr.tag != p->want.tag) {
        return;
    }
    p->want.tag = 0;
    if (p->disk.asked) {
        own_disk_answer(p, used);
        return;
    }
    wire_text_copy(p->want.text, sizeof(p->want.text), msg->text);
    if (!used) {
        health_refused(p, now);
    }
    want_answered(p, used, now);
}
