/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * market: VMs, requests and leases.  See market.h.
 *
 * A lease here is a VM's share of one host, in slabs; both sides list it.
 * Grants that no heartbeat has listed yet are kept by the arbiter's leases,
 * and the view that placement gets has them taken off.
 */
#include "market.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "common/wire-control.h"
#include "arbiter/grants.h"
#include "arbiter/placement.h"
#include "random.h"

/* The arbiter's own defaults. */
#define SPREAD          2u
#define SAMPLE          16u
#define SHARE           50u

typedef struct Lease {
    unsigned vm, host;
    unsigned slabs;
} Lease;

typedef struct Vm {
    unsigned host;              /* where it runs */
    uint8_t uuid[RCACHE_UUID_LEN];
    double asked;               /* slabs */
    double granted;             /* slabs, now */
    double granted_time;        /* slabs times seconds, since counting */
    double since;               /* seconds, summed up until then */
    double next;                /* when it may ask again */
    GPtrArray *leases;          /* of Lease, owned */
} Vm;

/* A grant that its provider's next heartbeat lists. */
typedef struct Unlisted {
    unsigned host;
    uint64_t id;
} Unlisted;

struct Market {
    World *world;
    PlacementConfig placement;
    Grants grants;
    PlacementHost *view;        /* by host */
    char (*name)[RCACHE_NAME_MAX];
    GPtrArray **lent;           /* by host, of Lease, not owned */
    Vm *vm;
    unsigned nr_vms;
    double step_share, retry;
    double counting;            /* seconds, since when */
    uint64_t random;
    uint64_t placements;
    double placing;
    GArray *unlisted;
};

static double cpu_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* ---------------------------------------------------------------- leases */

static void vm_sum(Vm *vm, double now)
{
    vm->granted_time += vm->granted * (now - vm->since);
    vm->since = now;
}

static Lease *lease_get(Market *m, unsigned vm, unsigned host)
{
    GPtrArray *all = m->vm[vm].leases;
    Lease *lease;

    for (guint i = 0; i < all->len; i++) {
        lease = all->pdata[i];
        if (lease->host == host) {
            return lease;
        }
    }
    lease = g_new0(Lease, 1);
    *lease = (Lease) { .vm = vm, .host = host };
    g_ptr_array_add(all, lease);
    g_ptr_array_add(m->lent[host], lease);
    return lease;
}

static void lease_shrink(Market *m, Lease *lease, unsigned slabs, double now)
{
    Vm *vm = &m->vm[lease->vm];

    vm_sum(vm, now);
    vm->granted -= slabs;
    vm->next = MIN(vm->next, now);
    lease->slabs -= slabs;
    if (!lease->slabs) {
        g_ptr_array_remove_fast(m->lent[lease->host], lease);
        g_ptr_array_remove_fast(vm->leases, lease);
    }
}

/* Half of what is wanted of one lease, drawn at random, until it is enough. */
void market_take(Market *m, unsigned i, unsigned slabs, double now)
{
    GPtrArray *lent = m->lent[i];

    while (slabs) {
        Lease *lease;
        unsigned n;

        g_assert(lent->len);
        lease = lent->pdata[random_below(&m->random, lent->len)];
        n = MIN(lease->slabs, (slabs + 1) / 2);
        slabs -= n;
        lease_shrink(m, lease, n, now);
    }
}

/* -------------------------------------------------------------- requests */

/* Tell placement where the VM is already, or forget that. */
static void view_vm(Market *m, const Vm *vm, bool on)
{
    for (guint i = 0; i < vm->leases->len; i++) {
        const Lease *lease = vm->leases->pdata[i];

        m->view[lease->host].vm_bytes = on ? lease->slabs * m->world->slab
                                           : 0;
    }
}

static void request_grant(Market *m, LeaseAsk *ask, unsigned vm,
                          const PlacementPart *part, double now)
{
    uint64_t ms = now * 1000, slab = m->world->slab;
    uint8_t token[RCACHE_TOKEN_LEN] = { 0 };
    PlacementHost *view = &m->view[part->host];
    Unlisted unlisted = { .host = part->host };
    WireGrantAck ack = { .bytes = part->bytes, .ttl_ms = 30000 };
    Grant *grant;

    do {
        unlisted.id = random_next(&m->random) >> 1;
        grant = grants_add(&m->grants, ask, m->name[part->host], "",
                           part->bytes, unlisted.id, token, ms);
    } while (!grant);
    ack.lease = unlisted.id;
    g_assert(grants_ack(&m->grants, m->name[part->host], &ack, ms));
    g_array_append_val(m->unlisted, unlisted);
    g_assert(view->free >= part->bytes);
    view->free -= part->bytes;
    world_lend(m->world, part->host, part->bytes / slab);
    lease_get(m, vm, part->host)->slabs += part->bytes / slab;
}

static void request_send(Market *m, unsigned vm, uint64_t bytes, double now)
{
    Vm *v = &m->vm[vm];
    PlacementRequest request = {
        .requester = v->host, .bytes = bytes,
    };
    WireLeaseRequest wire = { .bytes = bytes, .copies = 1 };
    double start = cpu_now();
    WireLeaseReply reply;
    Placement placement;
    LeaseAsk *ask;

    memcpy(wire.vm, v->uuid, sizeof(wire.vm));
    ask = grants_ask_new(&m->grants, m->name[v->host], vm, &wire, now * 1000);
    g_assert(ask);
    view_vm(m, v, true);
    placement_choose(&m->placement, m->view, m->world->nr_hosts, &request,
                     random_next(&m->random), &placement);
    view_vm(m, v, false);
    for (unsigned i = 0; i < placement.nr_parts; i++) {
        request_grant(m, ask, vm, &placement.part[i], now);
    }
    g_assert(grants_next_done(&m->grants, now * 1000) == ask);
    grants_reply(ask, &reply);
    g_assert(reply.bytes == placement.bytes);
    grants_ask_free(&m->grants, ask);
    m->placing += cpu_now() - start;
    m->placements++;

    vm_sum(v, now);
    v->granted += reply.bytes / m->world->slab;
    v->next = reply.bytes < bytes
                  ? now + m->retry * (0.5 + random_unit(&m->random)) : now;
}

/* ------------------------------------------------------------ heartbeats */

static void host_lost(Market *m, unsigned i)
{
    GPtrArray *lent = m->lent[i];

    /* What its world has lost already: only the VMs are told. */
    g_assert(!world_leased(m->world, i));
    g_assert(!lent->len);
}

void market_host(Market *m, unsigned i, bool up, uint64_t offered)
{
    PlacementHost *view = &m->view[i];
    uint64_t leased = world_leased(m->world, i);

    if (!up) {
        host_lost(m, i);
    }
    view->alive = view->connected = view->lends = up;
    view->offered = offered;
    view->free = offered > leased ? offered - leased : 0;
}

/* The heartbeats of this beat list what the last one's requests were given. */
static void list_grants(Market *m, double now)
{
    for (guint i = 0; i < m->unlisted->len; i++) {
        const Unlisted *u = &g_array_index(m->unlisted, Unlisted, i);

        /* One that has failed since says nothing: its grants lapse. */
        if (m->view[u->host].alive) {
            grants_listed(&m->grants, m->name[u->host], u->id);
        }
    }
    g_array_set_size(m->unlisted, 0);
    grants_expire(&m->grants, now * 1000);
}

void market_requests(Market *m, double now)
{
    unsigned first = random_below(&m->random, m->nr_vms);

    list_grants(m, now);
    for (unsigned i = 0; i < m->nr_vms; i++) {
        unsigned vm = (first + i) % m->nr_vms;
        Vm *v = &m->vm[vm];
        double slabs = MIN(v->asked - v->granted,
                           ceil(v->asked * m->step_share));

        if (now >= v->next && slabs >= 1 && m->view[v->host].alive) {
            request_send(m, vm, slabs * m->world->slab, now);
        }
    }
}

/* ------------------------------------------------------------------- all */

static void view_init(Market *m, unsigned i)
{
    g_snprintf(m->name[i], sizeof(m->name[i]), "h%05u", i);
    m->view[i] = (PlacementHost) {
        .slab = m->world->slab,
    };
    m->lent[i] = g_ptr_array_new();
}

static void vm_init(Market *m, unsigned i, const Load *load, double asked)
{
    Vm *vm = &m->vm[i];

    memcpy(vm->uuid, &i, sizeof(i));
    vm->host = i % m->world->nr_hosts;
    vm->asked = floor(asked * dist_draw(&load->requests.asked_spread,
                                        &m->random) / m->world->slab);
    vm->leases = g_ptr_array_new_with_free_func(g_free);
}

Market *market_new(const Load *load, World *world, double memory,
                   uint64_t seed)
{
    Market *m = g_new0(Market, 1);
    GrantsConfig config = {
        .answer_ms = 1000,
        .claim_ms = 30000,
        .asks_max = 1,
    };

    m->world = world;
    m->random = seed;
    m->placement = (PlacementConfig) {
        .spread = SPREAD, .sample = SAMPLE, .share = SHARE,
        .psi_some_max = UINT32_MAX, .psi_full_max = UINT32_MAX,
    };
    grants_init(&m->grants, &config);
    m->unlisted = g_array_new(FALSE, FALSE, sizeof(Unlisted));
    m->view = g_new0(PlacementHost, world->nr_hosts);
    m->name = g_malloc0_n(world->nr_hosts, sizeof(*m->name));
    m->lent = g_new0(GPtrArray *, world->nr_hosts);
    for (unsigned i = 0; i < world->nr_hosts; i++) {
        view_init(m, i);
    }
    m->step_share = load->requests.step_share.a;
    m->retry = load->requests.retry.a;
    m->nr_vms = world->nr_hosts * load->requests.vms_per_host.a;
    m->vm = g_new0(Vm, m->nr_vms);
    for (unsigned i = 0; i < m->nr_vms; i++) {
        vm_init(m, i, load,
                memory * load->requests.asked_share.a / m->nr_vms);
    }
    return m;
}

void market_free(Market *m)
{
    if (!m) {
        return;
    }
    for (unsigned i = 0; i < m->nr_vms; i++) {
        g_ptr_array_unref(m->vm[i].leases);
    }
    for (unsigned i = 0; i < m->world->nr_hosts; i++) {
        g_ptr_array_unref(m->lent[i]);
    }
    g_array_unref(m->unlisted);
    grants_deinit(&m->grants);
    g_free(m->vm);
    g_free(m->lent);
    g_free(m->name);
    g_free(m->view);
    g_free(m);
}

void market_count(Market *m, double now)
{
    for (unsigned i = 0; i < m->nr_vms; i++) {
        m->vm[i].granted_time = 0;
        m->vm[i].since = now;
    }
    m->counting = now;
}

/* R. Jain et al., A Quantitative Measure of Fairness, DEC TR-301, 1984. */
static double jain(double sum, double squares, unsigned n)
{
    return squares > 0 ? sum * sum / (n * squares) : 0;
}

double market_fairness(const Market *m)
{
    double sum = 0, squares = 0;

    for (unsigned i = 0; i < m->nr_vms; i++) {
        double share = m->vm[i].granted / m->vm[i].asked;

        sum += share;
        squares += share * share;
    }
    return jain(sum, squares, m->nr_vms);
}

void market_stats(Market *m, double now, MarketStats *out)
{
    double sum = 0, squares = 0;

    *out = (MarketStats) {
        .placements = m->placements, .placing = m->placing,
    };
    for (unsigned i = 0; i < m->nr_vms; i++) {
        Vm *vm = &m->vm[i];
        double share;

        vm_sum(vm, now);
        share = vm->granted_time / (vm->asked * (now - m->counting));
        sum += share;
        squares += share * share;
        out->asked += vm->asked * m->world->slab;
    }
    out->fairness = jain(sum, squares, m->nr_vms);
}
