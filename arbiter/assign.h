/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * assign: from the arbiter's tables to placement, and from its answer to
 * grants on their way.
 */
#ifndef ARBITER_ASSIGN_H
#define ARBITER_ASSIGN_H

#include "arbiter/grants.h"
#include "arbiter/hosts.h"
#include "arbiter/moves.h"
#include "arbiter/placement.h"
#include "arbiter/shunned.h"

/* What a request is placed with; none of it is owned. */
typedef struct Assigner {
    Hosts *hosts;
    Grants *grants;
    Moves *moves;
    const Shunned *shunned;
    const PlacementConfig *placement;
} Assigner;

/**
 * assign() - ask providers for @bytes for a request
 * @parts: at most so many
 *
 * What it may not get, and why, is in @ask's text and status afterwards.
 *
 * Return: whether anybody was asked
 */
bool assign(const Assigner *with, LeaseAsk *ask, uint64_t bytes,
            unsigned parts, uint64_t now);

/** random_bytes() - of the system's; ends the process if it has none */
void random_bytes(void *out, size_t len);

#endif
