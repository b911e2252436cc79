/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-figures: what the pager of one VM has said of it, and when.
 *
 * A pager reports once a second.  One that is alive but does nothing (stopped,
 * spinning) is told by the age of its figures; the guest stands still then at
 * the next page that is not here.
 *
 * It is part of a Vm.  Everybody reads it; only the functions below write, and
 * only vms.c calls them.  Figures outlive the pager that sent them, as the
 * last that is known; those of another incarnation are cleared.
 */
#ifndef RCACHED_VM_FIGURES_H
#define RCACHED_VM_FIGURES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/link.h"

/* Of which build the pager is, seen from this daemon's. */
typedef enum VmBuild {
    VM_BUILD_OWN,               /* or not known */
    VM_BUILD_OTHER,             /* one of this build could take its place, */
    VM_BUILD_STRANGE            /* or not: it shares another layout of memory
                                 * with QEMU */
} VmBuild;

typedef struct VmFigures {
    VmBuild build;
    uint32_t seal;              /* enum LinkSeal */
    bool has_stats;             /* the next three hold */
    bool attached;              /* the guest runs with its pager */
    bool leaving;               /* the pager only gives leases back */
    struct RcacheVmmStats stats;
    GArray *held;               /* of struct LinkHeld */
    struct LinkAhead ahead;     /* zero: not said */
    bool has_delays;            /* the pager knows the next */
    struct RcacheVmmDelays delays;
    bool has_holds;             /* the pager knows the next */
    struct LinkHolds holds;
    bool has_balloon;
    struct RcacheVmmBalloon balloon;
    int64_t balloon_at;         /* g_get_monotonic_time() */
    uint64_t auto_least;        /* bytes; 0: its local-max is not for us */
    int64_t owed_since;         /* the last report, or the pager's start, as
                                 * g_get_monotonic_time(); 0: no pager */
} VmFigures;

void vm_figures_init(VmFigures *figures);
void vm_figures_deinit(VmFigures *figures);

/** vm_figures_clear() - they are of another start of the VM: there are none */
void vm_figures_clear(VmFigures *figures);

/** vm_figures_hello() - who the pager is, and whether it seals pages */
void vm_figures_hello(VmFigures *figures, const struct LinkHello *hello);

/** vm_figures_detach() - there is no pager that serves the guest */
void vm_figures_detach(VmFigures *figures);

/** vm_figures_owed() - there is a pager, which owes a report from @now on */
void vm_figures_owed(VmFigures *figures, int64_t now);

/** vm_figures_end() - the pager is dead: nobody owes anything */
void vm_figures_end(VmFigures *figures);

/** vm_figures_heard() - the pager lives, even if it has said no figures */
void vm_figures_heard(VmFigures *figures, int64_t now);

/** vm_figures_pause() - for @us nobody could have heard anything */
void vm_figures_pause(VmFigures *figures, int64_t us);

/** vm_figures_age_ms() - of the last report; 0 if there is no pager */
uint64_t vm_figures_age_ms(const VmFigures *figures, int64_t now);

/** vm_figures_stuck() - the pager is there, and has been silent too long */
bool vm_figures_stuck(const VmFigures *figures, int64_t now);

/** vm_figures_stats() - a pager's report; its texts are clean */
void vm_figures_stats(VmFigures *figures, const struct LinkStats *msg,
                      int64_t now);

/** vm_figures_balloon() - the guest's; @now: g_get_monotonic_time() */
void vm_figures_balloon(VmFigures *figures, const struct LinkBalloon *msg,
                        int64_t now);

/** vm_figures_automatic() - how little the VM can do with; 0: as it says */
void vm_figures_automatic(VmFigures *figures, uint64_t least);

#endif
