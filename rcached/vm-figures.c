/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm-figures: what a VM's pager has said.  See vm-figures.h. */
#include "rcached/vm-figures.h"

#include <string.h>

void vm_figures_init(VmFigures *figures)
{
    *figures = (VmFigures) {
        .held = g_array_new(FALSE, FALSE, sizeof(struct LinkHeld)),
    };
}

void vm_figures_deinit(VmFigures *figures)
{
    g_array_unref(figures->held);
}

void vm_figures_clear(VmFigures *figures)
{
    GArray *held = figures->held;

    g_array_set_size(held, 0);
    *figures = (VmFigures) { .held = held };
}

void vm_figures_detach(VmFigures *figures)
{
    figures->attached = false;
}

void vm_figures_stats(VmFigures *figures, const struct LinkStats *msg)
{
    figures->stats = msg->stats;
    figures->has_stats = true;
    figures->attached = msg->attached;
    g_array_set_size(figures->held, 0);
    g_array_append_vals(figures->held, msg->held, msg->nr_held);
}

void vm_figures_balloon(VmFigures *figures, const struct LinkBalloon *msg,
                        int64_t now)
{
    /* A repeated report is not a new one. */
    if (!figures->has_balloon ||
        figures->balloon.last_update != msg->balloon.last_update) {
        figures->balloon_at = now;
    }
    figures->balloon = msg->balloon;
    figures->has_balloon = true;
}

void vm_figures_automatic(VmFigures *figures, uint64_t least)
{
    figures->auto_least = least;
}
