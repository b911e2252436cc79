/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-figures: what the pager of one VM has said of it, and when.
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

typedef struct VmFigures {
    bool has_stats;             /* the next three hold */
    bool attached;              /* the guest runs with its pager */
    struct RcacheVmmStats stats;
    GArray *held;               /* of struct LinkHeld */
    bool has_balloon;
    struct RcacheVmmBalloon balloon;
    int64_t balloon_at;         /* g_get_monotonic_time() */
    uint64_t auto_least;        /* bytes; 0: its local-max is not for us */
} VmFigures;

void vm_figures_init(VmFigures *figures);
void vm_figures_deinit(VmFigures *figures);

/** vm_figures_clear() - they are of another start of the VM: there are none */
void vm_figures_clear(VmFigures *figures);

/** vm_figures_detach() - there is no pager that serves the guest */
void vm_figures_detach(VmFigures *figures);

/** vm_figures_stats() - a pager's report; its texts are clean */
void vm_figures_stats(VmFigures *figures, const struct LinkStats *msg);

/** vm_figures_balloon() - the guest's; @now: g_get_monotonic_time() */
void vm_figures_balloon(VmFigures *figures, const struct LinkBalloon *msg,
                        int64_t now);

/** vm_figures_automatic() - how little the VM can do with; 0: as it says */
void vm_figures_automatic(VmFigures *figures, uint64_t least);

#endif
