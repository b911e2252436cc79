/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-advise: see admin-advise.h. */
#include "arbiter/admin-advise.h"

#include <string.h>

#include "arbiter/admin-json.h"
#include "arbiter/arbiter.h"
#include "arbiter/elsewhere.h"
#include "arbiter/hosts-vms.h"
#include "common/admin-call.h"
#include "common/advise.h"
#include "common/saturate.h"
#include "common/uuid.h"

typedef struct Guest {
    const Host *host;
    const WireBeatGuest *guest;
} Guest;

static int compare_guests(gconstpointer a, gconstpointer b)
{
    const Guest *left = a, *right = b;
    int names = strcmp(left->guest->name, right->guest->name);

    return names ? names : strcmp(left->host->name, right->host->name);
}

/* VMs that are managed, each where it runs now. */
static GArray *guests_new(const Arbiter *arbiter, uint64_t now)
{
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    g_autoptr(Elsewhere) elsewhere = elsewhere_new(&arbiter->hosts, now);
    GArray *guests = g_array_new(FALSE, FALSE, sizeof(Guest));

    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];

        for (guint j = 0; j < host->guests->len; j++) {
            Guest g = { host, &g_array_index(host->guests, WireBeatGuest,
                                             j) };

            if (g.guest->flags & RCACHE_GUEST_MANAGED &&
                !elsewhere_host(elsewhere, host->name, g.guest->vm)) {
                g_array_append_val(guests, g);
            }
        }
    }
    g_array_sort(guests, compare_guests);
    return guests;
}

static AdviseVm advise_of(const Guest *g, const AdviseWaits *waits)
{
    return (AdviseVm) {
        .name = g->guest->name, .uuid = g->guest->vm, .host = g->host->name,
        .curve = hosts_curve(g->host, g->guest->vm),
        .delays = hosts_delays(g->host, g->guest->vm),
        .resident = g->guest->resident, .remote = g->guest->remote,
        .local_max = g->guest->local_max, .waits = waits,
    };
}

static JsonNode *advise_each(const Arbiter *arbiter, const GArray *guests,
                             const AdviseWaits *waits, unsigned stall)
{
    JsonObject *all = advise_all_begin(stall);
    uint64_t offered = 0, leased = 0;

    for (guint i = 0; i < guests->len; i++) {
        AdviseVm vm = advise_of(&g_array_index(guests, Guest, i), waits);

        advise_all_add(all, &vm, stall);
    }
    for (guint i = 0; i < arbiter->hosts.all->len; i++) {
        const Host *host = arbiter->hosts.all->pdata[i];

        offered = saturating_add(offered, hosts_offered(&arbiter->hosts, host));
        leased = saturating_add(leased, host->beat.leased);
    }
    advise_all_end(all, offered, leased);
    return admin_node_new(all);
}

static const Guest *guest_find(const GArray *guests, const char *text,
                               GError **errp)
{
    uint8_t uuid[RCACHE_UUID_LEN];
    bool is_uuid = uuid_parse(text, uuid);
    const Guest *found = NULL;

    for (guint i = 0; i < guests->len; i++) {
        const Guest *g = &g_array_index(guests, Guest, i);

        if (is_uuid ? memcmp(g->guest->vm, uuid, sizeof(uuid))
                    : strcmp(g->guest->name, text)) {
            continue;
        }
        if (found) {
            g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                        "several VMs are called '%s': use the uuid", text);
            return NULL;
        }
        found = g;
    }
    if (!found) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                    "no host has a VM '%s' with a remote cache", text);
    }
    return found;
}

JsonNode *admin_advise_run(JsonObject *args, void *opaque, GError **errp)
{
    const Arbiter *arbiter = opaque;
    g_autoptr(GArray) guests = guests_new(arbiter, arbiter_now());
    const Guest *only;
    AdviseWaits waits = { 0 };
    AdviseVm vm;
    unsigned stall;

    if (!advise_stall(args, &stall, errp)) {
        return NULL;
    }
    for (guint i = 0; i < guests->len; i++) {
        const Guest *g = &g_array_index(guests, Guest, i);

        advise_waits_add(&waits, hosts_delays(g->host, g->guest->vm));
    }
    if (!json_object_has_member(args, "vm")) {
        return admin_json_rows(guests->len, "VMs", errp)
                   ? advise_each(arbiter, guests, &waits, stall) : NULL;
    }
    only = guest_find(guests, json_object_get_string_member(args, "vm"), errp);
    if (!only) {
        return NULL;
    }
    vm = advise_of(only, &waits);
    return admin_node_new(advise_vm(&vm, stall));
}
