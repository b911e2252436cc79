/* SPDX-License-Identifier: GPL-2.0-or-later */
/* histogram: latencies in buckets, and quantiles.  See histogram.h. */
#include "common/histogram.h"

#include <string.h>

#define SUB_BITS        4       /* 16 buckets an octave: 6 % wide */

static unsigned bucket_of(uint64_t value)
{
    unsigned top;

    if (value < 1u << SUB_BITS) {
        return value;
    }
    top = 63 - __builtin_clzll(value);
    return ((top - SUB_BITS + 1) << SUB_BITS) |
           (value >> (top - SUB_BITS) & ((1u << SUB_BITS) - 1));
}

static uint64_t bucket_edge(unsigned bucket)
{
    unsigned octave = bucket >> SUB_BITS, sub = bucket & ((1u << SUB_BITS) - 1);

    if (!octave) {
        return sub;
    }
    return ((1ull << SUB_BITS) + sub + 1) << (octave - 1);
}

_Static_assert(((64 - SUB_BITS + 1) << SUB_BITS) <= HISTOGRAM_BUCKETS,
               "every 64-bit value has a bucket");

void histogram_add(Histogram *h, uint64_t value, uint64_t now)
{
    if (now >= h->turn_at) {
        /* Idle for more than a window: what is there is too old as well. */
        if (h->turn_at && now >= h->turn_at + HISTOGRAM_WINDOW_NS) {
            memset(h, 0, sizeof(*h));
        }
        h->now = !h->now;
        memset(h->bucket[h->now], 0, sizeof(h->bucket[h->now]));
        h->total[h->now] = h->max[h->now] = 0;
        h->turn_at = now + HISTOGRAM_WINDOW_NS;
    }
    h->bucket[h->now][bucket_of(value)]++;
    h->total[h->now]++;
    if (value > h->max[h->now]) {
        h->max[h->now] = value;
    }
}

uint64_t histogram_quantile(const Histogram *h, double q)
{
    uint64_t total = h->total[0] + h->total[1], seen = 0;
    uint64_t want = (uint64_t)(q * total);

    if (!total) {
        return 0;
    }
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += (uint64_t)h->bucket[0][i] + h->bucket[1][i];
        if (seen > want) {
            return bucket_edge(i);
        }
    }
    return histogram_max(h);
}

uint64_t histogram_max(const Histogram *h)
{
    return h->max[0] > h->max[1] ? h->max[0] : h->max[1];
}
