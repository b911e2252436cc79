/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts-vms: see hosts-vms.h. */
#include "arbiter/hosts-vms.h"

#include <string.h>

const struct RcacheVmmDelays *hosts_delays(const Host *host, const uint8_t *vm)
{
    for (guint i = 0; i < host->delays->len; i++) {
        const WireDelays *d = &g_array_index(host->delays, WireDelays, i);

        if (!memcmp(d->vm, vm, sizeof(d->vm))) {
            return &d->delays;
        }
    }
    return NULL;
}

const struct RcacheVmmCurve *hosts_curve(const Host *host, const uint8_t *vm)
{
    for (guint i = 0; i < host->curves->len; i++) {
        const WireCurve *c = &g_array_index(host->curves, WireCurve, i);

        if (!memcmp(c->vm, vm, sizeof(c->vm))) {
            return &c->curve;
        }
    }
    return NULL;
}
