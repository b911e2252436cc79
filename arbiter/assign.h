/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * assign: from the arbiter's tables to placement, and from its answer to
 * grants on their way.
 *
 * The views are made anew for each request, in one walk over the hosts and
 * one over the pending grants: nothing has to be kept in step, and ten
 * thousand hosts take less than a millisecond.
 */
#ifndef ARBITER_ASSIGN_H
#define ARBITER_ASSIGN_H

#include "arbiter/arbiter.h"
#include "arbiter/placement.h"

/* All hosts as placement sees them, by Host.index. */
typedef struct Views {
    unsigned n;
    PlacementHost *host;
    uint64_t *pending;          /* bytes granted and not yet listed */
} Views;

/**
 * views_new() - for a request of this VM, or of none
 * @vm: its uuid, or NULL
 */
Views *views_new(const Arbiter *arbiter, const uint8_t *vm, uint64_t now);
void views_free(Views *views);

/**
 * assign() - ask providers for @bytes for a request
 * @parts: at most so many
 *
 * What it may not get, and why, is in @ask's text and status afterwards.
 *
 * Return: whether anybody was asked
 */
bool assign(Arbiter *arbiter, LeaseAsk *ask, uint64_t bytes, unsigned parts,
            uint64_t now);

/** random_bytes() - of the system's; ends the process if it has none */
void random_bytes(void *out, size_t len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Views, views_free)

#endif
