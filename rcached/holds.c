/* SPDX-License-Identifier: GPL-2.0-or-later */
/* holds: see holds.h. */
#include "rcached/holds.h"

#include "rcached/agent/hold-share.h"
#include "rcached/link-server.h"

void holds_tell(const Vm *vm)
{
    const struct LinkHold msg = {
        .hdr = { .magic = LINK_MAGIC, .type = LINK_HOLD,
                 .size = sizeof(msg) },
        .held = vm->hold.held, .bytes = vm->hold.bytes,
    };

    if (vm->link) {
        link_send(vm->link, &msg, sizeof(msg));
    }
}

/* Pages are what a pager counts in. */
static bool holds_obeyed(const Vm *vm)
{
    const VmFigures *f = &vm->figures;

    return !f->has_holds ||     /* no use: it does not know */
           (f->holds.held == vm->hold.held &&
            f->holds.bytes / RCACHE_PAGE_SIZE ==
            vm->hold.bytes / RCACHE_PAGE_SIZE);
}

static bool holds_counts(const Vm *vm)
{
    return vm->hold.held && vm->figures.has_stats && vm->figures.attached;
}

uint64_t holds_run(Vms *vms, uint64_t room)
{
    g_autoptr(GPtrArray) list = vms_list(vms);
    g_autofree HoldShare *share = g_new0(HoldShare, list->len);
    g_autofree HoldShare **sorted = g_new(HoldShare *, list->len);
    unsigned nr = 0;
    uint64_t lacking;

    for (unsigned i = 0; i < list->len; i++) {
        const Vm *vm = g_ptr_array_index(list, i);
        const struct RcacheVmmStats *s = &vm->figures.stats;

        if (holds_counts(vm)) {
            share[i].guest = s->guest;
            share[i].resident = s->resident;
            share[i].away = s->remote;
            sorted[nr++] = &share[i];
        }
    }
    lacking = hold_share(sorted, nr, room);
    for (unsigned i = 0; i < list->len; i++) {
        Vm *vm = g_ptr_array_index(list, i);

        if (holds_counts(vm)) {
            vm_hold_share(vm, share[i].may, share[i].lacking);
        }
        if (!holds_obeyed(vm)) {
            holds_tell(vm);
        }
    }
    return lacking;
}

uint32_t holds_flags(const Vm *vm)
{
    const VmFigures *f = &vm->figures;

    if (!vm->hold.held) {
        return 0;
    }
    return RCACHE_GUEST_HELD |
           (f->has_holds && f->holds.held ? RCACHE_GUEST_OBEYS : 0) |
           (vm->hold.lacking ? RCACHE_GUEST_NO_ROOM : 0);
}
