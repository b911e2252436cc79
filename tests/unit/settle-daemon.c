/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rcached of test-settle, in the place of rcached/pager/uplink.c: a request for
 * leases goes to the arbiter's own placement, which sees all hosts as they are.
 * See settle.h.
 */
#include <string.h>

#include "arbiter/placement.h"
#include "tests/fuzz/vmm-played.h"
#include "settle.h"

/* A request that is out: to the arbiters, and for the own disk. */
static struct Want {
    bool out, disk;
    uint64_t tag, at, bytes;
    unsigned copies, nr_avoid;
    char avoid[RCACHE_AVOID_MAX][RCACHE_NAME_MAX];
} asked[2], want;

void daemon_begin(void)
{
    memset(asked, 0, sizeof(asked));
}

void uplink_ready(Pager *p)
{
}

void uplink_auto(Pager *p)
{
}

void uplink_tick(Pager *p, uint64_t now)
{
}

void uplink_result(Pager *p, uint64_t tag, int status, uint64_t value,
                   const char *text)
{
}

void uplink_balloon(Pager *p, const struct RcacheVmmBalloon *msg)
{
}

static void want_set(Pager *p, bool disk, uint64_t bytes, unsigned copies,
                     unsigned nr_avoid)
{
    asked[disk] = (struct Want) {
        .out = true, .disk = disk, .tag = ++p->serial, .bytes = bytes,
        .copies = copies, .nr_avoid = nr_avoid,
        .at = pager_now() + (disk ? world.assign / 4 : world.assign),
    };
    p->want.tag = asked[disk].tag;
    world.count.wants++;
}

void uplink_want(Pager *p, uint64_t bytes, unsigned copies,
                 const char *const *avoid, unsigned nr_avoid)
{
    want_set(p, false, bytes, copies, nr_avoid);
    for (unsigned i = 0; i < nr_avoid; i++) {
        g_strlcpy(asked[0].avoid[i], avoid[i], sizeof(asked[0].avoid[i]));
    }
}

void uplink_want_disk(Pager *p, uint64_t bytes)
{
    want_set(p, true, bytes, 1, 0);
}

/* ----------------------------------------------------------- the arbiter */

static bool is_avoided(const char *name)
{
    for (unsigned i = 0; i < want.nr_avoid; i++) {
        if (!strcmp(want.avoid[i], name)) {
            return true;
        }
    }
    return false;
}

/* 0: it has no label. */
static uint32_t domain_of(const Host *h)
{
    return *h->label ? 1 + h->label[strlen(h->label) - 1] - '0' : 0;
}

static bool two_copies(void)
{
    return played.p->locations.copies > 1;
}

/* As arbiter/assign.c has it, and what follows from that. */
static bool is_beside(unsigned host)
{
    uint32_t domain = two_copies() ? domain_of(&world.host[host]) : 0;

    for (unsigned i = 0; domain && i < HOSTS_MAX; i++) {
        if (i != host && domain_of(&world.host[i]) == domain &&
            is_avoided(world.host[i].name)) {
            return true;
        }
    }
    return false;
}

static void hosts_look(PlacementHost out[HOSTS_MAX])
{
    uint64_t slab = (uint64_t)world.slab_pages * RCACHE_PAGE_SIZE;

    for (unsigned i = 0; i < HOSTS_MAX; i++) {
        const Host *h = &world.host[i];

        out[i] = (PlacementHost) {
            .alive = h->used && !h->cut, .connected = h->used && !h->cut,
            .lends = true, .draining = h->draining, .said_no = h->hung,
            .avoided = is_avoided(h->name), .beside = is_beside(i),
            .domain = domain_of(h), .free = host_free(i) * slab,
            .offered = h->capacity * slab, .slab = slab,
            .vm_bytes = host_slabs(i) * slab,
        };
    }
}

static void grant_fill(struct LinkGrants *msg, unsigned host, unsigned slabs)
{
    struct RcacheLeaseGrant *g = &msg->grant[msg->nr_grants];

    g->lease = host_lend(host, slabs);
    g->epoch = 1;
    g->bytes = (uint64_t)slabs * world.slab_pages * RCACHE_PAGE_SIZE;
    g_strlcpy(g->host, world.host[host].name, sizeof(g->host));
    g_snprintf(g->address, sizeof(g->address), "192.0.2.1:%u", host + 1);
    g_strlcpy(msg->label[msg->nr_grants], world.host[host].label,
              sizeof(msg->label[0]));
    msg->nr_grants++;
    world.count.grants++;
    tell("  %s lends %u slabs", world.host[host].name, slabs);
}

static void arbiter_grants(struct LinkGrants *msg)
{
    const PlacementConfig config = {
        .spread = 2, .sample = 16, .share = 50, .psi_some_max = 10000,
        .psi_full_max = 10000,
    };
    PlacementRequest request = {
        .requester = PLACEMENT_NO_HOST, .copies = want.copies,
        .parts_max = LINK_GRANTS_MAX, .bytes = want.bytes,
        .balance = two_copies() ? PLACEMENT_BALANCE : PLACEMENT_NO_BALANCE,
        .size = played.p->limits.size * RCACHE_PAGE_SIZE,
    };
    uint64_t slab = (uint64_t)world.slab_pages * RCACHE_PAGE_SIZE;
    PlacementHost hosts[HOSTS_MAX];
    Placement out;

    hosts_look(hosts);
    placement_choose(&config, hosts, HOSTS_MAX, &request, chance(UINT_MAX),
                     &out);
    for (unsigned i = 0; i < out.nr_parts; i++) {
        grant_fill(msg, out.part[i].host, out.part[i].bytes / slab);
    }
    if (!out.nr_parts) {
        tell("  nobody lends %" G_GUINT64_FORMAT " slabs for %u copies (%s)",
             want.bytes / slab, want.copies, out.text);
    }
}

static void disk_grants(struct LinkGrants *msg)
{
    uint64_t slab = (uint64_t)world.slab_pages * RCACHE_PAGE_SIZE;
    unsigned slabs = (want.bytes + slab - 1) / slab, free = host_free(OWN);

    if (free) {
        grant_fill(msg, OWN, MIN(slabs, free));
    } else {
        tell("  the own disk has no room");
    }
}

static void answer(void)
{
    struct LinkGrants msg = { .nr_grants = 0 };

    msg.hdr.tag = want.tag;
    if (want.disk) {
        disk_grants(&msg);
    } else if (!world.away) {
        arbiter_grants(&msg);
    }
    lease_demand_answer(played.p, &msg);
}

void daemon_tick(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(asked); i++) {
        if (asked[i].out && pager_now() >= asked[i].at) {
            asked[i].out = false;
            want = asked[i];
            answer();
        }
    }
}
