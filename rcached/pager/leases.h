/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leases: the table of this VM's leases, by their index in the state memfd.
 *
 * Only what they are: lease.c has their life, revoke.c, freeing.c, move.c and
 * provider-health.c write the members that are theirs.
 */
#ifndef PAGER_LEASES_H
#define PAGER_LEASES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"
#include "rcached/pager/remote.h"
#include "rcached/pager/slots.h"

/**
 * struct Lease - one lease, from its grant to its release
 * @index: in the state memfd's table of leases
 * @shared: its entry there, which is only written: the VMM could write to it
 * @known: what was read there, once, and what has been written since
 * @slab_pages: pages of each of its slabs, as checked; 0: never claimed yet
 * @granted: pages that it was granted with; 0: by an earlier pager
 * @remote: its provider
 * @was_ready: pages could be put there once
 * @claimed: on the fault connection, and on the bulk connection
 * @refused: what the last CLAIM was refused with, when that was no loss
 * @lost: the provider does not know it
 * @lost_at: ns, since then
 * @abandoned: its provider could not be reached in time to claim it: it is
 *             given back as soon as it can be
 * @sweep: its unused slots are to be freed before it is made use of: freeing.c
 * @swept: slabs of the slab table that this has been done for
 * @sweeping: slots that are freed for that and not answered yet
 * @releasing: a RELEASE is out
 * @renewing: a RENEW is out
 * @since: ns, known to this pager
 * @claim_sent: ns; 0: no CLAIM is out
 * @retry_at: ns, claim again
 * @renew_at: ns, renew
 * @renew_sent: ns, the last RENEW was sent
 * @put_at: ns, no PUT before: one met BUSY: location.c
 * @put_pause: ns, how long the next that meets BUSY is waited for: location.c
 * @nr_slabs: that the provider says it has; 0: unknown
 * @keep: slabs that it may keep: revoke.c
 * @drops: of Drop, slabs whose DROP is out: revoke.c
 * @ceding: it loses slabs until @cede_to are left: provider-health.c, and
 *          own-disk.c for this host's own disk
 * @cede_to: slabs
 * @drop_at: ns, no DROP before: one met BUSY: revoke.c
 * @move_at: ns, no move from here before: move.c
 * @spare: of Spare, slabs that the table does not name: revoke.c
 * @useless_ns: ns, how long it has been of no use: copies.c
 * @to_free: of uint64_t, slots that wait for their FREE: freeing.c
 * @frees: of FreeOut, owned; FREEs that are out: freeing.c
 */
typedef struct Lease {
    uint32_t index;
    struct RcacheLease *shared;
    struct RcacheLease known;
    uint32_t slab_pages;
    uint64_t granted;
    Remote *remote;
    bool was_ready;
    bool claimed[2];
    uint16_t refused;
    bool lost;
    uint64_t lost_at;
    bool abandoned;
    bool sweep;
    uint32_t swept;
    uint32_t sweeping;
    bool releasing;
    bool renewing;
    uint64_t since;
    uint64_t claim_sent;
    uint64_t retry_at;
    uint64_t renew_at;
    uint64_t renew_sent;
    uint64_t put_at, put_pause;
    uint32_t nr_slabs;
    uint32_t keep;
    GArray *drops;
    bool ceding;
    uint32_t cede_to;
    uint64_t drop_at;
    uint64_t move_at;
    GArray *spare;
    uint64_t useless_ns;
    GArray *to_free;
    GQueue frees;
} Lease;

/**
 * struct Leases - all leases of this VM; lease.c adds and takes out
 * @entry: by index in the state memfd's table; NULL: there is none
 */
typedef struct Leases {
    Lease *entry[RCACHE_NR_LEASES];
} Leases;

/**
 * lease_new() - a lease of which nothing is known yet but its entry
 * @shared: its entry in the state memfd
 * @now: ns
 */
Lease *lease_new(uint32_t index, struct RcacheLease *shared, Remote *remote,
                 uint64_t now);

/** lease_free() - free it, without a word to its provider */
void lease_free(Lease *l);

/** leases_deinit() - free all, without a word to their providers */
void leases_deinit(Leases *leases);

/**
 * leases_next() - the first lease at or behind *@at
 * @at: index; moved behind the lease that is returned
 *
 * Return: the lease, or NULL if there is none
 */
Lease *leases_next(const Leases *leases, unsigned *at);

/* Runs over all leases; the body may drop the one it is given. */
#define LEASES_FOREACH(l, leases) \
    for (unsigned at_##l = 0; ((l) = leases_next((leases), &at_##l)); )

/** leases_free() - how many more there may be */
unsigned leases_free(const Leases *leases);

/** leases_at() - the lease of an index that a peer has sent, or NULL */
Lease *leases_at(const Leases *leases, uint64_t index);

/** leases_of() - the lease of place @which of a slab, or NULL */
static inline Lease *leases_of(const Leases *leases, const SlotSlab *s,
                               unsigned which)
{
    return leases_at(leases, s->place[which].lease);
}

/** lease_ready() - may pages be put and fetched there now? */
static inline bool lease_ready(const Lease *l)
{
    return l->claimed[0] && l->claimed[1] && l->remote->state == REMOTE_UP;
}

#endif
