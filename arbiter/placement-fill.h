/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement-fill: how much of which host, once it is known who may be asked
 * and in which order.  A part of placement.c, and for nobody else.
 *
 * Two copies are a request of twice the bytes of which no failure domain gets
 * more than one copy needs.  That is all that is needed for each slab in one
 * domain to find a partner in another, whatever the pairs are: sort the slabs
 * by domain and pair each with the one half of all further on.
 *
 * The same rule over all that the VM leases is what keeps it so: a request is
 * balanced if no domain has more than half of everything afterwards.
 *
 * All upper bounds are of hosts and of domains, each host in one domain, so
 * that to hand out slabs in any order ends with as much as there can be.
 */
#ifndef ARBITER_PLACEMENT_FILL_H
#define ARBITER_PLACEMENT_FILL_H

#include <stdbool.h>
#include <stdint.h>

#include "arbiter/placement.h"

#define PLACEMENT_BYTES_MAX     (1ull << 60)    /* of any figure */

/* A host that may be asked. */
typedef struct Candidate {
    unsigned host;              /* index */
    uint64_t domain;            /* key of its failure domain, in this round */
    bool near;                  /* the requester's rack, with room enough */
    double score;
    uint64_t slab;              /* bytes, not 0 */
    uint64_t have;              /* bytes: what the VM has there */
    uint64_t free;              /* whole slabs */
    uint64_t room;              /* of them, in this round */
    uint64_t given;
    unsigned at;                /* its FillDomain, once it is chosen */
} Candidate;

/* What a domain has of the VM, or is to get. */
typedef struct FillDomain {
    uint64_t key;
    uint64_t room;              /* of those chosen in it */
    uint64_t most;              /* it may be given */
    uint64_t given;
    unsigned hosts;             /* chosen */
} FillDomain;

typedef struct Fill {
    unsigned copies;            /* 1 or 2; with 2 all slabs have one size */
    unsigned spread;            /* hosts for each copy */
    unsigned parts_max;         /* hosts in all */
    uint64_t bytes;             /* of each copy */
    uint64_t limit;             /* of all copies: what the quota leaves */
    bool balanced;              /* .had counts */
    const FillDomain *had;      /* .key and .given: what the VM leases */
    unsigned nr_had;
    uint64_t had_sum;
    /* What it came to. */
    bool quota_met;             /* no slab more of what it leaves */
    unsigned left_out;          /* with room, since no more may be named */
    FillDomain domain[WIRE_GRANTS_MAX];
    unsigned nr_domains;
} Fill;

/**
 * fill() - hand out slabs
 * @c: @n of them, the best first; those that get something come to the front,
 *     with .given set
 * @out: .nr_parts and .part are set
 *
 * Return: bytes of each copy; a slab more than asked at most
 */
uint64_t fill(Fill *f, Candidate *c, unsigned n, Placement *out);

#endif
