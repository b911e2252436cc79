/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * revoke: slabs that providers want back, or that slow ones lose
 * (provider-health.c): which, and in what order.
 *
 * REVOKE says how many slabs a lease may keep.  What is beyond goes in this
 * order: slabs that the slab table does not name (DROP), slabs in which
 * nothing is stored (out of the table, then DROP), and others, least used
 * first, which move to a spare slab at another provider (move.c).  If there is
 * none, lease.c asks for as much as is lacking.
 *
 * A slab is spare if its lease has it and the slab table does not: a new pager
 * finds that out from CLAIM_ACK, so nothing else has to be written down.  A
 * slab that has moved away leaves a spare one behind, which is dropped when no
 * GET is out on it any more.  Spare slabs that no move needs are put into the
 * table again.
 */
#include "common/crash-point.h"
#include "common/wire-move.h"
#include "rcached/pager/apart.h"
#include "rcached/pager/pager.h"
#include "rcached/pager/places.h"
#include "rcached/pager/tag.h"

/*
 * Asked for at a time: a provider allocates a lease whole before it is granted,
 * and the first slabs are better moved while it makes the next.
 */
#define STEP_PAGES      (MOVES_MAX * RCACHE_SLAB_PAGES_MAX)
#define DROP_BUSY_NS    (50 * NS_PER_MS)

/* ------------------------------------------------------ what is to be left */

uint64_t revoke_keeps(const Pager *p, const Lease *l)
{
    uint64_t listed = p->slots.pages[l->index];
    uint64_t slab_pages = l->slab_pages;

    return MIN(MAX(listed, l->nr_slabs * slab_pages),
               places_kept(l) * slab_pages);
}

static unsigned moves_from(const Pager *p, const Lease *l)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MOVES_MAX; i++) {
        n += p->moves.entry[i].state && p->moves.entry[i].leaves == l;
    }
    return n;
}

/* Slabs that are to leave @l and that no move is under way for. */
static uint32_t slabs_to_move(const Pager *p, const Lease *l)
{
    uint32_t excess = places_excess(l), moving = moves_from(p, l);

    return excess - MIN(excess, moving);
}

uint64_t revoke_lacking(const Pager *p)
{
    uint64_t lacking = 0, now = pager_now();
    Places taken = { 0 };
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        uint32_t most = slabs_to_move(p, l), filled, found;

        /* Of a provider that is away nothing can leave, whoever has room. */
        if (most && lease_ready(l) && !l->sweep) {
            found = places_find(p, l, most, &taken, &filled, now);
            lacking += (MIN(most, filled) - found) * (uint64_t)l->slab_pages;
        }
    }
    return MIN(lacking, STEP_PAGES);
}

/*
 * Can some provider not push to @to?  It has to for slabs that it wants back,
 * and any may have to for copies.  Pages that are put come from here.
 */
static bool is_out_of_reach(const Pager *p, const Remote *to, WantFor what,
                            uint64_t now)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if ((what == WANT_SLABS || (what == WANT_MOVES && places_excess(l))) &&
            avoid_is(p->moves.avoid, l->remote, to, now)) {
            return true;
        }
    }
    return false;
}

unsigned revoke_avoids(const Pager *p, WantFor what,
                       const char *names[RCACHE_AVOID_MAX])
{
    const GPtrArray *remotes = p->providers.remotes;
    uint64_t now = pager_now(), since;
    unsigned n = 0;

    for (guint i = 0; i < remotes->len && n < RCACHE_AVOID_MAX; i++) {
        const Remote *remote = remotes->pdata[i];
        bool bad = (remote->judge.slow && now >= p->health.bad_taken_until) ||
                   health_shuns(&p->health, remote, now);

        if (*remote->host && !remote->own &&
            (bad || remote_trouble(remote, now, &since) ||
             providers_is_silent(p, remote, now) ||
             is_out_of_reach(p, remote, what, now))) {
            names[n++] = remote->host;
        }
    }
    return n;
}

bool revoke_pending(const Pager *p)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (places_excess(l)) {
            return true;
        }
    }
    return p->moves.nr;
}

/* ------------------------------------------------------------------ spares */

void revoke_spare(Lease *l, uint32_t number, uint32_t was)
{
    Spare s = { number, was };

    g_array_append_val(l->spare, s);
}

/*
 * A lease ends with its last slab.  Its provider says how many it has; but it
 * does not end while the slab table names one of them, whatever that says: the
 * words of the pages there would name slots that others are to have.
 */
static bool lease_ends_with_one(const Pager *p, const Lease *l)
{
    return l->nr_slabs - l->drops->len == 1 && !p->slots.pages[l->index];
}

static void lease_drop_slab(Pager *p, Lease *l, uint32_t number)
{
    RcacheSlot slot = wire_slot(number, 0);
    bool last = lease_ends_with_one(p, l);
    Drop drop = { ++p->serial, number };
    WireHead head = { .type = last ? RCACHE_RELEASE : RCACHE_DROP,
                      .count = !last, .lease = l->known.id,
                      .epoch = l->known.epoch };

    head.tag = last ? tag_encode(TAG_RELEASE, l->index, 0)
                    : tag_encode(TAG_DROP, l->index, drop.serial);
    l->releasing = last;
    if (!last) {
        g_array_append_val(l->drops, drop);
    }
    data_conn_send(&l->remote->bulk, &head, last ? NULL : &slot, NULL, 0);
    crash_point_sent("drop-sent");
}

/* ---------------------------------------------------------------- messages */

static Lease *lease_of_id(Pager *p, const Remote *remote, uint64_t id)
{
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote == remote && l->known.id == id) {
            return l;
        }
    }
    return NULL;
}

void revoke_received(Pager *p, Remote *remote, const WireHead *head,
                     const void *payload)
{
    Lease *l = lease_of_id(p, remote, head->lease);
    WireRevoke revoke;

    if (wire_revoke_decode(payload, head->length, &revoke)) {
        remote_close(remote, "it sent a malformed REVOKE");
    } else if (l && head->epoch == l->known.epoch) {
        if (revoke.keep < l->nr_slabs && providers_may_tell(remote, p)) {
            g_message("vm %s: provider %s wants %u of %u slabs back within "
                      "%u s", p->name, remote->host,
                      l->nr_slabs - revoke.keep, l->nr_slabs,
                      revoke.deadline_ms / 1000);
        }
        l->keep = revoke.keep;
        want_hurry(&p->want, WANT_MOVES);       /* there is a deadline */
        revoke_tick(p, pager_now());
    }
}

void revoke_claimed(Pager *p, Lease *l, const WireClaimAck *ack,
                    const void *payload)
{
    g_autoptr(GHashTable) listed = g_hash_table_new(NULL, NULL);

    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        int which = s->used ? slots_which(s, l->index) : -1;

        if (which >= 0) {
            g_hash_table_add(listed,
                             GUINT_TO_POINTER(s->place[which].number));
        }
    }
    g_array_set_size(l->spare, 0);
    for (unsigned i = 0; i < ack->nr_slabs; i++) {
        uint32_t number = wire_claim_ack_slab(payload, i);

        if (!g_hash_table_contains(listed, GUINT_TO_POINTER(number)) &&
            !move_names(p, l, number)) {
            revoke_spare(l, number, 0);
        }
    }
    l->nr_slabs = ack->nr_slabs;
    g_array_set_size(l->drops, 0);
    l->drop_at = 0;
    l->ceding = false;
    l->keep = UINT32_MAX;       /* REVOKE follows if not */
}

/* An answer takes its entry away; the slab's number, or UINT32_MAX. */
static uint32_t lease_take_drop(Lease *l, uint32_t serial)
{
    for (guint i = 0; i < l->drops->len; i++) {
        Drop drop = g_array_index(l->drops, Drop, i);

        if (drop.serial == serial) {
            g_array_remove_index_fast(l->drops, i);
            return drop.number;
        }
    }
    return UINT32_MAX;
}

/*
 * A slab that is BUSY there (an older push into it has not ended yet) is still
 * this lease's: spare again, to be given back a little later.
 */
void revoke_dropped(Pager *p, const Remote *remote, const WireHead *head)
{
    Lease *l = leases_at(&p->leases, tag_decode(head->tag).index);
    uint32_t number;

    if (!l || l->remote != remote || l->known.id != head->lease) {
        return;
    }
    number = lease_take_drop(l, tag_decode(head->tag).serial);
    if (number == UINT32_MAX) {
        return;
    }
    if (head->status == RCACHE_E_BUSY) {
        revoke_spare(l, number, 0);
        l->drop_at = pager_now() + DROP_BUSY_NS;
    } else if (!head->status) {
        l->nr_slabs--;
    } else if (providers_may_tell(l->remote, p)) {
        g_warning("vm %s: provider %s did not take an empty slab back: %s",
                  p->name, l->remote->host, wire_status_name(head->status));
    }
}

/* ------------------------------------------------------------------- work */

/* What was spare for longest first: the last one may have failed just now. */
bool revoke_take_unused(Pager *p, Lease *l, uint32_t not, uint32_t *number)
{
    for (guint i = 0; i < l->spare->len; i++) {
        const Spare *s = &g_array_index(l->spare, Spare, i);

        if (!s->was || !location_is_read(p, l->remote, s->was - 1)) {
            *number = s->number;
            g_array_remove_index(l->spare, i);
            return true;
        }
    }
    for (uint32_t i = 0; p->slots.alone[l->index] && i < p->slots.nr; i++) {
        if (i != not && places_is_unused(p, i, l)) {
            const SlotSlab *s = &p->slots.slabs[i];

            *number = s->place[slots_which(s, l->index)].number;
            location_remove(p, i);
            return true;
        }
    }
    return false;
}

/* Take an empty slab of @l, though it has a copy elsewhere. */
static bool lease_part_with_empty(Pager *p, Lease *l, uint32_t not,
                                  uint32_t *number)
{
    if (revoke_take_unused(p, l, not, number)) {
        return true;
    }
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        if (places_is_empty(p, i, l)) {
            int which = slots_which(s, l->index);

            *number = s->place[which].number;
            location_clear(p, i, which);
            return true;
        }
    }
    return false;
}

/*
 * The slab of @l in which least is stored, of those that have somewhere to go:
 * where there is room, one may have its other place, and another not.
 *
 * Return: RCACHE_NR_SLABS: there is none
 */
static uint32_t lease_least_used(const Pager *p, const Lease *l)
{
    uint32_t best = RCACHE_NR_SLABS, least = UINT32_MAX;
    uint64_t now = pager_now();
    Places places;

    places_count(p, l, NULL, now, &places);
    for (uint32_t i = 0; i < p->slots.nr; i++) {
        const SlotSlab *s = &p->slots.slabs[i];

        if (places_can_leave(p, i, l) && s->nr_used && s->nr_used < least &&
            !compare_keeps_off(p, i) &&
            !moves_is_put_off(&p->moves, i, now) &&
            places_for(p, i, l, &places)) {
            best = i;
            least = s->nr_used;
        }
    }
    return best;
}

/* The same for a slab with pages in it, which has to be quick to say no. */
static bool take_of_empty(Pager *p, Lease *l, uint32_t not, uint32_t *number)
{
    return places_room(p, l) && lease_part_with_empty(p, l, not, number);
}

typedef bool TakePlace(Pager *p, Lease *l, uint32_t not, uint32_t *number);

static Lease *find_place(Pager *p, uint32_t slab, const Lease *leaves,
                         const Lease *from, bool own, TakePlace *take,
                         uint64_t now, uint32_t *number)
{
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (l->remote->own == own && places_can_take(p, l, from, now) &&
            apart_may_be_at(p, slab, leaves, l) && take(p, l, slab, number)) {
            return l;
        }
    }
    return NULL;
}

Lease *revoke_find_place(Pager *p, uint32_t slab, const Lease *leaves,
                         const Lease *from, uint64_t now, uint32_t *number)
{
    bool used = p->slots.slabs[slab].nr_used;
    Lease *l = find_place(p, slab, leaves, from, false, revoke_take_unused,
                          now, number);

    /* Empty slabs may have got both of their places before it wanted one. */
    if (!l && used) {
        l = find_place(p, slab, leaves, from, false, take_of_empty, now,
                       number);
    }
    return l ? l : find_place(p, slab, leaves, from, true,
                              used ? take_of_empty : revoke_take_unused, now,
                              number);
}

/* Begin a move out of @l, if there is anywhere to go. */
static bool lease_move_one(Pager *p, Lease *l)
{
    uint32_t slab = lease_least_used(p, l), number;
    uint64_t now = pager_now();
    Lease *to;

    if (slab == RCACHE_NR_SLABS) {
        return false;
    }
    to = revoke_find_place(p, slab, l, l, now, &number);
    if (to) {
        move_begin(p, l, slab, to, number);
    }
    return to != NULL;
}

/* Leave slabs of a lease that is wanted back. */
static void lease_leave(Pager *p, Lease *l, uint64_t now)
{
    uint32_t number;

    if (kept_lease_changes(p, l)) {
        freeing_flush(p, true);
        return;                 /* slabs may be empty when that is answered */
    }
    while (places_excess(l) && now >= l->drop_at &&
           lease_part_with_empty(p, l, RCACHE_NR_SLABS, &number)) {
        lease_drop_slab(p, l, number);
    }
    while (places_excess(l) > moves_from(p, l) && now >= l->move_at &&
           p->moves.nr < MOVES_MAX && lease_move_one(p, l)) {
        /* the next one */
    }
}

/* Not a lease's last slab: that is a RELEASE, and lease.c's. */
uint64_t revoke_give_back(Pager *p, uint64_t pages)
{
    uint64_t gone = 0;
    uint32_t number;
    Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        if (!places_can_take(p, l, NULL, 0) || l->to_free->len ||
            l->remote->own) {
            continue;
        }
        while (gone + l->slab_pages <= pages &&
               l->nr_slabs > l->drops->len + 1 &&
               lease_part_with_empty(p, l, RCACHE_NR_SLABS, &number)) {
            lease_drop_slab(p, l, number);
            gone += l->slab_pages;
        }
    }
    return gone;
}

/* Put spare slabs to use, but for @kept, which moves need. */
static void lease_list_spares(Pager *p, Lease *l, uint32_t kept)
{
    while (l->spare->len > kept && p->moves.nr < MOVES_MAX) {
        Spare s = g_array_index(l->spare, Spare, l->spare->len - 1);

        if (s.was && location_is_read(p, l->remote, s.was - 1)) {
            return;
        }
        g_array_set_size(l->spare, l->spare->len - 1);
        move_wipe(p, l, s.number);
    }
}

/*
 * A provider that no pages get through to is well again when one does
 * (probe.c).  Where all its slabs are spare there is none to try that with.
 * One at a time, and when nothing else is under way: its answer may take long.
 */
static bool lease_lacks_a_probe(const Pager *p, const Lease *l)
{
    return passage_is_suspect(&l->remote->passage) && lease_ready(l) &&
           !l->releasing && !l->lost && !l->sweep && !l->abandoned &&
           places_kept(l) >= l->nr_slabs && l->spare->len &&
           !slots_free_in(&p->slots, l->index) && !p->moves.nr;
}

/*
 * Unused slabs are kept for those that leave and can go there, and for no more:
 * one that finds no place may stay for as long as a drain lasts, and a guest
 * that needs room is not to wait for that.
 */
static void places_keep(const Pager *p, uint64_t now, Places *kept)
{
    const Lease *l;

    LEASES_FOREACH(l, &p->leases) {
        uint32_t most = slabs_to_move(p, l);

        if (most && lease_ready(l) && !l->sweep) {
            places_find(p, l, most, kept, NULL, now);
        }
    }
}

void revoke_tick(Pager *p, uint64_t now)
{
    Places kept = { 0 };
    Lease *l;

    if (p->slots.partial) {
        return;                 /* which slabs are empty is not known yet */
    }
    move_retry(p, now);
    LEASES_FOREACH(l, &p->leases) {
        if (lease_ready(l) && places_excess(l) && !l->sweep) {
            lease_leave(p, l, now);
        }
    }
    places_keep(p, now, &kept);
    LEASES_FOREACH(l, &p->leases) {
        if (places_can_take(p, l, NULL, now)) {
            lease_list_spares(p, l, kept.nr[l->index]);
        } else if (lease_lacks_a_probe(p, l)) {
            lease_list_spares(p, l, l->spare->len - 1);
        }
    }
}
