/* SPDX-License-Identifier: GPL-2.0-or-later */
/* assign: providers for a request.  See assign.h. */
#include "arbiter/assign.h"

#include <string.h>
#include <sys/random.h>

void random_bytes(void *out, size_t len)
{
    /* Never short below 256 bytes; fails only where the call is missing. */
    if (getrandom(out, len, 0) != (ssize_t)len) {
        g_error("the system has no random numbers");
    }
}

static uint64_t random_id(void)
{
    uint64_t id;

    do {
        random_bytes(&id, sizeof(id));
        id >>= 1;
    } while (!id);
    return id;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* ------------------------------------------------------------------ views */

typedef struct Walk {
    const Arbiter *arbiter;
    const uint8_t *vm;
    const char *owner;          /* NULL: not asked for */
    uint64_t owner_bytes;
    Views *views;
} Walk;

static void walk_grant(const Grant *grant, void *opaque)
{
    Walk *walk = opaque;
    const Host *host = hosts_find(&walk->arbiter->hosts, grant->provider);
    uint64_t bytes = grant->wire.bytes;

    if (walk->owner && !strcmp(walk->owner, grant->wire.host)) {
        walk->owner_bytes = add(walk->owner_bytes, bytes);
    }
    if (!host) {
        return;
    }
    walk->views->pending[host->index] =
        add(walk->views->pending[host->index], bytes);
    if (walk->vm && !memcmp(walk->vm, grant->wire.vm, RCACHE_UUID_LEN)) {
        PlacementHost *view = &walk->views->host[host->index];

        view->vm_bytes = add(view->vm_bytes, bytes);
    }
}

static void view_host(const Hosts *hosts, const Host *host, uint64_t pending,
                      uint64_t now, PlacementHost *view)
{
    const WireBeatHost *beat = &host->beat;
    uint64_t gone = add(beat->leased, pending);

    view->alive = hosts_state(hosts, host, now) == HOST_ALIVE;
    view->connected = host->conn && host->reported;
    view->lends = (beat->flags & RCACHE_HOST_LENDS) && *host->address &&
                  beat->slab_pages && !hosts_implausible(host);
    view->draining = beat->flags & RCACHE_HOST_DRAINING;
    view->domain = host->domain;
    view->leases = host->leases->len;
    view->psi_some = beat->psi_some_avg10;
    view->psi_full = beat->psi_full_avg10;
    view->free = beat->offered > gone ? beat->offered - gone : 0;
    view->offered = beat->offered;
    view->slab = (uint64_t)beat->slab_pages * WIRE_PAGE_SIZE;
}

static Views *walk_views(Walk *walk, uint64_t now)
{
    const Hosts *hosts = &walk->arbiter->hosts;
    const GArray *lent = walk->vm ? hosts_lent(hosts, walk->vm) : NULL;
    Views *views = g_new0(Views, 1);

    views->n = hosts->all->len;
    views->host = g_new0(PlacementHost, views->n);
    views->pending = g_new0(uint64_t, views->n);
    walk->views = views;
    for (guint i = 0; lent && i < lent->len; i++) {
        const HostsLent *l = &g_array_index(lent, HostsLent, i);

        views->host[l->host->index].vm_bytes = l->bytes;
    }
    leases_each_pending(&walk->arbiter->leases, walk_grant, walk);
    for (unsigned i = 0; i < views->n; i++) {
        view_host(hosts, hosts->all->pdata[i], views->pending[i], now,
                  &views->host[i]);
    }
    return views;
}

Views *views_new(const Arbiter *arbiter, const uint8_t *vm, uint64_t now)
{
    Walk walk = { .arbiter = arbiter, .vm = vm };

    return walk_views(&walk, now);
}

void views_free(Views *views)
{
    g_free(views->host);
    g_free(views->pending);
    g_free(views);
}

/* ----------------------------------------------------------------- grants */

/* Ask the providers of @placement; those that cannot be asked count as lost. */
static void send_grants(Arbiter *arbiter, LeaseAsk *ask,
                        const Placement *placement, uint64_t now)
{
    for (unsigned i = 0; i < placement->nr_parts; i++) {
        const PlacementPart *part = &placement->part[i];
        Host *host = arbiter->hosts.all->pdata[part->host];
        uint8_t token[RCACHE_TOKEN_LEN];
        Grant *grant;

        random_bytes(token, sizeof(token));
        grant = leases_grant_new(&arbiter->leases, ask, host->name,
                                 host->address, part->bytes, random_id(),
                                 token, now);
        if (grant && !control_send_grant(host->conn, &grant->wire)) {
            leases_provider_lost(&arbiter->leases, host->name);
        }
    }
}

/* Who has refused this request is not asked again for it. */
static void mark_refusals(const Arbiter *arbiter, const LeaseAsk *ask,
                          Views *views)
{
    for (guint i = 0; i < ask->grants->len; i++) {
        const Grant *grant = ask->grants->pdata[i];
        const Host *host = hosts_find(&arbiter->hosts, grant->provider);

        if (host && !leases_gave_all(grant)) {
            views->host[host->index].said_no = true;
        }
    }
}

/* If the VM has to leave a host that is being drained: its slabs' size. */
static uint64_t move_slab(const Views *views)
{
    for (unsigned i = 0; i < views->n; i++) {
        if (views->host[i].vm_bytes && views->host[i].draining) {
            return views->host[i].slab;
        }
    }
    return 0;
}

/* The slabs of a placement, which may be of different sizes. */
static uint64_t slabs_of(const Views *views, const Placement *placement)
{
    uint64_t slabs = 0;

    for (unsigned i = 0; i < placement->nr_parts; i++) {
        const PlacementPart *part = &placement->part[i];

        slabs += part->bytes / views->host[part->host].slab;
    }
    return slabs;
}

/* Return: false if no more moves are to be made now. */
static bool cap_moves(Arbiter *arbiter, LeaseAsk *ask, uint64_t slab,
                      uint64_t *bytes, uint64_t now)
{
    uint64_t left = moves_left(&arbiter->moves, now), most;

    if (__builtin_mul_overflow(left, slab, &most) ||
        *bytes <= most) {
        return true;
    }
    *bytes = most;
    if (left) {
        return true;
    }
    ask->status = RCACHE_E_BUSY;
    g_snprintf(ask->text, sizeof(ask->text), "the VM leaves a host that is "
               "being drained, and the %u moves a minute that are allowed "
               "have been made; ask again", arbiter->options->moves_per_minute);
    return false;
}

bool assign(Arbiter *arbiter, LeaseAsk *ask, uint64_t bytes, unsigned parts,
            uint64_t now)
{
    const Host *requester = hosts_find(&arbiter->hosts, ask->requester);
    Walk walk = { .arbiter = arbiter, .vm = ask->wire.vm,
                  .owner = ask->requester };
    g_autoptr(Views) views = walk_views(&walk, now);
    PlacementRequest request = {
        .requester = requester ? requester->index : PLACEMENT_NO_HOST,
        .domain = requester ? requester->domain : 0,
        .parts_max = parts,
        .owner_bytes = add(hosts_taken(&arbiter->hosts, ask->requester),
                           walk.owner_bytes),
    };
    uint64_t moves = move_slab(views);
    Placement placement;

    if (moves && !cap_moves(arbiter, ask, moves, &bytes, now)) {
        return false;
    }
    request.bytes = bytes;
    mark_refusals(arbiter, ask, views);
    placement_choose(&arbiter->options->placement, views->host, views->n,
                     &request, random_id(), &placement);
    if (!*ask->text) {
        wire_text_copy(ask->text, sizeof(ask->text), placement.text);
    }
    if (moves) {
        moves_take(&arbiter->moves, slabs_of(views, &placement), now);
    }
    send_grants(arbiter, ask, &placement, now);
    return placement.nr_parts;
}
