/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease: what this VM may use of other hosts' memory.
 *
 * A lease comes from an arbiter through rcached (lease_grants), is written to
 * the state memfd, claimed at its provider on both connections, renewed at a
 * third of its life counted from when the renewal was sent, and released when
 * it is no longer needed.  A new pager finds it in the state memfd and claims
 * it again.
 */
#include <string.h>

#include "common/crash-point.h"
#include "rcached/pager/claim.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/tag.h"

#define CLAIM_RETRY_NS  (5 * NS_PER_SEC)
/* A provider keeps a grant no longer either, if nobody claims it. */
#define UNCLAIMED_NS    (30 * NS_PER_SEC)
#define ABANDONED_NS    (600 * NS_PER_SEC)

void lease_claim(Pager *p, Lease *l)
{
    uint64_t now = pager_now();

    for (int bulk = 0; bulk < 2; bulk++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        WireHead head = { .type = RCACHE_CLAIM, .lease = l->known.id,
                          .tag = tag_encode(TAG_CLAIM, l->index, 0),
                          .epoch = l->known.epoch };

        if (!l->claimed[bulk]) {
            wire_append_claim(bytes, &head, l->known.token);
            data_conn_send_bytes(bulk ? &l->remote->bulk : &l->remote->fault,
                                 bytes);
        }
    }
    /* An answer may be that to the first of several: its time counts. */
    l->claim_sent = l->claim_sent ? l->claim_sent : now;
    l->retry_at = now + CLAIM_RETRY_NS;
    crash_point_sent("claim-sent");
}

void lease_remote_up(Pager *p, const Remote *remote)
{
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote == remote) {
            lease_claim(p, l);
        }
    }
}

bool lease_remote_down(Pager *p, const Remote *remote)
{
    bool had = false;
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote == remote) {
            had |= l->claimed[0];
            l->claimed[0] = l->claimed[1] = l->renewing = false;
            l->claim_sent = 0;
            g_array_set_size(l->spare, 0);      /* CLAIM_ACK tells */
            g_array_set_size(l->drops, 0);
            l->releasing = false;       /* to be claimed, or refused as gone */
            freeing_requeue(l);
        }
    }
    return had;
}

/* --------------------------------------------------------------- leases */

static Lease *lease_add(Pager *p, uint32_t index)
{
    Lease *l = lease_new(index, &guest_leases(&p->guest)[index], NULL,
                         pager_now());

    l->remote = providers_get(p, l->known.address, l->known.provider);
    p->leases.entry[index] = l;
    return l;
}

static bool lease_is_known(const Pager *p, uint64_t id)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->known.id == id) {
            return true;
        }
    }
    return false;
}

/* Is the copy of an entry one that a pager has made? The VMM can write it. */
static bool lease_is_sane(const Pager *p, const Lease *l)
{
    return l->known.id && !lease_is_known(p, l->known.id) &&
           l->known.slab_pages <= RCACHE_SLAB_PAGES_MAX &&
           *l->known.provider && *l->known.address &&
           g_utf8_validate(l->known.provider, -1, NULL);
}

static void lease_expires(Lease *l, uint64_t ns)
{
    l->known.expires_ns = l->shared->expires_ns = ns;
}

/*
 * Nothing of @l is at its slabs any more.  Our own map knows which they are:
 * the VMM can write to the table.
 * @all: also where no other place is left
 */
static void lease_leave_slabs(Pager *p, const Lease *l, bool all)
{
    for (uint32_t i = p->slots.nr; i-- > 0;) {
        const SlotSlab *s = &p->slots.slabs[i];
        int which = s->used ? slots_which(s, l->index) : -1;

        if (which >= 0 && s->place[!which].lease != SLOTS_NO_LEASE) {
            move_source_gone(p, i, l);
            location_clear(p, i, which);
        } else if (which >= 0 && all) {
            location_remove(p, i);
        }
    }
}

void lease_drop(Pager *p, Lease *l)
{
    move_lease_gone(p, l);
    probe_lease_gone(p, l);
    lease_leave_slabs(p, l, true);
    crash_point("lease-left");
    /* First: without it the entry is free, whatever else stands in it. */
    __atomic_store_n(&l->shared->id, 0, __ATOMIC_SEQ_CST);
    memset(l->shared, 0, sizeof(*l->shared));
    p->leases.entry[l->index] = NULL;
    lease_free(l);
}

/* Of two places at one lease, or of slabs of another size, one is none. */
static void slab_load(Pager *p, const struct RcacheSlab *slabs, uint32_t slab)
{
    SlotPlace place[SLOTS_PLACES];
    uint32_t pages = 0;

    for (unsigned i = 0; i < SLOTS_PLACES; i++) {
        Location at = slab_table_get(slabs, slab, i);
        const Lease *l = leases_at(&p->leases, at.lease);

        place[i] = (SlotPlace) { SLOTS_NO_LEASE, 0, false };
        if (l && l->slab_pages && (!pages || l->slab_pages == pages) &&
            (!i || at.lease != place[0].lease)) {
            place[i] = (SlotPlace) { at.lease, at.number, at.stale };
            pages = l->slab_pages;
        }
    }
    if (pages) {
        slots_add_at(&p->slots, slab, place, pages);
    }
}

void lease_load(Pager *p)
{
    struct RcacheLease *leases = guest_leases(&p->guest);
    struct RcacheSlab *slabs = guest_slabs(&p->guest);

    for (uint32_t i = 0; i < RCACHE_NR_LEASES; i++) {
        Lease *l;

        if (!leases[i].id) {
            continue;
        }
        l = lease_new(i, &leases[i], NULL, pager_now());
        if (!lease_is_sane(p, l)) {
            g_warning("vm %s: entry %u of its table of leases is damaged: the "
                      "pages that are stored there are lost", p->name, i);
            lease_free(l);
            continue;
        }
        l->remote = providers_get(p, l->known.address, l->known.provider);
        l->sweep = true;
        l->slab_pages = l->known.slab_pages;
        p->leases.entry[i] = l;
    }
    for (uint32_t i = 0; i < RCACHE_NR_SLABS; i++) {
        slab_load(p, slabs, i);
    }
}

/* -------------------------------------------------------------- answers */

/* The slabs of a first claim go to the state memfd. */
static void claim_slabs(Pager *p, Lease *l, const WireClaimAck *ack,
                        const void *payload)
{
    if (l->slab_pages) {
        return;
    }
    l->slab_pages = l->shared->slab_pages = ack->slab_pages;
    crash_point("lease-sized");
    if (revoke_lacking(p)) {
        return;                 /* spare, then: somebody waits for them */
    }
    for (unsigned i = 0; i < ack->nr_slabs; i++) {
        if (!location_add(p, l, wire_claim_ack_slab(payload, i))) {
            g_warning("vm %s: provider %s: there are no entries for %u of the "
                      "%u slabs of lease %016" G_GINT64_MODIFIER "x: they are "
                      "not used", p->name, l->remote->host, ack->nr_slabs - i,
                      ack->nr_slabs, l->known.id);
            return;
        }
    }
}

/*
 * Only a provider that does not know the lease has lost it.  Anything else it
 * may say is of the moment, and the claim is sent again; and so it is when
 * another host answers at the provider's address.
 */
bool lease_refusal_is_loss(const Lease *l, uint16_t status)
{
    const char *answers = l->remote->answers;

    return (status == RCACHE_E_LEASE || status == RCACHE_E_EPOCH) &&
           (!*answers || !strcmp(answers, l->known.provider));
}

uint64_t lease_pages(const Pager *p, const Lease *l)
{
    uint64_t used = slots_used_in(&p->slots, l->index);

    return used - MIN(used, l->to_free->len);
}

/* Of pages that are here as well, though their words still say where else, at
 * this moment nobody has lost anything. */
static uint64_t lease_needs(const Pager *p, const Lease *l)
{
    uint64_t pages = lease_pages(p, l);

    return pages - MIN(pages, p->slots.kept[l->index]);
}

static void lease_tell_lost(Pager *p, const Lease *l, uint16_t status)
{
    uint64_t pages = lease_needs(p, l);

    if (pages) {
        report_event(p, RCACHE_EVENT_PAGE_LOST, REPORT_NO_PAGE,
                     "provider %s has lost lease %016" G_GINT64_MODIFIER
                     "x and %" G_GUINT64_FORMAT " pages with it: %s",
                     l->remote->host, l->known.id, pages,
                     wire_status_name(status));
    }
}

static void claim_refused(Pager *p, Lease *l, uint16_t status)
{
    uint64_t used;

    if (p->slots.partial) {
        return;                 /* asked again when we know what is there */
    }
    if (!lease_refusal_is_loss(l, status)) {
        if (l->refused != status && providers_may_tell(l->remote, p)) {
            g_warning("vm %s: provider %s, which calls itself %s, did not "
                      "accept the CLAIM of lease %016" G_GINT64_MODIFIER "x "
                      "(%s): the CLAIM is sent again", p->name,
                      l->known.provider, l->remote->answers, l->known.id,
                      wire_status_name(status));
        }
        l->refused = status;
        return;
    }
    /* That is the proof of loss: what has another place is there (C2), and what
     * is kept for pages that are here is no loss. */
    lease_leave_slabs(p, l, false);
    kept_lease_changes(p, l);
    used = lease_pages(p, l);
    if (!used) {
        if (providers_may_tell(l->remote, p)) {
            g_warning("vm %s: provider %s refuses lease %016"
                      G_GINT64_MODIFIER "x (%s): the lease held no pages and "
                      "is dropped", p->name, l->remote->host, l->known.id,
                      wire_status_name(status));
        }
        lease_drop(p, l);
        return;
    }
    if (!l->lost) {
        l->lost = true;
        l->lost_at = pager_now();
        lease_tell_lost(p, l, status);
    }
}

/* A provider that is not true to one lease is not relied on for others. */
static void claim_is_bad(const Pager *p, Lease *l, const char *why)
{
    g_autofree char *text = g_strdup_printf("bad CLAIM_ACK for lease %016"
                                            G_GINT64_MODIFIER "x: %s",
                                            l->known.id, why);

    if (providers_may_tell(l->remote, p)) {
        g_warning("vm %s: provider %s: %s; the session ends", p->name,
                  l->remote->host, text);
    }
    remote_close(l->remote, text);
}

/* The first time it is memory that was asked for; then the session is new. */
static void lease_made_room(Pager *p, Lease *l)
{
    if (!l->was_ready) {
        progress_lease(&p->evictor.progress, pager_now());
    } else {
        progress_hope(&p->evictor.progress, PROGRESS_ROOM, pager_now());
    }
    l->was_ready = true;
}

static void claim_answer(Pager *p, Lease *l, bool bulk, const WireHead *head,
                         const void *payload)
{
    const ClaimKnown known = {
        .slab_pages = l->slab_pages, .listed = p->slots.pages[l->index],
        .granted = l->granted, .vm = limit_of_a_lease(&p->limits),
    };
    g_autofree char *why = NULL;
    WireClaimAck ack;

    if (head->status) {
        claim_refused(p, l, head->status);
        return;
    }
    if (l->claimed[bulk]) {
        return;                 /* the answer to one that was sent again */
    }
    if (l->abandoned) {
        l->claimed[bulk] = true;
        if (bulk) {
            lease_release(p, l);
        }
        return;
    }
    why = claim_problem(&known, payload, head->length, &ack);
    if (why) {
        claim_is_bad(p, l, why);
        return;
    }
    claim_slabs(p, l, &ack, payload);
    l->claimed[bulk] = true;
    l->refused = RCACHE_OK;
    l->lost = false;
    if (bulk) {
        revoke_claimed(p, l, &ack, payload);
    }
    l->renew_at = l->claim_sent + ack.ttl_ms * NS_PER_MS / 3;
    lease_expires(l, l->claim_sent + ack.ttl_ms * NS_PER_MS);
    if (lease_ready(l)) {
        l->claim_sent = 0;
        lease_made_room(p, l);
        location_lease_ready(p, l);
        freeing_flush(p, true);
    }
}

/* Whether it is gone, and what with it, the claim will tell. */
static void claim_again(Pager *p, Lease *l)
{
    l->claimed[0] = l->claimed[1] = false;
    lease_claim(p, l);
}

/*
 * It is gone only if the provider says so: half a day is long otherwise.  One
 * that was refused is claimed again to find out, after a pause: a provider that
 * takes each CLAIM and refuses each RELEASE would have us go in a circle.
 */
static void lease_released(Pager *p, Lease *l, uint16_t status)
{
    if (status) {
        l->releasing = l->claimed[0] = l->claimed[1] = false;
        l->retry_at = pager_now() + CLAIM_RETRY_NS;
    } else {
        lease_drop(p, l);
    }
}

void lease_answer(Pager *p, Remote *remote, bool bulk, const WireHead *head,
                  const void *payload)
{
    Lease *l = leases_at(&p->leases, tag_decode(head->tag).index);
    uint32_t ttl;

    if (!l || l->remote != remote || l->known.id != head->lease) {
        return;                 /* of a lease that was here before */
    }
    switch (head->type) {
    case RCACHE_CLAIM_ACK:
        claim_answer(p, l, bulk, head, payload);
        break;
    case RCACHE_RENEW_ACK:
        l->renewing = false;
        if (head->status) {
            claim_again(p, l);
        } else if (!wire_renew_ack_decode(payload, head->length, &ttl)) {
            l->renew_at = l->renew_sent + ttl * NS_PER_MS / 3;
            lease_expires(l, l->renew_sent + ttl * NS_PER_MS);
        }
        break;
    case RCACHE_RELEASE_ACK:
        if (l->releasing) {
            lease_released(p, l, head->status);
        }
        break;
    default:
        break;
    }
}

uint64_t lease_lost_pages(const Pager *p)
{
    uint64_t pages = 0;
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        pages += l->lost ? lease_needs(p, l) : 0;
    }
    return pages;
}

/* --------------------------------------------------------------- grants */

/*
 * There is no entry for it.  A provider that is connected is told at once;
 * another one drops what nobody claims.
 */
static void lease_decline(Pager *p, const struct RcacheLeaseGrant *g)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    uint64_t tag = tag_encode(TAG_CLAIM, TAG_INDEX_MAX, 0);     /* nobody's */
    WireHead claim = { .type = RCACHE_CLAIM, .lease = g->lease,
                       .epoch = g->epoch, .tag = tag };
    WireHead release = { .type = RCACHE_RELEASE, .lease = g->lease,
                         .epoch = g->epoch, .tag = tag };

    for (guint i = 0; g->lease && i < p->providers.remotes->len; i++) {
        Remote *r = g_ptr_array_index(p->providers.remotes, i);

        if (r->state == REMOTE_UP && !strcmp(r->host, g->host)) {
            wire_append_claim(bytes, &claim, g->token);
            data_conn_send_bytes(&r->bulk, bytes);
            data_conn_send(&r->bulk, &release, NULL, NULL, 0);
            return;
        }
    }
}

bool lease_granted(Pager *p, const struct RcacheLeaseGrant *g,
                   const char *label)
{
    struct RcacheLease *leases = guest_leases(&p->guest);
    uint32_t at = 0;
    Lease *l;

    if (lease_is_known(p, g->lease)) {
        return false;           /* handed over to us, as the entry was */
    }
    while (at < RCACHE_NR_LEASES &&
           (leases_at(&p->leases, at) || leases[at].id)) {
        at++;
    }
    if (at == RCACHE_NR_LEASES || !g->lease) {
        lease_decline(p, g);
        return false;
    }
    leases[at] = (struct RcacheLease) { .epoch = g->epoch };
    memcpy(leases[at].token, g->token, sizeof(g->token));
    memcpy(leases[at].provider, g->host, sizeof(g->host));
    memcpy(leases[at].address, g->address, sizeof(g->address));
    wire_text_copy(leases[at].label, sizeof(leases[at].label), label);
    crash_point("lease-noted");
    __atomic_store_n(&leases[at].id, g->lease, __ATOMIC_RELEASE);
    l = lease_add(p, at);
    l->granted = g->bytes / RCACHE_PAGE_SIZE;
    if (l->remote->state == REMOTE_UP) {
        lease_claim(p, l);
    }
    return true;
}

/* ----------------------------------------------------------------- time */

void lease_release(Pager *p, Lease *l)
{
    WireHead head = { .type = RCACHE_RELEASE,
                      .tag = tag_encode(TAG_RELEASE, l->index, 0),
                      .lease = l->known.id, .epoch = l->known.epoch };

    l->releasing = true;
    data_conn_send(&l->remote->bulk, &head, NULL, NULL, 0);
    crash_point_sent("release-sent");
}

static void lease_renew(Pager *p, Lease *l, uint64_t now)
{
    WireHead head = { .type = RCACHE_RENEW,
                      .tag = tag_encode(TAG_RENEW, l->index, 0),
                      .lease = l->known.id, .epoch = l->known.epoch };

    l->renew_sent = now;
    l->renewing = true;         /* the answer says when next */
    data_conn_send(&l->remote->bulk, &head, NULL, NULL, 0);
}

/*
 * A grant that could not be claimed is not made use of any more.  A CLAIM may
 * be on its way all the same, and would hold the memory for hours: so the lease
 * is remembered until it has been released, or no CLAIM can arrive any more.
 *
 * Return: true: it is gone
 */
static bool lease_abandon(Pager *p, Lease *l, uint64_t now)
{
    if (!l->abandoned && now > l->since + UNCLAIMED_NS) {
        g_warning("vm %s: provider %s cannot be reached: its grant of lease "
                  "%016" G_GINT64_MODIFIER "x is given up", p->name,
                  l->remote->host, l->known.id);
        l->abandoned = true;
    }
    if (l->abandoned && now > l->since + ABANDONED_NS) {
        lease_drop(p, l);
        return true;
    }
    return false;
}

void lease_tick(Pager *p, uint64_t now)
{
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (!l->slab_pages && lease_abandon(p, l, now)) {
            continue;
        }
        if (l->lost && !p->slots.partial && !lease_pages(p, l)) {
            lease_drop(p, l);   /* no word names it any more: loss.c */
            continue;
        }
        if (l->remote->state != REMOTE_UP || l->releasing) {
            continue;
        }
        if (!lease_ready(l)) {
            if (now >= l->retry_at) {
                lease_claim(p, l);
            }
        } else if (now >= l->renew_at && !l->renewing) {
            lease_renew(p, l, now);
        }
    }
}
