/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-leases: see admin-leases.h. */
#include "arbiter/admin-leases.h"

#include <string.h>

#include "common/admin-call.h"
#include "common/json-set.h"
#include "common/wire-beat.h"
#include "arbiter/admin-json.h"
#include "arbiter/arbiter.h"

static const char *lease_state_name(uint32_t state)
{
    switch (state) {
    case RCACHE_LEASE_GRANTED:
        return "granted";
    case RCACHE_LEASE_CLAIMED:
        return "claimed";
    case RCACHE_LEASE_EXPIRED:
        return "expired";
    default:
        return "unknown";
    }
}

static const WireBeatLease *held_find(const Host *host, uint64_t lease)
{
    for (guint i = 0; i < host->held->len; i++) {
        const WireBeatLease *l = &g_array_index(host->held, WireBeatLease, i);

        if (l->lease == lease) {
            return l;
        }
    }
    return NULL;
}

static JsonObject *lease_object(const WireBeatLease *l, const char *requester,
                                const char *provider, const char *state,
                                bool held)
{
    JsonObject *o = json_object_new();
    char id[17];

    g_snprintf(id, sizeof(id), "%016" G_GINT64_MODIFIER "x", l->lease);
    json_object_set_string_member(o, "lease", id);
    json_set_int(o, "epoch", l->epoch);
    json_object_set_string_member(o, "vm", l->name);
    json_set_uuid(o, "uuid", l->vm);
    json_object_set_string_member(o, "requester", requester);
    json_object_set_string_member(o, "provider", provider);
    json_object_set_string_member(o, "state", state);
    json_object_set_boolean_member(o, "held", held);
    json_set_int(o, "bytes", l->bytes);
    json_set_int(o, "stored_bytes", l->stored);
    json_set_seconds(o, "expires_seconds", l->expires_ms / 1000.0);
    return o;
}

/* What a provider says it has given; to @only, or NULL: to whomever. */
static void leases_given(const Arbiter *arbiter, const Host *host,
                         const char *only, JsonArray *list)
{
    for (guint i = 0; i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);
        const Host *requester;

        if (admin_json_is_asked(only, l->host)) {
            requester = hosts_find(&arbiter->hosts, l->host);
            json_array_add_object_element(list,
                lease_object(l, l->host, host->name,
                             lease_state_name(l->state),
                             requester && held_find(requester, l->lease)));
        }
    }
}

/* What a requester uses and no provider has told of; of @only, or NULL. */
static void leases_held(const Arbiter *arbiter, const Host *host,
                        const char *only, JsonArray *list)
{
    for (guint i = 0; i < host->held->len; i++) {
        const WireBeatLease *l = &g_array_index(host->held, WireBeatLease, i);
        const Host *provider = hosts_find(&arbiter->hosts, l->host);

        if (admin_json_is_asked(only, l->host) &&
            (!provider || !hosts_lease_find(provider, l->lease))) {
            json_array_add_object_element(list,
                lease_object(l, host->name, l->host, "unconfirmed", true));
        }
    }
}

static void leases_granted(const Arbiter *arbiter, const char *only,
                           uint64_t now, JsonArray *list)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, arbiter->grants.grants);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Grant *grant = value;
        WireBeatLease l = {
            .lease = grant->wire.lease,
            .epoch = grant->wire.epoch,
            .bytes = grant->wire.bytes,
            .expires_ms = grant->until_ms - MIN(grant->until_ms, now),
        };

        if (!grant_is_pending(grant) ||
            !(admin_json_is_asked(only, grant->provider) ||
              admin_json_is_asked(only, grant->wire.host))) {
            continue;
        }
        memcpy(l.vm, grant->wire.vm, sizeof(l.vm));
        wire_text_copy(l.name, sizeof(l.name), grant->wire.name);
        json_array_add_object_element(list,
            lease_object(&l, grant->wire.host, grant->provider, "pending",
                         false));
    }
}

/* With a host only those that it gives or takes. */
JsonNode *admin_leases_run(JsonObject *args, void *opaque, GError **errp)
{
    const Arbiter *arbiter = opaque;
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    unsigned rows = g_hash_table_size(arbiter->grants.grants);
    const char *only = admin_json_only(args);
    JsonArray *list;

    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];

        rows += host->leases->len + host->held->len;
    }
    if (!only && !admin_json_rows(rows, "leases", errp)) {
        return NULL;
    }
    list = json_array_new();
    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];
        bool all = admin_json_is_asked(only, host->name);

        leases_given(arbiter, host, all ? NULL : only, list);
        leases_held(arbiter, host, all ? NULL : only, list);
    }
    leases_granted(arbiter, only, arbiter_now(), list);
    return admin_node_new_array(list);
}
