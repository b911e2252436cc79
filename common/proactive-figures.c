/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proactive-figures: see proactive-figures.h. */
#include "common/proactive-figures.h"

#include "common/json-set.h"
#include "common/proactive-text.h"
#include "rcache/vmm.h"

#define TEXT_SIZE       128u

/* What the VM's pager says; OFF too if it says nothing. */
static uint32_t state_of(const WireBeatGuest *g)
{
    return g->proactive ? g->proactive - 1 : RCACHE_PROACTIVE_OFF;
}

void proactive_set(JsonObject *o, const WireBeatGuest *g)
{
    uint32_t state = state_of(g);
    char text[TEXT_SIZE];

    json_set_text(o, "proactive", g->proactive ? proactive_name(state)
                                              : NULL);
    json_object_set_null_member(o, "proactive_limit_bytes");
    json_object_set_null_member(o, "proactive_stall_percent");
    json_object_set_null_member(o, "stall_target_percent");
    json_object_set_null_member(o, "proactive_why");
    if (state == RCACHE_PROACTIVE_OFF) {
        return;
    }
    proactive_text(state, g->proactive_stall, g->stall_target, text,
                   sizeof(text));
    json_set_int(o, "proactive_limit_bytes", g->proactive_limit);
    json_object_set_double_member(o, "proactive_stall_percent",
                                  g->proactive_stall / 1e4);
    json_object_set_double_member(o, "stall_target_percent",
                                  g->stall_target / 1e4);
    json_set_text(o, "proactive_why", text);
}

void proactive_note(const WireBeatGuest *g, const char *vm, Verdict *verdict)
{
    uint32_t state = state_of(g);
    char text[TEXT_SIZE], size[32];

    proactive_text(state, g->proactive_stall, g->stall_target, text,
                   sizeof(text));
    if (state == RCACHE_PROACTIVE_NO_CPUS) {
        verdict_add(verdict, VERDICT_NOTE, "vm %s: proactive mode does "
                    "nothing: %s", vm, text);
    } else if (state != RCACHE_PROACTIVE_OFF) {
        verdict_add(verdict, VERDICT_NOTE, "vm %s: proactive mode wants %s of "
                    "it here: %s", vm, verdict_size(g->proactive_limit, size),
                    text);
    }
}
