/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-vms: see admin-vms.h. */
#include "arbiter/admin-vms.h"

#include <string.h>

#include "arbiter/admin-json.h"
#include "arbiter/arbiter.h"
#include "arbiter/elsewhere.h"
#include "arbiter/status.h"
#include "common/admin-call.h"
#include "common/copies.h"
#include "common/delay-figures.h"
#include "common/hold.h"
#include "common/json-set.h"
#include "common/saturate.h"
#include "common/trouble.h"
#include "common/wire-beat.h"

#define BALLOON_OLD_MS  60000u
/* Beyond so many VMs the answer would be too long with all that they wait for;
 * a host says it of its own. */
#define DELAYS_MAX      5000u

typedef struct Look {
    const Arbiter *arbiter;
    const Elsewhere *elsewhere;
    uint64_t now;
    bool delays;                /* there is room for them */
} Look;

static const char *guest_state(const Look *look, const Host *host,
                               const WireBeatGuest *g)
{
    if (hosts_state(&look->arbiter->hosts, host, look->now) == HOST_DEAD) {
        return "host dead";
    }
    if (!(g->flags & RCACHE_GUEST_MANAGED)) {
        return "unmanaged";
    }
    if (g->figures_age_ms >= RCACHE_FIGURES_MAX_MS) {
        return "stuck";
    }
    if (!(g->flags & RCACHE_GUEST_PAGER)) {
        return "no pager";
    }
    return g->stall_ns > STATUS_STALL_NS ? "waiting" : "attached";
}

static void guest_balloon(JsonObject *o, const WireBeatGuest *g)
{
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        { "balloon_free_bytes", g->balloon_free },
        { "balloon_available_bytes", g->balloon_available },
        { "balloon_total_bytes", g->balloon_total },
    };
    bool said = g->flags & RCACHE_GUEST_BALLOON;

    for (unsigned i = 0; i < G_N_ELEMENTS(figures); i++) {
        /* Drivers that do not know a figure say -1. */
        if (said && g->balloon_age_ms <= BALLOON_OLD_MS &&
            figures[i].value <= INT64_MAX) {
            json_set_int(o, figures[i].name, figures[i].value);
        } else {
            json_object_set_null_member(o, figures[i].name);
        }
    }
    if (said) {
        json_set_seconds(o, "balloon_age_seconds",
                           g->balloon_age_ms / 1000.0);
    } else {
        json_object_set_null_member(o, "balloon_age_seconds");
    }
}

static int compare_lent(gconstpointer a, gconstpointer b)
{
    const HostsLent *const *left = a, *const *right = b;

    return strcmp((*left)->host->name, (*right)->host->name);
}

/* What the VM finds wrong with a provider, or NULL. */
static const WireBeatTrouble *trouble_find(const Host *host,
                                           const uint8_t *vm,
                                           const char *provider)
{
    for (guint i = 0; i < host->troubles->len; i++) {
        const WireBeatTrouble *t = &g_array_index(host->troubles,
                                                  WireBeatTrouble, i);

        if (!memcmp(t->vm, vm, RCACHE_UUID_LEN) &&
            !strcmp(t->host, provider)) {
            return t;
        }
    }
    return NULL;
}

static JsonObject *provider_object(const char *host, unsigned leases,
                                   uint64_t bytes, uint64_t stored,
                                   const WireBeatTrouble *trouble)
{
    static const WireBeatTrouble none;
    JsonObject *o = json_object_new();

    json_object_set_string_member(o, "host", host);
    json_set_int(o, "leases", leases);
    json_set_int(o, "bytes", bytes);
    json_set_int(o, "stored_bytes", stored);
    trouble_set(o, trouble ? trouble : &none);
    return o;
}

/* What was lent to the VM on a host that has died is not the VM's here. */
static bool is_of(const Look *look, const WireBeatLease *lease,
                  const Host *host, const uint8_t *vm)
{
    return !memcmp(lease->vm, vm, RCACHE_UUID_LEN) &&
           (!strcmp(lease->host, host->name) ||
            !elsewhere_nobodys(look->elsewhere, lease));
}

/* What one host lends to a VM of @host, as it says itself. */
static JsonObject *guest_provider(const Look *look, const HostsLent *lent,
                                  const Host *host, const uint8_t *vm)
{
    uint64_t bytes = 0, stored = 0;
    unsigned leases = 0;

    for (guint i = 0; i < lent->host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(lent->host->leases,
                                                WireBeatLease, i);

        if (is_of(look, l, host, vm)) {
            leases++;
            bytes = saturating_add(bytes, l->bytes);
            stored = saturating_add(stored, l->stored);
        }
    }
    return provider_object(lent->host->name, leases, bytes, stored,
                           trouble_find(host, vm, lent->host->name));
}

static bool is_lender(const GArray *lent, const char *name)
{
    for (guint i = 0; lent && i < lent->len; i++) {
        if (!strcmp(g_array_index(lent, HostsLent, i).host->name, name)) {
            return true;
        }
    }
    return false;
}

/* Those that lend to it, and those that it has trouble with and that do not:
 * a provider that came back without what it held is one. */
static JsonArray *guest_providers(const Look *look, const Host *host,
                                  const uint8_t *vm)
{
    const GArray *lent = hosts_lent(&look->arbiter->hosts, vm);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    JsonArray *list = json_array_new();

    for (guint i = 0; lent && i < lent->len; i++) {
        g_ptr_array_add(sorted, &g_array_index(lent, HostsLent, i));
    }
    g_ptr_array_sort(sorted, compare_lent);
    for (guint i = 0; i < sorted->len; i++) {
        json_array_add_object_element(list,
            guest_provider(look, sorted->pdata[i], host, vm));
    }
    for (guint i = 0; i < host->troubles->len; i++) {
        const WireBeatTrouble *t = &g_array_index(host->troubles,
                                                  WireBeatTrouble, i);

        if (*t->host && !memcmp(t->vm, vm, RCACHE_UUID_LEN) &&
            !is_lender(lent, t->host)) {
            json_array_add_object_element(list,
                provider_object(t->host, 0, 0, 0, t));
        }
    }
    return list;
}

static JsonObject *guest_object(const Look *look, const Host *host,
                                const WireBeatGuest *g)
{
    const Host *elsewhere = elsewhere_host(look->elsewhere, host->name, g->vm);
    JsonObject *o = json_object_new();
    bool known = wire_beat_is_known(g);
    uint64_t now = look->now;

    json_object_set_string_member(o, "name", g->name);
    json_set_uuid(o, "uuid", g->vm);
    json_object_set_string_member(o, "host", host->name);
    json_object_set_string_member(o, "state", guest_state(look, host, g));
    json_set_text(o, "elsewhere", elsewhere ? elsewhere->name : NULL);
    json_set_seconds(o, "age_seconds", hosts_age(host, now) / 1000.0);
    json_object_set_boolean_member(o, "stale",
                                   hosts_stale(&look->arbiter->hosts, host,
                                               now));
    json_set_int(o, "guest_bytes", g->guest);
    json_set_int(o, "resident_bytes", g->resident);
    json_set_int(o, "remote_bytes", g->remote);
    json_set_int(o, "zero_bytes", g->zero);
    json_set_int(o, "local_max_bytes", g->local_max);
    json_set_int(o, "size_bytes", g->size);
    guest_balloon(o, g);
    json_set_known(o, "faults", known, g->faults);
    json_set_known(o, "evicted_pages", known, g->evicted_pages);
    json_set_seconds(o, "fault_p50_seconds", g->fault_p50_ns / 1e9);
    json_set_seconds(o, "fault_p99_seconds", g->fault_p99_ns / 1e9);
    json_set_seconds(o, "stall_seconds", g->stall_ns / 1e9);
    json_set_seconds(o, "figures_age_seconds", g->figures_age_ms / 1e3);
    json_set_int(o, "pager_restarts", g->pager_restarts);
    trouble_set_sums(o, known, host->troubles, g->vm);
    json_set_text(o, "seal", wire_beat_seal(g));
    copies_set(o, g);
    hold_set(o, g);
    delay_set(o, hosts_delays(host, g->vm), look->delays);
    json_object_set_array_member(o, "providers",
                                 guest_providers(look, host, g->vm));
    return o;
}

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

JsonNode *admin_vms_run(JsonObject *args, void *opaque, GError **errp)
{
    const Arbiter *arbiter = opaque;
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE, sizeof(Guest));
    const char *only = admin_json_only(args);
    uint64_t now = arbiter_now();
    g_autoptr(Elsewhere) elsewhere = elsewhere_new(&arbiter->hosts, now);
    Look look = { arbiter, elsewhere, now, false };
    JsonArray *list;

    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];
        bool asked = admin_json_is_asked(only, host->name);

        for (guint j = 0; asked && j < host->guests->len; j++) {
            Guest g = { host, &g_array_index(host->guests, WireBeatGuest,
                                             j) };

            g_array_append_val(guests, g);
        }
    }
    if (!admin_json_rows(guests->len, "VMs", errp)) {
        return NULL;
    }
    look.delays = guests->len <= DELAYS_MAX;
    list = json_array_new();
    g_array_sort(guests, compare_guests);
    for (guint i = 0; i < guests->len; i++) {
        const Guest *g = &g_array_index(guests, Guest, i);

        json_array_add_object_element(list,
            guest_object(&look, g->host, g->guest));
    }
    return admin_node_new_array(list);
}
