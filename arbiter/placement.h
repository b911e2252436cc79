/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement: which hosts lend to a request.  A pure function of the hosts, of
 * the request, and of a seed: the same answers again, in the arbiter, in
 * tests and in a simulator.
 *
 * Only hosts that are alive, connected, lend, and are not under pressure are
 * asked, and never the requester itself.  Of many, a random sample is scored
 * by headroom, pressure and load, so that two arbiters or a burst of requests
 * do not all pick the same host.  Hosts of the requester's own rack that have
 * room for their part come first.
 *
 * A VM's memory is spread evenly over .spread providers where so many have
 * room, counting what it already leases; over more only where those do not
 * have enough: each further provider is one more whose end stalls the VM.
 * One VM gets no more than a fair share of a provider as long as others have
 * room.
 *
 * Two copies of a page stand in different failure domains.  Which slab is
 * whose partner is the requester's to choose; what it is given makes that
 * possible: no domain gets more than half of a request for two copies, and
 * where it can be none has more than half of all that the VM then leases
 * (placement-fill.h).  Where the domains cannot give anything, hosts count as
 * domains; where one host alone has room, it gives room for one copy, but
 * no more than may be away of the VM.
 *
 * The answer is sought in rounds, each only if the last one fell short: the
 * sample within fair shares, all hosts within fair shares, all hosts, all
 * hosts without that balance; and then, if there is nothing at all, those
 * with fewer domains.  So everything has been looked at before a request is
 * granted in part or refused.  Where there are many hosts the owner first
 * offers only some of them (.few): what that does not settle it asks again
 * with all.
 */
#ifndef ARBITER_PLACEMENT_H
#define ARBITER_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire-control.h"
#include "common/wire.h"

#define PLACEMENT_COPIES_MAX    2u
#define PLACEMENT_NO_HOST       UINT32_MAX

/* A host as placement sees it. */
typedef struct PlacementHost {
    bool alive;
    bool connected;
    bool lends;
    bool draining;
    bool said_no;               /* to this very request */
    bool avoided;               /* the request names it */
    bool beside;                /* its domain is that of one that is avoided: */
                                /* comes last */
    uint32_t domain;            /* failure domain; 0: one of its own */
    uint32_t leases;            /* it has given: its load */
    uint32_t psi_some;          /* hundredths of a percent */
    uint32_t psi_full;
    uint64_t free;              /* bytes: offered - leased - pending */
    uint64_t offered;
    uint64_t slab;              /* bytes it lends in; not 0 where it lends */
    uint64_t vm_bytes;          /* what this VM already leases there */
} PlacementHost;

/* Is a domain to have no more than half of what the VM leases? */
typedef enum PlacementBalance {
    PLACEMENT_NO_BALANCE,
    PLACEMENT_BALANCE,          /* where that can be; always with 2 copies */
    PLACEMENT_ONLY_BALANCE      /* or nothing */
} PlacementBalance;

typedef struct PlacementRequest {
    uint32_t requester;         /* its index, or PLACEMENT_NO_HOST */
    uint32_t domain;            /* the requester's; 0: not known */
    unsigned copies;            /* 0 is 1 */
    PlacementBalance balance;
    unsigned parts_max;         /* 0: WIRE_GRANTS_MAX */
    uint64_t bytes;             /* of each copy */
    uint64_t owner_bytes;       /* what its owner leases already */
    uint64_t size;              /* bytes of the VM that may be away; 0: not */
                                /* known */
    bool few;                   /* these are some of the hosts only: all that */
                                /* is asked, within fair shares, or nothing */
} PlacementRequest;

typedef struct PlacementConfig {
    unsigned spread;            /* providers, 1 to WIRE_GRANTS_MAX */
    unsigned sample;            /* hosts to score, of many */
    unsigned share;             /* percent of one provider's offer that one */
                                /* VM gets while others have room */
    uint32_t psi_some_max;      /* above it a host is not asked */
    uint32_t psi_full_max;
    uint64_t quota;             /* bytes for one owner; 0: no limit */
    int quota_percent;          /* above 0: what .quota is made of, by */
                                /* hosts_quota() */
} PlacementConfig;

typedef struct PlacementPart {
    unsigned host;              /* index */
    uint64_t bytes;             /* whole slabs */
} PlacementPart;

typedef struct Placement {
    unsigned nr_parts;          /* 0: refused */
    PlacementPart part[WIRE_GRANTS_MAX];
    uint64_t bytes;             /* of each copy; may be a slab more than */
                                /* asked */
    uint64_t alone;             /* or bytes that there is no second copy of */
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
