/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim: a cluster in simulated time, lending under four rules at once.
 *
 * "predictor" is rcached's own prediction, with the arbiter's own placement
 * and leases.  It is compared with "last", which offers what is free now but
 * for the reserve; with "fixed", which keeps a fifth of all memory free; and
 * with "oracle", which knows what demand will be until the next deadline and
 * offers what is truly idle.  Those three are granted at once all that they
 * offer, which the predictor is not: the comparison is to its disadvantage.
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "cluster.h"
#include "market.h"
#include "world.h"

typedef enum Rule {
    RULE_PREDICTOR,
    RULE_LAST,
    RULE_FIXED,
    RULE_ORACLE,
    RULE_MAX_
} Rule;

typedef struct SimConfig {
    unsigned hosts;
    uint64_t seed;
    double hours;
    double warm_up_hours;       /* not counted */
    double beat;                /* seconds */
    const PredictConfig *predict;
    const char *csv;            /* where to write a time series, or NULL */
} SimConfig;

typedef struct SimResult {
    uint64_t beats;             /* counted */
    double memory;              /* bytes, of all hosts */
    double demand;              /* bytes on average */
    double lent[RULE_MAX_];     /* bytes on average */
    uint64_t revoked[RULE_MAX_];        /* slabs, and so are the next */
    uint64_t missed[RULE_MAX_];
    uint64_t lost[RULE_MAX_];
    MarketStats market;
    double cpu;                 /* seconds */
} SimResult;

/** sim_rule_name() - for people and programs */
const char *sim_rule_name(Rule rule);

/** sim_miss_share() - of the slabs revoked, those that missed a deadline */
double sim_miss_share(const SimResult *result, Rule rule);

/**
 * sim_run() - one run
 *
 * Return: false with @errp set if the series cannot be written
 */
bool sim_run(const SimConfig *config, const Load *load, SimResult *out,
             GError **errp);

#endif
