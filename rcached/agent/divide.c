/* SPDX-License-Identifier: GPL-2.0-or-later */
/* divide: the host's memory among its VMs, by refaults.  See divide.h. */
#include "rcached/agent/divide.h"

#include <glib.h>

#define MIB             (UINT64_C(1) << 20)
#define PERIOD_MS       1000u
#define SMOOTH_MS       3000.0  /* the rate's time constant */
#define KEEP_MS         10000u  /* who got a step gives none */
#define QUIET           64.0    /* pages a second that do not matter */
#define STEP_MIN        (4 * MIB)
#define STEP_MAX        (256 * MIB) /* goes in a second over one 10 GbE link */
#define STEP_SHARE      16      /* of the budget */
#define HYSTERESIS      32      /* share of all that ends the shortage */
#define FULL_SHARE      8       /* of the limit: nearer is up against it */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t vm_least(const DivideVm *vm)
{
    return MIN(vm->minimum, vm->guest);
}

/* Below its limit for want of use. */
static uint64_t vm_unused(const DivideVm *vm)
{
    return less(vm->limit, MAX(vm_least(vm), vm->resident + vm->resident /
                                             FULL_SHARE));
}

static uint64_t vm_spare(const DivideVm *vm)
{
    return less(vm->limit, vm_least(vm));
}

static bool vm_is_full(const DivideVm *vm)
{
    return vm->limit < vm->guest &&
           vm->resident >= vm->limit - vm->limit / FULL_SHARE;
}

static void vm_learn(DivideVm *vm, uint64_t elapsed_ms)
{
    uint64_t came = less(vm->refaults, vm->refaults_before);

    if (vm->known && elapsed_ms) {
        double rate = came * 1000.0 / elapsed_ms;

        vm->rate += (rate - vm->rate) * elapsed_ms / (elapsed_ms + SMOOTH_MS);
    }
    if (!vm->known) {
        vm->limit = vm->guest;
    }
    vm->known = true;
    vm->refaults_before = vm->refaults;
    vm->limit = CLAMP(vm->limit, vm_least(vm), vm->guest);
}

static uint64_t sum_of(uint64_t (*what)(const DivideVm *vm),
                       DivideVm *const *vms, unsigned nr)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < nr; i++) {
        sum += what(vms[i]);
    }
    return sum;
}

static uint64_t vm_guest(const DivideVm *vm)
{
    return vm->guest;
}

static uint64_t vm_limit(const DivideVm *vm)
{
    return vm->limit;
}

/* Take @bytes in proportion to @what, all of it if it is less; what is left */
static uint64_t take(uint64_t bytes, uint64_t (*what)(const DivideVm *vm),
                     DivideVm *const *vms, unsigned nr)
{
    uint64_t sum = sum_of(what, vms, nr);

    for (unsigned i = 0; i < nr && bytes && sum; i++) {
        uint64_t has = what(vms[i]);
        /* One more than the share, so that rounding leaves nothing over. */
        uint64_t part = MIN(has, (double)bytes * has / sum + 1);

        part = MIN(part, bytes);
        sum -= has;
        vms[i]->limit -= part;
        bytes -= part;
    }
    return bytes;
}

static double vm_want(const DivideVm *vm)
{
    return (vm->rate > QUIET ? vm->rate : 0) + (vm_is_full(vm) ? QUIET : 0);
}

static void give(uint64_t bytes, uint64_t now, DivideVm *const *vms,
                 unsigned nr)
{
    double wants = 0;

    for (unsigned i = 0; i < nr; i++) {
        wants += vm_want(vms[i]);
    }
    for (unsigned i = 0; i < nr && wants > 0; i++) {
        uint64_t part = bytes * (vm_want(vms[i]) / wants);

        part = MIN(part, vms[i]->guest - vms[i]->limit);
        if (part) {
            vms[i]->limit += part;
            vms[i]->got_ms = vms[i]->rate > QUIET ? now : vms[i]->got_ms;
        }
    }
}

/* Does @a rather than @b give a step?  The one that misses least. */
static bool gives_before(const DivideVm *a, const DivideVm *b)
{
    double x = MAX(a->rate, QUIET), y = MAX(b->rate, QUIET);

    if (x != y) {
        return x < y;
    }
    if (vm_unused(a) != vm_unused(b)) {
        return vm_unused(a) > vm_unused(b);
    }
    return vm_spare(a) > vm_spare(b);
}

static void move(uint64_t step, uint64_t now, DivideVm *const *vms,
                 unsigned nr)
{
    DivideVm *to = NULL, *from = NULL;

    for (unsigned i = 0; i < nr; i++) {
        DivideVm *vm = vms[i];

        if (vm->limit < vm->guest && (!to || vm->rate > to->rate)) {
            to = vm;
        }
    }
    for (unsigned i = 0; i < nr; i++) {
        DivideVm *vm = vms[i];

        if (vm != to && vm_spare(vm) &&
            (!vm->got_ms || now - vm->got_ms >= KEEP_MS) &&
            (!from || gives_before(vm, from))) {
            from = vm;
        }
    }
    if (!to || !from || to->rate <= 2 * from->rate + QUIET) {
        return;
    }
    step = MIN(MIN(step, vm_spare(from)), to->guest - to->limit);
    from->limit -= step;
    to->limit += step;
    to->got_ms = now;
}

static void divide_short(uint64_t now, uint64_t budget, DivideVm *const *vms,
                         unsigned nr)
{
    uint64_t step = CLAMP(budget / STEP_SHARE, STEP_MIN, STEP_MAX);
    uint64_t sum = sum_of(vm_limit, vms, nr);

    if (sum > budget) {
        uint64_t left = take(sum - budget, vm_unused, vms, nr);

        take(left, vm_spare, vms, nr);
    } else if (budget - sum > step / 2) {
        give(MIN(budget - sum, step), now, vms, nr);
    }
    move(step, now, vms, nr);
}

bool divide_update(Divide *d, uint64_t now_ms, uint64_t budget,
                   DivideVm *const *vms, unsigned nr)
{
    uint64_t elapsed = d->at_ms ? less(now_ms, d->at_ms) : 0;
    uint64_t all = sum_of(vm_guest, vms, nr);

    if (d->at_ms && elapsed < PERIOD_MS) {
        return false;
    }
    d->at_ms = MAX(now_ms, 1);
    /* It is over only when there is clearly enough. */
    d->is_short = nr && all + (d->is_short ? all / HYSTERESIS : 0) > budget;
    d->squeezed = false;
    for (unsigned i = 0; i < nr; i++) {
        vm_learn(vms[i], elapsed);
        if (!d->is_short) {
            vms[i]->limit = vms[i]->guest;
        }
    }
    if (d->is_short) {
        divide_short(now_ms, budget, vms, nr);
    }
    for (unsigned i = 0; i < nr; i++) {
        d->squeezed |= vm_is_full(vms[i]);
    }
    return true;
}
