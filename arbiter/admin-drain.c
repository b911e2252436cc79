/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admin-drain: an operator's word to a host, carried over its connection.
 * The host does the work and says in its heartbeats how far it is; nothing of
 * it is kept here.
 */
#include "arbiter/admin-drain.h"

#include "common/admin-call.h"
#include "arbiter/arbiter.h"
#include "common/log-event.h"

static JsonNode *drain(Arbiter *arbiter, const char *name, bool draining,
                       GError **errp)
{
    Host *host = hosts_find(&arbiter->hosts, name);
    JsonObject *o;

    if (!host || !host->conn) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    host ? "host %s is not connected" : "there is no host %s",
                    name);
        return NULL;
    }
    if (!*host->address || !(host->features & RCACHE_FEATURE_DRAIN)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED, *host->address
                    ? "host %s runs a release that takes no drain from an "
                    "arbiter: use that host's own admin socket"
                    : "host %s lends nothing: there is nothing to drain",
                    name);
        return NULL;
    }
    if (!control_send_drain(host->conn, draining)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED,
                    "the connection of host %s has ended", name);
        return NULL;
    }
    log_event_host(G_LOG_LEVEL_MESSAGE, LOG_DRAIN, name,
                   "host %s: an operator asks to %s this host", name,
                   draining ? "drain" : "undrain");
    o = json_object_new();
    json_object_set_string_member(o, "host", host->name);
    json_object_set_boolean_member(o, "draining", draining);
    json_object_set_int_member(o, "leased_bytes", host->beat.leased);
    json_object_set_int_member(o, "asked_back_bytes",
                               draining ? host->beat.leased : 0);
    return admin_node_new(o);
}

JsonNode *admin_drain_run(JsonObject *args, void *opaque, GError **errp)
{
    return drain(opaque, json_object_get_string_member(args, "host"), true,
                 errp);
}

JsonNode *admin_drain_undo(JsonObject *args, void *opaque, GError **errp)
{
    return drain(opaque, json_object_get_string_member(args, "host"), false,
                 errp);
}
