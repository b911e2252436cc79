/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * market: the VMs that want memory, and who lends it to them.  It goes
 * through the arbiter's own placement and leases: a request is placed, its
 * grants are asked for, confirmed, replied, and listed by the next heartbeat.
 */
#ifndef SIM_MARKET_H
#define SIM_MARKET_H

#include "load.h"
#include "world.h"

typedef struct Market Market;

typedef struct MarketStats {
    uint64_t placements;        /* requests placed */
    double placing;             /* seconds of this thread that they took */
    double fairness;            /* Jain's index of granted/asked per VM */
    double asked;               /* bytes, by all VMs */
} MarketStats;

/**
 * market_new() - VMs for a cluster
 * @world: what it lends from; not owned
 * @memory: bytes, of all hosts
 */
Market *market_new(const Load *load, World *world, double memory,
                   uint64_t seed);
void market_free(Market *market);

/**
 * market_host() - a host's heartbeat
 * @offered: bytes
 */
void market_host(Market *market, unsigned i, bool up, uint64_t offered);

/** market_take() - @slabs of the leases on this host have to go elsewhere */
void market_take(Market *market, unsigned i, unsigned slabs, double now);

/** market_requests() - VMs that are short ask; @now in seconds */
void market_requests(Market *market, double now);

/** market_count() - fairness is measured from here */
void market_count(Market *market, double now);

/** market_fairness() - Jain's index of granted/asked per VM, at this moment */
double market_fairness(const Market *market);

void market_stats(Market *market, double now, MarketStats *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Market, market_free)

#endif
