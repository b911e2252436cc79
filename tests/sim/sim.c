/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim: one run.  See sim.h.
 *
 * The oracle's world is one deadline behind the others, since it has to see
 * what they have not come to yet.  A ring holds what each host had free in
 * between.
 */
#include "sim.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#define FIXED_SHARE     0.20    /* of all memory, the rule "fixed" keeps */
#define SAMPLES         288u    /* lines of the time series */
#define DOWN            UINT64_MAX

typedef struct Sim {
    const SimConfig *config;
    const Load *load;
    Cluster *cluster;
    World *world[RULE_MAX_];
    Market *market;
    Predict **predict;          /* by host */
    uint64_t *room;             /* by host and beat; a ring; DOWN: was down */
    unsigned deadline, ring;    /* beats */
    uint64_t slab;
    double reserve_share;
    uint64_t beat;
    double demand;              /* bytes, of this beat */
    double demand_beats;
    double memory;
    FILE *csv;
} Sim;

const char *sim_rule_name(Rule rule)
{
    static const char *const names[] = {
        [RULE_PREDICTOR] = "predictor",
        [RULE_LAST] = "last",
        [RULE_FIXED] = "fixed",
        [RULE_ORACLE] = "oracle",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == RULE_MAX_);
    return names[rule];
}

double sim_miss_share(const SimResult *result, Rule rule)
{
    return result->revoked[rule]
               ? (double)result->missed[rule] / result->revoked[rule] : 0;
}

/* ----------------------------------------------------------------- rules */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* A rule that says how many bytes it lends in all, and is granted that. */
static void follow(Sim *sim, Rule rule, unsigned i, bool up, uint64_t room,
                   uint64_t target)
{
    World *world = sim->world[rule];
    const WorldHost *h = &world->host[i];
    uint64_t slabs = target / sim->slab;

    world_host_beat(world, i, sim->beat, up, room);
    if (!up) {
        return;
    }
    if (slabs < h->lent) {
        world_revoke(world, i, sim->beat, h->lent - slabs);
    }
    if (slabs > h->lent + h->returning) {
        world_lend(world, i, slabs - h->lent - h->returning);
    }
}

static void follow_oracle(Sim *sim, unsigned i)
{
    const uint64_t *room = &sim->room[(size_t)i * sim->ring];
    uint64_t then = sim->beat - sim->deadline, least = UINT64_MAX;

    for (unsigned k = 0; k < sim->ring; k++) {
        /* Not even the oracle has to foresee a failure: it is no demand. */
        least = MIN(least, room[k]);
    }
    follow(sim, RULE_ORACLE, i, room[then % sim->ring] != DOWN,
           room[then % sim->ring], least);
}

static void follow_predictor(Sim *sim, unsigned i, const ClusterHost *host,
                             uint64_t reserve, const PredictGuest *guests,
                             unsigned nr_guests)
{
    World *world = sim->world[RULE_PREDICTOR];
    double now = sim->beat * sim->config->beat;
    uint64_t room = less(host->total, host->demand + reserve), slabs;
    unsigned taken = world_host_beat(world, i, sim->beat, host->up, room);
    PredictInput in = {
        .total = host->total, .reserve = reserve, .lend_max = UINT64_MAX,
        .guests = guests, .nr_guests = nr_guests,
    };
    PredictOutput out = { .offered = 0 };

    market_take(sim->market, i, taken, now);
    if (host->up) {
        in.leased = world_leased(world, i);
        in.available = less(host->total, host->demand + in.leased);
        predict_update(sim->predict[i], now * 1000, &in, &out);
        slabs = less(world->host[i].lent, out.keep / sim->slab);
        world_revoke(world, i, sim->beat, slabs);
        market_take(sim->market, i, slabs, now);
    }
    market_host(sim->market, i, host->up, out.offered);
}

static void host_beat(Sim *sim, unsigned i)
{
    PredictGuest guests[CLUSTER_GUESTS];
    unsigned nr_guests;
    ClusterHost host = cluster_host(sim->cluster, i, guests, &nr_guests);
    uint64_t reserve = host.total * sim->reserve_share;
    uint64_t fixed = host.total * FIXED_SHARE;
    uint64_t room = less(host.total, host.demand + reserve);

    sim->demand += host.demand;
    sim->room[(size_t)i * sim->ring + sim->beat % sim->ring] =
        host.up ? room : DOWN;
    follow_predictor(sim, i, &host, reserve, guests, nr_guests);
    follow(sim, RULE_LAST, i, host.up, room, room);
    follow(sim, RULE_FIXED, i, host.up, room,
           less(host.total, host.demand + fixed));
    if (sim->beat >= sim->ring) {
        follow_oracle(sim, i);
    }
}

/* ------------------------------------------------------------------- run */

static void csv_line(Sim *sim)
{
    fprintf(sim->csv, "%.4f,%.0f,%.0f,%.4f",
            sim->beat * sim->config->beat / 3600, sim->memory, sim->demand,
            market_fairness(sim->market));
    for (Rule rule = 0; rule < RULE_MAX_; rule++) {
        const World *world = sim->world[rule];

        fprintf(sim->csv, ",%.0f,%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT,
                (double)world->lent * sim->slab, world->revoked,
                world->missed);
    }
    fputc('\n', sim->csv);
}

static bool csv_open(Sim *sim, GError **errp)
{
    if (!sim->config->csv) {
        return true;
    }
    sim->csv = fopen(sim->config->csv, "w");
    if (!sim->csv) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", sim->config->csv, g_strerror(errno));
        return false;
    }
    fputs("hour,memory,demand,fairness", sim->csv);
    for (Rule rule = 0; rule < RULE_MAX_; rule++) {
        fprintf(sim->csv, ",%s-lent,%s-revoked,%s-missed",
                sim_rule_name(rule), sim_rule_name(rule),
                sim_rule_name(rule));
    }
    fputc('\n', sim->csv);
    return true;
}

static void sim_init(Sim *sim, const SimConfig *config, const Load *load)
{
    PredictGuest guests[CLUSTER_GUESTS];
    unsigned n;

    *sim = (Sim) {
        .config = config,
        .load = load,
        .deadline = MAX(ceil(load->lending.deadline.a / config->beat), 1),
        .slab = (uint64_t)load->lending.slab_mib.a << 20,
        .reserve_share = load->lending.reserve_share.a,
    };
    sim->ring = sim->deadline + 1;
    sim->cluster = cluster_new(load, config->hosts, config->beat,
                               config->seed);
    for (Rule rule = 0; rule < RULE_MAX_; rule++) {
        sim->world[rule] = world_new(config->hosts, sim->deadline, sim->slab);
    }
    sim->predict = g_new0(Predict *, config->hosts);
    for (unsigned i = 0; i < config->hosts; i++) {
        sim->memory += cluster_host(sim->cluster, i, guests, &n).total;
        sim->predict[i] = predict_new(config->predict);
    }
    sim->room = g_new0(uint64_t, (size_t)config->hosts * sim->ring);
    sim->market = market_new(load, sim->world[RULE_PREDICTOR], sim->memory,
                             ~config->seed);
}

static void sim_deinit(Sim *sim)
{
    market_free(sim->market);
    for (unsigned i = 0; i < sim->config->hosts; i++) {
        predict_free(sim->predict[i]);
    }
    g_free(sim->predict);
    g_free(sim->room);
    for (Rule rule = 0; rule < RULE_MAX_; rule++) {
        world_free(sim->world[rule]);
    }
    cluster_free(sim->cluster);
}

static void sim_beat(Sim *sim, bool counts)
{
    double now = ++sim->beat * sim->config->beat;

    if (counts && !sim->world[0]->counts) {
        for (Rule rule = 0; rule < RULE_MAX_; rule++) {
            sim->world[rule]->counts = true;
        }
        market_count(sim->market, now);
    }
    sim->demand = 0;
    cluster_beat(sim->cluster);
    for (unsigned i = 0; i < sim->config->hosts; i++) {
        host_beat(sim, i);
    }
    market_requests(sim->market, now);
    for (Rule rule = 0; rule < RULE_MAX_; rule++) {
        world_beat(sim->world[rule]);
    }
    sim->demand_beats += counts ? sim->demand : 0;
}

static void sim_result(Sim *sim, uint64_t beats, SimResult *out)
{
    *out = (SimResult) {
        .beats = beats,
        .memory = sim->memory,
        .demand = sim->demand_beats / beats,
    };
    for (Rule rule = 0; rule < RULE_MAX_; rule++) {
        const World *world = sim->world[rule];

        out->lent[rule] = world->lent_beats * sim->slab / beats;
        out->revoked[rule] = world->revoked;
        out->missed[rule] = world->missed;
        out->lost[rule] = world->lost;
    }
    market_stats(sim->market, sim->beat * sim->config->beat, &out->market);
}

static double cpu_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

bool sim_run(const SimConfig *config, const Load *load, SimResult *out,
             GError **errp)
{
    uint64_t beats = ceil(config->hours * 3600 / config->beat);
    uint64_t warm_up = config->warm_up_hours * 3600 / config->beat;
    uint64_t every = MAX(beats / SAMPLES, 1);
    double start = cpu_now();
    Sim sim;

    sim_init(&sim, config, load);
    if (!csv_open(&sim, errp)) {
        sim_deinit(&sim);
        return false;
    }
    for (uint64_t i = 0; i < beats; i++) {
        sim_beat(&sim, i >= warm_up);
        if (sim.csv && i % every == 0) {
            csv_line(&sim);
        }
    }
    sim_result(&sim, beats - warm_up, out);
    sim_deinit(&sim);
    out->cpu = cpu_now() - start;
    if (sim.csv && fclose(sim.csv)) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", config->csv, g_strerror(errno));
        return false;
    }
    return true;
}
