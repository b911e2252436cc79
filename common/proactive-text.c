/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proactive-text: see proactive-text.h. */
#include "common/proactive-text.h"

#include <glib.h>

#include "rcache/vmm.h"

/* What is called "near the target", in percent of it. */
#define NEAR_PERCENT    75u

static const struct {
    const char *name;           /* for programs */
    const char *words;
} states[RCACHE_PROACTIVE_NR_STATES] = {
    [RCACHE_PROACTIVE_OFF] = { "off", "off" },
    [RCACHE_PROACTIVE_NO_CPUS] = {
        "no-vcpus", "the VMM does not say how many vCPUs there are, so that "
                    "what they wait is no share of anything: nothing is done" },
    [RCACHE_PROACTIVE_WAITING] = {
        "waiting", "waits until all pages are known and no command is under "
                   "way" },
    [RCACHE_PROACTIVE_RESTING] = { "resting", "resting" },
    [RCACHE_PROACTIVE_SHRINKING] = { "shrinking", "shrinking" },
    [RCACHE_PROACTIVE_NEAR] = { "near-target", "stays as it is" },
    [RCACHE_PROACTIVE_GROWING] = { "growing", "growing" },
    [RCACHE_PROACTIVE_BACK] = {
        "came-back", "what went came back: stays as it is" },
    [RCACHE_PROACTIVE_HELD] = {
        "held", "a page is waited for longer than memory explains (is a "
                "provider away?): holds" },
    [RCACHE_PROACTIVE_FLOOR] = {
        "at-minimum", "at proactive-min: stays as it is" },
    [RCACHE_PROACTIVE_NO_ROOM] = {
        "no-room", "no other host has room: stays as it is" },
    [RCACHE_PROACTIVE_AT_RATE] = {
        "at-rate", "shrinking, as fast as proactive-rate allows" },
};

const char *proactive_name(uint32_t state)
{
    return state < RCACHE_PROACTIVE_NR_STATES ? states[state].name : "unknown";
}

void proactive_text(uint32_t state, uint32_t stall, uint32_t target,
                    char *text, size_t size)
{
    const char *words = state < RCACHE_PROACTIVE_NR_STATES
                            ? states[state].words : "?";
    const char *how = stall > target ? "over"
                      : (uint64_t)stall * 100 >= (uint64_t)target * NEAR_PERCENT
                            ? "near" : "under";

    if (state == RCACHE_PROACTIVE_OFF || state == RCACHE_PROACTIVE_NO_CPUS ||
        state == RCACHE_PROACTIVE_WAITING) {
        g_strlcpy(text, words, size);
        return;
    }
    g_snprintf(text, size, "stall %.2f %% %s the target of %.2f %%: %s",
               stall / 1e4, how, target / 1e4, words);
}
