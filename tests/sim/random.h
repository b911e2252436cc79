/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * random: numbers that a seed decides.  splitmix64, as in placement; each
 * host has a state of its own, so that one more number drawn for one host
 * changes nothing for the others.
 */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <math.h>
#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/** random_unit() - even in [0, 1) */
static inline double random_unit(uint64_t *state)
{
    return (random_next(state) >> 11) * 0x1p-53;
}

static inline unsigned random_below(uint64_t *state, unsigned n)
{
    return random_next(state) % n;
}

/** random_normal() - mean 0, deviation 1 (Box and Muller, 1958) */
static inline double random_normal(uint64_t *state)
{
    double u = 1 - random_unit(state), v = random_unit(state);

    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/** random_wait() - until the next of events that come at @rate */
static inline double random_wait(uint64_t *state, double rate)
{
    return -log(1 - random_unit(state)) / rate;
}

#endif
