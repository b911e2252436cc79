/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unclaimed: see unclaimed.h. */
#include "arbiter/unclaimed.h"

#include <string.h>

static bool host_reports(const Host *host, const uint8_t *vm)
{
    for (guint i = 0; i < host->guests->len; i++) {
        if (!memcmp(g_array_index(host->guests, WireBeatGuest, i).vm, vm,
                    RCACHE_UUID_LEN)) {
            return true;
        }
    }
    return false;
}

/* Is the VM gone, for sure? */
static bool vm_is_gone(const Hosts *hosts, const WireBeatLease *lease,
                       uint64_t now)
{
    const Host *host = hosts_find(hosts, lease->host);

    return host && host->conn && host->reported && !host->cut &&
           !hosts_stale(hosts, host, now) && !host_reports(host, lease->vm);
}

void unclaimed_each(const Hosts *hosts, const Host *provider,
                    uint64_t claim_ms, uint64_t now, UnclaimedEach *each,
                    void *opaque)
{
    uint64_t least = 2 * hosts->config.heartbeat_ms;

    for (guint i = 0; i < provider->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(provider->leases,
                                                WireBeatLease, i);

        if (l->state == RCACHE_LEASE_GRANTED && l->expires_ms <= claim_ms &&
            claim_ms - l->expires_ms >= least && vm_is_gone(hosts, l, now)) {
            each(l, opaque);
        }
    }
}
