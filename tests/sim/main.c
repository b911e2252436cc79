/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main: the simulator's command line and what it prints.  scripts/sim builds
 * and calls it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "loss.h"
#include "sim.h"

/* A rule holds if no more of what it revokes than this misses a deadline. */
#define MISS_BOUND      0.001

typedef struct Args {
    int hosts;
    gint64 seed;
    double hours, days, beat, warm_up;
    char *load;
    char *csv;
    gboolean json, lost_vms;
    double quantile, sudden, slack;
} Args;

static void args_clear(Args *a)
{
    g_free(a->load);
    g_free(a->csv);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Args, args_clear)

/* The better of the simple rules that hold the bound; RULE_MAX_: none. */
static Rule best_baseline(const SimResult *r)
{
    Rule best = RULE_MAX_;

    for (Rule rule = RULE_LAST; rule <= RULE_FIXED; rule++) {
        if (sim_miss_share(r, rule) < MISS_BOUND &&
            (best == RULE_MAX_ || r->lent[rule] > r->lent[best])) {
            best = rule;
        }
    }
    return best;
}

static void print_rule_json(const SimResult *r, Rule rule)
{
    printf("    \"%s\": {\"lent_bytes\": %.0f, \"revoked_slabs\": %"
           G_GUINT64_FORMAT ", \"missed_slabs\": %" G_GUINT64_FORMAT
           ", \"lost_slabs\": %" G_GUINT64_FORMAT ", \"miss_share\": %.6f}%s\n",
           sim_rule_name(rule), r->lent[rule], r->revoked[rule],
           r->missed[rule], r->lost[rule], sim_miss_share(r, rule),
           rule + 1 < RULE_MAX_ ? "," : "");
}

static void print_json(const SimConfig *c, const SimResult *r)
{
    Rule best = best_baseline(r);

    printf("{\n  \"hosts\": %u, \"seed\": %" G_GUINT64_FORMAT
           ", \"hours\": %g, \"warm_up_hours\": %g, \"beat_s\": %g,\n",
           c->hosts, c->seed, c->hours, c->warm_up_hours, c->beat);
    printf("  \"lent_share_of_oracle\": %.4f,\n",
           r->lent[RULE_PREDICTOR] / r->lent[RULE_ORACLE]);
    if (best == RULE_MAX_) {
        printf("  \"lent_vs_best_baseline\": null, \"best_baseline\": null,"
               "\n");
    } else {
        printf("  \"lent_vs_best_baseline\": %.4f, \"best_baseline\": "
               "\"%s\",\n", r->lent[RULE_PREDICTOR] / r->lent[best],
               sim_rule_name(best));
    }
    printf("  \"lent_vs_fixed\": %.4f,\n  \"deadline_miss_share\": %.6f,\n"
           "  \"fairness\": %.4f,\n  \"placements\": %" G_GUINT64_FORMAT
           ",\n  \"placements_per_s\": %.0f,\n",
           r->lent[RULE_PREDICTOR] / r->lent[RULE_FIXED],
           sim_miss_share(r, RULE_PREDICTOR), r->market.fairness,
           r->market.placements,
           r->market.placements / MAX(r->market.placing, 1e-9));
    printf("  \"memory_bytes\": %.0f, \"demand_bytes\": %.0f, "
           "\"asked_bytes\": %.0f,\n  \"cpu_s\": %.1f,\n  \"rules\": {\n",
           r->memory, r->demand, r->market.asked, r->cpu);
    for (Rule rule = 0; rule < RULE_MAX_; rule++) {
        print_rule_json(r, rule);
    }
    printf("  }\n}\n");
}

static void print_text(const SimConfig *c, const SimResult *r)
{
    Rule best = best_baseline(r);

    printf("%u hosts, seed %" G_GUINT64_FORMAT ", %g hours (the first %g not "
           "counted), a beat of %g s\n", c->hosts, c->seed, c->hours,
           c->warm_up_hours, c->beat);
    printf("memory %.1f TiB, demand %.1f %% of it, asked of others %.1f %%\n",
           r->memory / 0x1p40, 100 * r->demand / r->memory,
           100 * r->market.asked / r->memory);
    printf("%-10s %8s %8s %12s %10s %8s\n", "rule", "lent", "of ideal",
           "revoked", "missed", "share");
    for (Rule rule = 0; rule < RULE_MAX_; rule++) {
        printf("%-10s %6.2f %% %6.1f %% %12" G_GUINT64_FORMAT " %10"
               G_GUINT64_FORMAT " %6.3f %%\n", sim_rule_name(rule),
               100 * r->lent[rule] / r->memory,
               100 * r->lent[rule] / r->lent[RULE_ORACLE], r->revoked[rule],
               r->missed[rule], 100 * sim_miss_share(r, rule));
    }
    if (best == RULE_MAX_) {
        printf("no simple rule holds the bound of %g %%\n", 100 * MISS_BOUND);
    } else {
        printf("%.2f times what the better simple rule that holds the bound "
               "lends (%s)\n", r->lent[RULE_PREDICTOR] / r->lent[best],
               sim_rule_name(best));
    }
    printf("fairness %.3f, %" G_GUINT64_FORMAT " placements, %.0f a second; "
           "%.1f s of processor time\n", r->market.fairness,
           r->market.placements,
           r->market.placements / MAX(r->market.placing, 1e-9), r->cpu);
}

/* The failures' figures, for each way to keep copies. */
static void print_loss(const Args *a, const Load *load)
{
    static const struct {
        const char *key, *words;
        unsigned copies;
        bool labels;
    } ways[] = {
        { "copies_1", "one copy", 1, true },
        { "copies_2", "two copies", 2, true },
        { "copies_2_no_labels", "two, racks not known", 2, false },
    };
    double years = a->hours / 24 / 365;
    LossResult r[G_N_ELEMENTS(ways)];

    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        LossConfig config = { a->hosts, ways[i].copies, ways[i].labels,
                              a->seed, years };

        loss_run(&config, load, &r[i]);
    }
    if (!a->json) {
        printf("%d hosts, %u VMs, seed %" G_GINT64_FORMAT ", %g years: %"
               G_GUINT64_FORMAT " machines and %" G_GUINT64_FORMAT " racks "
               "failed\n%-22s %14s %14s %10s %8s\n", a->hosts, r[0].vms,
               a->seed, years, r[0].machines, r[0].racks, "", "VMs lost/year",
               "ended/year", "repairs", "no room");
    } else {
        printf("{\n  \"hosts\": %d, \"vms\": %u, \"seed\": %"
               G_GINT64_FORMAT ", \"years\": %g,\n  \"machines\": %"
               G_GUINT64_FORMAT ", \"racks\": %" G_GUINT64_FORMAT ",\n"
               "  \"ended_vms_per_year\": %.3f,\n"
               "  \"lost_vms_per_year\": {\n", a->hosts, r[0].vms, a->seed,
               years, r[0].machines, r[0].racks, r[0].ended / years);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        if (a->json) {
            printf("    \"%s\": %.3f%s\n", ways[i].key, r[i].lost / years,
                   i + 1 < G_N_ELEMENTS(ways) ? "," : "\n  }\n}");
        } else {
            printf("%-22s %14.2f %14.2f %10" G_GUINT64_FORMAT " %8"
                   G_GUINT64_FORMAT "\n", ways[i].words, r[i].lost / years,
                   r[i].ended / years, r[i].repairs, r[i].no_room);
        }
    }
}

static bool args_parse(Args *a, int *argc, char ***argv, GError **errp)
{
    const GOptionEntry entries[] = {
        { "hosts", 0, 0, G_OPTION_ARG_INT, &a->hosts,
          "simulate so many hosts (default: 100)", "N" },
        { "seed", 0, 0, G_OPTION_ARG_INT64, &a->seed,
          "of everything that is drawn by chance (default: 1)", "N" },
        { "hours", 0, 0, G_OPTION_ARG_DOUBLE, &a->hours,
          "simulate so long (default: 24)", "H" },
        { "days", 0, 0, G_OPTION_ARG_DOUBLE, &a->days, "or so long", "D" },
        { "warm-up", 0, 0, G_OPTION_ARG_DOUBLE, &a->warm_up,
          "count from this hour on (default: 2, but a quarter at most)",
          "H" },
        { "beat", 0, 0, G_OPTION_ARG_DOUBLE, &a->beat,
          "seconds between two heartbeats of a host (default: 1, with more "
          "than 1000 hosts 10)", "S" },
        { "load", 0, 0, G_OPTION_ARG_FILENAME, &a->load,
          "the load's parameters", "FILE" },
        { "csv", 0, 0, G_OPTION_ARG_FILENAME, &a->csv,
          "write a time series", "FILE" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &a->json,
          "print JSON, in bytes and seconds", NULL },
        { "lost-vms", 0, 0, G_OPTION_ARG_NONE, &a->lost_vms,
          "how many VMs lose bytes in a year, with one and with two copies",
          NULL },
        { "quantile", 0, 0, G_OPTION_ARG_DOUBLE, &a->quantile,
          "of past rises, instead of the predictor's own", "Q" },
        { "sudden-rate", 0, 0, G_OPTION_ARG_DOUBLE, &a->sudden,
          "growth with no warning, instead of the predictor's own",
          "MIB/S" },
        { "slack", 0, 0, G_OPTION_ARG_DOUBLE, &a->slack,
          "share of all memory, instead of the predictor's own", "S" },
        { NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(context, "A cluster of hosts that lend "
                                 "memory, in simulated time.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, errp)) {
        return false;
    }
    a->hours = a->days > 0 ? a->days * 24 : a->hours;
    if (*argc > 1 || !a->load || a->hosts < 2 || a->hosts > 100000 ||
        !(a->hours > 0) || a->hours > (a->lost_vms ? 1000 : 1) * 24 * 366 ||
        a->beat > 60 ||
        a->seed < 0) {
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "it takes --load, --hosts of 2 to 100000, --hours up to "
                    "a year, --beat up to 60, and no other argument");
        return false;
    }
    return true;
}

static void set_predict(const Args *a, const Load *load, double beat,
                        PredictConfig *out)
{
    predict_config_init(out);
    out->deadline_ms = load->lending.deadline.a * 1000;
    out->period_ms = beat * 1000;
    if (a->quantile >= 0) {
        out->quantile = MIN(a->quantile, 1);
    }
    if (a->sudden >= 0) {
        out->sudden_rate = a->sudden * (1 << 20);
    }
    if (a->slack >= 0) {
        out->slack = a->slack;
    }
}

int main(int argc, char **argv)
{
    g_auto(Args) a = { .hosts = 100, .seed = 1, .hours = 24, .warm_up = -1,
                      .quantile = -1, .sudden = -1, .slack = -1 };
    g_autoptr(GError) error = NULL;
    g_autofree Load *load = NULL;
    PredictConfig predict;
    SimConfig config = { .predict = &predict };
    SimResult result;

    if (!args_parse(&a, &argc, &argv, &error)) {
        fprintf(stderr, "sim: %s\n", error->message);
        return 2;
    }
    load = load_read(a.load, &error);
    if (!load) {
        fprintf(stderr, "sim: %s\n", error->message);
        return 1;
    }
    if (a.lost_vms) {
        print_loss(&a, load);
        return 0;
    }
    config.hosts = a.hosts;
    config.seed = a.seed;
    config.hours = a.hours;
    config.beat = a.beat > 0 ? a.beat : a.hosts > 1000 ? 10 : 1;
    config.warm_up_hours = a.warm_up >= 0 ? MIN(a.warm_up, a.hours * 0.9)
                                          : MIN(2, a.hours / 4);
    config.csv = a.csv;
    set_predict(&a, load, config.beat, &predict);
    if (!sim_run(&config, load, &result, &error)) {
        fprintf(stderr, "sim: %s\n", error->message);
        return 1;
    }
    (a.json ? print_json : print_text)(&config, &result);
    return 0;
}
