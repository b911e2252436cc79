/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proactive: the guest is shrunk below local_max for as long as it does not
 * feel it.
 *
 * senpai.c decides; here is what it decides by, and whether the VM is shrunk at
 * all: as its VMM says, else as rcached is configured.  evict.c evicts what is
 * owed, lease-demand.c leases room for it, takeover.c takes RAM under
 * management for it.
 */
#ifndef PAGER_PROACTIVE_H
#define PAGER_PROACTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager-config.h"
#include "rcached/pager/clock.h"
#include "rcached/pager/senpai.h"

typedef struct Pager Pager;

/**
 * struct Proactive - whether and how far
 * @senpai: the loop; evict.c, lease-demand.c and report.c read what is owed,
 *          and evict.c counts down what may be sampled
 * @config: what holds
 * @target: as configured, for a VMM that does not say
 * @on: the same
 * @share: of local_max that stays, in hundredths of a percent
 * @nr_long: waits that size does not explain, so far
 * @marked_at: ns, when the hands were looked at last
 * @mark: where the front hand was then, in words since it began
 * @aged: and where at the look before: up to there pages have been let alone
 *        for an interval, or for two
 */
typedef struct Proactive {
    Senpai senpai;
    SenpaiConfig config;
    uint32_t target;
    bool on;
    unsigned share;
    uint64_t nr_long;
    uint64_t marked_at;
    uint64_t mark, aged;
} Proactive;

/** proactive_init() - as rcached is configured */
void proactive_init(Proactive *proactive, const PagerConfig *config);

/** proactive_want() - what the VMM says; holds from now on */
void proactive_want(Pager *p, const struct RcacheVmmWantProactive *msg);

/**
 * proactive_works() - is the VM to be shrunk, and can that be?
 * @vcpus: 0: not known
 */
static inline bool proactive_works(const Proactive *proactive, uint32_t vcpus)
{
    return proactive->config.on && vcpus;
}

/** proactive_owed() - pages that are to go, without those that have gone since
 * the last look */
static inline uint64_t proactive_owed(const Proactive *proactive,
                                      const struct RcacheCounts *counts)
{
    const Senpai *s = &proactive->senpai;
    uint64_t gone = counts->evicted + counts->zero_evicted - s->old.freed;

    return s->owed > gone ? s->owed - gone : 0;
}

/**
 * proactive_may_sweep() - may the back hand go on for what is owed?
 *
 * When nothing presses pages have time to be touched before they go.
 */
static inline bool proactive_may_sweep(const Proactive *proactive,
                                       const Clock *clock)
{
    return clock->swept < proactive->aged;
}

/** proactive_tick() - what is owed from now on */
void proactive_tick(Pager *p, uint64_t now);

#endif
