/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * division: see division.h.
 *
 * What is free is of now, what the VMs have of up to a second ago: while they
 * shrink or grow the sum is off, the more the faster.  So the budget follows
 * the sum slowly, down faster than up; the reserve is there for the
 * difference.
 */
#include "rcached/division.h"

#include <string.h>

#include "common/saturate.h"

/* Of a change of the budget so much is believed at each step. */
#define STEP_MS         1000u
#define FALL(change)    ((change) / 4 * 3)
#define RISE(change)    ((change) / 4)

/* A VM in it, by its uuid. */
typedef struct Share {
    uint8_t uuid[RCACHE_UUID_LEN];
    uint64_t incarnation;
    bool seen;                  /* in this run */
    DivideVm divide;
} Share;

static guint share_hash(gconstpointer uuid)
{
    guint hash;

    memcpy(&hash, uuid, sizeof(hash));
    return hash;
}

static gboolean share_equal(gconstpointer a, gconstpointer b)
{
    return !memcmp(a, b, RCACHE_UUID_LEN);
}

void division_init(Division *division)
{
    *division = (Division) {
        .vms = g_hash_table_new_full(share_hash, share_equal, NULL, g_free),
    };
}

void division_deinit(Division *division)
{
    g_hash_table_unref(division->vms);
}

static bool is_automatic(const Vm *vm)
{
    return vm->figures.auto_least && vm->figures.has_stats &&
           vm->figures.attached;
}

/* What has been learnt of a VM; nothing yet of a new start of it. */
static Share *share_of(Division *division, const Vm *vm)
{
    Share *share = g_hash_table_lookup(division->vms, vm->uuid);

    if (!share) {
        share = g_new0(Share, 1);
        memcpy(share->uuid, vm->uuid, sizeof(share->uuid));
        share->incarnation = vm->incarnation;
        g_hash_table_insert(division->vms, share->uuid, share);
    } else if (share->incarnation != vm->incarnation) {
        share->incarnation = vm->incarnation;
        share->divide = (DivideVm) { 0 };
    }
    share->seen = true;
    share->divide.guest = vm->figures.stats.guest;
    share->divide.minimum = vm->figures.auto_least;
    share->divide.resident = vm->figures.stats.resident;
    share->divide.refaults = vm->figures.stats.faults_remote;
    return share;
}

static gboolean share_is_over(gpointer key, gpointer value, gpointer opaque)
{
    Share *share = value;
    bool over = !share->seen;

    share->seen = false;
    return over;
}

static uint64_t budget_now(const DivisionInput *in, const GPtrArray *vms)
{
    uint64_t has = saturating_add(in->available, in->lent);
    uint64_t promised = in->reserve;

    for (unsigned i = 0; i < vms->len; i++) {
        const Vm *vm = g_ptr_array_index(vms, i);
        const struct RcacheVmmStats *s = &vm->figures.stats;

        if (is_automatic(vm)) {
            has = saturating_add(has, s->resident);
        } else if (vm->figures.has_stats) {
            promised = saturating_add(promised, saturating_sub(
                MIN(s->local_max, s->guest), s->resident));
        }
    }
    return saturating_sub(has, promised);
}

static void budget_smooth(Division *division, uint64_t now_ms,
                          uint64_t budget, unsigned nr)
{
    if (nr != division->nr || !division->budget_ms) {
        division->nr = nr;
        division->budget = budget;
    } else if (now_ms - division->budget_ms < STEP_MS) {
        return;
    } else if (budget < division->budget) {
        division->budget -= FALL(division->budget - budget);
    } else {
        division->budget += RISE(budget - division->budget);
    }
    division->budget_ms = MAX(now_ms, 1);
}

GArray *division_run(Division *division, const DivisionInput *in,
                     const GPtrArray *vms)
{
    g_autoptr(GPtrArray) shares = g_ptr_array_new();
    GArray *limits = g_array_new(FALSE, FALSE, sizeof(DivisionLimit));

    for (unsigned i = 0; i < vms->len; i++) {
        const Vm *vm = g_ptr_array_index(vms, i);

        if (is_automatic(vm)) {
            DivisionLimit limit = { .vm = vm };

            g_ptr_array_add(shares, &share_of(division, vm)->divide);
            g_array_append_val(limits, limit);
        }
    }
    g_hash_table_foreach_remove(division->vms, share_is_over, NULL);
    budget_smooth(division, in->now_ms, budget_now(in, vms), shares->len);
    if (!divide_update(&division->divide, in->now_ms, division->budget,
                       (DivideVm *const *)shares->pdata, shares->len)) {
        g_array_unref(limits);
        return NULL;
    }
    for (unsigned i = 0; i < limits->len; i++) {
        const DivideVm *share = g_ptr_array_index(shares, i);

        g_array_index(limits, DivisionLimit, i).local_max = share->limit;
    }
    return limits;
}
