/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * early: requests that came before the hosts did.
 *
 * An arbiter that has just started knows no host until that has reported.  A
 * request that it cannot grant in full yet waits here, and is tried again, in
 * turn, until it can be or the arbiter is no longer young.  Pure.
 */
#ifndef ARBITER_EARLY_H
#define ARBITER_EARLY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire-control.h"

typedef struct EarlyRequest {
    char requester[RCACHE_NAME_MAX];
    uint64_t tag;
    WireLeaseRequest wire;
} EarlyRequest;

typedef struct Early {
    GQueue queue;               /* of EarlyRequest, whose turn is next first */
} Early;

void early_init(Early *early);
void early_deinit(Early *early);

/** early_is_young() - may hosts be missing still? */
bool early_is_young(uint64_t started_ms, uint64_t heartbeat_ms, uint64_t now);

/**
 * early_add() - a request waits
 * @most: of one requester
 *
 * Return: false: so many of this requester wait already
 */
bool early_add(Early *early, const char *requester, uint64_t tag,
               const WireLeaseRequest *wire, unsigned most);

/** early_take() - whose turn it is; owned by the caller; NULL: nobody */
EarlyRequest *early_take(Early *early);

/** early_put_back() - it has to wait on, and others have their turn first */
void early_put_back(Early *early, EarlyRequest *request);

/** early_forget() - nobody waits for this requester's answers */
void early_forget(Early *early, const char *requester);

#endif
