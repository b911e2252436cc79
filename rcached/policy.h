/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy: what this host does about its memory: what it offers, what it asks
 * back, what its VMs with local-max=auto may have, and how much of those that
 * are held may come home.
 *
 * policy_run() looks at the memory, decides and acts.  It is called at a
 * steady rate, when memory gets tight, and when an operator drains the host;
 * nothing else acts.  What it found and decided stays in a HostState that
 * heartbeats and the admin socket read: asking, however often, changes
 * nothing.  Figures of the provider itself (leases, what is stored) are not in
 * it: whoever shows them takes a snapshot, which has no effect either.
 */
#ifndef RCACHED_POLICY_H
#define RCACHED_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/agent/memory.h"
#include "rcached/agent/predict.h"
#include "rcached/agent/qmp-folder.h"
#include "rcached/granter.h"
#include "rcached/options.h"
#include "rcached/provider/provider.h"
#include "rcached/rundir.h"
#include "rcached/vms.h"

typedef struct Policy Policy;

/* Of the last run.  Bytes, but where said. */
typedef struct HostState {
    uint64_t runs;              /* so far, a count */
    MemorySample sample;
    bool sampled;               /* the memory could be read */
    PredictOutput prediction;   /* with what is offered */
    uint64_t reserve;
    uint64_t leased;
    uint64_t spilled;           /* of it: in the spill file, not in memory */
    bool lends;                 /* it may, or still has lent some */
    uint64_t own;               /* that VMs here have on this host's disk */
    uint64_t asked;             /* asked back and still leased */
    uint64_t budget;            /* of the VMs with local-max=auto, smoothed */
    uint64_t hold_lacking;      /* away, of VMs that are held: no room */
    bool draining;              /* an operator wants this host empty */
    bool stopping;              /* the same, since this daemon ends */
} HostState;

/* All of it must outlive the policy. */
typedef struct PolicyConfig {
    const Options *options;
    MemorySource *memory;
    Provider *provider;         /* or NULL: this host lends nothing */
    Granter *granter;           /* NULL with it */
    Vms *vms;
    QmpFolder *qmp;             /* or NULL */
    RunDir *dir;
} PolicyConfig;

/** policy_new() - run once, with the drain of an earlier daemon resumed */
Policy *policy_new(const PolicyConfig *config);
void policy_free(Policy *policy);

/**
 * policy_run() - look at this moment, decide and act
 * @now: g_get_monotonic_time()
 */
void policy_run(Policy *policy, int64_t now);

/** policy_state() - of the last run; the policy's own */
const HostState *policy_state(const Policy *policy);

/** policy_drain() - lend nothing more and ask everything back, or no longer;
 * remembered until this host is booted; runs at once */
void policy_drain(Policy *policy, bool draining);

/**
 * policy_hold() - hold a VM, or end that (vm_hold()); runs at once
 *
 * Return: false with @errp set: nothing has changed
 */
bool policy_hold(Policy *policy, const Vm *vm, bool held, GError **errp);

/** policy_stop() - the same, but for this daemon only, since it ends */
void policy_stop(Policy *policy, bool stopping);

/** host_state_leaves() - is all that is lent to leave this host? */
static inline bool host_state_leaves(const HostState *state)
{
    return state->draining || state->stopping;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Policy, policy_free)

#endif
