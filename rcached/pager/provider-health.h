/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider-health: what becomes of a provider that judge.c finds slow.
 */
#ifndef PAGER_PROVIDER_HEALTH_H
#define PAGER_PROVIDER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/remote.h"

typedef struct Pager Pager;

/**
 * struct ProviderHealth - when providers are judged and left
 * @window: ns, between two judgements; set once
 * @moves_per_minute: slabs that may leave slow providers; set once
 * @judge_at: ns, the next judgement
 * @cede_at: ns, no lease cedes a slab before
 * @bad_taken_until: ns, leases at bad providers are asked for too until then,
 *                   and made use of: the others had no memory
 */
typedef struct ProviderHealth {
    uint64_t window;
    unsigned moves_per_minute;
    uint64_t judge_at;
    uint64_t cede_at;
    uint64_t bad_taken_until;
} ProviderHealth;

/** health_tick() - judge providers, and begin to leave slow ones */
void health_tick(Pager *p, uint64_t now);

/** health_refused() - no more leases can be had */
void health_refused(Pager *p, uint64_t now);

/**
 * health_shuns() - is what is free at a provider to be had elsewhere?
 *
 * What is put there arrives changed, or is refused.  While others have no
 * memory such a provider is better than none.
 */
static inline bool health_shuns(const ProviderHealth *health, const Remote *r,
                                uint64_t now)
{
    return now >= health->bad_taken_until &&
           (remote_is_wrong(r, now) || remote_refuses(r, now));
}

#endif
