/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report: what is known of the VMs here.  See report.h.
 *
 * A guest's word counts only for what it has said, lately: a figure without
 * its bit, one of all ones (how virtio-balloon says that it does not know)
 * and figures whose last update is old are none.
 */
#include "rcached/report.h"

#include <string.h>

#include "common/wire-beat.h"
#include "rcached/holds.h"

static bool balloon_has(const struct RcacheVmmBalloon *b,
                        enum RcacheBalloonTag tag)
{
    return (b->valid >> tag & 1) && b->stat[tag] != UINT64_MAX;
}

/* Since the guest last spoke, in ms. */
static uint64_t balloon_age_ms(const Vm *vm, int64_t now)
{
    int64_t at = vm->figures.balloon_at;

    return now > at ? (now - at) / 1000 : 0;
}

bool report_balloon_plausible(uint64_t free, uint64_t total, uint64_t memory)
{
    return total && total < INT64_MAX && free <= total &&
           (!memory || total <= memory);
}

static bool balloon_holds(const Vm *vm, int64_t now)
{
    const struct RcacheVmmBalloon *b = &vm->figures.balloon;

    return vm->figures.has_balloon && b->last_update &&
           balloon_has(b, RCACHE_BALLOON_FREE) &&
           balloon_has(b, RCACHE_BALLOON_TOTAL) &&
           report_balloon_plausible(b->stat[RCACHE_BALLOON_FREE],
                                    b->stat[RCACHE_BALLOON_TOTAL],
                                    vm->figures.stats.guest) &&
           balloon_age_ms(vm, now) <= REPORT_BALLOON_MAX_MS;
}

static uint64_t balloon_stat(const Vm *vm, enum RcacheBalloonTag tag)
{
    const struct RcacheVmmBalloon *b = &vm->figures.balloon;

    return balloon_has(b, tag) ? b->stat[tag] : 0;
}

static uint32_t guest_flags(const Vm *vm)
{
    const VmFigures *figures = &vm->figures;

    return RCACHE_GUEST_MANAGED | holds_flags(vm) |
           (figures->attached ? RCACHE_GUEST_PAGER : 0) |
           (figures->seal == LINK_SEAL_ON ? RCACHE_GUEST_SEALED : 0) |
           (figures->seal == LINK_SEAL_OFF ? RCACHE_GUEST_UNSEALED : 0);
}

void report_guest(const Vm *vm, int64_t now, WireBeatGuest *out)
{
    const struct RcacheVmmStats *s = &vm->figures.stats;

    *out = (WireBeatGuest) {
        .flags = guest_flags(vm),
        .pager_restarts = vm_restarts(vm),
        .guest = s->guest,
        .resident = s->resident,
        .remote = s->remote,
        .zero = s->zero,
        .local_max = s->local_max,
        .size = s->size,
        .faults = s->faults_remote,
        .evicted_pages = s->evicted_pages,
        .fault_p50_ns = s->fault_p50,
        .fault_p99_ns = s->fault_p99,
        .stall_ns = s->oldest_wait,
        .figures_age_ms = vm_figures_age_ms(&vm->figures, now),
        .copies = MAX(s->copies, 1),
        .one_copy = s->one_copy,
        .repairing = s->copying,
        .delays = vm->figures.has_delays ? &vm->figures.delays : NULL,
    };
    memcpy(out->vm, vm->uuid, sizeof(out->vm));
    wire_text_copy(out->name, sizeof(out->name), vm->name);
    if (balloon_holds(vm, now)) {
        out->flags |= RCACHE_GUEST_BALLOON;
        out->balloon_free = balloon_stat(vm, RCACHE_BALLOON_FREE);
        out->balloon_available = balloon_stat(vm, RCACHE_BALLOON_AVAILABLE);
        out->balloon_total = balloon_stat(vm, RCACHE_BALLOON_TOTAL);
        out->balloon_age_ms = balloon_age_ms(vm, now);
    }
}

void report_held(const Vm *vm, GArray *out)
{
    for (unsigned i = 0; i < vm->figures.held->len; i++) {
        const struct LinkHeld *h = &g_array_index(vm->figures.held,
                                                  struct LinkHeld, i);
        WireBeatLease lease = {
            .lease = h->lease,
            .epoch = h->epoch,
            .state = h->connected ? RCACHE_LEASE_CLAIMED
                                  : RCACHE_LEASE_GRANTED,
            .bytes = h->bytes,
            .stored = h->stored,
            .sole = h->sole,
            .expires_ms = h->expires_ms,
        };

        if (!h->lease) {
            continue;           /* what is lost, of a lease that is gone */
        }
        memcpy(lease.vm, vm->uuid, sizeof(lease.vm));
        wire_text_copy(lease.name, sizeof(lease.name), vm->name);
        wire_text_copy(lease.host, sizeof(lease.host), h->provider);
        g_array_append_val(out, lease);
    }
}

/* The one of this provider among those from @first on, made if it is not. */
static WireBeatTrouble *trouble_of(const Vm *vm, GArray *out, guint first,
                                   const char *provider)
{
    WireBeatTrouble new = { .cause = RCACHE_CAUSE_NONE };

    for (guint i = first; i < out->len; i++) {
        WireBeatTrouble *t = &g_array_index(out, WireBeatTrouble, i);

        if (!strcmp(t->host, provider)) {
            return t;
        }
    }
    memcpy(new.vm, vm->uuid, sizeof(new.vm));
    wire_text_copy(new.name, sizeof(new.name), vm->name);
    wire_text_copy(new.host, sizeof(new.host), provider);
    g_array_append_val(out, new);
    return &g_array_index(out, WireBeatTrouble, out->len - 1);
}

void report_troubles(const Vm *vm, GArray *out)
{
    const struct RcacheVmmStats *s = &vm->figures.stats;
    uint64_t lost = 0, wrong = 0;
    guint first = out->len;
    WireBeatTrouble *t;

    for (unsigned i = 0; i < vm->figures.held->len; i++) {
        const struct LinkHeld *h = &g_array_index(vm->figures.held,
                                                  struct LinkHeld, i);

        if (!h->cause && !h->lost && !h->wrong) {
            continue;
        }
        t = trouble_of(vm, out, first, h->provider);
        if (h->cause > t->cause) {
            t->cause = h->cause;
            t->since_s = h->cause_s;
        }
        t->lost += h->lost;
        lost += h->lost;
        wrong += h->wrong - MIN(t->wrong, h->wrong);
        t->wrong = MAX(t->wrong, h->wrong);     /* the provider's, not the */
                                                /* lease's */
    }
    if (s->lost > lost || s->checksum_errors > wrong) {
        t = trouble_of(vm, out, first, "");
        t->lost = s->lost - MIN(lost, s->lost);
        t->wrong = s->checksum_errors - MIN(wrong, s->checksum_errors);
    }
}

void report_predict(const Vm *vm, int64_t now, PredictGuest *out)
{
    const struct RcacheVmmStats *s = &vm->figures.stats;

    *out = (PredictGuest) {
        .resident = s->resident,
        .away = s->remote,
        .may_have = MIN(s->local_max, s->guest),
        .has_balloon = balloon_holds(vm, now),
    };
    if (out->has_balloon) {
        out->balloon_free = balloon_stat(vm, RCACHE_BALLOON_FREE);
        out->balloon_total = balloon_stat(vm, RCACHE_BALLOON_TOTAL);
    }
}

void report_predict_all(Vms *vms, GArray *out)
{
    g_autoptr(GPtrArray) list = vms_list(vms);
    int64_t now = g_get_monotonic_time();

    for (unsigned i = 0; i < list->len; i++) {
        PredictGuest guest;

        if (!vm_has_ended(list->pdata[i])) {
            report_predict(list->pdata[i], now, &guest);
            g_array_append_val(out, guest);
        }
    }
}

void report_beat_all(Vms *vms, GArray *guests, GArray *held,
                     GArray *troubles)
{
    g_autoptr(GPtrArray) list = vms_list(vms);
    int64_t now = g_get_monotonic_time();

    for (unsigned i = 0; i < list->len; i++) {
        const Vm *vm = list->pdata[i];
        WireBeatGuest guest;

        report_held(vm, held);
        if (vm_has_ended(vm)) {
            continue;           /* its leases are all that there is of it */
        }
        report_guest(vm, now, &guest);
        g_array_append_val(guests, guest);
        report_troubles(vm, troubles);
    }
}
