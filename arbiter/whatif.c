/* SPDX-License-Identifier: GPL-2.0-or-later */
/* whatif: see whatif.h. */
#include "arbiter/whatif.h"

#include <string.h>

#include "arbiter/elsewhere.h"
#include "arbiter/views.h"
#include "common/saturate.h"
#include "common/wire-beat.h"

/* ------------------------------------------------------ who is there at all */

static WhatifVm *vm_of(Whatif *whatif, const WireBeatLease *lease)
{
    WhatifVm vm = { .leased = 0 };

    for (guint i = 0; i < whatif->vms->len; i++) {
        WhatifVm *known = &g_array_index(whatif->vms, WhatifVm, i);

        if (!memcmp(known->uuid, lease->vm, RCACHE_UUID_LEN) &&
            !strcmp(known->host, lease->host)) {
            return known;
        }
    }
    memcpy(vm.uuid, lease->vm, sizeof(vm.uuid));
    wire_text_copy(vm.name, sizeof(vm.name), lease->name);
    wire_text_copy(vm.host, sizeof(vm.host), lease->host);
    g_array_append_val(whatif->vms, vm);
    return &g_array_index(whatif->vms, WhatifVm, whatif->vms->len - 1);
}

static const WireBeatGuest *guest_find(const Host *host, const uint8_t *uuid)
{
    for (guint i = 0; host && i < host->guests->len; i++) {
        const WireBeatGuest *g = &g_array_index(host->guests, WireBeatGuest,
                                                i);

        if (!memcmp(g->vm, uuid, RCACHE_UUID_LEN)) {
            return g;
        }
    }
    return NULL;
}

/* Does the arbiter see this lease as its VM does? */
static WhatifDoubt doubt_of_copy(const Hosts *hosts, const WireBeatLease *held,
                                 uint64_t now)
{
    const Host *other = hosts_find(hosts, held->host);

    if (!other || !hosts_speaks(hosts, other, now)) {
        return WHATIF_COPY_SILENT;
    }
    return other->cut || hosts_lease_find(other, held->lease)
               ? WHATIF_SURE : WHATIF_COPY_UNLISTED;
}

/* Of the copies elsewhere that its pager counts: those in leases that the
 * pager has a session for. */
static void doubt_copies(const Hosts *hosts, const Host *from,
                         const Host *host, WhatifVm *vm, uint64_t now)
{
    for (guint i = 0; !vm->doubt && i < from->held->len; i++) {
        const WireBeatLease *l = &g_array_index(from->held, WireBeatLease, i);

        if (!memcmp(l->vm, vm->uuid, RCACHE_UUID_LEN) && l->stored &&
            l->state == RCACHE_LEASE_CLAIMED && strcmp(l->host, host->name)) {
            vm->doubt = doubt_of_copy(hosts, l, now);
            wire_text_copy(vm->other, sizeof(vm->other), l->host);
        }
    }
}

static WhatifDoubt doubt_of_guest(const Hosts *hosts, const Host *host,
                                  const WireBeatGuest *g, uint64_t now)
{
    if (hosts_state(hosts, host, now) != HOST_ALIVE ||
        g->figures_age_ms >= RCACHE_FIGURES_MAX_MS) {
        return WHATIF_OLD;
    }
    if (!hosts_speaks(hosts, host, now)) {
        return WHATIF_NOT_CONNECTED;
    }
    /* Without one no age is told: nobody owes a report. */
    return g->flags & RCACHE_GUEST_PAGER ? WHATIF_SURE : WHATIF_NO_PAGER;
}

/* What its own host says of it, how long ago, and whether that holds for what
 * it has on @host. */
static void set_guest(const Hosts *hosts, const Host *host, WhatifVm *vm,
                      uint64_t now)
{
    const Host *from = hosts_find(hosts, vm->host);
    const WireBeatGuest *g = guest_find(from, vm->uuid);

    if (!g) {
        vm->doubt = WHATIF_UNKNOWN;
        return;
    }
    vm->guest = g->guest;
    vm->copies = g->copies;
    vm->one_copy = g->one_copy;
    vm->repairing = g->repairing;
    vm->age_ms = saturating_add(hosts_age(from, now), g->figures_age_ms);
    vm->doubt = doubt_of_guest(hosts, from, g, now);
    if (vm->sole < vm->stored) {
        doubt_copies(hosts, from, host, vm, now);
    }
}

/* Of a lease that a host lists: what its VM says that it has only there. */
static uint64_t sole_of(const Hosts *hosts, const WireBeatLease *lease)
{
    const Host *host = hosts_find(hosts, lease->host);

    for (guint i = 0; host && i < host->held->len; i++) {
        const WireBeatLease *h = &g_array_index(host->held, WireBeatLease, i);

        if (h->lease == lease->lease) {
            return h->sole;
        }
    }
    return lease->stored;
}

static int compare_vms(gconstpointer a, gconstpointer b)
{
    const WhatifVm *left = a, *right = b;

    if (left->leased != right->leased) {
        return left->leased > right->leased ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

/* What a VM elsewhere says it has there, and the host does not list. */
static void collect_held(Whatif *whatif, const Elsewhere *elsewhere,
                         const Host *from, const Host *host)
{
    for (guint i = 0; i < from->held->len; i++) {
        const WireBeatLease *l = &g_array_index(from->held, WireBeatLease, i);
        WireBeatLease own = *l;
        WhatifVm *vm;

        if (strcmp(l->host, host->name) || !l->stored ||
            hosts_lease_find(host, l->lease) ||
            elsewhere_host(elsewhere, from->name, l->vm)) {
            continue;
        }
        wire_text_copy(own.host, sizeof(own.host), from->name);
        vm = vm_of(whatif, &own);
        vm->stored = saturating_add(vm->stored, l->stored);
        vm->sole = saturating_add(vm->sole, l->sole);
    }
}

/* What it knows to be gone is among what it says it has. */
static void collect_lost(Whatif *whatif, const Elsewhere *elsewhere,
                         const Host *from, const Host *host)
{
    for (guint i = 0; i < from->troubles->len; i++) {
        const WireBeatTrouble *t = &g_array_index(from->troubles,
                                                  WireBeatTrouble, i);
        WireBeatLease lease = { .lease = 0 };
        WhatifVm *vm;

        if (!t->lost || strcmp(t->host, host->name) ||
            elsewhere_host(elsewhere, from->name, t->vm)) {
            continue;
        }
        memcpy(lease.vm, t->vm, sizeof(lease.vm));
        wire_text_copy(lease.name, sizeof(lease.name), t->name);
        wire_text_copy(lease.host, sizeof(lease.host), from->name);
        vm = vm_of(whatif, &lease);
        vm->lost = saturating_add(vm->lost, t->lost);
        vm->stored -= MIN(vm->stored, t->lost);
        vm->sole -= MIN(vm->sole, t->lost);
    }
}

static void collect_lease(Whatif *whatif, const Hosts *hosts,
                          const Elsewhere *elsewhere, const WireBeatLease *l)
{
    WhatifVm *vm = vm_of(whatif, l);

    vm->leased = saturating_add(vm->leased, l->bytes);
    whatif->leased = saturating_add(whatif->leased, l->bytes);
    if (elsewhere_nobodys(elsewhere, l)) {
        wire_text_copy(vm->elsewhere, sizeof(vm->elsewhere),
                       elsewhere_host(elsewhere, l->host, l->vm)->name);
        return;
    }
    vm->stored = saturating_add(vm->stored, l->stored);
    vm->sole = saturating_add(vm->sole, sole_of(hosts, l));
}

static void collect_runs(Whatif *whatif, const Elsewhere *elsewhere,
                         const Host *host)
{
    for (guint i = 0; i < host->guests->len; i++) {
        WireBeatGuest *g = &g_array_index(host->guests, WireBeatGuest, i);

        if (!elsewhere_host(elsewhere, host->name, g->vm)) {
            g_ptr_array_add(whatif->runs, g->name);
        }
    }
}

static void collect(Whatif *whatif, const Hosts *hosts, const Host *host,
                    uint64_t now)
{
    g_autoptr(Elsewhere) elsewhere = elsewhere_new(hosts, now);

    for (guint i = 0; i < host->leases->len; i++) {
        collect_lease(whatif, hosts, elsewhere,
                      &g_array_index(host->leases, WireBeatLease, i));
    }
    collect_runs(whatif, elsewhere, host);
    for (guint i = 0; i < hosts->all->len; i++) {
        collect_held(whatif, elsewhere, hosts->all->pdata[i], host);
        collect_lost(whatif, elsewhere, hosts->all->pdata[i], host);
    }
    for (guint i = 0; i < whatif->vms->len; i++) {
        WhatifVm *vm = &g_array_index(whatif->vms, WhatifVm, i);

        set_guest(hosts, host, vm, now);
        vm->sole = vm->doubt ? vm->stored : vm->sole;
        whatif->stored = saturating_add(whatif->stored, vm->stored);
        whatif->sole = saturating_add(whatif->sole, vm->sole);
        whatif->repairing = saturating_add(whatif->repairing, vm->repairing);
        whatif->lost = saturating_add(whatif->lost, vm->lost);
    }
    g_array_sort(whatif->vms, compare_vms);
}

/* --------------------------------------------------------- room elsewhere */

typedef struct Search {
    const Hosts *hosts;
    PlacementHost *views;
    const PlacementConfig *config;
    uint64_t seed, now;
} Search;

/* What the VM leases anywhere counts in where it is put. */
static void views_of_vm(const Search *search, const WhatifVm *vm)
{
    const GArray *lent = hosts_lent(search->hosts, vm->uuid);

    for (guint i = 0; i < search->hosts->all->len; i++) {
        search->views[i].vm_bytes = 0;
    }
    for (guint i = 0; lent && i < lent->len; i++) {
        const HostsLent *l = &g_array_index(lent, HostsLent, i);

        search->views[l->host->index].vm_bytes = l->bytes;
    }
}

/* What the owner has for good: what a VM is to leave it gets anew elsewhere, as
 * when it asks for that itself (assign.c). */
static uint64_t owner_bytes(const Search *search, const WhatifVm *vm)
{
    uint64_t bytes = hosts_taken(search->hosts, vm->host);

    for (guint i = 0; i < search->hosts->all->len; i++) {
        bytes -= MIN(bytes, views_wanted_back(search->hosts->all->pdata[i],
                                              &search->views[i]));
    }
    return bytes;
}

/* What one choice has given is gone for the next. */
static void take(const Search *search, const Placement *placement)
{
    for (unsigned i = 0; i < placement->nr_parts; i++) {
        const PlacementPart *part = &placement->part[i];
        PlacementHost *view = &search->views[part->host];

        view->free -= MIN(part->bytes, view->free);
        view->vm_bytes = saturating_add(view->vm_bytes, part->bytes);
        view->leases++;
    }
}

/* A slab is moved by the pager that uses it. */
static bool whatif_stays(const Search *search, const Host *requester,
                         WhatifVm *vm)
{
    bool dead = requester && hosts_state(search->hosts, requester,
                                         search->now) == HOST_DEAD;

    if (*vm->elsewhere) {
        g_snprintf(vm->text, sizeof(vm->text), "host %s is gone and the VM "
                   "runs on %s: nobody moves what it had from there",
                   vm->host, vm->elsewhere);
    } else if (dead) {
        g_snprintf(vm->text, sizeof(vm->text), "host %s, which runs the VM, "
                   "is dead: nobody moves what it has there", vm->host);
    }
    return dead || *vm->elsewhere;
}

/* Several choices, since one has a limited number of parts. */
static void whatif_place(Search *search, WhatifVm *vm)
{
    const Host *requester = hosts_find(search->hosts, vm->host);
    PlacementConfig config = *search->config;
    PlacementRequest request = {
        .requester = requester ? requester->index : PLACEMENT_NO_HOST,
        .domain = requester ? requester->domain : 0,
        .balance = vm->copies > 1 ? PLACEMENT_BALANCE : PLACEMENT_NO_BALANCE,
    };
    Placement placement;

    if (whatif_stays(search, requester, vm)) {
        return;
    }
    config.quota = hosts_quota(search->hosts, requester, config.quota,
                               config.quota_percent);
    views_of_vm(search, vm);
    request.owner_bytes = owner_bytes(search, vm);
    do {
        request.bytes = vm->leased - vm->placed;
        placement_choose(&config, search->views,
                         search->hosts->all->len, &request, search->seed++,
                         &placement);
        take(search, &placement);
        vm->placed = MIN(saturating_add(vm->placed, placement.bytes),
                         vm->leased);
        request.owner_bytes = saturating_add(request.owner_bytes,
                                             placement.bytes);
    } while (placement.nr_parts && vm->placed < vm->leased);
    if (vm->placed < vm->leased) {
        wire_text_copy(vm->text, sizeof(vm->text), placement.text);
    }
}

void whatif_init(Whatif *whatif, const Hosts *hosts, const Host *host,
                 PlacementHost *views, const PlacementConfig *config,
                 uint64_t seed, uint64_t now)
{
    uint64_t slab = views[host->index].slab;
    Search search = { hosts, views, config, seed, now };

    *whatif = (Whatif) {
        .vms = g_array_new(FALSE, TRUE, sizeof(WhatifVm)),
        .runs = g_ptr_array_new(),
    };
    collect(whatif, hosts, host, now);
    whatif->slabs = slab ? whatif->leased / slab : 0;
    views[host->index].draining = true;
    for (guint i = 0; i < whatif->vms->len; i++) {
        WhatifVm *vm = &g_array_index(whatif->vms, WhatifVm, i);

        whatif_place(&search, vm);
        whatif->placed = saturating_add(whatif->placed, vm->placed);
    }
}

void whatif_deinit(Whatif *whatif)
{
    g_array_unref(whatif->vms);
    g_ptr_array_unref(whatif->runs);
}

double whatif_drain_seconds(const Whatif *whatif, double bytes_per_second,
                            unsigned moves_per_minute, uint64_t moves_left)
{
    double copying = -1, waiting = -1;

    if (!whatif->leased) {
        return 0;
    }
    if (bytes_per_second > 0) {
        copying = whatif->leased / bytes_per_second;
    }
    if (moves_per_minute && whatif->slabs > moves_left) {
        waiting = (whatif->slabs - moves_left) * 60.0 / moves_per_minute;
    }
    return MAX(copying, waiting);
}
