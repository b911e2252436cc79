/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ok-to-stop: see ok-to-stop.h. */
#include "arbiter/ok-to-stop.h"

#include "common/verdict.h"

#define KNOWN_BEATS     3u      /* until all hosts have said what they have */

/* What of it is there is known, and nothing else. */
static char *doubt_reason(const WhatifVm *vm)
{
    char size[32];

    verdict_size(vm->sole, size);
    switch (vm->doubt) {
    case WHATIF_SURE:
        break;
    case WHATIF_UNKNOWN:
        return g_strdup_printf("vm %s of %s: %s are there, and that host does "
                               "not say whether it has them elsewhere",
                               vm->name, vm->host, size);
    case WHATIF_NOT_CONNECTED:
        return g_strdup_printf("vm %s on %s: %s are there, and that host is "
                               "not connected to this arbiter", vm->name,
                               vm->host, size);
    case WHATIF_OLD:
        return g_strdup_printf("vm %s on %s: %s are there, and it has not "
                               "said for %.1f s whether it has them elsewhere",
                               vm->name, vm->host, size,
                               vm->age_ms / 1000.0);
    case WHATIF_NO_PAGER:
        return g_strdup_printf("vm %s on %s: %s are there, and it has no "
                               "pager, which would know whether they are "
                               "elsewhere", vm->name, vm->host, size);
    case WHATIF_COPY_SILENT:
        return g_strdup_printf("vm %s on %s: %s are there, and this arbiter "
                               "does not hear host %s, where the VM counts on "
                               "other copies", vm->name, vm->host, size,
                               vm->other);
    case WHATIF_COPY_UNLISTED:
        return g_strdup_printf("vm %s on %s: %s are there, and host %s, where "
                               "the VM counts on other copies, does not "
                               "report one of its leases", vm->name, vm->host,
                               size, vm->other);
    }
    return NULL;
}

static char *vm_reason(const WhatifVm *vm)
{
    char *doubt = doubt_reason(vm);
    char size[32], left[32];

    if (doubt) {
        return doubt;
    }
    verdict_size(vm->sole, size);
    if (vm->copies < 2) {
        return g_strdup_printf("vm %s on %s: it keeps one copy, and %s of it "
                               "are there", vm->name, vm->host, size);
    }
    if (vm->repairing) {
        return g_strdup_printf("vm %s on %s: %s have no other live copy; of "
                               "this VM %s are still to be copied", vm->name,
                               vm->host, size,
                               verdict_size(vm->repairing, left));
    }
    return g_strdup_printf("vm %s on %s: %s have no other live copy",
                           vm->name, vm->host, size);
}

GPtrArray *ok_to_stop_reasons(const Whatif *whatif, const Hosts *hosts,
                              const Host *host, uint64_t started_ms,
                              uint64_t now)
{
    GPtrArray *reasons = g_ptr_array_new_with_free_func(g_free);
    uint64_t known_ms = KNOWN_BEATS * hosts->config.heartbeat_ms;

    if (now < started_ms + known_ms) {
        g_ptr_array_add(reasons, g_strdup_printf(
            "this arbiter was started %.1f s ago and may not know all hosts: "
            "ask again in %.1f s", (now - MIN(started_ms, now)) / 1000.0,
            (started_ms + known_ms - now) / 1000.0));
    }
    if (host->cut) {
        g_ptr_array_add(reasons, g_strdup_printf(
            "host %s has more leases than its heartbeat has room for",
            host->name));
    }
    for (guint i = 0; i < whatif->vms->len; i++) {
        const WhatifVm *vm = &g_array_index(whatif->vms, WhatifVm, i);

        if (vm->sole) {
            g_ptr_array_add(reasons, vm_reason(vm));
        }
    }
    for (guint i = 0; i < whatif->runs->len; i++) {
        g_ptr_array_add(reasons, g_strdup_printf(
            "vm %s runs there and ends with it",
            (const char *)whatif->runs->pdata[i]));
    }
    return reasons;
}
