/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report: figures ten times a second, for the VMM and rcached.
 */
#ifndef PAGER_REPORT_H
#define PAGER_REPORT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/histogram.h"
#include "rcache/vmm.h"

typedef struct Pager Pager;

/**
 * struct Report - what is counted
 * @counts: in the state memfd, so that they outlive a pager; each is moved by
 *          who does what it counts
 * @fault_ns: how long guests waited for remote pages; fetch.c
 * @network_ns: how long providers took to answer a GET; fetch.c
 * @read_ahead: pages that came and that no guest had asked for; fetch.c
 * @read_ahead_used: of these, by whole windows, those that it came to
 * @read_ahead_wasted: and those that it did not come to
 * @stats_at: ns, send figures to the VMM
 * @delays_at: ns, send it what its guest waits for, and how it is shrunk
 * @waiting: an event said that a fault has waited long
 */
typedef struct Report {
    struct RcacheCounts *counts;
    Histogram fault_ns;
    Histogram network_ns;
    uint64_t read_ahead;
    uint64_t read_ahead_used;
    uint64_t read_ahead_wasted;
    uint64_t stats_at;
    uint64_t delays_at;
    bool waiting;
} Report;

/** report_stats() - the figures as they are now */
void report_stats(Pager *p, struct RcacheVmmStats *stats, uint64_t now);

/** report_delays() - what the guest waits for, as it is now */
void report_delays(Pager *p, struct RcacheVmmDelays *delays, uint64_t now);

/** report_proactive() - how far the guest is shrunk, and why no further */
void report_proactive(const Pager *p, struct RcacheVmmProactive *out);

/** report_tick() - send figures to the VMM if it is time; true: it was */
bool report_tick(Pager *p, uint64_t now);

#endif
