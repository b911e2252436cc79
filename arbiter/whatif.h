/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * whatif: what VMs would feel if a host died now, or if it was drained.
 *
 * Died: a VM that has pages there, of which no other live copy is, waits when
 * it touches one of them, until the host is back; what has another copy is
 * read from that; a VM that only leases room there loses that room; a VM that
 * runs there ends with it.
 *
 * How much has no other copy is the requester's to know, and is in its
 * heartbeats (HELD, sole).  Where they do not say, or there is a reason to
 * doubt what they say (WhatifDoubt), all that is stored there counts as such.
 * A pager that counts on copies at another provider may not have noticed yet
 * that this one is gone; so its figure holds only while the arbiter hears that
 * provider, and hears from it of that lease.  While a VM's pages are still
 * being copied the figure falls, so what is left to be copied is told with it.
 *
 * A VM whose host has died may run on another one by now (elsewhere.h).  What
 * the dead one had, and no pager renews, nobody waits for; it takes room until
 * the provider drops it, and nobody moves it.
 *
 * What stands there is what the host says that it has lent, and what other
 * hosts' VMs say that they have there: a host that has come back without what
 * it held lists nothing, and what was there is lost already, not waited for.
 *
 * Drained: each VM's slabs have to find room elsewhere.  That is asked of the
 * very function that would choose the places, VM by VM, the largest first,
 * with what the ones before have been given taken off; what leaves the host
 * counts towards no quota, as in a drain.  It is asked for all
 * that is leased: a slab with nothing in it needs no move, but which those
 * are is the VM's to know, so this errs on the side of too little room.  What
 * VMs of a dead host have stays: no pager moves it.
 *
 * Pure: nothing is changed by asking.
 */
#ifndef ARBITER_WHATIF_H
#define ARBITER_WHATIF_H

#include "arbiter/hosts.h"
#include "arbiter/placement.h"

/* Why a VM's word for what has no other copy does not count. */
typedef enum WhatifDoubt {
    WHATIF_SURE,                /* it does */
    WHATIF_UNKNOWN,             /* its host does not report it */
    WHATIF_NOT_CONNECTED,       /* its host is not */
    WHATIF_OLD,                 /* its host or its pager is silent */
    WHATIF_NO_PAGER,            /* what there is, is the last pager's word */
    WHATIF_COPY_SILENT,         /* it counts on another provider, which is */
                                /* not heard, */
    WHATIF_COPY_UNLISTED,       /* or does not list the lease */
} WhatifDoubt;

typedef struct WhatifVm {
    uint8_t uuid[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    char host[RCACHE_NAME_MAX]; /* which runs it */
    uint64_t leased;            /* bytes on the host in question */
    uint64_t stored;            /* of its pages, there */
    uint64_t sole;              /* of those, with no other live copy: it */
                                /* waits for them */
    unsigned copies;            /* of a page that it wants; 0: not known */
    uint64_t one_copy;          /* of its pages, wherever: with one live copy */
                                /* or none */
    uint64_t repairing;         /* the same: still to be copied */
    uint64_t age_ms;            /* of what its host says */
    WhatifDoubt doubt;          /* if any, .sole is all of .stored */
    char other[RCACHE_NAME_MAX];        /* the provider in question */
    uint64_t lost;              /* of its pages, gone from there already */
    char elsewhere[RCACHE_NAME_MAX];    /* where it runs now, if .host died */
                                /* and some of .leased is nobody's; or "" */
    uint64_t guest;             /* its memory; 0: not known */
    uint64_t placed;            /* of .leased, there is room elsewhere for */
    char text[192];             /* why that is less, or "" */
} WhatifVm;

typedef struct Whatif {
    GArray *vms;                /* of WhatifVm, the largest first */
    GPtrArray *runs;            /* names of the VMs that run there; the hosts'
                                 * own texts */
    uint64_t leased, stored, sole, repairing, placed, lost; /* their sums */
    uint64_t slabs;             /* that would have to move */
} Whatif;

/**
 * whatif_init() - ask
 * @host: one of @hosts
 * @views: of all hosts, at Host.index, of no VM; changed
 * @seed: for the choice
 */
void whatif_init(Whatif *whatif, const Hosts *hosts, const Host *host,
                 PlacementHost *views, const PlacementConfig *config,
                 uint64_t seed, uint64_t now);
void whatif_deinit(Whatif *whatif);

/**
 * whatif_drain_seconds() - about how long a drain would take
 * @bytes_per_second: of drains that were seen; 0: none was
 * @moves_per_minute: that are allowed; 0: any number
 * @moves_left: of them, at once
 *
 * Return: seconds, or a negative number: nothing is known
 */
double whatif_drain_seconds(const Whatif *whatif, double bytes_per_second,
                            unsigned moves_per_minute, uint64_t moves_left);

#endif
