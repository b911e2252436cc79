/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider-health: what becomes of a provider that judge.c finds slow.
 */
#ifndef PAGER_PROVIDER_HEALTH_H
#define PAGER_PROVIDER_HEALTH_H

#include <stdint.h>

typedef struct Pager Pager;

/**
 * struct ProviderHealth - when providers are judged and left
 * @window: ns, between two judgements; set once
 * @moves_per_minute: slabs that may leave slow providers; set once
 * @judge_at: ns, the next judgement
 * @cede_at: ns, no lease cedes a slab before
 * @slow_taken_until: ns, leases at slow providers are asked for too until
 *                    then: the others had no memory; revoke.c reads it
 */
typedef struct ProviderHealth {
    uint64_t window;
    unsigned moves_per_minute;
    uint64_t judge_at;
    uint64_t cede_at;
    uint64_t slow_taken_until;
} ProviderHealth;

/** health_tick() - judge providers, and begin to leave slow ones */
void health_tick(Pager *p, uint64_t now);

/** health_refused() - no more leases can be had */
void health_refused(Pager *p, uint64_t now);

#endif
