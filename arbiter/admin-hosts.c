/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-hosts: see admin-hosts.h. */
#include "arbiter/admin-hosts.h"

#include <string.h>

#include "common/admin-call.h"
#include "common/json-set.h"
#include "common/wire-beat.h"
#include "arbiter/admin-json.h"
#include "arbiter/arbiter.h"
#include "arbiter/elsewhere.h"
#include "arbiter/views.h"

static JsonArray *host_terms(const Host *host)
{
    JsonArray *terms = json_array_new();

    for (guint i = 0; i < host->terms->len; i++) {
        const WireBeatTerm *t = &g_array_index(host->terms, WireBeatTerm, i);
        JsonObject *o = json_object_new();

        json_object_set_string_member(o, "name", t->name);
        json_object_set_int_member(o, "bytes", t->bytes);
        json_array_add_object_element(terms, o);
    }
    return terms;
}

static void host_memory(JsonObject *o, const Host *host,
                        const PlacementHost *view, uint64_t pending)
{
    const WireBeatHost *beat = &host->beat;

    json_set_int(o, "mem_total_bytes", beat->mem_total);
    json_set_int(o, "mem_available_bytes", beat->mem_available);
    json_set_int(o, "reserve_bytes", beat->reserve);
    json_set_int(o, "offered_bytes", view->offered);
    json_set_int(o, "leased_bytes", beat->leased);
    json_set_int(o, "pending_bytes", pending);
    json_set_int(o, "free_bytes", admin_json_free(view));
    json_set_int(o, "stored_bytes", beat->stored);
    json_set_int(o, "spilled_bytes", beat->spilled);
    json_object_set_double_member(o, "psi_some_percent",
                                  beat->psi_some_avg10 / 100.0);
    json_object_set_double_member(o, "psi_full_percent",
                                  beat->psi_full_avg10 / 100.0);
}

/* An earlier release does not say. */
static void host_daemon(JsonObject *o, const WireBeatHost *beat)
{
    if (beat->pid) {
        json_set_int(o, "daemon_pid", beat->pid);
        json_set_int(o, "pagers_to_replace", beat->pagers_to_replace);
    } else {
        json_object_set_null_member(o, "daemon_pid");
        json_object_set_null_member(o, "pagers_to_replace");
    }
}

static JsonObject *host_object(const Arbiter *arbiter, const Host *host,
                               const Views *views,
                               const Elsewhere *elsewhere, uint64_t now)
{
    JsonObject *o = json_object_new();
    const PlacementHost *view = &views->host[host->index];
    const char *implausible = hosts_implausible(host);
    g_autofree char *trouble = shunned_text(&arbiter->shunned, host, now);

    json_object_set_string_member(o, "name", host->name);
    json_object_set_string_member(o, "address", host->address);
    json_set_text(o, "peer", host->conn ? host->peer : NULL);
    json_object_set_string_member(o, "label", host->beat.label);
    json_set_uuid(o, "boot_id", host->boot_id);
    json_object_set_string_member(o, "state", hosts_state_name(
        hosts_state(&arbiter->hosts, host, now)));
    json_object_set_boolean_member(o, "connected", host->conn != NULL);
    json_set_int(o, "protocol_version", host->version);
    if (host->conn && host->certificate_ms) {
        json_object_set_int_member(o, "certificate_expires_seconds",
                                   ((int64_t)host->certificate_ms -
                                    (int64_t)now) / 1000);
    } else {
        json_object_set_null_member(o, "certificate_expires_seconds");
    }
    json_set_seconds(o, "age_seconds", hosts_age(host, now) / 1000.0);
    json_object_set_boolean_member(o, "stale",
                                   hosts_stale(&arbiter->hosts, host, now));
    json_object_set_boolean_member(o, "lends", view->lends);
    json_object_set_boolean_member(o, "draining", view->draining);
    json_set_text(o, "implausible", implausible);
    json_set_text(o, "trouble", trouble);
    json_object_set_boolean_member(o, "shunned", shunned_for_all(
        &arbiter->shunned, host, now));
    host_daemon(o, &host->beat);
    host_memory(o, host, view, views->pending[host->index]);
    json_set_int(o, "vms", elsewhere_guests(elsewhere, host));
    json_object_set_array_member(o, "terms", host_terms(host));
    return o;
}

JsonNode *admin_hosts_run(JsonObject *args, void *opaque, GError **errp)
{
    const Arbiter *arbiter = opaque;
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    JsonArray *list = json_array_new();
    uint64_t now = arbiter_now();
    g_autoptr(Views) views = views_new(&arbiter->hosts, &arbiter->grants, NULL,
                                       now);
    g_autoptr(Elsewhere) elsewhere = elsewhere_new(&arbiter->hosts, now);
    const char *only = admin_json_only(args);

    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];

        if (admin_json_is_asked(only, host->name)) {
            json_array_add_object_element(list,
                host_object(arbiter, host, views, elsewhere, now));
        }
    }
    return admin_node_new_array(list);
}
