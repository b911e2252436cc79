/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delay-figures: see delay-figures.h. */
#include "common/delay-figures.h"

#include "common/json-set.h"

static const struct {
    const char *name;
    const char *advice;
} phases[RCACHE_NR_PHASES] = {
    [RCACHE_PHASE_READ] = {
        "read", "this host's processors are busy" },
    [RCACHE_PHASE_QUEUE] = {
        "queue", "it waits until cold pages have gone, or until its provider "
                 "can be asked" },
    [RCACHE_PHASE_SEND] = {
        "send", "this host's processors or its network are busy" },
    [RCACHE_PHASE_NETWORK] = {
        "network", "look at the network, and at the hosts that lend to it" },
    [RCACHE_PHASE_PROVIDER] = {
        "provider", "look at the hosts that lend to it" },
    [RCACHE_PHASE_RECEIVE] = {
        "receive", "look at the network, and at this host's processors" },
    [RCACHE_PHASE_CHECK] = {
        "check", "this host's processors are busy" },
    [RCACHE_PHASE_INSTALL] = {
        "install", "this host's processors or its memory are busy" },
};

const char *delay_phase(unsigned phase)
{
    return phase < RCACHE_NR_PHASES ? phases[phase].name : "?";
}

double delay_stalled(const struct RcacheVmmDelays *d)
{
    uint64_t recent = MAX(d->recent, DELAY_RECENT_MIN_NS);

    return d->vcpus ? 100.0 * d->waited_recent / recent / d->vcpus : -1;
}

int delay_slowest(const struct RcacheVmmDelays *d)
{
    int slowest = -1;

    for (int i = 0; i < (int)RCACHE_NR_PHASES; i++) {
        if (d->phase[i].recent > (slowest < 0 ? 0
                                  : d->phase[slowest].recent)) {
            slowest = i;
        }
    }
    return slowest;
}

/* ------------------------------------------------------------------- JSON */

static JsonObject *one_json(const struct RcacheDelay *delay)
{
    JsonObject *o = json_object_new();
    JsonArray *counts = json_array_new();

    json_set_seconds(o, "total_seconds", delay->total / 1e9);
    json_set_seconds(o, "recent_seconds", delay->recent / 1e9);
    for (unsigned i = 0; i < RCACHE_DELAY_BUCKETS; i++) {
        json_array_add_int_element(counts, MIN(delay->bucket[i],
                                               (uint64_t)INT64_MAX));
    }
    json_object_set_array_member(o, "counts", counts);
    return o;
}

static JsonObject *delays_json(const struct RcacheVmmDelays *d)
{
    JsonObject *o = json_object_new();
    JsonArray *most = json_array_new(), *list = json_array_new();

    json_set_seconds(o, "recent_seconds", d->recent / 1e9);
    json_set_int(o, "recent_faults", d->faults_recent);
    for (unsigned i = 0; i + 1 < RCACHE_DELAY_BUCKETS; i++) {
        json_array_add_double_element(most, delay_edge(i) / 1e9);
    }
    json_object_set_array_member(o, "le_seconds", most);
    json_object_set_object_member(o, "whole", one_json(&d->whole));
    for (unsigned i = 0; i < RCACHE_NR_PHASES; i++) {
        JsonObject *phase = one_json(&d->phase[i]);

        json_object_set_string_member(phase, "phase", phases[i].name);
        json_array_add_object_element(list, phase);
    }
    json_object_set_array_member(o, "phases", list);
    return o;
}

void delay_set(JsonObject *o, const struct RcacheVmmDelays *d, bool all)
{
    int slowest = d ? delay_slowest(d) : -1;

    json_object_set_null_member(o, "vcpus");
    json_object_set_null_member(o, "vcpu_wait_seconds");
    json_object_set_null_member(o, "stalled_percent");
    json_set_text(o, "slowest_phase", slowest < 0 ? NULL
                                      : phases[slowest].name);
    json_object_set_null_member(o, "delays");
    if (!d) {
        return;
    }
    if (d->vcpus) {
        json_set_int(o, "vcpus", d->vcpus);
        json_object_set_double_member(o, "stalled_percent", delay_stalled(d));
    }
    json_set_seconds(o, "vcpu_wait_seconds", d->waited / 1e9);
    if (all) {
        json_object_set_object_member(o, "delays", delays_json(d));
    }
}

/* ---------------------------------------------------------------- verdict */

/* "87 % of it in the phase network, 4.2 ms a page: look at ..." */
static char *why_text(const struct RcacheVmmDelays *d)
{
    int slowest = delay_slowest(d);
    double all = d->whole.recent, ns;

    if (slowest < 0 || !d->faults_recent) {
        return g_strdup("no page has come in that time");
    }
    ns = d->phase[slowest].recent;
    return g_strdup_printf("%.0f %% of that in the phase %s, %.2f ms a page: "
                           "%s", all > 0 ? MIN(100 * ns / all, 100) : 100,
                           phases[slowest].name,
                           ns / d->faults_recent / 1e6,
                           phases[slowest].advice);
}

void delay_judge(const struct RcacheVmmDelays *d, const char *vm,
                 unsigned warn, Verdict *verdict)
{
    double stalled = d ? delay_stalled(d) : -1;
    g_autofree char *why = NULL;

    if (!warn || stalled <= warn) {
        return;
    }
    why = why_text(d);
    verdict_add(verdict, VERDICT_DEGRADED, "vm %s: its vCPUs have waited for "
                "pages that were away in %.0f %% of the last minute, %s; or "
                "raise its local-max", vm, stalled, why);
}
