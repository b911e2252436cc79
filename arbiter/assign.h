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

/* What to ask of providers, of what a request wants. */
typedef struct AssignWhat {
    uint64_t bytes;             /* of each copy */
    unsigned copies;
    unsigned parts;             /* at most so many */
    bool rest;                  /* what others have refused: only so that */
                                /* copies find partners among what was given */
    bool whole;                 /* all of it, within fair shares, or nothing */
} AssignWhat;

/**
 * assign() - ask providers for what a request wants, or the rest of it
 *
 * What it may not get, and why, is in @ask's text and status afterwards.
 *
 * Return: whether anybody was asked
 */
bool assign(const Assigner *with, LeaseAsk *ask, AssignWhat what,
            uint64_t now);

/** random_bytes() - of the system's; ends the process if it has none */
void random_bytes(void *out, size_t len);

#endif
