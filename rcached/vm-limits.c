/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm-limits: see vm-limits.h. */
#include "rcached/vm-limits.h"

void vm_limits_init(VmLimits *limits, unsigned all, unsigned each)
{
    *limits = (VmLimits) { .all.max = all, .each.max = each };
}

static void limit_bites(VmLimit *limit, uid_t uid, int64_t now)
{
    limit->refused++;
    limit->at = now;
    limit->uid = uid;
}

char *vm_limits_judge(VmLimits *limits, unsigned all, unsigned own, uid_t uid,
                      int64_t now)
{
    if (own >= limits->each.max) {
        limit_bites(&limits->each, uid, now);
        return g_strdup_printf("user %u has %u VMs with pagers here, and may "
                               "have no more (pagers-per-user in the section "
                               "[limits] of rcached.conf)", (unsigned)uid, own);
    }
    if (all >= limits->all.max) {
        limit_bites(&limits->all, uid, now);
        return g_strdup_printf("%u VMs have pagers here, and there may be no "
                               "more (pagers in the section [limits] of "
                               "rcached.conf)", all);
    }
    return NULL;
}
