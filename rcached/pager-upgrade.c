/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pager-upgrade: see pager-upgrade.h. */
#include "rcached/pager-upgrade.h"

#include <string.h>

/* What one VM has of its new pager before the next VM's turn. */
#define PAUSE_US        G_USEC_PER_SEC
/* A pager attaches in well under a second, on a busy host too. */
#define HELD_UP_US      (30 * G_USEC_PER_SEC)

static const Vm *find(const GPtrArray *vms, const char *uuid)
{
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];

        if (!strcmp(vm->uuid_text, uuid)) {
            return vm;
        }
    }
    return NULL;
}

/* Does another pager serve it than the one that was killed? */
static bool vm_is_served_anew(const Vm *vm, pid_t was)
{
    return vm->pager && vm->link &&
           (vm->figures.attached || vm->figures.leaving) &&
           pager_process_pid(vm->pager) != was;
}

/* Is the one that was begun over? */
static bool upgrade_settle(PagerUpgrade *upgrade, const GPtrArray *vms,
                           int64_t now)
{
    const Vm *vm = find(vms, upgrade->uuid);

    if (vm && !vm_is_served_anew(vm, upgrade->was)) {
        if (!upgrade->held_up && now - upgrade->at >= HELD_UP_US) {
            upgrade->held_up = true;
            g_warning("vm %s: no pager of this build serves it; pagers of "
                      "other VMs are not replaced until one does", vm->name);
        }
        return false;
    }
    if (vm) {
        g_message("vm %s: its pager is of this build now", vm->name);
    }
    *upgrade = (PagerUpgrade) { .at = now };
    return true;
}

const Vm *pager_upgrade_next(PagerUpgrade *upgrade, const GPtrArray *vms,
                             int64_t now)
{
    if (*upgrade->uuid && !upgrade_settle(upgrade, vms, now)) {
        return NULL;
    }
    if (upgrade->at && now - upgrade->at < PAUSE_US) {
        return NULL;
    }
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];

        if (vm->pager && vm->link && !vm->waiting && !vm->figures.leaving &&
            vm->figures.build == VM_BUILD_OTHER) {
            g_strlcpy(upgrade->uuid, vm->uuid_text, sizeof(upgrade->uuid));
            upgrade->was = pager_process_pid(vm->pager);
            upgrade->at = now;
            return vm;
        }
    }
    return NULL;
}

unsigned pager_upgrade_left(const GPtrArray *vms)
{
    unsigned n = 0;

    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];

        /* One whose pager has not said yet of which build it is counts. */
        n += vm->pager && !vm->figures.leaving &&
             (!vm->link || vm->figures.build == VM_BUILD_OTHER);
    }
    return n;
}

void pager_upgrade_judge(const Vm *vm, Verdict *verdict)
{
    if (!vm->link) {
        return;
    }
    if (vm->figures.build == VM_BUILD_OTHER) {
        verdict_add(verdict, VERDICT_NOTE, "versions are mixed: the pager of "
                    "vm %s is of another build, and is about to be replaced",
                    vm->name);
    } else if (vm->figures.build == VM_BUILD_STRANGE) {
        verdict_add(verdict, VERDICT_NOTE, "versions are mixed: vm %s keeps "
                    "its pager of another build until it is started anew, "
                    "since this build does not know the layout of the memory "
                    "that QEMU and that pager share", vm->name);
    }
}
