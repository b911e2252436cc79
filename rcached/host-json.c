/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-json: this host as JSON.  See host-json.h.
 *
 * It goes the way of a heartbeat: figures are first put into the structures
 * that are sent to arbiters, so that both sides say the same.
 */
#include "rcached/host-json.h"

#include <string.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/copies.h"
#include "common/delay-figures.h"
#include "common/hold.h"
#include "common/json-set.h"
#include "common/saturate.h"
#include "common/trouble.h"
#include "common/uuid.h"
#include "common/wire-beat.h"
#include "rcached/pager-upgrade.h"
#include "rcached/report.h"

/* --------------------------------------------------------------- leases */

static const char *lease_state(uint32_t state)
{
    return state == RCACHE_LEASE_GRANTED ? "granted"
           : state == RCACHE_LEASE_CLAIMED ? "claimed" : "expired";
}

/* @held: told by the VM's pager; else by this host's provider. */
static JsonObject *lease_json(const WireBeatLease *l, const char *host,
                              bool held)
{
    JsonObject *o = json_object_new();
    char id[17];

    g_snprintf(id, sizeof(id), "%016" G_GINT64_MODIFIER "x", l->lease);
    json_object_set_string_member(o, "lease", id);
    json_object_set_int_member(o, "epoch", l->epoch);
    json_object_set_string_member(o, "vm", l->name);
    json_set_uuid(o, "uuid", l->vm);
    json_object_set_string_member(o, "requester", held ? host : l->host);
    json_object_set_string_member(o, "provider", held ? l->host : host);
    json_object_set_string_member(o, "state", lease_state(l->state));
    if (held) {
        json_object_set_boolean_member(o, "held", TRUE);
    } else {
        json_object_set_null_member(o, "held");
    }
    json_object_set_int_member(o, "bytes", l->bytes);
    json_object_set_int_member(o, "stored_bytes", l->stored);
    json_set_seconds(o, "expires_seconds", l->expires_ms / 1e3);
    return o;
}

static void add_leases(JsonArray *list, const GArray *leases,
                       const char *host, bool held)
{
    for (unsigned i = 0; i < leases->len; i++) {
        const WireBeatLease *l = &g_array_index(leases, WireBeatLease, i);

        json_array_add_object_element(list, lease_json(l, host, held));
    }
}

JsonArray *host_json_leases(const Rcached *r)
{
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    g_autoptr(GArray) held = g_array_new(FALSE, FALSE,
                                         sizeof(WireBeatLease));
    JsonArray *list = json_array_new();
    ProviderSnapshot lent;

    provider_snapshot(r->provider, &lent);
    add_leases(list, lent.leases, r->options->host, false);
    provider_snapshot_clear(&lent);
    for (unsigned i = 0; i < vms->len; i++) {
        report_held(g_ptr_array_index(vms, i), held);
    }
    add_leases(list, held, r->options->host, true);
    return list;
}

/* ------------------------------------------------------------------ VMs */

static const char *vm_state(const Vm *vm, const WireBeatGuest *g)
{
    if (vm_has_ended(vm)) {
        return "ended";
    }
    if (g->figures_age_ms >= RCACHE_FIGURES_MAX_MS) {
        return "stuck";
    }
    if (!(g->flags & RCACHE_GUEST_PAGER)) {
        return "no pager";
    }
    return g->stall_ns > HOST_WAITING_NS ? "waiting" : "attached";
}

static JsonObject *provider_entry(GHashTable *seen, JsonArray *list,
                                  const char *host)
{
    JsonObject *o = g_hash_table_lookup(seen, host);

    if (!o) {
        o = json_object_new();
        json_object_set_string_member(o, "host", host);
        json_object_set_int_member(o, "leases", 0);
        json_object_set_int_member(o, "bytes", 0);
        json_object_set_int_member(o, "stored_bytes", 0);
        json_object_set_int_member(o, "lost_bytes", 0);
        json_object_set_int_member(o, "wrong_pages", 0);
        json_object_set_null_member(o, "trouble");
        json_array_add_object_element(list, o);
        g_hash_table_insert(seen, (char *)host, o);
    }
    return o;
}

static void add_to(JsonObject *o, const char *name, uint64_t more)
{
    json_object_set_int_member(o, name,
                               json_object_get_int_member(o, name) + more);
}

static JsonArray *vm_providers(const Vm *vm, const GArray *troubles)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    JsonArray *list = json_array_new();

    for (unsigned i = 0; i < vm->figures.held->len; i++) {
        const struct LinkHeld *h = &g_array_index(vm->figures.held,
                                                  struct LinkHeld, i);
        JsonObject *o = provider_entry(seen, list, h->provider);

        add_to(o, "leases", h->lease != 0);
        add_to(o, "bytes", h->bytes);
        add_to(o, "stored_bytes", h->stored);
    }
    for (guint i = 0; i < troubles->len; i++) {
        const WireBeatTrouble *t = &g_array_index(troubles, WireBeatTrouble,
                                                  i);
        JsonObject *o = g_hash_table_lookup(seen, t->host);

        if (o) {
            trouble_set(o, t);
        }
    }
    return list;
}

static void set_balloon(JsonObject *o, const WireBeatGuest *g)
{
    if (g->flags & RCACHE_GUEST_BALLOON) {
        json_object_set_int_member(o, "balloon_free_bytes", g->balloon_free);
        json_object_set_int_member(o, "balloon_available_bytes",
                                   g->balloon_available);
        json_object_set_int_member(o, "balloon_total_bytes",
                                   g->balloon_total);
        json_set_seconds(o, "balloon_age_seconds", g->balloon_age_ms / 1e3);
    } else {
        json_object_set_null_member(o, "balloon_free_bytes");
        json_object_set_null_member(o, "balloon_available_bytes");
        json_object_set_null_member(o, "balloon_total_bytes");
        json_object_set_null_member(o, "balloon_age_seconds");
    }
}

/* Which process it is: to tell the VM from who only uses its uuid. */
static void set_vmm(JsonObject *o, const Vm *vm)
{
    const VmmProcess *vmm = &vm->vmm;

    if (vmm->pid) {
        json_object_set_int_member(o, "vmm_pid", vmm->pid);
    } else {
        json_object_set_null_member(o, "vmm_pid");
    }
    if (vmm->uid != VMM_NO_UID) {
        json_object_set_int_member(o, "vmm_uid", vmm->uid);
    } else {
        json_object_set_null_member(o, "vmm_uid");
    }
    if (vm->bound_ms) {
        json_set_seconds(o, "vmm_bound_seconds",
                         (boottime_ms() - vm->bound_ms) / 1e3);
    } else {
        json_object_set_null_member(o, "vmm_bound_seconds");
    }
}

static void set_ahead(JsonObject *o, bool known, const struct LinkAhead *ahead)
{
    json_set_known(o, "read_ahead_pages", known, ahead->pages);
    json_set_known(o, "read_ahead_used_pages", known, ahead->used);
    json_set_known(o, "read_ahead_wasted_pages", known, ahead->wasted);
}

static JsonObject *vm_json(const Vm *vm, const char *host)
{
    JsonObject *o = json_object_new();
    g_autoptr(GArray) troubles = g_array_new(FALSE, FALSE,
                                             sizeof(WireBeatTrouble));
    WireBeatGuest g;
    bool known;

    report_guest(vm, g_get_monotonic_time(), &g);
    report_troubles(vm, troubles);
    /* A count that is 0 for a moment would be one that began anew. */
    known = wire_beat_is_known(&g);
    json_object_set_string_member(o, "name", vm->name);
    json_object_set_string_member(o, "uuid", vm->uuid_text);
    json_object_set_string_member(o, "host", host);
    json_object_set_string_member(o, "state", vm_state(vm, &g));
    set_vmm(o, vm);
    json_object_set_int_member(o, "guest_bytes", g.guest);
    json_object_set_int_member(o, "resident_bytes", g.resident);
    json_object_set_int_member(o, "remote_bytes", g.remote);
    json_object_set_int_member(o, "zero_bytes", g.zero);
    json_object_set_int_member(o, "local_max_bytes", g.local_max);
    json_object_set_int_member(o, "size_bytes", g.size);
    set_balloon(o, &g);
    json_set_known(o, "faults", known, g.faults);
    json_set_known(o, "evicted_pages", known, g.evicted_pages);
    set_ahead(o, known, &vm->figures.ahead);
    json_set_seconds(o, "fault_p50_seconds", g.fault_p50_ns / 1e9);
    json_set_seconds(o, "fault_p99_seconds", g.fault_p99_ns / 1e9);
    json_set_seconds(o, "stall_seconds", g.stall_ns / 1e9);
    json_set_seconds(o, "figures_age_seconds", g.figures_age_ms / 1e3);
    json_object_set_int_member(o, "pager_restarts", g.pager_restarts);
    trouble_set_sums(o, known, troubles, vm->uuid);
    json_set_text(o, "seal", wire_beat_seal(&g));
    copies_set(o, &g);
    hold_set(o, &g);
    delay_set(o, g.delays, true);
    json_object_set_array_member(o, "providers", vm_providers(vm, troubles));
    return o;
}

JsonArray *host_json_vms(const Rcached *r)
{
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    JsonArray *list = json_array_new();

    for (unsigned i = 0; i < vms->len; i++) {
        json_array_add_object_element(list,
            vm_json(g_ptr_array_index(vms, i), r->options->host));
    }
    return list;
}

/* ----------------------------------------------------------------- host */

static JsonArray *terms_json(const PredictOutput *prediction)
{
    JsonArray *list = json_array_new();

    for (unsigned i = 0; i < prediction->nr_terms; i++) {
        JsonObject *o = json_object_new();

        json_object_set_string_member(o, "name", prediction->term[i].name);
        json_object_set_int_member(o, "bytes", prediction->term[i].bytes);
        json_array_add_object_element(list, o);
    }
    return list;
}

void host_json_set_lending(JsonObject *o, const Rcached *r,
                           const ProviderSnapshot *lent)
{
    const HostState *s = policy_state(r->policy);

    json_object_set_int_member(o, "mem_total_bytes", s->sample.total);
    json_object_set_int_member(o, "mem_available_bytes",
                               s->sample.available);
    json_object_set_int_member(o, "offered_bytes", s->prediction.offered);
    json_object_set_int_member(o, "leased_bytes", lent->leased);
    json_object_set_int_member(o, "free_bytes",
                               saturating_sub(MIN(s->prediction.offered,
                                                  lent->offered),
                                              lent->leased));
    json_object_set_int_member(o, "stored_bytes", lent->stored);
    json_object_set_int_member(o, "spilled_bytes", lent->spilled);
    json_object_set_int_member(o, "asked_back_bytes", lent->asked);
    json_object_set_int_member(o, "slabs_moved_away", lent->slabs_out);
    json_object_set_int_member(o, "slabs_moved_here", lent->slabs_in);
}

static void set_psi(JsonObject *o, const MemorySample *sample)
{
    if (sample->has_psi) {
        json_object_set_double_member(o, "psi_some_percent",
                                      sample->psi_some_avg10 / 1e2);
        json_object_set_double_member(o, "psi_full_percent",
                                      sample->psi_full_avg10 / 1e2);
    } else {
        json_object_set_null_member(o, "psi_some_percent");
        json_object_set_null_member(o, "psi_full_percent");
    }
}

static unsigned vms_running(const GPtrArray *vms)
{
    unsigned n = 0;

    for (unsigned i = 0; i < vms->len; i++) {
        n += !vm_has_ended(vms->pdata[i]);
    }
    return n;
}

JsonObject *host_json_host(const Rcached *r)
{
    const HostState *s = policy_state(r->policy);
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    JsonObject *o = json_object_new();
    ProviderSnapshot lent;

    provider_snapshot(r->provider, &lent);
    json_object_set_string_member(o, "name", r->options->host);
    json_object_set_string_member(o, "address", r->provider
                                  ? provider_address(r->provider) : "");
    json_object_set_null_member(o, "peer");
    json_object_set_string_member(o, "label", r->options->label);
    json_set_uuid(o, "boot_id", r->boot_id);
    json_object_set_int_member(o, "daemon_pid", getpid());
    json_object_set_int_member(o, "pagers_to_replace",
                               pager_upgrade_left(vms));
    json_object_set_string_member(o, "state", "alive");
    json_object_set_boolean_member(o, "connected", TRUE);
    json_set_seconds(o, "age_seconds", 0);
    json_object_set_boolean_member(o, "lends", s->lends);
    json_object_set_boolean_member(o, "draining", host_state_leaves(s));
    host_json_set_lending(o, r, &lent);
    provider_snapshot_clear(&lent);
    json_object_set_int_member(o, "reserve_bytes", s->reserve);
    json_object_set_null_member(o, "pending_bytes");
    set_psi(o, &s->sample);
    json_object_set_int_member(o, "vms", vms_running(vms));
    json_object_set_array_member(o, "terms", terms_json(&s->prediction));
    return o;
}
