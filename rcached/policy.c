/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy: see policy.h.
 *
 * A run has six steps: the memory and what is lent now; the prediction; the
 * division among the VMs here; what of those that are held may come home; what
 * has to come back; and telling provider and pagers.
 */
#include "rcached/policy.h"

#include <string.h>

#include "common/log-event.h"
#include "common/saturate.h"
#include "rcached/division.h"
#include "rcached/giveback.h"
#include "rcached/holds.h"
#include "rcached/link-server.h"
#include "rcached/report.h"
#include "rcached/unmanaged-vms.h"

/* How long memory takes to be back after a lease has ended. */
#define SETTLE_US       (3 * G_USEC_PER_SEC)
/* How far apart samples of the past are that the prediction learns from. */
#define HISTORY_STEP_MS 1000u
/* In the run folder: an operator wants this host empty. */
#define DRAINING        "draining"

struct Policy {
    PolicyConfig config;
    HostState state;
    Predict *predict;
    Division division;
    GiveBack giveback;
    int64_t lent_changed;       /* g_get_monotonic_time() */
};

/* ------------------------------------------------------------------ look */

/* A source that cannot be read lends nothing more: that is the safe guess. */
static void look_at_memory(Policy *p)
{
    g_autoptr(GError) error = NULL;
    HostState *s = &p->state;
    bool sampled = memory_source_read(p->config.memory, &s->sample, &error);

    if (!sampled) {
        s->sample.available = 0;
        if (s->sampled) {
            g_warning("cannot read how much memory is free: %s; nothing more "
                      "is lent", error->message);
        }
    }
    s->sampled = sampled;
    s->reserve = options_reserve(p->config.options, s->sample.total);
}

static void look_at_lent(Policy *p, int64_t now, GiveBackInput *in)
{
    HostState *s = &p->state;
    ProviderSnapshot lent = { 0 };

    if (p->config.provider) {
        provider_snapshot(p->config.provider, &lent);
    }
    if (lent.leased - lent.spilled != s->leased - s->spilled) {
        p->lent_changed = now;
    }
    s->leased = lent.leased;
    s->spilled = lent.spilled;
    in->leased = lent.leased;
    in->spilled = lent.spilled;
    in->keepable = p->config.provider ? lent.keepable : UINT64_MAX;
    in->spill_size = lent.spill_size;
    in->spill_failing = lent.spill_failing;
    in->own = lent.own;
    s->own = lent.own;
    s->lends = p->config.provider &&
               (lent.leased ||
                options_lend(p->config.options, s->sample.total));
    if (p->config.provider) {
        provider_snapshot_clear(&lent);
    }
}

static bool is_unsettled(const Policy *p, int64_t now)
{
    return (p->config.granter && granter_busy(p->config.granter)) ||
           now - p->lent_changed < SETTLE_US || !p->state.sampled;
}

/* --------------------------------------------------------------- predict */

static void predict_now(Policy *p, int64_t now, bool unsettled)
{
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE,
                                           sizeof(PredictGuest));
    HostState *s = &p->state;
    bool vetoed = s->prediction.vetoed;
    PredictInput in = {
        .total = s->sample.total,
        .available = s->sample.available,
        .leased = s->leased,
        .spilled = s->spilled,
        .reserve = s->reserve,
        .lend_max = p->config.provider
                        ? options_lend(p->config.options, s->sample.total)
                        : 0,
        .psi_some = s->sample.psi_some_avg10,
        .psi_full = s->sample.psi_full_avg10,
        .unsettled = unsettled,
    };

    report_predict_all(p->config.vms, guests);
    unmanaged_vms_predict(p->config.qmp, p->config.vms, guests);
    in.guests = (const PredictGuest *)guests->data;
    in.nr_guests = guests->len;
    predict_update(p->predict, now / 1000, &in, &s->prediction);
    if (s->prediction.vetoed != vetoed) {
        log_event(G_LOG_LEVEL_MESSAGE, LOG_PRESSURE,
                  "memory pressure is %s: lending %s",
                  vetoed ? "over" : "high", vetoed ? "again" : "no more");
    }
}

/* ---------------------------------------------------------------- divide */

/* Again for as long as it is not so: a new pager has not heard it. */
static void tell_limit(const DivisionLimit *limit)
{
    struct LinkLimit msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_LIMIT,
                 .size = sizeof(msg) },
        .local_max = limit->local_max,
    };

    if (limit->vm->link &&
        limit->local_max / RCACHE_PAGE_SIZE !=
        limit->vm->figures.stats.local_max / RCACHE_PAGE_SIZE) {
        link_send(limit->vm->link, &msg, sizeof(msg));
    }
}

static void divide_now(Policy *p, int64_t now)
{
    g_autoptr(GPtrArray) vms = vms_list(p->config.vms);
    g_autoptr(GArray) limits = NULL;
    HostState *s = &p->state;
    bool was_short = p->division.divide.is_short;
    DivisionInput in = {
        .now_ms = now / 1000,
        .available = s->sample.available,
        .lent = s->leased - s->spilled,
        .reserve = s->reserve,
    };

    if (!s->sampled) {
        return;
    }
    limits = division_run(&p->division, &in, vms);
    s->budget = p->division.budget;
    if (!limits) {
        return;
    }
    if (p->division.divide.is_short != was_short) {
        g_message("the VMs with local-max=auto %s, %" G_GUINT64_FORMAT " MiB",
                  was_short ? "have room for all of their memory again"
                            : "have to share what this host has for them",
                  s->budget >> 20);
    }
    for (unsigned i = 0; i < limits->len; i++) {
        tell_limit(&g_array_index(limits, DivisionLimit, i));
    }
}

/* ------------------------------------------------------------------ hold */

/* While it is not known how much is free nothing more comes home. */
static void hold_now(Policy *p)
{
    HostState *s = &p->state;

    s->hold_lacking = holds_run(p->config.vms, s->sampled
                                ? saturating_sub(s->sample.available,
                                                 s->reserve) : 0);
}

/* ------------------------------------------------------------- give back */

static void say_asked(const Policy *p, uint64_t before)
{
    const HostState *s = &p->state;

    if (!before && s->asked) {
        log_event(G_LOG_LEVEL_MESSAGE, LOG_ASKED_BACK,
                  "asking for %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                  " lent MiB back: %s", s->asked >> 20, s->leased >> 20,
                  s->draining ? "this host is being drained"
                  : s->stopping ? "this daemon is about to stop"
                  : p->giveback.keep == PRESSURE_KEEP_ALL
                  ? "these slabs are in the spill file"
                  : "less memory is available than reserve and growth need");
    } else if (before && !s->asked) {
        log_event(G_LOG_LEVEL_MESSAGE, LOG_ASKED_BACK, "no lent memory is "
                  "asked back any more: %" G_GUINT64_FORMAT " MiB stay lent",
                  s->leased >> 20);
    }
}

static void give_back_now(Policy *p, const GiveBackInput *in)
{
    HostState *s = &p->state;
    Provider *provider = p->config.provider;
    uint64_t before = s->asked;

    giveback_update(&p->giveback, in, &s->prediction);
    if (!provider) {
        return;
    }
    /* The spill file ends with this daemon: it is for what is short alone. */
    provider_set_stay(provider, s->stopping ? p->giveback.here : 0);
    s->asked = provider_revoke(provider, p->giveback.keep,
                               s->sampled && !s->stopping
                                   ? s->prediction.room : 0,
                               p->config.options->deadline_ms);
    provider_revoke_own(provider, s->stopping, p->config.options->deadline_ms);
    say_asked(p, before);
    giveback_cap(&p->giveback, in, &s->prediction);
    provider_set_limit(provider, giveback_limit(&p->giveback, in,
                                                s->prediction.offered));
}

void policy_run(Policy *p, int64_t now)
{
    HostState *s = &p->state;
    GiveBackInput in = {
        .sample = &s->sample, .draining = host_state_leaves(s),
    };

    look_at_memory(p);
    look_at_lent(p, now, &in);
    in.sampled = s->sampled;
    in.reserve = s->reserve;
    in.unsettled = is_unsettled(p, now);
    predict_now(p, now, in.unsettled);
    divide_now(p, now);
    hold_now(p);
    in.squeezed = p->division.divide.squeezed || s->hold_lacking;
    give_back_now(p, &in);
    s->runs++;
}

/* ------------------------------------------------------------------ life */

const HostState *policy_state(const Policy *p)
{
    return &p->state;
}

void policy_drain(Policy *p, bool draining)
{
    g_autoptr(GError) error = NULL;

    p->state.draining = draining;
    if (!rundir_set_mark(p->config.dir, DRAINING, draining, &error)) {
        g_warning("cannot record that this host is %s, so a restarted daemon "
                  "will not know: %s", draining ? "drained" : "drained no more",
                  error->message);
    }
    policy_run(p, g_get_monotonic_time());
}

bool policy_hold(Policy *p, const Vm *vm, bool held, GError **errp)
{
    bool was = vm->hold.held;

    if (!vms_hold(p->config.vms, vm, held, errp)) {
        return false;
    }
    if (held != was) {
        log_event_vm(G_LOG_LEVEL_MESSAGE, LOG_HOLD, vm->name, "vm %s: %s",
                     vm->name, held
                     ? "an operator holds it: nothing more of it goes, and "
                       "what is away comes home"
                     : "an operator has ended the hold: its limits count "
                       "again");
    }
    policy_run(p, g_get_monotonic_time());
    holds_tell(vm);
    return true;
}

void policy_stop(Policy *p, bool stopping)
{
    p->state.stopping = stopping;
    policy_run(p, g_get_monotonic_time());
}

static void resume_drain(Policy *p)
{
    p->state.draining = p->config.provider &&
                        rundir_has_mark(p->config.dir, DRAINING);
    if (p->state.draining) {
        g_message("this host is still being drained, as an operator asked "
                  "before the restart; \"rcachectl undrain\" lets it lend "
                  "again");
    }
}

Policy *policy_new(const PolicyConfig *config)
{
    Policy *p = g_new0(Policy, 1);
    PredictConfig predict;

    p->config = *config;
    p->state.sampled = true;    /* so that a failure is told */
    predict_config_init(&predict);
    predict.deadline_ms = config->options->deadline_ms;
    predict.history_ms = config->options->history_ms;
    predict.period_ms = HISTORY_STEP_MS;
    predict.sudden_rate = config->options->growth_rate;
    p->predict = predict_new(&predict);
    division_init(&p->division);
    giveback_init(&p->giveback, predict.psi_some_max, predict.psi_full_max);
    resume_drain(p);
    policy_run(p, g_get_monotonic_time());
    if (p->state.sampled && !p->state.sample.has_psi) {
        g_warning("the kernel reports no memory pressure (is it booted with "
                  "psi=0?): the prediction does without");
    }
    return p;
}

void policy_free(Policy *p)
{
    if (p) {
        predict_free(p->predict);
        division_deinit(&p->division);
        g_free(p);
    }
}
