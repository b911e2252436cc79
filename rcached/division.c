/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * division: the host's memory among its VMs with local-max=auto, as far as
 * the whole daemon is concerned.  agent/divide.h says who gets how much.
 *
 * What they may take in all is what they take now, what is free above the
 * reserve, and what is lent, since that comes back as soon as less than the
 * reserve is free; less what VMs with a local-max of their own have yet to
 * take up to it.
 */
#include "rcached/rcached.h"

/* Parts of a change of the budget that are believed at each look. */
#define FALL    2
#define RISE    8

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static bool is_automatic(const Vm *vm)
{
    return vm->auto_least && vm->has_stats && vm->attached;
}

static uint64_t budget_now(const Rcached *r, const GPtrArray *vms)
{
    uint64_t has = r->sample.available + less(r->leased, r->spilled);
    uint64_t promised = r->reserve;

    for (unsigned i = 0; i < vms->len; i++) {
        const Vm *vm = g_ptr_array_index(vms, i);
        const struct RcacheVmmStats *s = &vm->stats;

        if (is_automatic(vm)) {
            has += s->resident;
        } else if (vm->has_stats) {
            promised += less(MIN(s->local_max, s->guest), s->resident);
        }
    }
    return less(has, promised);
}

/*
 * What is free is of now, what the VMs have of up to a second ago: while they
 * shrink or grow the sum is off, the more the faster.  So it is followed
 * slowly, down faster than up; the reserve is there for the difference.
 */
static uint64_t budget_smooth(Rcached *r, uint64_t budget, unsigned nr)
{
    if (nr != r->nr_divided) {
        r->nr_divided = nr;
        r->budget = budget;
    } else if (budget < r->budget) {
        r->budget -= (r->budget - budget) / FALL;
    } else {
        r->budget += (budget - r->budget) / RISE;
    }
    return r->budget;
}

static void look_at(Vm *vm)
{
    vm->divide.guest = vm->stats.guest;
    vm->divide.minimum = vm->auto_least;
    vm->divide.resident = vm->stats.resident;
    vm->divide.refaults = vm->stats.faults_remote;
}

/* Again for as long as it is not so: a new pager has not heard it. */
static void tell(Vm *vm)
{
    struct LinkLimit msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_LIMIT,
                 .size = sizeof(msg) },
        .local_max = vm->divide.limit,
    };

    if (vm->divide.limit / RCACHE_PAGE_SIZE !=
        vm->stats.local_max / RCACHE_PAGE_SIZE) {
        link_send(vm->link, &msg, sizeof(msg));
    }
}

void rcached_divide(Rcached *r)
{
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    g_autoptr(GPtrArray) mine = g_ptr_array_new();
    g_autoptr(GPtrArray) inputs = g_ptr_array_new();
    uint64_t budget;
    bool was_short = r->divide.is_short;

    for (unsigned i = 0; i < vms->len; i++) {
        Vm *vm = g_ptr_array_index(vms, i);

        if (is_automatic(vm)) {
            look_at(vm);
            g_ptr_array_add(mine, vm);
            g_ptr_array_add(inputs, &vm->divide);
        }
    }
    budget = budget_smooth(r, budget_now(r, vms), inputs->len);
    if (!r->sampled ||
        !divide_update(&r->divide, g_get_monotonic_time() / 1000, budget,
                       (DivideVm *const *)inputs->pdata, inputs->len)) {
        return;
    }
    if (r->divide.is_short != was_short) {
        g_message("the VMs with local-max=auto %s, %" G_GUINT64_FORMAT " MiB",
                  was_short ? "have all they may take again"
                            : "share what there is for them", budget >> 20);
    }
    for (unsigned i = 0; i < mine->len; i++) {
        tell(g_ptr_array_index(mine, i));
    }
}
