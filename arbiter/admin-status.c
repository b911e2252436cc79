/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-status: see admin-status.h. */
#include "arbiter/admin-status.h"

#include "arbiter/admin-json.h"
#include "arbiter/arbiter.h"
#include "arbiter/elsewhere.h"
#include "arbiter/status.h"
#include "arbiter/views.h"
#include "common/admin-call.h"
#include "common/json-set.h"
#include "common/saturate.h"
#include "common/wire-beat.h"

typedef struct Sums {
    unsigned states[HOST_STATE_MAX_];
    unsigned vms, leases;
    uint64_t offered, leased, pending, free, stored, spilled;
    uint64_t guest, resident, remote, zero, one_copy, repairing;
} Sums;

/* A VM that was there when the host died, and runs elsewhere, counts once. */
static void sum_guests(Sums *sums, const Host *host,
                       const Elsewhere *elsewhere)
{
    for (guint i = 0; i < host->guests->len; i++) {
        const WireBeatGuest *g = &g_array_index(host->guests, WireBeatGuest,
                                                i);

        if (elsewhere_host(elsewhere, host->name, g->vm)) {
            continue;
        }
        sums->vms++;
        sums->guest = saturating_add(sums->guest, g->guest);
        sums->resident = saturating_add(sums->resident, g->resident);
        sums->remote = saturating_add(sums->remote, g->remote);
        sums->zero = saturating_add(sums->zero, g->zero);
        sums->one_copy = saturating_add(sums->one_copy, g->one_copy);
        sums->repairing = saturating_add(sums->repairing, g->repairing);
    }
}

static void sum_host(Sums *sums, const Arbiter *arbiter, const Host *host,
                     const Views *views, const Elsewhere *elsewhere,
                     uint64_t now)
{
    sums->states[hosts_state(&arbiter->hosts, host, now)]++;
    sum_guests(sums, host, elsewhere);
    if (hosts_implausible(host)) {
        return;                 /* the problems name it */
    }
    sums->leases += host->leases->len;
    sums->offered = saturating_add(sums->offered,
                                   hosts_offered(&arbiter->hosts, host));
    sums->leased = saturating_add(sums->leased, host->beat.leased);
    sums->pending = saturating_add(sums->pending, views->pending[host->index]);
    sums->free = saturating_add(sums->free,
                                admin_json_free(&views->host[host->index]));
    sums->stored = saturating_add(sums->stored, host->beat.stored);
    sums->spilled = saturating_add(sums->spilled, host->beat.spilled);
}

static char *status_summary(const Sums *sums)
{
    unsigned hosts = sums->states[HOST_ALIVE] + sums->states[HOST_SUSPECT] +
                     sums->states[HOST_DEAD];

    return g_strdup_printf("%u of %u hosts alive, %u VM%s, %" G_GUINT64_FORMAT
                           " MiB remote, %" G_GUINT64_FORMAT " MiB free to "
                           "lend", sums->states[HOST_ALIVE], hosts, sums->vms,
                           sums->vms == 1 ? "" : "s", sums->remote >> 20,
                           sums->free >> 20);
}

static void status_figures(JsonObject *o, const Sums *sums)
{
    JsonObject *states = json_object_new();

    for (unsigned i = 0; i < HOST_STATE_MAX_; i++) {
        json_set_int(states, hosts_state_name(i), sums->states[i]);
    }
    json_object_set_object_member(o, "hosts", states);
    json_set_int(o, "vms", sums->vms);
    json_set_int(o, "leases", sums->leases);
    json_set_int(o, "offered_bytes", sums->offered);
    json_set_int(o, "leased_bytes", sums->leased);
    json_set_int(o, "pending_bytes", sums->pending);
    json_set_int(o, "free_bytes", sums->free);
    json_set_int(o, "stored_bytes", sums->stored);
    json_set_int(o, "spilled_bytes", sums->spilled);
    json_set_int(o, "guest_bytes", sums->guest);
    json_set_int(o, "resident_bytes", sums->resident);
    json_set_int(o, "remote_bytes", sums->remote);
    json_set_int(o, "zero_bytes", sums->zero);
    json_set_int(o, "one_copy_bytes", sums->one_copy);
    json_set_int(o, "repairing_bytes", sums->repairing);
}

JsonNode *admin_status_run(JsonObject *args, void *opaque, GError **errp)
{
    const Arbiter *arbiter = opaque;
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    g_autoptr(Verdict) verdict = verdict_new();
    g_autofree char *summary = NULL;
    JsonObject *o = json_object_new();
    uint64_t now = arbiter_now();
    g_autoptr(Views) views = views_new(&arbiter->hosts, &arbiter->grants, NULL,
                                       now);
    g_autoptr(Elsewhere) elsewhere = elsewhere_new(&arbiter->hosts, now);
    JsonArray *limits = json_array_new();
    Sums sums = { 0 };

    for (guint i = 0; i < hosts->len; i++) {
        sum_host(&sums, arbiter, hosts->pdata[i], views, elsewhere, now);
    }
    status_judge(&arbiter->hosts, &arbiter->shunned,
                 &arbiter->options->placement, sums.free, now, verdict);
    control_limits_add(arbiter->control, limits, verdict);
    tls_keeper_set_status(arbiter->tls, g_get_real_time() / G_USEC_PER_SEC, o,
                          verdict);
    summary = status_summary(&sums);
    json_object_set_string_member(o, "daemon", "arbiter");
    json_object_set_string_member(o, "version", RCACHED_VERSION);
    verdict_set(verdict, o, summary);
    json_object_set_string_member(o, "summary", summary);
    json_set_seconds(o, "uptime_seconds",
                       (now - arbiter->started_ms) / 1000.0);
    json_object_set_string_member(o, "listen",
                                  control_address(arbiter->control));
    json_set_seconds(o, "heartbeat_seconds",
                arbiter->options->hosts.heartbeat_ms / 1000.0);
    json_set_int(o, "heartbeats", arbiter->beats);
    status_figures(o, &sums);
    json_object_set_array_member(o, "limits", limits);
    return admin_node_new(o);
}
