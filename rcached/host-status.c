/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-status: see host-status.h. */
#include "rcached/host-status.h"

#include <string.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/copies.h"
#include "common/delay-figures.h"
#include "common/hold.h"
#include "common/json-set.h"
#include "common/limit-json.h"
#include "common/trouble.h"
#include "common/verdict.h"
#include "common/wire-beat.h"
#include "common/wire-version.h"
#include "rcached/host-json.h"
#include "rcached/pager-upgrade.h"
#include "rcached/report.h"
#include "rcached/unmanaged-vms.h"

#define STRETCH_MIN     (UINT64_C(16) << 20)    /* above local-max: told */
#define EXPIRES_SOON_MS 5000u   /* a lease is renewed long before */
#define RESTARTED_US    (60 * G_USEC_PER_SEC)   /* told as a problem */
#define REFUSED_US      (60 * G_USEC_PER_SEC)   /* the same */

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
        json_set_text(o, "error", a.connected ? NULL : a.error);
        if (a.version) {
            json_object_set_int_member(o, "protocol_version", a.version);
        } else {
            json_object_set_null_member(o, "protocol_version");
        }
        json_array_add_object_element(list, o);
        if (!a.connected) {
            verdict_add(verdict, VERDICT_DEGRADED,
                        "arbiter %s is not connected: %s",
                        a.address, *a.error ? a.error : "connecting");
        } else if (a.version < wire_version_highest()) {
            verdict_add(verdict, VERDICT_NOTE, "versions are mixed: version "
                        "%u of the protocol is not spoken by arbiter %s; "
                        "finish the upgrade", wire_version_highest(),
                        a.address);
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
    } else if (s->oldest_wait > HOST_WAITING_NS) {
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
    char spilled[32], own[32];

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
    json_object_set_int_member(o, "own_leased_bytes", lent->own);
    json_object_set_int_member(o, "own_stored_bytes", lent->own_stored);
    if (lent->own_stored) {
        verdict_add(verdict, VERDICT_DEGRADED, "no other host has room for %s "
                    "of the VMs here: they are on this host's own disk, and "
                    "guests wait longer for them",
                    verdict_size(lent->own_stored, own));
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

/* One of the two is not who it says it is; which one, a person has to see. */
static void judge_refused(const Vm *vm, Verdict *verdict)
{
    const VmRefused *r = &vm->refused;
    uint64_t age = vm->bound_ms ? boottime_ms() - vm->bound_ms : 0;

    if (!r->count || g_get_monotonic_time() - r->at > REFUSED_US) {
        return;
    }
    verdict_add(verdict, VERDICT_DEGRADED, "vm %s: process %d of user %u came "
                "with the same uuid and was refused (%u time%s): process %d of "
                "user %u has it, since %" G_GUINT64_FORMAT " s ago",
                vm->name, (int)r->pid, (unsigned)r->uid, r->count,
                r->count == 1 ? "" : "s", (int)vm->vmm.pid,
                (unsigned)vm->vmm.uid, age / 1000);
}

static void judge_vm(const Vm *vm, const Options *options, Verdict *verdict)
{
    WireBeatGuest g;

    if (judge_stuck(vm, verdict)) {
        return;
    }
    if (vm_has_ended(vm)) {
        verdict_add(verdict, VERDICT_NOTE, "vm %s has ended, and its pager "
                    "gives its leases back", vm->name);
        return;
    }
    judge_refused(vm, verdict);
    judge_faults(vm, verdict);
    judge_troubles(vm, verdict);
    judge_pager(vm, verdict);
    pager_upgrade_judge(vm, verdict);
    judge_held(vm, verdict);
    report_guest(vm, g_get_monotonic_time(), &g);
    copies_judge(&g, vm->name, verdict);
    hold_judge(&g, vm->name, options->host, verdict);
    if (vm->figures.attached) {
        delay_judge(g.delays, vm->name, options->stall_warn, verdict);
    }
}

static unsigned set_vms(JsonObject *o, const Rcached *r, Verdict *verdict)
{
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    struct RcacheVmmStats sum = { 0 };
    unsigned n = 0;

    for (unsigned i = 0; i < vms->len; i++) {
        const Vm *vm = g_ptr_array_index(vms, i);

        n += !vm_has_ended(vm);
        sum.guest += vm->figures.stats.guest;
        sum.resident += vm->figures.stats.resident;
        sum.remote += vm->figures.stats.remote;
        sum.zero += vm->figures.stats.zero;
        sum.one_copy += vm->figures.stats.one_copy;
        sum.copying += vm->figures.stats.copying;
        judge_vm(vm, r->options, verdict);
    }
    json_object_set_int_member(o, "vms", n);
    json_object_set_int_member(o, "pagers_to_replace",
                               pager_upgrade_left(vms));
    json_object_set_int_member(o, "guest_bytes", sum.guest);
    json_object_set_int_member(o, "resident_bytes", sum.resident);
    json_object_set_int_member(o, "remote_bytes", sum.remote);
    json_object_set_int_member(o, "zero_bytes", sum.zero);
    json_object_set_int_member(o, "one_copy_bytes", sum.one_copy);
    json_object_set_int_member(o, "repairing_bytes", sum.copying);
    return n;
}

static void judge_limit(const VmLimit *limit, const char *key,
                        Verdict *verdict)
{
    if (limit->refused && g_get_monotonic_time() - limit->at < REFUSED_US) {
        verdict_add(verdict, VERDICT_DEGRADED, "the limit [limits] %s = %u has "
                    "kept VMs from having a pager %" G_GUINT64_FORMAT
                    " time%s, the last time one of user %u", key, limit->max,
                    limit->refused, limit->refused == 1 ? "" : "s",
                    (unsigned)limit->uid);
    }
}

/* A limit of VMs, in the form that the provider's have. */
static void add_vm_limit(LimitHits *hits, unsigned nr, const VmLimit *limit,
                         uint64_t now)
{
    uint64_t ago = (g_get_monotonic_time() - limit->at) / 1000;
    LimitHitsOf *of = &hits->of[nr];

    if (!limit->refused) {
        return;
    }
    of->count = of->who[0].count = limit->refused;
    of->last_ms = now - MIN(ago, now);
    of->who[0].last_ms = of->who[0].since_ms = of->last_ms;
    g_snprintf(of->who[0].who, sizeof(of->who[0].who), "user %u",
               (unsigned)limit->uid);
}

/* All limits of the section [limits], and who runs into them. */
static JsonArray *limits_json(const ProviderSnapshot *lent,
                              const VmLimits *vms, Verdict *verdict)
{
    const LimitName of_vms[] = {
        { "pagers", vms->all.max, "has VMs without a pager" },
        { "pagers-per-user", vms->each.max, "has VMs without a pager" },
    };
    JsonArray *list = json_array_new();
    g_autoptr(Verdict) told = verdict_new();    /* by judge_limit() */
    LimitName names[NR_PEER_LIMITS];
    LimitHits hits = { 0 };
    uint64_t now = boottime_ms();

    add_vm_limit(&hits, 0, &vms->all, now);
    add_vm_limit(&hits, 1, &vms->each, now);
    limit_hits_add(&hits, of_vms, G_N_ELEMENTS(of_vms), now, list, told);
    if (lent->limits.conns) {   /* there is a provider */
        provider_limits_names(&lent->limits, names);
        limit_hits_add(&lent->hits, names, NR_PEER_LIMITS, now, list, verdict);
    }
    return list;
}

static void set_limits(JsonObject *o, const VmLimits *limits,
                       Verdict *verdict)
{
    json_object_set_int_member(o, "pagers_max", limits->all.max);
    json_object_set_int_member(o, "pagers_per_user_max", limits->each.max);
    json_object_set_int_member(o, "pagers_refused",
                               limits->all.refused + limits->each.refused);
    judge_limit(&limits->all, "pagers", verdict);
    judge_limit(&limits->each, "pagers-per-user", verdict);
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
        verdict_add(verdict, host_state_leaves(s) ? VERDICT_NOTE
                                                  : VERDICT_DEGRADED,
                    "%" G_GUINT64_FORMAT " MiB of %" G_GUINT64_FORMAT " MiB "
                    "that are lent have been asked back: %s",
                    lent->asked >> 20, lent->leased >> 20,
                    s->draining ? "this host is being drained"
                    : s->stopping ? "its rcached is about to stop"
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

JsonObject *host_status(const Rcached *r, int64_t started)
{
    JsonObject *o = json_object_new();
    g_autoptr(Verdict) verdict = verdict_new();
    g_autofree char *summary = NULL;
    g_autoptr(JsonArray) leases = host_json_leases(r);
    ProviderSnapshot lent;

    provider_snapshot(r->provider, &lent);
    json_object_set_string_member(o, "daemon", "rcached");
    json_object_set_string_member(o, "version", RCACHED_VERSION);
    json_object_set_string_member(o, "host", r->options->host);
    json_object_set_int_member(o, "pid", getpid());
    json_set_seconds(o, "uptime_seconds",
                (g_get_monotonic_time() - started) / 1e6);
    json_set_text(o, "listen",
                     r->provider ? provider_address(r->provider) : NULL);
    tls_keeper_set_status(r->tls, g_get_real_time() / G_USEC_PER_SEC, o,
                          verdict);
    json_object_set_array_member(o, "arbiters", arbiters_json(r, verdict));
    json_object_set_int_member(o, "leases", json_array_get_length(leases));
    host_json_set_lending(o, r, &lent);
    set_spill(o, &lent, verdict);
    set_limits(o, vms_limits(r->vms), verdict);
    json_object_set_array_member(o, "limits", limits_json(
        &lent, vms_limits(r->vms), verdict));
    summary = status_summary(r, &lent, set_vms(o, r, verdict));
    json_object_set_array_member(o, "other_vms", unmanaged_vms_json(r->qmp));
    judge_host(r, &lent, verdict);
    provider_snapshot_clear(&lent);
    verdict_set(verdict, o, summary);
    json_object_set_string_member(o, "summary", summary);
    return o;
}
