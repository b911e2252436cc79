/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pressure: how much of what is lent a host must have back.  Pure.
 *
 * A host is short when less than its reserve is available, or, under memory
 * pressure, less than half as much again.  From then on slabs are asked back
 * until an eighth (a half) more than the reserve would be available, and the
 * asking ends when that much is.  What has been asked for and has not come yet
 * counts by itself: each slab that comes makes `leased` smaller and
 * `available` greater by the same, so that what may stay does not move.
 */
#ifndef RCACHED_AGENT_PRESSURE_H
#define RCACHED_AGENT_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#define PRESSURE_KEEP_ALL UINT64_MAX

typedef struct Pressure {
    uint32_t psi_some_max;      /* hundredths of a percent; above: pressure */
    uint32_t psi_full_max;
    bool asking;
} Pressure;

typedef struct PressureInput {
    uint64_t available;         /* bytes, and so are the next */
    uint64_t reserve;
    uint64_t leased;            /* and in memory */
    uint32_t psi_some;          /* hundredths of a percent */
    uint32_t psi_full;
} PressureInput;

/** pressure_init() - nothing is asked back yet */
void pressure_init(Pressure *pressure, uint32_t psi_some_max,
                   uint32_t psi_full_max);

/**
 * pressure_update() - look at this moment
 *
 * Return: bytes that may stay leased, or PRESSURE_KEEP_ALL
 */
uint64_t pressure_update(Pressure *pressure, const PressureInput *in);

#endif
