/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement: which hosts lend to a request.  A pure function of the hosts, of
 * the request, and of a seed: the same answers again, in the arbiter, in
 * tests and in a simulator.
 *
 * Only hosts that are alive, connected, lend, and are not under pressure are
 * asked, and never the requester itself.  Of many, a random sample is scored
 * by headroom and pressure, so that two arbiters or a burst of requests do
 * not all pick the same host; the whole table is looked at before a request
 * is granted in part or refused.
 *
 * A VM's memory is spread evenly over .spread providers where so many have
 * room, counting what it already leases; over more only where those do not
 * have enough: each further provider is one more whose end stalls the VM.
 */
#ifndef ARBITER_PLACEMENT_H
#define ARBITER_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

/* A host as placement sees it. */
typedef struct PlacementHost {
    const char *name;
    bool alive;
    bool connected;
    bool lends;
    bool draining;
    uint64_t free;              /* bytes: offered - leased - pending */
    uint64_t offered;
    uint64_t slab;              /* bytes it lends in; not 0 where it lends */
    uint32_t psi_some;          /* hundredths of a percent */
    uint32_t psi_full;
    uint64_t vm_bytes;          /* what this VM already leases there */
} PlacementHost;

typedef struct PlacementRequest {
    const char *requester;      /* host */
    uint64_t bytes;
} PlacementRequest;

typedef struct PlacementConfig {
    unsigned spread;            /* providers, 1 to WIRE_GRANTS_MAX */
    unsigned sample;            /* hosts to score, of many */
    uint32_t psi_some_max;      /* above it a host is not asked */
    uint32_t psi_full_max;
} PlacementConfig;

typedef struct PlacementPart {
    unsigned host;              /* index */
    uint64_t bytes;             /* whole slabs */
} PlacementPart;

typedef struct Placement {
    unsigned nr_parts;          /* 0: refused */
    PlacementPart part[WIRE_GRANTS_MAX];
    uint64_t bytes;             /* in all; may be a slab more than asked */
    char text[192];             /* why it is less than asked, or "" */
} Placement;

/**
 * placement_choose() - which hosts, and how much of each
 * @hosts: @n of them
 * @seed: for the sample
 */
void placement_choose(const PlacementConfig *config,
                      const PlacementHost *hosts, unsigned n,
                      const PlacementRequest *request, uint64_t seed,
                      Placement *out);

#endif
