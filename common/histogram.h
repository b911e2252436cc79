/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * histogram: latencies in buckets of about 6 %, and quantiles of them.
 *
 * Pure.  Two windows of half a minute each: a quantile is over the current
 * and the last, so that it is of the last 30 to 60 seconds.
 */
#ifndef RCACHE_HISTOGRAM_H
#define RCACHE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS       1024u
#define HISTOGRAM_WINDOW_NS     30000000000ull

typedef struct Histogram {
    uint32_t bucket[2][HISTOGRAM_BUCKETS];
    uint64_t total[2];
    uint64_t max[2];
    unsigned now;               /* which of the two is being filled */
    uint64_t turn_at;           /* ns */
} Histogram;

/** histogram_add() - one more of @value ns at @now (ns, monotonic) */
void histogram_add(Histogram *h, uint64_t value, uint64_t now);

/**
 * histogram_quantile() - the value below which a share of all lies
 * @q: 0 to 1
 *
 * Return: ns, the upper edge of its bucket, 0 if there is nothing
 */
uint64_t histogram_quantile(const Histogram *h, double q);

/** histogram_max() - the highest, exactly */
uint64_t histogram_max(const Histogram *h);

#endif
