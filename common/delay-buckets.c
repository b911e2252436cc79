/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delay-buckets: see delay-buckets.h. */
#include "common/delay-buckets.h"

#include <glib.h>

#include "rcache/vmm.h"

#define US      UINT64_C(1000)
#define MS      UINT64_C(1000000)
#define S       UINT64_C(1000000000)

static const uint64_t edges[] = {
    US, 2 * US, 5 * US, 10 * US, 20 * US, 50 * US, 100 * US, 200 * US,
    500 * US, MS, 2 * MS, 5 * MS, 10 * MS, 100 * MS, S, 10 * S,
};

_Static_assert(G_N_ELEMENTS(edges) + 1 == RCACHE_DELAY_BUCKETS,
               "each bucket but the last has an edge");

unsigned delay_bucket(uint64_t ns)
{
    unsigned i = 0;

    while (i < G_N_ELEMENTS(edges) && ns > edges[i]) {
        i++;
    }
    return i;
}

uint64_t delay_edge(unsigned bucket)
{
    return bucket < G_N_ELEMENTS(edges) ? edges[bucket] : UINT64_MAX;
}
