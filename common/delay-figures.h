/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delay-figures: what VMs wait for, in the words and fields that the host's
 * admin socket and the arbiter's have in common.  Pure.
 */
#ifndef RCACHE_DELAY_FIGURES_H
#define RCACHE_DELAY_FIGURES_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "common/delay-buckets.h"
#include "common/verdict.h"
#include "rcache/vmm.h"

/* A share of the last minute is one of so much at least: a pager that has just
 * been started is no cause for alarm. */
#define DELAY_RECENT_MIN_NS     UINT64_C(10000000000)

/* What status warns of by default, in percent. */
#define DELAY_STALLED_WARN      "10"

/** delay_phase() - the name of an enum RcachePhase */
const char *delay_phase(unsigned phase);

/**
 * delay_stalled() - how much of the last minute the VM's vCPUs have waited
 *
 * Threads that are no vCPUs count as well, and what a vCPU waits for while it
 * does something else, so that it may be more than all.
 *
 * Return: percent of their time; below 0: it is not known how many there are
 */
double delay_stalled(const struct RcacheVmmDelays *delays);

/**
 * delay_slowest() - the phase that most of the last minute's waits were in
 *
 * Return: an enum RcachePhase; -1: nothing was waited for
 */
int delay_slowest(const struct RcacheVmmDelays *delays);

/**
 * delay_set() - "vcpus", "vcpu_wait_seconds", "stalled_percent",
 * "slowest_phase" and "delays" of a VM
 * @d: NULL: nothing is known, each is null
 * @all: with "delays", which is long; else that is null
 */
void delay_set(JsonObject *o, const struct RcacheVmmDelays *d, bool all);

/**
 * delay_judge() - put a VM that stalls too much into a verdict
 * @vm: the VM as the reader is to find it: "web", "web on a"
 * @warn: percent; 0: never
 */
void delay_judge(const struct RcacheVmmDelays *delays, const char *vm,
                 unsigned warn, Verdict *verdict);

#endif
