/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster: what each simulated host needs of its own memory.
 *
 * A host has its own processes and guests.  A guest uses what it uses at
 * rest, a daily wave, and at times a burst or a spike that all guests of its
 * tenant feel; it gets there at a limited rate.  One that reports free pages
 * has resident what it uses; another keeps resident all that it has ever
 * touched.  Guests come, go, and are started elsewhere when their host fails.
 *
 * Time goes in beats.  Everything follows from the load and the seed.
 */
#ifndef SIM_CLUSTER_H
#define SIM_CLUSTER_H

#include <stdbool.h>

#include "load.h"
#include "rcached/agent/predict.h"

#define CLUSTER_GUESTS  64u     /* of one host */

typedef struct Cluster Cluster;

/* A host at this beat. */
typedef struct ClusterHost {
    uint64_t total;             /* bytes */
    uint64_t demand;            /* bytes in use, lent memory aside */
    unsigned rack;
    bool up;
} ClusterHost;

Cluster *cluster_new(const Load *load, unsigned nr_hosts, double beat,
                     uint64_t seed);
void cluster_free(Cluster *cluster);

/** cluster_beat() - go on to the next beat; then cluster_host() for each */
void cluster_beat(Cluster *cluster);

/**
 * cluster_host() - a host at this beat; call it once a beat
 * @guests: CLUSTER_GUESTS of them; what rcached would know
 * @nr_guests: how many that is
 */
ClusterHost cluster_host(Cluster *cluster, unsigned i, PredictGuest *guests,
                         unsigned *nr_guests);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cluster, cluster_free)

#endif
