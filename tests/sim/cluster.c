/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cluster: what each simulated host needs of its own.  See cluster.h. */
#include "cluster.h"

#include <math.h>
#include <string.h>

#include "random.h"

#define GIB             ((double)(1ull << 30))
#define DAY             86400.0
#define YEAR            (365 * DAY)
#define PHASES          96u             /* of the day's wave */
#define NEVER           INFINITY
#define FULL_SHARE      0.95            /* of a host given to guests at most */
#define TRIES           8u              /* hosts to ask to take a guest */

typedef struct Guest {
    double size, base, wave;    /* bytes */
    double extra;               /* bytes above base and wave, now */
    double rate;                /* bytes a second, of a change of extra */
    double touched;             /* bytes */
    double burst;               /* bytes; 0: none now */
    double burst_rate;          /* in a second */
    double burst_change;        /* when it begins or ends */
    double dies;
    double next;                /* the earlier of the two */
    double lag;                 /* seconds, behind its tenant */
    uint16_t tenant;
    uint8_t phase;
    bool reports, balloon;
} Guest;

typedef struct Host {
    double total, own;
    double allocated;           /* to guests */
    double back;                /* down until then; 0: up */
    double next_guest;          /* when one comes */
    double guest_rate;
    uint64_t random;
    unsigned nr_guests;
    Guest guest[CLUSTER_GUESTS];
} Host;

typedef struct Tenant {
    double share;
    double from, to;            /* of the spike that is, was or comes next */
} Tenant;

typedef struct Restart {
    double when;
    Guest guest;
} Restart;

struct Cluster {
    const Load *load;
    unsigned nr_hosts, nr_tenants, rack;
    double now, beat;
    double share_noise;
    double next_machine, next_rack;
    double wave[PHASES];
    uint64_t random;
    Tenant *tenant;
    Host *host;
    GArray *restarts;           /* of Restart */
};

/* ---------------------------------------------------------------- guests */

static void guest_set_next(Guest *g)
{
    g->next = MIN(g->burst_change, g->dies);
}

static double ramp(const Load *load, uint64_t *random)
{
    return MIN(dist_draw(&load->bursts.rate, random),
               load->bursts.rate_most.a) * GIB;
}

/* What a guest is like whatever its size and life are. */
static Guest guest_new(Cluster *c, uint64_t *random, double size, double use)
{
    const Load *load = c->load;
    double spread = load->guests.diurnal_spread_h.a / 24 * PHASES;
    Guest g = {
        .size = size,
        .base = size * use,
        .wave = size * MIN(dist_draw(&load->guests.diurnal_share, random),
                           0.5),
        .rate = ramp(load, random),
        .burst_rate = dist_draw(&load->bursts.per_day, random) / DAY,
        .dies = NEVER,
        .lag = random_unit(random) * load->spikes.apart.a,
        .tenant = random_below(random, c->nr_tenants),
        .phase = (unsigned)(random_unit(random) * spread) % PHASES,
        .reports = random_unit(random) < load->guests.reporting_share.a,
        .balloon = random_unit(random) < load->guests.balloon_share.a,
    };

    g.burst_change = c->now + random_wait(random, g.burst_rate);
    guest_set_next(&g);
    return g;
}

static void guest_burst(Cluster *c, Guest *g, uint64_t *random)
{
    const Load *load = c->load;
    double share;

    if (g->burst > 0) {
        g->burst = 0;
        g->burst_change = c->now + random_wait(random, g->burst_rate);
        return;
    }
    share = load->bursts.least_share.a *
            pow(1 - random_unit(random), -1 / load->bursts.shape.a);
    g->burst = g->size * MIN(share, load->bursts.most_share.a);
    g->rate = ramp(load, random);
    g->burst_change = c->now + dist_draw(&load->bursts.length, random);
}

/* What its tenant's spike takes of it now. */
static double guest_spike(const Cluster *c, const Guest *g)
{
    const Tenant *t = &c->tenant[g->tenant];
    double now = c->now - g->lag;

    return now >= t->from && now < t->to ? t->share * g->size : 0;
}

static double guest_step(const Cluster *c, Guest *g)
{
    double most = g->rate * c->beat;
    double change = g->burst + guest_spike(c, g) - g->extra;
    double use;

    g->extra += CLAMP(change, -most, most);
    use = CLAMP(g->base + g->wave * c->wave[g->phase] + g->extra, 0, g->size);
    g->touched = g->reports ? use : MAX(g->touched, use);
    return use;
}

/* ----------------------------------------------------------------- hosts */

static bool host_takes(const Host *h, double size)
{
    return !h->back && h->nr_guests < CLUSTER_GUESTS &&
           h->own + h->allocated + size <= h->total * FULL_SHARE;
}

static void host_add(Host *h, const Guest *g)
{
    h->guest[h->nr_guests++] = *g;
    h->allocated += g->size;
}

static void host_remove(Host *h, unsigned i)
{
    h->allocated -= h->guest[i].size;
    h->guest[i] = h->guest[--h->nr_guests];
}

/* Guests that have been there for long before the simulation begins. */
static void host_fill(Cluster *c, Host *h)
{
    const Load *load = c->load;
    double share = dist_draw(&load->guests.allocated_share, &h->random);

    for (unsigned miss = 0; miss < TRIES;) {
        double size = dist_draw(&load->guests.size_gib, &h->random) * GIB;
        double use = dist_draw(&load->guests.use_share, &h->random);
        Guest g = guest_new(c, &h->random, size, use);

        if (h->allocated + size > share * h->total || !host_takes(h, size)) {
            miss++;
            continue;
        }
        g.touched = size * MAX(dist_draw(&load->guests.touched_share,
                                         &h->random), use);
        host_add(h, &g);
    }
}

static void host_init(Cluster *c, Host *h)
{
    const Load *load = c->load;

    h->random = random_next(&c->random);
    h->total = dist_draw(&load->hosts.memory_gib, &h->random) * GIB;
    h->own = h->total * dist_draw(&load->hosts.own_share, &h->random);
    h->guest_rate = dist_draw(&load->churn.per_day, &h->random) / DAY;
    h->next_guest = random_wait(&h->random, h->guest_rate);
    host_fill(c, h);
}

/* Its use starts at nothing, and rises to what it is at rest. */
static void guest_boots(Cluster *c, Guest *g, uint64_t *random)
{
    g->extra = -g->base;
    g->touched = 0;
    g->burst = 0;
    g->rate = MIN(dist_draw(&c->load->churn.rate, random),
                  c->load->bursts.rate_most.a) * GIB;
    g->burst_change = c->now + random_wait(random, g->burst_rate);
    guest_set_next(g);
}

static void host_guest_comes(Cluster *c, Host *h)
{
    const Load *load = c->load;
    double size = dist_draw(&load->churn.size_gib, &h->random) * GIB;
    double use = dist_draw(&load->churn.use_share, &h->random);
    Guest g = guest_new(c, &h->random, size, use);

    h->next_guest = c->now + random_wait(&h->random, h->guest_rate);
    if (host_takes(h, size)) {
        g.dies = c->now + dist_draw(&load->churn.life, &h->random);
        guest_boots(c, &g, &h->random);
        host_add(h, &g);
    }
}

static void host_events(Cluster *c, Host *h)
{
    if (c->now >= h->next_guest) {
        host_guest_comes(c, h);
    }
    for (unsigned i = 0; i < h->nr_guests; i++) {
        Guest *g = &h->guest[i];

        if (c->now < g->next) {
            continue;
        }
        if (c->now >= g->dies) {
            host_remove(h, i--);
            continue;
        }
        guest_burst(c, g, &h->random);
        guest_set_next(g);
    }
}

ClusterHost cluster_host(Cluster *c, unsigned i, PredictGuest *guests,
                         unsigned *nr_guests)
{
    Host *h = &c->host[i];
    double demand = h->own;

    demand += h->total * c->share_noise * (2 * random_unit(&h->random) - 1);
    if (!h->back) {
        host_events(c, h);
    }
    for (unsigned j = 0; j < h->nr_guests; j++) {
        Guest *g = &h->guest[j];
        double use = guest_step(c, g);

        demand += g->touched;
        guests[j] = (PredictGuest) {
            .resident = g->touched,
            .may_have = g->size,
            .has_balloon = g->balloon,
            .balloon_total = g->size,
            .balloon_free = g->size - use,
        };
    }
    *nr_guests = h->nr_guests;
    return (ClusterHost) {
        .total = h->total,
        .demand = demand,
        .rack = i / c->rack,
        .up = !h->back,
    };
}

/* ---------------------------------------------------------- the cluster */

static void cluster_fail(Cluster *c, unsigned i, double hours)
{
    Host *h = &c->host[i];

    if (h->back) {
        return;
    }
    h->back = c->now + hours * 3600;
    for (unsigned j = 0; j < h->nr_guests; j++) {
        Restart r = { .guest = h->guest[j] };

        r.when = c->now + dist_draw(&c->load->failures.restart_s,
                                    &c->random);
        if (r.guest.dies == NEVER) {
            g_array_append_val(c->restarts, r);
        }
    }
    h->nr_guests = 0;
    h->allocated = 0;
}

static double machine_rate(const Cluster *c)
{
    return c->load->failures.machine_per_year.a * c->nr_hosts / YEAR;
}

static double rack_rate(const Cluster *c)
{
    return c->load->failures.rack_per_year.a * c->nr_hosts / c->rack / YEAR;
}

static void cluster_fail_rack(Cluster *c)
{
    double hours = dist_draw(&c->load->failures.rack_hours, &c->random);
    unsigned at = random_below(&c->random, c->nr_hosts);
    unsigned first = at - at % c->rack;

    for (unsigned i = first; i < MIN(first + c->rack, c->nr_hosts); i++) {
        cluster_fail(c, i, hours);
    }
}

static void cluster_failures(Cluster *c)
{
    while (c->now >= c->next_machine) {
        cluster_fail(c, random_below(&c->random, c->nr_hosts),
                     dist_draw(&c->load->failures.machine_hours,
                               &c->random));
        c->next_machine += random_wait(&c->random, machine_rate(c));
    }
    while (c->now >= c->next_rack) {
        cluster_fail_rack(c);
        c->next_rack += random_wait(&c->random, rack_rate(c));
    }
    for (unsigned i = 0; i < c->nr_hosts; i++) {
        if (c->host[i].back && c->now >= c->host[i].back) {
            c->host[i].back = 0;
        }
    }
}

static void cluster_restarts(Cluster *c)
{
    for (unsigned i = c->restarts->len; i-- > 0;) {
        Restart *r = &g_array_index(c->restarts, Restart, i);
        Host *h = NULL;

        if (c->now < r->when) {
            continue;
        }
        for (unsigned j = 0; j < TRIES && !h; j++) {
            h = &c->host[random_below(&c->random, c->nr_hosts)];
            h = host_takes(h, r->guest.size) ? h : NULL;
        }
        if (h) {
            guest_boots(c, &r->guest, &c->random);
            host_add(h, &r->guest);
            g_array_remove_index_fast(c->restarts, i);
        }
    }
}

static void tenant_next(const Cluster *c, Tenant *t, uint64_t *random)
{
    const Load *load = c->load;

    t->share = dist_draw(&load->spikes.share, random);
    t->from = c->now + load->spikes.apart.a +
              random_wait(random, load->spikes.per_tenant_day.a / DAY);
    t->to = t->from + dist_draw(&load->spikes.length, random);
}

Cluster *cluster_new(const Load *load, unsigned nr_hosts, double beat,
                     uint64_t seed)
{
    Cluster *c = g_new0(Cluster, 1);

    c->load = load;
    c->nr_hosts = nr_hosts;
    c->nr_tenants = load->spikes.tenants.a;
    c->rack = load->hosts.rack.a;
    c->beat = beat;
    c->random = seed;
    c->share_noise = load->hosts.noise_share.a;
    c->restarts = g_array_new(FALSE, FALSE, sizeof(Restart));
    c->tenant = g_new0(Tenant, c->nr_tenants);
    for (unsigned i = 0; i < c->nr_tenants; i++) {
        tenant_next(c, &c->tenant[i], &c->random);
    }
    c->host = g_new0(Host, nr_hosts);
    for (unsigned i = 0; i < nr_hosts; i++) {
        host_init(c, &c->host[i]);
    }
    c->next_machine = random_wait(&c->random, machine_rate(c));
    c->next_rack = random_wait(&c->random, rack_rate(c));
    return c;
}

void cluster_free(Cluster *c)
{
    if (c) {
        g_array_unref(c->restarts);
        g_free(c->tenant);
        g_free(c->host);
        g_free(c);
    }
}

void cluster_beat(Cluster *c)
{
    c->now += c->beat;
    for (unsigned i = 0; i < PHASES; i++) {
        c->wave[i] = sin(2 * M_PI * (c->now / DAY + (double)i / PHASES));
    }
    for (unsigned i = 0; i < c->nr_tenants; i++) {
        /* Its last guest has felt the end of it. */
        if (c->now >= c->tenant[i].to + c->load->spikes.apart.a) {
            tenant_next(c, &c->tenant[i], &c->random);
        }
    }
    cluster_failures(c);
    cluster_restarts(c);
}
