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
    *figures = (VmFigures) {
        .held = held, .owed_since = figures->owed_since,
    };
}

static VmBuild build_of(const struct LinkHello *hello)
{
    static const uint8_t none[BUILD_ID_LEN];
    uint8_t own[BUILD_ID_LEN];

    if (!build_id_read(own) || !memcmp(hello->build, none, sizeof(none)) ||
        !memcmp(hello->build, own, sizeof(own))) {
        return VM_BUILD_OWN;
    }
    return hello->vmm_version == RCACHE_VMM_VERSION &&
           hello->state_version == RCACHE_STATE_VERSION
               ? VM_BUILD_OTHER : VM_BUILD_STRANGE;
}

void vm_figures_hello(VmFigures *figures, const struct LinkHello *hello)
{
    figures->build = build_of(hello);
    figures->seal = hello->seal;
}

void vm_figures_detach(VmFigures *figures)
{
    figures->attached = figures->leaving = false;
}

void vm_figures_owed(VmFigures *figures, int64_t now)
{
    figures->owed_since = now;
}

void vm_figures_end(VmFigures *figures)
{
    vm_figures_detach(figures);
    figures->owed_since = 0;
}

void vm_figures_heard(VmFigures *figures, int64_t now)
{
    if (figures->owed_since) {
        figures->owed_since = now;
    }
}

void vm_figures_pause(VmFigures *figures, int64_t us)
{
    if (figures->owed_since) {
        figures->owed_since += us;
    }
}

uint64_t vm_figures_age_ms(const VmFigures *figures, int64_t now)
{
    int64_t since = figures->owed_since;

    return since && now > since ? (now - since) / 1000 : 0;
}

bool vm_figures_stuck(const VmFigures *figures, int64_t now)
{
    return vm_figures_age_ms(figures, now) >= RCACHE_FIGURES_MAX_MS;
}

/* The next @size bytes behind the leases; false: there are no so many. */
static bool take(const struct LinkStats *msg, const char **more, void *out,
                 size_t size)
{
    if ((size_t)(*more - (const char *)msg) + size > msg->hdr.size) {
        return false;
    }
    memcpy(out, *more, size);
    *more += size;
    return true;
}

/* What follows the leases; not of a pager of every build. */
static void take_more(VmFigures *figures, const struct LinkStats *msg)
{
    const char *more = (const char *)&msg->held[msg->nr_held];

    if (!take(msg, &more, &figures->ahead, sizeof(figures->ahead))) {
        figures->ahead = (struct LinkAhead) { 0 };
    }
    figures->has_delays = take(msg, &more, &figures->delays,
                               sizeof(figures->delays));
    figures->has_holds = figures->has_delays &&
                         take(msg, &more, &figures->holds,
                              sizeof(figures->holds));
}

void vm_figures_stats(VmFigures *figures, const struct LinkStats *msg,
                      int64_t now)
{
    vm_figures_heard(figures, now);
    figures->stats = msg->stats;
    figures->has_stats = true;
    figures->attached = msg->attached == LINK_ATTACHED;
    figures->leaving = msg->attached == LINK_LEAVING;
    g_array_set_size(figures->held, 0);
    g_array_append_vals(figures->held, msg->held, msg->nr_held);
    take_more(figures, msg);
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
