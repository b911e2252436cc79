/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * giveback: how much of what is lent may stay lent, and how much more may be;
 * a step of policy.h.  Pure: agent/pressure.h says what is short now, the
 * prediction what will be; asking for it is the caller's.
 */
#ifndef RCACHED_GIVEBACK_H
#define RCACHED_GIVEBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/agent/memory.h"
#include "rcached/agent/predict.h"
#include "rcached/agent/pressure.h"

typedef struct GiveBack {
    Pressure pressure;
    uint64_t keep;              /* bytes that may stay leased, in memory;
                                 * PRESSURE_KEEP_ALL: all of them */
    uint64_t here;              /* the same, were this host not to be empty */
    uint64_t foreseen;          /* the same, as far as growth asks for it */
} GiveBack;

typedef struct GiveBackInput {
    const MemorySample *sample;
    bool sampled;               /* it is of now */
    bool unsettled;             /* lent memory is on its way in or out */
    bool draining;              /* this host is to be empty */
    bool squeezed;              /* VMs here are short themselves */
    uint64_t reserve;           /* bytes, and so are the next */
    uint64_t leased;
    uint64_t spilled;           /* of it: in the spill file */
    uint64_t keepable;          /* the most that the next daemon is given */
    uint64_t spill_size;        /* that file's; 0: there is none */
    uint64_t own;               /* of it: VMs here have that */
    bool spill_failing;         /* it cannot be written to */
} GiveBackInput;

void giveback_init(GiveBack *giveback, uint32_t psi_some_max,
                   uint32_t psi_full_max);

/**
 * giveback_update() - what is short is to come back; what cannot be known is
 * left as it was
 * @predicted: is of now
 */
void giveback_update(GiveBack *giveback, const GiveBackInput *in,
                     const PredictOutput *predicted);

/** giveback_cap() - offer no more than that leaves; terms say why */
void giveback_cap(const GiveBack *giveback, const GiveBackInput *in,
                  PredictOutput *predicted);

/**
 * giveback_limit() - the most that may be leased in all
 * @offered: bytes
 *
 * What is short is in memory; what is spilled is leased all the same.
 */
uint64_t giveback_limit(const GiveBack *giveback, const GiveBackInput *in,
                        uint64_t offered);

#endif
