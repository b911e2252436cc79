/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-json: this host as JSON.  See host-json.h.
 *
 * It goes the way of a heartbeat: figures are first put into the structures
 * that are sent to arbiters, so that both sides say the same.
 */
#include "rcached/host-json.h"

#include <string.h>

#include "common/saturate.h"
#include "common/trouble.h"
#include "common/uuid.h"
#include "common/verdict.h"
#include "common/wire-beat.h"
#include "rcached/unmanaged-vms.h"
#include "rcached/report.h"

/* A fault that is older than this is told as waiting. */
#define WAITING_NS      (UINT64_C(1000) * 1000 * 1000)
#define STRETCH_MIN     (UINT64_C(16) << 20)    /* above local-max: told */
#define EXPIRES_SOON_MS 5000u   /* a lease is renewed long before */
#define RESTARTED_US    (60 * G_USEC_PER_SEC)   /* told as a problem */

static void set_seconds(JsonObject *o, const char *name, double seconds)
{
    json_object_set_double_member(o, name, seconds);
}

static void set_text_or_null(JsonObject *o, const char *name,
                             const char *text)
{
    if (text) {
        json_object_set_string_member(o, name, text);
    } else {
        json_object_set_null_member(o, name);
    }
}

static void set_uuid(JsonObject *o, const char *name, const uint8_t *uuid)
{
    char text[UUID_TEXT_LEN];

    uuid_format(uuid, text);
    json_object_set_string_member(o, name, text);
}

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
    set_uuid(o, "uuid", l->vm);
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
    set_seconds(o, "expires_seconds", l->expires_ms / 1e3);
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

    rcached_lent(r, &lent);
    add_leases(list, lent.leases, r->options->host, false);
    provider_snapshot_clear(&lent);
    for (unsigned i = 0; i < vms->len; i++) {
        report_held(g_ptr_array_index(vms, i), held);
    }
    add_leases(list, held, r->options->host, true);
    return list;
}

/* ------------------------------------------------------------------ VMs */

static const char *vm_state(const WireBeatGuest *g)
{
    if (g->figures_age_ms >= RCACHE_FIGURES_MAX_MS) {
        return "stuck";
    }
    if (!(g->flags & RCACHE_GUEST_PAGER)) {
        return "no pager";
    }
    return g->stall_ns > WAITING_NS ? "waiting" : "attached";
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
        set_seconds(o, "balloon_age_seconds", g->balloon_age_ms / 1e3);
    } else {
        json_object_set_null_member(o, "balloon_free_bytes");
        json_object_set_null_member(o, "balloon_available_bytes");
        json_object_set_null_member(o, "balloon_total_bytes");
        json_object_set_null_member(o, "balloon_age_seconds");
    }
}

static JsonObject *vm_json(const Vm *vm, const char *host)
{
    JsonObject *o = json_object_new();
    g_autoptr(GArray) troubles = g_array_new(FALSE, FALSE,
                                             sizeof(WireBeatTrouble));
    WireBeatGuest g;

    report_guest(vm, g_get_monotonic_time(), &g);
    report_troubles(vm, troubles);
    json_object_set_string_member(o, "name", vm->name);
    json_object_set_string_member(o, "uuid", vm->uuid_text);
    json_object_set_string_member(o, "host", host);
    json_object_set_string_member(o, "state", vm_state(&g));
    json_object_set_int_member(o, "guest_bytes", g.guest);
    json_object_set_int_member(o, "resident_bytes", g.resident);
    json_object_set_int_member(o, "remote_bytes", g.remote);
    json_object_set_int_member(o, "zero_bytes", g.zero);
    json_object_set_int_member(o, "local_max_bytes", g.local_max);
    json_object_set_int_member(o, "size_bytes", g.size);
    set_balloon(o, &g);
    json_object_set_int_member(o, "faults", g.faults);
    json_object_set_int_member(o, "evicted_pages", g.evicted_pages);
    set_seconds(o, "fault_p50_seconds", g.fault_p50_ns / 1e9);
    set_seconds(o, "fault_p99_seconds", g.fault_p99_ns / 1e9);
    set_seconds(o, "stall_seconds", g.stall_ns / 1e9);
    set_seconds(o, "figures_age_seconds", g.figures_age_ms / 1e3);
    json_object_set_int_member(o, "pager_restarts", g.pager_restarts);
    trouble_set_sums(o, troubles, vm->uuid);
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

/* What both "status" and "hosts" say of lending: what is offered is of the
 * policy's last run, so room that has come since is free with the next one. */
static void set_lending(JsonObject *o, const Rcached *r,
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

JsonObject *host_json_host(const Rcached *r)
{
    const HostState *s = policy_state(r->policy);
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    JsonObject *o = json_object_new();
    ProviderSnapshot lent;

    rcached_lent(r, &lent);
    json_object_set_string_member(o, "name", r->options->host);
    json_object_set_string_member(o, "address", r->provider
                                  ? provider_address(r->provider) : "");
    json_object_set_null_member(o, "peer");
    json_object_set_string_member(o, "label", r->options->label);
    set_uuid(o, "boot_id", r->boot_id);
    json_object_set_string_member(o, "state", "alive");
    json_object_set_boolean_member(o, "connected", TRUE);
    set_seconds(o, "age_seconds", 0);
    json_object_set_boolean_member(o, "lends", r->provider != NULL);
    json_object_set_boolean_member(o, "draining", s->draining);
    set_lending(o, r, &lent);
    provider_snapshot_clear(&lent);
    json_object_set_int_member(o, "reserve_bytes", s->reserve);
    json_object_set_null_member(o, "pending_bytes");
    set_psi(o, &s->sample);
    json_object_set_int_member(o, "vms", vms->len);
    json_object_set_array_member(o, "terms", terms_json(&s->prediction));
    return o;
}

/* --------------------------------------------------------------- status */

static JsonArray *arbiters_json(const Rcached *r, Verdict *verdict)
{
    JsonArray *list = json_array_new();

    for (unsigned i = 0; i < arbiter_clients_count(r->arbiters); i++) {
        JsonObject *o = json_object_new();
        ArbiterStatus a;

        arbiter_clients_status(r->arbiters, i, &a);
        json_object_set_string_member(o, "address", a.address);
        json_object_set_boolean_member(o, "connected", a.connected);
        json_object_set_string_member(o, "host", a.host);
        set_text_or_null(o, "error", a.connected ? NULL : a.error);
        json_array_add_object_element(list, o);
        if (!a.connected) {
            verdict_add(verdict, VERDICT_DEGRADED,
                        "arbiter %s is not connected: %s",
                        a.address, *a.error ? a.error : "connecting");
        }
    }
    return list;
}

/* What a VM waits for, and what it has lost. */
static void judge_faults(const Vm *vm, Verdict *verdict)
{
    const struct RcacheVmmStats *s = &vm->figures.stats;

    if (!vm->pager && vm->retry.problem) {
        verdict_add(verdict, VERDICT_FAILING,
                    "vm %s has no pager, since %s: %s", vm->name,
                    vm->retry.failures ? "starting one fails"
                    : "the last one died", vm->retry.problem);
    } else if (!vm->figures.attached) {
        verdict_add(verdict, VERDICT_FAILING, "vm %s has no pager attached",
                    vm->name);
    } else if (s->oldest_wait > WAITING_NS) {
        verdict_add(verdict, VERDICT_FAILING, "vm %s has waited %.1f s for %s "
                    "(block %u, offset %" G_GUINT64_FORMAT ")", vm->name,
                    s->oldest_wait / 1e9,
                    *s->waiting_for ? s->waiting_for : "a page",
                    s->waiting_block, s->waiting_offset);
    }
}

static void judge_troubles(const Vm *vm, Verdict *verdict)
{
    g_autoptr(GArray) troubles = g_array_new(FALSE, FALSE,
                                             sizeof(WireBeatTrouble));

    report_troubles(vm, troubles);
    for (guint i = 0; i < troubles->len; i++) {
        const WireBeatTrouble *t = &g_array_index(troubles, WireBeatTrouble,
                                                  i);

        trouble_judge(t, vm->name, verdict);
        if (t->cause == RCACHE_CAUSE_NO_PAGES ||
            t->cause == RCACHE_CAUSE_HUNG) {
            verdict_add(verdict, VERDICT_DEGRADED, "provider %s %s, as vm %s "
                        "has seen for %u s: new pages go elsewhere", t->host,
                        wire_cause_text(t->cause), vm->name, t->since_s);
        }
    }
}

/* The spill file, and why it is worth a look. */
static void set_spill(JsonObject *o, const ProviderSnapshot *lent,
                      Verdict *verdict)
{
    char spilled[32];

    json_object_set_int_member(o, "spill_size_bytes", lent->spill_size);
    json_object_set_int_member(o, "spill_stored_bytes", lent->in_file);
    json_object_set_int_member(o, "spill_slabs_out", lent->spill_slabs_out);
    json_object_set_int_member(o, "spill_slabs_back", lent->spill_slabs_back);
    json_object_set_int_member(o, "spill_get_pages", lent->spill_get_pages);
    json_object_set_int_member(o, "spill_put_pages", lent->spill_put_pages);
    json_object_set_int_member(o, "spill_errors", lent->spill_errors);
    if (lent->spilled) {
        verdict_add(verdict, VERDICT_DEGRADED, "%s of what is lent is in the "
                    "spill file: guests wait longer for it",
                    verdict_size(lent->spilled, spilled));
    }
    if (*lent->spill_problem) {
        verdict_add(verdict, VERDICT_DEGRADED, "%s", lent->spill_problem);
    }
}

static void judge_pager(const Vm *vm, Verdict *verdict)
{
    const struct RcacheVmmStats *s = &vm->figures.stats;
    uint64_t slack = MAX(s->local_max / 20, STRETCH_MIN);
    int64_t age = g_get_monotonic_time() - vm->started_at;

    if (s->local_max < s->guest && s->resident > s->local_max &&
        s->resident - s->local_max > slack) {
        verdict_add(verdict, VERDICT_DEGRADED, "vm %s has %" G_GUINT64_FORMAT
                    " MiB here, above its local-max of %" G_GUINT64_FORMAT
                    " MiB", vm->name, s->resident >> 20, s->local_max >> 20);
    }
    if (vm_restarts(vm)) {
        verdict_add(verdict, vm->started_at && age < RESTARTED_US
                    ? VERDICT_DEGRADED : VERDICT_NOTE,
                    "the pager of vm %s has been started again %u time%s",
                    vm->name, vm_restarts(vm),
                    vm_restarts(vm) > 1 ? "s" : "");
    }
}

/* What stands on a provider that the VM has no connection to; 0 if this has
 * been told with an earlier one of its leases. */
static uint64_t out_of_reach(const Vm *vm, unsigned first)
{
    const struct LinkHeld *held = (const void *)vm->figures.held->data;
    uint64_t bytes = 0;

    for (unsigned i = 0; i < vm->figures.held->len; i++) {
        if (held[i].connected || !held[i].stored || held[i].lost ||
            strcmp(held[i].provider, held[first].provider)) {
            continue;
        }
        if (i < first) {
            return 0;
        }
        bytes += held[i].stored;
    }
    return bytes;
}

/* Is a provider slow, and has no earlier lease of the VM told so? */
static bool is_slow_first(const Vm *vm, unsigned at)
{
    const struct LinkHeld *held = (const void *)vm->figures.held->data;

    for (unsigned i = 0; i < at; i++) {
        if (!strcmp(held[i].provider, held[at].provider)) {
            return false;
        }
    }
    return held[at].slow_s;
}

static void judge_held(const Vm *vm, Verdict *verdict)
{
    for (unsigned i = 0; i < vm->figures.held->len; i++) {
        const struct LinkHeld *h = &g_array_index(vm->figures.held,
                                                  struct LinkHeld, i);
        uint64_t bytes = h->connected ? 0 : out_of_reach(vm, i);
        char size[32];

        if (is_slow_first(vm, i)) {
            verdict_add(verdict, VERDICT_DEGRADED, "provider %s has been slow "
                        "for vm %s for %u s: other providers are preferred",
                        h->provider, vm->name, h->slow_s);
        }
        if (bytes) {
            verdict_add(verdict, VERDICT_DEGRADED, "vm %s cannot reach "
                        "provider %s, which holds %s of its memory", vm->name,
                        h->provider, verdict_size(bytes, size));
        } else if (h->connected && h->expires_ms < EXPIRES_SOON_MS) {
            verdict_add(verdict, VERDICT_DEGRADED, "a lease of vm %s on "
                        "provider %s ends in %.1f s and is not being "
                        "renewed", vm->name,
                        h->provider, h->expires_ms / 1e3);
        }
    }
}

/* All else that is known of it is old. */
static bool judge_stuck(const Vm *vm, Verdict *verdict)
{
    int64_t now = g_get_monotonic_time();

    if (!vm_figures_stuck(&vm->figures, now)) {
        return false;
    }
    verdict_add(verdict, VERDICT_FAILING, "vm %s: no figures for %"
                G_GUINT64_FORMAT " s: its pager is stuck", vm->name,
                vm_figures_age_ms(&vm->figures, now) / 1000);
    return true;
}

static void judge_vm(const Vm *vm, Verdict *verdict)
{
    if (judge_stuck(vm, verdict)) {
        return;
    }
    judge_faults(vm, verdict);
    judge_troubles(vm, verdict);
    judge_pager(vm, verdict);
    judge_held(vm, verdict);
}

static unsigned set_vms(JsonObject *o, const Rcached *r, Verdict *verdict)
{
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    struct RcacheVmmStats sum = { 0 };

    for (unsigned i = 0; i < vms->len; i++) {
        const Vm *vm = g_ptr_array_index(vms, i);

        sum.guest += vm->figures.stats.guest;
        sum.resident += vm->figures.stats.resident;
        sum.remote += vm->figures.stats.remote;
        sum.zero += vm->figures.stats.zero;
        judge_vm(vm, verdict);
    }
    json_object_set_int_member(o, "vms", vms->len);
    json_object_set_int_member(o, "guest_bytes", sum.guest);
    json_object_set_int_member(o, "resident_bytes", sum.resident);
    json_object_set_int_member(o, "remote_bytes", sum.remote);
    json_object_set_int_member(o, "zero_bytes", sum.zero);
    return vms->len;
}

static void judge_host(const Rcached *r, const ProviderSnapshot *lent,
                       Verdict *verdict)
{
    const HostState *s = policy_state(r->policy);

    if (!s->sampled) {
        verdict_add(verdict, VERDICT_DEGRADED,
                    "cannot read how much memory is free");
    }
    if (s->prediction.vetoed) {
        verdict_add(verdict, VERDICT_DEGRADED,
                    "memory pressure is high: nothing more is lent");
    }
    if (lent->asked) {
        verdict_add(verdict, s->draining ? VERDICT_NOTE : VERDICT_DEGRADED,
                    "%" G_GUINT64_FORMAT " MiB of %" G_GUINT64_FORMAT " MiB "
                    "that are lent have been asked back: %s",
                    lent->asked >> 20, lent->leased >> 20,
                    s->draining ? "this host is being drained"
                                : "this host needs them itself");
    } else if (s->draining) {
        verdict_add(verdict, VERDICT_NOTE, "this host is %s",
                    lent->leased ? "being drained" : "drained and empty");
    }
}

static char *status_summary(const Rcached *r, const ProviderSnapshot *lent,
                            unsigned nr_vms)
{
    const HostState *s = policy_state(r->policy);
    char offered[32], leased[32];

    return g_strdup_printf("%u VM%s; offers %s, %s leased", nr_vms,
                           nr_vms == 1 ? "" : "s",
                           verdict_size(s->prediction.offered, offered),
                           verdict_size(lent->leased, leased));
}

JsonObject *host_json_status(const Rcached *r, int64_t started)
{
    JsonObject *o = json_object_new();
    g_autoptr(Verdict) verdict = verdict_new();
    g_autofree char *summary = NULL;
    g_autoptr(JsonArray) leases = host_json_leases(r);
    ProviderSnapshot lent;

    rcached_lent(r, &lent);
    json_object_set_string_member(o, "daemon", "rcached");
    json_object_set_string_member(o, "version", RCACHED_VERSION);
    json_object_set_string_member(o, "host", r->options->host);
    set_seconds(o, "uptime_seconds",
                (g_get_monotonic_time() - started) / 1e6);
    set_text_or_null(o, "listen",
                     r->provider ? provider_address(r->provider) : NULL);
    json_object_set_array_member(o, "arbiters", arbiters_json(r, verdict));
    json_object_set_int_member(o, "leases", json_array_get_length(leases));
    set_lending(o, r, &lent);
    set_spill(o, &lent, verdict);
    summary = status_summary(r, &lent, set_vms(o, r, verdict));
    json_object_set_array_member(o, "other_vms", unmanaged_vms_json(r->qmp));
    judge_host(r, &lent, verdict);
    provider_snapshot_clear(&lent);
    verdict_set(verdict, o, summary);
    json_object_set_string_member(o, "summary", summary);
    return o;
}
