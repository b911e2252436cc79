/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rcached: the daemon as one object, and all of its parts.
 *
 * Parts do not know each other: they call back here.  Everything runs on
 * GLib's main loop, but for the provider's thread and the granter's.
 */
#ifndef RCACHED_RCACHED_H
#define RCACHED_RCACHED_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/agent/arbiter-client.h"
#include "rcached/agent/divide.h"
#include "rcached/agent/memory.h"
#include "rcached/agent/memory-watch.h"
#include "rcached/agent/predict.h"
#include "rcached/agent/pressure.h"
#include "rcached/agent/qmp.h"
#include "rcached/evicts.h"
#include "rcached/granter.h"
#include "rcached/link-server.h"
#include "rcached/options.h"
#include "rcached/provider/provider.h"
#include "rcached/rundir.h"
#include "rcached/vms.h"

typedef struct HostAdmin HostAdmin;

typedef struct Rcached {
    const Options *options;
    uint8_t boot_id[RCACHE_UUID_LEN];
    RunDir *dir;
    Vms *vms;
    LinkServer *links;
    Provider *provider;         /* NULL on a host that lends nothing */
    Granter *granter;           /* NULL with it */
    MemorySource *memory;
    Predict *predict;
    MemoryWatch *watch;         /* or NULL */
    QmpFolder *qmp;             /* or NULL */
    ArbiterClients *arbiters;
    Evicts *evicts;
    HostAdmin *admin;
    guint tick;

    /* The last sample, and what came of it. */
    MemorySample sample;
    bool sampled;               /* it could be read */
    PredictOutput prediction;
    uint64_t reserve;
    uint64_t leased;
    uint64_t spilled;           /* of it: in the spill file, not in memory */
    int64_t leased_changed;     /* g_get_monotonic_time() */
    Pressure pressure;
    Divide divide;
    uint64_t budget;            /* of the VMs in it, smoothed */
    unsigned nr_divided;
    bool draining;              /* an operator wants it empty */
    uint64_t keep;              /* bytes that may stay leased, in memory */
    uint64_t foreseen;          /* the same, as far as growth asks for it */
    uint64_t asked;             /* bytes asked back and still leased */
} Rcached;

/**
 * rcached_new() - start everything
 * @options: must outlive it
 *
 * Return: the daemon, or NULL with @errp set
 */
Rcached *rcached_new(const Options *options, GError **errp);

/** rcached_drain() - lend nothing more and ask everything back, or no longer */
void rcached_drain(Rcached *r, bool draining);

/** rcached_resume_drain() - as an earlier daemon was told; at start */
void rcached_resume_drain(Rcached *r);

/** rcached_told_to_drain() - the same, by an arbiter; @opaque: the Rcached */
void rcached_told_to_drain(bool draining, void *opaque);

/** rcached_told_to_evict() - an arbiter says so; @opaque: the Rcached */
void rcached_told_to_evict(ArbiterAsked *request, const WireEvict *evict,
                           void *opaque);

/** rcached_give_back() - ask back what the last sample says is short;
 * @lent: what the provider has */
void rcached_give_back(Rcached *r, const ProviderSnapshot *lent);

/** rcached_divide() - say how much memory the VMs with local-max=auto may
 * take, by the last sample */
void rcached_divide(Rcached *r);

/** rcached_free() - stop; pagers stay, and socket files go */
void rcached_free(Rcached *r);

/**
 * rcached_sample() - look at the memory now, predict, and tell the provider
 * @lent: what the provider has, for provider_snapshot_clear(); empty if it
 *        lends nothing
 */
void rcached_sample(Rcached *r, ProviderSnapshot *lent);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rcached, rcached_free)

#endif
