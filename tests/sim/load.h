/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load: the parameters of the simulated load, out of load.ini, which says
 * what each of them means and where it comes from.  Every key has to be
 * there, and no other may be.
 */
#ifndef SIM_LOAD_H
#define SIM_LOAD_H

#include <glib.h>
#include <stdint.h>

#define DIST_VALUES     8u

typedef enum DistKind {
    DIST_FIXED,                 /* "A" */
    DIST_EVEN,                  /* "A .. B" */
    DIST_LOGNORMAL,             /* "M * S" */
    DIST_WEIGHTS                /* "V:W V:W" */
} DistKind;

typedef struct Dist {
    DistKind kind;
    double a, b;
    unsigned n;
    double value[DIST_VALUES];
    double weight[DIST_VALUES]; /* summed up to each */
} Dist;

typedef struct Load {
    struct {
        Dist memory_gib, rack, own_share, noise_share;
    } hosts;
    struct {
        Dist allocated_share, size_gib, use_share, touched_share;
        Dist reporting_share, balloon_share, diurnal_share, diurnal_spread_h;
    } guests;
    struct {
        Dist per_day, least_share, most_share, shape, rate, rate_most, length;
    } bursts;
    struct {
        Dist per_day, size_gib, life, use_share, rate;
    } churn;
    struct {
        Dist tenants, per_tenant_day, share, apart, length;
    } spikes;
    struct {
        Dist machine_per_year, rack_per_year, machine_hours, rack_hours;
        Dist restart_s;
    } failures;
    struct {
        Dist vms_per_host, asked_share, asked_spread, step_share, retry;
    } requests;
    struct {
        Dist slab_mib, reserve_share, deadline;
    } lending;
    struct {
        Dist lend_share, asked_share, give_up, rate_mib;
    } copies;
} Load;

/** load_read() - NULL with @errp set, naming the file and the key */
Load *load_read(const char *path, GError **errp);

/** dist_draw() - a value of it */
double dist_draw(const Dist *dist, uint64_t *random);


#endif
