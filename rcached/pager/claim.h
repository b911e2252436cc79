/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim: is the answer to a CLAIM true to the lease?
 *
 * A provider says which slabs a lease has.  Each of them takes an entry of the
 * table of slabs, and memory for the map of its slots: more than were granted
 * would be made use of and counted as room, and would leave no entries to other
 * providers.
 *
 * Pure.
 */
#ifndef PAGER_CLAIM_H
#define PAGER_CLAIM_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#include "common/wire.h"
#include "rcache/vmm.h"

/* Of the table's entries one lease may take no more than its share. */
#define CLAIM_SLABS_MAX (RCACHE_NR_SLABS / 8)

/* lease-demand.c asks for no more at a time, unless a VM is larger than a lease
 * of each of its entries would make it: 256 MiB. */
#define CLAIM_STEP_PAGES    65536u

/**
 * struct ClaimKnown - what is known about the lease
 * @slab_pages: pages of each of its slabs; 0: it was never claimed
 * @listed: pages of its slabs that are in the table of slabs
 * @granted: pages that it was granted with; 0: to an earlier pager
 * @vm: pages, more than any lease of this VM has
 */
typedef struct ClaimKnown {
    uint32_t slab_pages;
    uint64_t listed;
    uint64_t granted;
    uint64_t vm;
} ClaimKnown;

/**
 * claim_problem() - look at a CLAIM_ACK whose status is 0
 * @ack: set, if there is no problem
 *
 * Return: what is wrong with it, for the log; NULL: nothing is
 */
char *claim_problem(const ClaimKnown *known, const void *payload, size_t len,
                    WireClaimAck *ack);

#endif
