/* SPDX-License-Identifier: GPL-2.0-or-later */
/* views: hosts as placement sees them.  See views.h. */
#include "arbiter/views.h"

#include <string.h>

#include "common/saturate.h"
#include "common/wire-beat.h"

#define FEW             4u      /* times the sample, at random; as many may */
                                /* be of the requester's rack */
#define MANY            4u      /* times that, and a few will do */

static void view_host(const Hosts *hosts, const Host *host, uint64_t pending,
                      uint64_t now, PlacementHost *view)
{
    const WireBeatHost *beat = &host->beat;
    uint64_t gone = saturating_add(beat->leased, pending);
    uint64_t offered = hosts_offered(hosts, host);

    view->alive = hosts_state(hosts, host, now) == HOST_ALIVE;
    view->connected = host->conn && host->reported;
    view->lends = (beat->flags & RCACHE_HOST_LENDS) && *host->address &&
                  beat->slab_pages && !hosts_implausible(host);
    view->draining = beat->flags & RCACHE_HOST_DRAINING;
    view->domain = host->domain;
    view->leases = host->leases->len;
    view->psi_some = beat->psi_some_avg10;
    view->psi_full = beat->psi_full_avg10;
    view->free = offered > gone ? offered - gone : 0;
    view->offered = offered;
    view->slab = (uint64_t)beat->slab_pages * WIRE_PAGE_SIZE;
}

/* ----------------------------------------------------------------- grants */

typedef struct Walk {
    const Hosts *hosts;
    const uint8_t *vm;          /* or NULL */
    Views *views;
} Walk;

static void walk_grant(const Grant *grant, void *opaque)
{
    Walk *walk = opaque;
    Views *views = walk->views;
    uint32_t at = views_find(views, hosts_find(walk->hosts,
                                               grant->provider));

    if (at == VIEWS_NONE) {
        return;
    }
    views->pending[at] = saturating_add(views->pending[at], grant->wire.bytes);
    if (walk->vm && !memcmp(walk->vm, grant->wire.vm, RCACHE_UUID_LEN)) {
        views->host[at].vm_bytes = saturating_add(views->host[at].vm_bytes,
                                       grant->wire.bytes);
    }
}

static void take_lent(Walk *walk)
{
    const GArray *lent = walk->vm ? hosts_lent(walk->hosts, walk->vm) : NULL;

    for (guint i = 0; lent && i < lent->len; i++) {
        const HostsLent *l = &g_array_index(lent, HostsLent, i);

        walk->views->host[views_find(walk->views, l->host)].vm_bytes =
            l->bytes;
    }
}

/* ----------------------------------------------------------------- choice */

/* Room for @n of them. */
static Views *views_alloc(const Hosts *hosts, unsigned n)
{
    unsigned all = hosts->all->len + 1;     /* never none */
    Views *views = g_new0(Views, 1);

    views->host = g_new0(PlacementHost, n);
    views->pending = g_new0(uint64_t, n);
    views->of = g_new0(Host *, n);
    views->at = g_new(uint32_t, all);
    memset(views->at, 0xff, all * sizeof(*views->at));
    return views;
}

static void views_add(Views *views, Host *host)
{
    if (host && views->at[host->index] == VIEWS_NONE) {
        views->at[host->index] = views->n;
        views->of[views->n++] = host;
    }
}

Views *views_new(const Hosts *hosts, const Grants *grants, const uint8_t *vm,
                 uint64_t now)
{
    const GPtrArray *all = hosts->all;
    Views *views = views_alloc(hosts, all->len);
    Walk walk = { hosts, vm, views };

    for (guint i = 0; i < all->len; i++) {
        views_add(views, all->pdata[i]);
    }
    take_lent(&walk);
    grants_each_pending(grants, walk_grant, &walk);
    for (unsigned i = 0; i < views->n; i++) {
        view_host(hosts, views->of[i], views->pending[i], now,
                  &views->host[i]);
    }
    return views;
}

/* So many in a row, from a random one on. */
static void add_row(Views *views, const GPtrArray *hosts, unsigned n)
{
    guint start = hosts->len ? g_random_int_range(0, hosts->len) : 0;

    for (guint i = 0; i < MIN(n, hosts->len); i++) {
        views_add(views, hosts->pdata[(start + i) % hosts->len]);
    }
}

static void add_random(Views *views, const GPtrArray *hosts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        views_add(views, hosts->pdata[g_random_int_range(0, hosts->len)]);
    }
}

typedef struct InUse {
    const Hosts *hosts;
    const uint8_t *vm;
    GPtrArray *used;
} InUse;

static void add_in_use(const Grant *grant, void *opaque)
{
    InUse *use = opaque;

    if (!memcmp(use->vm, grant->wire.vm, RCACHE_UUID_LEN)) {
        g_ptr_array_add(use->used, hosts_find(use->hosts, grant->provider));
    }
}

/* Who lends to this VM, or is about to. */
static GPtrArray *hosts_in_use(const Hosts *hosts, const Grants *grants,
                               const LeaseAsk *ask)
{
    const GArray *lent = hosts_lent(hosts, ask->wire.vm);
    GPtrArray *used = g_ptr_array_new();
    InUse use = { hosts, ask->wire.vm, used };

    for (guint i = 0; lent && i < lent->len; i++) {
        g_ptr_array_add(used, g_array_index(lent, HostsLent, i).host);
    }
    grants_each_taken(grants, ask->requester, add_in_use, &use);
    return used;
}

Views *views_new_few(const Hosts *hosts, const Grants *grants,
                     const LeaseAsk *ask, unsigned sample, uint64_t now)
{
    const Host *requester = hosts_find(hosts, ask->requester);
    const GPtrArray *rack = requester ? hosts_domain(hosts, requester) : NULL;
    unsigned few = FEW * sample;
    g_autoptr(GPtrArray) used = NULL;
    Views *views;
    Walk walk;

    if (hosts->all->len / MANY < few) {
        return NULL;
    }
    used = hosts_in_use(hosts, grants, ask);
    views = views_alloc(hosts, 2 * few + used->len);
    for (guint i = 0; i < used->len; i++) {
        views_add(views, used->pdata[i]);
    }
    if (rack) {
        add_row(views, rack, few);
    }
    add_random(views, hosts->all, few);
    walk = (Walk) { hosts, ask->wire.vm, views };
    take_lent(&walk);
    for (unsigned i = 0; i < views->n; i++) {
        grants_each_given(grants, views->of[i]->name, walk_grant, &walk);
        view_host(hosts, views->of[i], views->pending[i], now,
                  &views->host[i]);
    }
    return views;
}

uint64_t views_wanted_back(const Host *host, const PlacementHost *view)
{
    const WireBeatHost *beat = &host->beat;
    uint64_t back = beat->leased - MIN(beat->offered, beat->leased);

    return view->draining ? view->vm_bytes : MIN(view->vm_bytes, back);
}

uint64_t views_leaving(const Views *views)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < views->n; i++) {
        const PlacementHost *view = &views->host[i];
        bool lost = !view->alive && !view->connected;

        bytes = saturating_add(bytes, lost
                               ? view->vm_bytes
                               : views_wanted_back(views->of[i], view));
    }
    return bytes;
}

void views_free(Views *views)
{
    g_free(views->host);
    g_free(views->pending);
    g_free(views->of);
    g_free(views->at);
    g_free(views);
}

uint32_t views_find(const Views *views, const Host *host)
{
    return host ? views->at[host->index] : VIEWS_NONE;
}
