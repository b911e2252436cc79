/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-advise: see host-advise.h. */
#include "rcached/host-advise.h"

#include "common/advise.h"

static AdviseVm advise_of(const Rcached *r, const Vm *vm,
                          const AdviseWaits *waits)
{
    const VmFigures *f = &vm->figures;

    return (AdviseVm) {
        .name = vm->name, .uuid = vm->uuid, .host = r->options->host,
        .curve = f->curve.source ? &f->curve : NULL,
        .delays = f->has_delays ? &f->delays : NULL,
        .resident = f->stats.resident, .remote = f->stats.remote,
        .local_max = f->stats.local_max, .waits = waits,
    };
}

static JsonObject *advise_each(const Rcached *r, const GPtrArray *vms,
                               const AdviseWaits *waits, unsigned stall)
{
    JsonObject *all = advise_all_begin(stall);
    ProviderSnapshot lent;

    for (guint i = 0; i < vms->len; i++) {
        AdviseVm vm = advise_of(r, vms->pdata[i], waits);

        if (!vm_has_ended(vms->pdata[i])) {
            advise_all_add(all, &vm, stall);
        }
    }
    provider_snapshot(r->provider, &lent);
    advise_all_end(all, policy_state(r->policy)->prediction.offered,
                   lent.leased);
    provider_snapshot_clear(&lent);
    return all;
}

JsonObject *host_advise(const Rcached *r, JsonObject *args, const Vm *only,
                        GError **errp)
{
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    AdviseWaits waits = { 0 };
    AdviseVm vm;
    unsigned stall;

    if (!advise_stall(args, &stall, errp)) {
        return NULL;
    }
    for (guint i = 0; i < vms->len; i++) {
        const Vm *other = vms->pdata[i];

        advise_waits_add(&waits, other->figures.has_delays
                                 ? &other->figures.delays : NULL);
    }
    if (!only) {
        return advise_each(r, vms, &waits, stall);
    }
    vm = advise_of(r, only, &waits);
    return advise_vm(&vm, stall);
}
