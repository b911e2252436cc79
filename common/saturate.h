/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * saturate: sums of figures that others report.  A sum that would not fit
 * stays at the greatest number: it must never come round as a small one.
 */
#ifndef RCACHE_SATURATE_H
#define RCACHE_SATURATE_H

#include <stdint.h>

/** saturating_add() - a + b, or UINT64_MAX if that does not fit */
static inline uint64_t saturating_add(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/** saturating_sub() - a - b, or 0 if b is greater */
static inline uint64_t saturating_sub(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

#endif
