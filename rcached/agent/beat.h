/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * beat: a heartbeat from what there is to say.  Pure.
 *
 * The order is HOST, the prediction's terms, guests, their troubles, leases
 * held, leases given, what guests wait for; what no longer fits into a frame is
 * left out from the end, and the caller is told how much that was, but for what
 * guests wait for.
 */
#ifndef RCACHED_AGENT_BEAT_H
#define RCACHED_AGENT_BEAT_H

#include <glib.h>

#include "common/wire-beat.h"
#include "common/wire.h"
#include "rcached/agent/predict.h"

typedef struct BeatInput {
    WireBeatHost host;          /* its seq is set by beat_build() */
    const PredictTerm *terms;
    unsigned nr_terms;
    const GArray *guests;       /* of WireBeatGuest */
    const GArray *troubles;     /* of WireBeatTrouble */
    const GArray *held;         /* of WireBeatLease */
    const GArray *leases;       /* of WireBeatLease */
} BeatInput;

/**
 * beat_build() - append one whole HEARTBEAT frame
 *
 * Return: how many sections there was no room for
 */
unsigned beat_build(GByteArray *out, uint64_t seq, const BeatInput *in);

#endif
