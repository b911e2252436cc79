/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hold-share: see hold-share.h. */
#include "rcached/agent/hold-share.h"

#include <stdlib.h>

#include "common/saturate.h"

static uint64_t share_need(const HoldShare *vm)
{
    return saturating_sub(vm->guest, vm->resident);
}

static int compare_needs(const void *a, const void *b)
{
    uint64_t x = share_need(*(HoldShare *const *)a);
    uint64_t y = share_need(*(HoldShare *const *)b);

    return (x > y) - (x < y);
}

uint64_t hold_share(HoldShare **vms, unsigned nr, uint64_t room)
{
    uint64_t lacking = 0;

    /* Those that need least first: what they leave is for the others. */
    qsort(vms, nr, sizeof(*vms), compare_needs);
    for (unsigned i = 0; i < nr; i++) {
        HoldShare *vm = vms[i];
        uint64_t part = room / (nr - i), need = share_need(vm);

        part = need < part ? need : part;
        room -= part;
        vm->may = vm->resident + part;
        vm->lacking = saturating_sub(vm->away, part);
        lacking = saturating_add(lacking, vm->lacking);
    }
    return lacking;
}
