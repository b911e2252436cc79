/* SPDX-License-Identifier: GPL-2.0-or-later */
/* elsewhere: see elsewhere.h. */
#include "arbiter/elsewhere.h"

#include "common/uuid.h"

struct Elsewhere {
    const Hosts *hosts;
    uint64_t now;
    GHashTable *last;           /* uuid of a VM -> the Host heard last of */
                                /* those that report it; both are the hosts' */
};

static void note_host(Elsewhere *elsewhere, Host *host)
{
    for (guint i = 0; i < host->guests->len; i++) {
        WireBeatGuest *g = &g_array_index(host->guests, WireBeatGuest, i);
        const Host *known = g_hash_table_lookup(elsewhere->last, g->vm);

        if (!known || host->heard_ms > known->heard_ms) {
            g_hash_table_replace(elsewhere->last, g->vm, host);
        }
    }
}

Elsewhere *elsewhere_new(const Hosts *hosts, uint64_t now)
{
    Elsewhere *elsewhere = g_new(Elsewhere, 1);

    *elsewhere = (Elsewhere) {
        hosts, now, g_hash_table_new(uuid_hash, uuid_equal),
    };
    for (guint i = 0; i < hosts->all->len; i++) {
        note_host(elsewhere, hosts->all->pdata[i]);
    }
    return elsewhere;
}

void elsewhere_free(Elsewhere *elsewhere)
{
    g_hash_table_unref(elsewhere->last);
    g_free(elsewhere);
}

const Host *elsewhere_host(const Elsewhere *elsewhere, const char *host,
                           const uint8_t *vm)
{
    const Hosts *hosts = elsewhere->hosts;
    const Host *own = hosts_find(hosts, host);
    const Host *last = g_hash_table_lookup(elsewhere->last, vm);

    if (own && hosts_state(hosts, own, elsewhere->now) != HOST_DEAD) {
        return NULL;
    }
    return last && (!own || last->heard_ms > own->heard_ms) ? last : NULL;
}

unsigned elsewhere_guests(const Elsewhere *elsewhere, const Host *host)
{
    unsigned n = 0;

    for (guint i = 0; i < host->guests->len; i++) {
        const WireBeatGuest *g = &g_array_index(host->guests, WireBeatGuest,
                                                i);

        n += !elsewhere_host(elsewhere, host->name, g->vm);
    }
    return n;
}

bool elsewhere_nobodys(const Elsewhere *elsewhere, const WireBeatLease *lease)
{
    const Host *now_at;

    if (lease->state != RCACHE_LEASE_EXPIRED) {
        return false;
    }
    now_at = elsewhere_host(elsewhere, lease->host, lease->vm);
    return now_at && hosts_speaks(elsewhere->hosts, now_at, elsewhere->now);
}
