/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arbiter-admin: the tables as JSON.  See arbiter-admin.h. */
#include "arbiter/arbiter-admin.h"

#include <string.h>

#include "arbiter/status.h"
#include "arbiter/views.h"
#include "common/uuid.h"

#define ROWS_MAX        20000u
#define BALLOON_OLD_MS  60000u

/* JSON's integers are signed here; a peer's figure may be anything. */
static void set_int(JsonObject *o, const char *name, uint64_t value)
{
    json_object_set_int_member(o, name, MIN(value, INT64_MAX));
}

static void set_seconds(JsonObject *o, const char *name, double value)
{
    json_object_set_double_member(o, name, value);
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static void set_uuid(JsonObject *o, const char *name, const uint8_t *uuid)
{
    char text[UUID_TEXT_LEN];

    uuid_format(uuid, text);
    json_object_set_string_member(o, name, text);
}

/* What a request could get there now. */
static uint64_t free_of(const PlacementHost *view)
{
    return view->alive && view->connected && view->lends && !view->draining
               ? view->free : 0;
}

/* ----------------------------------------------------------------- hosts */

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

    set_int(o, "mem_total_bytes", beat->mem_total);
    set_int(o, "mem_available_bytes", beat->mem_available);
    set_int(o, "reserve_bytes", beat->reserve);
    set_int(o, "offered_bytes", beat->offered);
    set_int(o, "leased_bytes", beat->leased);
    set_int(o, "pending_bytes", pending);
    set_int(o, "free_bytes", free_of(view));
    set_int(o, "stored_bytes", beat->stored);
    set_int(o, "spilled_bytes", beat->spilled);
    json_object_set_double_member(o, "psi_some_percent",
                                  beat->psi_some_avg10 / 100.0);
    json_object_set_double_member(o, "psi_full_percent",
                                  beat->psi_full_avg10 / 100.0);
}

static JsonObject *host_object(const Arbiter *arbiter, const Host *host,
                               const Views *views, uint64_t now)
{
    JsonObject *o = json_object_new();
    const PlacementHost *view = &views->host[host->index];
    const char *implausible = hosts_implausible(host);

    json_object_set_string_member(o, "name", host->name);
    json_object_set_string_member(o, "address", host->address);
    if (host->conn) {
        json_object_set_string_member(o, "peer", host->peer);
    } else {
        json_object_set_null_member(o, "peer");
    }
    json_object_set_string_member(o, "label", host->beat.label);
    set_uuid(o, "boot_id", host->boot_id);
    json_object_set_string_member(o, "state", hosts_state_name(
        hosts_state(&arbiter->hosts, host, now)));
    json_object_set_boolean_member(o, "connected", host->conn != NULL);
    set_seconds(o, "age_seconds", (now - MIN(host->heard_ms, now)) / 1000.0);
    json_object_set_boolean_member(o, "lends", view->lends);
    json_object_set_boolean_member(o, "draining", view->draining);
    if (implausible) {
        json_object_set_string_member(o, "implausible", implausible);
    } else {
        json_object_set_null_member(o, "implausible");
    }
    host_memory(o, host, view, views->pending[host->index]);
    set_int(o, "vms", host->guests->len);
    json_object_set_array_member(o, "terms", host_terms(host));
    return o;
}

/*
 * A list is made in one go, and nobody is served meanwhile: of large clusters
 * it has to be one host's.
 */
static bool rows_allowed(unsigned rows, const char *what, GError **errp)
{
    if (rows <= ROWS_MAX) {
        return true;
    }
    g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED, "there are %u %s, and "
                "no more than %u are listed at once: name a host", rows, what,
                ROWS_MAX);
    return false;
}

static const char *only_host(JsonObject *args)
{
    return json_object_get_string_member_with_default(args, "host", NULL);
}

static bool is_asked(const char *only, const char *name)
{
    return !only || !strcmp(only, name);
}

static JsonNode *run_hosts(JsonObject *args, void *opaque, GError **errp)
{
    const Arbiter *arbiter = opaque;
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    JsonArray *list = json_array_new();
    uint64_t now = arbiter_now();
    g_autoptr(Views) views = views_new(arbiter, NULL, now);
    const char *only = only_host(args);

    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];

        if (is_asked(only, host->name)) {
            json_array_add_object_element(list, host_object(arbiter, host,
                                                            views, now));
        }
    }
    return admin_node_new_array(list);
}

/* ---------------------------------------------------------------- leases */

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
    set_int(o, "epoch", l->epoch);
    json_object_set_string_member(o, "vm", l->name);
    set_uuid(o, "uuid", l->vm);
    json_object_set_string_member(o, "requester", requester);
    json_object_set_string_member(o, "provider", provider);
    json_object_set_string_member(o, "state", state);
    json_object_set_boolean_member(o, "held", held);
    set_int(o, "bytes", l->bytes);
    set_int(o, "stored_bytes", l->stored);
    set_seconds(o, "expires_seconds", l->expires_ms / 1000.0);
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

        if (is_asked(only, l->host)) {
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

        if (is_asked(only, l->host) &&
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

    g_hash_table_iter_init(&iter, arbiter->leases.grants);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Grant *grant = value;
        WireBeatLease l = {
            .lease = grant->wire.lease,
            .epoch = grant->wire.epoch,
            .bytes = grant->wire.bytes,
            .expires_ms = grant->until_ms - MIN(grant->until_ms, now),
        };

        if (!grant_is_pending(grant) || !(is_asked(only, grant->provider) ||
                                          is_asked(only, grant->wire.host))) {
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
static JsonNode *run_leases(JsonObject *args, void *opaque, GError **errp)
{
    const Arbiter *arbiter = opaque;
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    unsigned rows = g_hash_table_size(arbiter->leases.grants);
    const char *only = only_host(args);
    JsonArray *list;

    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];

        rows += host->leases->len + host->held->len;
    }
    if (!only && !rows_allowed(rows, "leases", errp)) {
        return NULL;
    }
    list = json_array_new();
    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];
        bool all = is_asked(only, host->name);

        leases_given(arbiter, host, all ? NULL : only, list);
        leases_held(arbiter, host, all ? NULL : only, list);
    }
    leases_granted(arbiter, only, arbiter_now(), list);
    return admin_node_new_array(list);
}

/* ------------------------------------------------------------------- vms */

static const char *guest_state(const WireBeatGuest *g)
{
    if (!(g->flags & RCACHE_GUEST_MANAGED)) {
        return "unmanaged";
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
            set_int(o, figures[i].name, figures[i].value);
        } else {
            json_object_set_null_member(o, figures[i].name);
        }
    }
    if (said) {
        set_seconds(o, "balloon_age_seconds", g->balloon_age_ms / 1000.0);
    } else {
        json_object_set_null_member(o, "balloon_age_seconds");
    }
}

static int compare_lent(gconstpointer a, gconstpointer b)
{
    const HostsLent *const *left = a, *const *right = b;

    return strcmp((*left)->host->name, (*right)->host->name);
}

/* What one host lends to a VM, as it says itself. */
static JsonObject *guest_provider(const HostsLent *lent, const uint8_t *vm)
{
    JsonObject *o = json_object_new();
    uint64_t stored = 0;

    for (guint i = 0; i < lent->host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(lent->host->leases,
                                                WireBeatLease, i);

        if (!memcmp(l->vm, vm, RCACHE_UUID_LEN)) {
            stored = add(stored, l->stored);
        }
    }
    json_object_set_string_member(o, "host", lent->host->name);
    set_int(o, "leases", lent->leases);
    set_int(o, "bytes", lent->bytes);
    set_int(o, "stored_bytes", stored);
    return o;
}

static JsonArray *guest_providers(const Arbiter *arbiter, const uint8_t *vm)
{
    const GArray *lent = hosts_lent(&arbiter->hosts, vm);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    JsonArray *list = json_array_new();

    for (guint i = 0; lent && i < lent->len; i++) {
        g_ptr_array_add(sorted, &g_array_index(lent, HostsLent, i));
    }
    g_ptr_array_sort(sorted, compare_lent);
    for (guint i = 0; i < sorted->len; i++) {
        json_array_add_object_element(list, guest_provider(sorted->pdata[i],
                                                           vm));
    }
    return list;
}

static JsonObject *guest_object(const Arbiter *arbiter, const Host *host,
                                const WireBeatGuest *g)
{
    JsonObject *o = json_object_new();

    json_object_set_string_member(o, "name", g->name);
    set_uuid(o, "uuid", g->vm);
    json_object_set_string_member(o, "host", host->name);
    json_object_set_string_member(o, "state", guest_state(g));
    set_int(o, "guest_bytes", g->guest);
    set_int(o, "resident_bytes", g->resident);
    set_int(o, "remote_bytes", g->remote);
    set_int(o, "zero_bytes", g->zero);
    set_int(o, "local_max_bytes", g->local_max);
    set_int(o, "size_bytes", g->size);
    guest_balloon(o, g);
    set_int(o, "faults", g->faults);
    set_int(o, "evicted_pages", g->evicted_pages);
    set_seconds(o, "fault_p50_seconds", g->fault_p50_ns / 1e9);
    set_seconds(o, "fault_p99_seconds", g->fault_p99_ns / 1e9);
    set_seconds(o, "stall_seconds", g->stall_ns / 1e9);
    set_int(o, "pager_restarts", g->pager_restarts);
    json_object_set_array_member(o, "providers",
                                 guest_providers(arbiter, g->vm));
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

static JsonNode *run_vms(JsonObject *args, void *opaque, GError **errp)
{
    const Arbiter *arbiter = opaque;
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE, sizeof(Guest));
    const char *only = only_host(args);
    JsonArray *list;

    for (guint i = 0; i < hosts->len; i++) {
        const Host *host = hosts->pdata[i];
        bool asked = is_asked(only, host->name);

        for (guint j = 0; asked && j < host->guests->len; j++) {
            Guest g = { host, &g_array_index(host->guests, WireBeatGuest,
                                             j) };

            g_array_append_val(guests, g);
        }
    }
    if (!rows_allowed(guests->len, "VMs", errp)) {
        return NULL;
    }
    list = json_array_new();
    g_array_sort(guests, compare_guests);
    for (guint i = 0; i < guests->len; i++) {
        const Guest *g = &g_array_index(guests, Guest, i);

        json_array_add_object_element(list, guest_object(arbiter,
                                                         g->host, g->guest));
    }
    return admin_node_new_array(list);
}

/* ---------------------------------------------------------------- status */

typedef struct Sums {
    unsigned states[HOST_STATE_MAX_];
    unsigned vms, leases;
    uint64_t offered, leased, pending, free, stored, spilled;
    uint64_t guest, resident, remote, zero;
} Sums;

static void sum_guests(Sums *sums, const Host *host)
{
    for (guint i = 0; i < host->guests->len; i++) {
        const WireBeatGuest *g = &g_array_index(host->guests, WireBeatGuest,
                                                i);

        sums->vms++;
        sums->guest = add(sums->guest, g->guest);
        sums->resident = add(sums->resident, g->resident);
        sums->remote = add(sums->remote, g->remote);
        sums->zero = add(sums->zero, g->zero);
    }
}

static void sum_host(Sums *sums, const Arbiter *arbiter, const Host *host,
                     const Views *views, uint64_t now)
{
    sums->states[hosts_state(&arbiter->hosts, host, now)]++;
    sums->leases += host->leases->len;
    sums->offered = add(sums->offered, host->beat.offered);
    sums->leased = add(sums->leased, host->beat.leased);
    sums->pending = add(sums->pending, views->pending[host->index]);
    sums->free = add(sums->free, free_of(&views->host[host->index]));
    sums->stored = add(sums->stored, host->beat.stored);
    sums->spilled = add(sums->spilled, host->beat.spilled);
    sum_guests(sums, host);
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
        set_int(states, hosts_state_name(i), sums->states[i]);
    }
    json_object_set_object_member(o, "hosts", states);
    set_int(o, "vms", sums->vms);
    set_int(o, "leases", sums->leases);
    set_int(o, "offered_bytes", sums->offered);
    set_int(o, "leased_bytes", sums->leased);
    set_int(o, "pending_bytes", sums->pending);
    set_int(o, "free_bytes", sums->free);
    set_int(o, "stored_bytes", sums->stored);
    set_int(o, "spilled_bytes", sums->spilled);
    set_int(o, "guest_bytes", sums->guest);
    set_int(o, "resident_bytes", sums->resident);
    set_int(o, "remote_bytes", sums->remote);
    set_int(o, "zero_bytes", sums->zero);
}

static JsonNode *run_status(JsonObject *args, void *opaque, GError **errp)
{
    const Arbiter *arbiter = opaque;
    g_autoptr(GPtrArray) hosts = hosts_sorted(&arbiter->hosts);
    g_autoptr(Verdict) verdict = verdict_new();
    g_autofree char *summary = NULL;
    JsonObject *o = json_object_new();
    uint64_t now = arbiter_now();
    g_autoptr(Views) views = views_new(arbiter, NULL, now);
    Sums sums = { 0 };

    for (guint i = 0; i < hosts->len; i++) {
        sum_host(&sums, arbiter, hosts->pdata[i], views, now);
    }
    status_judge(&arbiter->hosts, &arbiter->options->placement, sums.free,
                 now, verdict);
    summary = status_summary(&sums);
    json_object_set_string_member(o, "daemon", "arbiter");
    json_object_set_string_member(o, "version", RCACHED_VERSION);
    verdict_set(verdict, o, summary);
    json_object_set_string_member(o, "summary", summary);
    set_seconds(o, "uptime_seconds", (now - arbiter->started_ms) / 1000.0);
    json_object_set_string_member(o, "listen",
                                  control_address(arbiter->control));
    set_seconds(o, "heartbeat_seconds",
                arbiter->options->hosts.heartbeat_ms / 1000.0);
    set_int(o, "heartbeats", arbiter->beats);
    status_figures(o, &sums);
    return admin_node_new(o);
}

static void start_evict(AdminRequest *request, JsonObject *args, void *opaque)
{
    Arbiter *arbiter = opaque;

    vm_commands_evict(&arbiter->vm_commands, &arbiter->hosts,
                      json_object_get_string_member(args, "vm"),
                      json_object_get_int_member(args, "bytes"), request,
                      arbiter_now());
}

const AdminCommand arbiter_admin_commands[] = {
    { "status", "Whether all is well, and the sums.",
      .run = run_status, .reads = true },
    { "hosts", "The hosts, what they have and lend.",
      { { "host", ADMIN_ARG_STRING, .optional = true } },
      .run = run_hosts, .reads = true },
    { "leases", "Who lends how much to which VM.",
      { { "host", ADMIN_ARG_STRING, .optional = true } },
      .run = run_leases, .reads = true },
    { "vms", "The VMs and where their memory is.",
      { { "host", ADMIN_ARG_STRING, .optional = true } },
      .run = run_vms, .reads = true },
    { "whatif", "What VMs would feel if a host died, or was drained.",
      { { "host", ADMIN_ARG_STRING } }, arbiter_admin_whatif,
      .reads = true },
    { "evict", "Send cold pages of a VM away now.",
      { { "vm", ADMIN_ARG_STRING }, { "bytes", ADMIN_ARG_INT } },
      .start = start_evict },
    { "drain", "Tell a host to lend nothing more and ask all back.",
      { { "host", ADMIN_ARG_STRING } }, arbiter_admin_drain },
    { "undrain", "Tell a host to lend again.",
      { { "host", ADMIN_ARG_STRING } }, arbiter_admin_undrain },
    { 0 }
};
