/* SPDX-License-Identifier: GPL-2.0-or-later */
/* slab-table: where each slab's bytes are.  See slab-table.h. */
#include "rcached/pager/slab-table.h"

#include <string.h>

/* What is stored at once; the compiler knows that the two are one object. */
typedef uint64_t __attribute__((may_alias)) Whole;

_Static_assert(sizeof(struct RcacheLocation) == sizeof(Whole) &&
               sizeof(struct RcacheSlab) % sizeof(Whole) == 0,
               "a location is not what one store can change");

Location slab_table_get(const struct RcacheSlab *table, uint32_t slab,
                        unsigned which)
{
    const Whole *at = (const Whole *)&table[slab].location[which];
    uint64_t whole = __atomic_load_n(at, __ATOMIC_ACQUIRE);
    struct RcacheLocation stored;

    memcpy(&stored, &whole, sizeof(stored));
    if (!(stored.lease & ~RCACHE_LOCATION_STALE)) {
        return (Location) { .lease = LOCATION_NONE };
    }
    return (Location) {
        .lease = (stored.lease & ~RCACHE_LOCATION_STALE) - 1,
        .number = stored.number,
        .stale = stored.lease & RCACHE_LOCATION_STALE,
    };
}

void slab_table_set(struct RcacheSlab *table, uint32_t slab, unsigned which,
                    Location location)
{
    Whole *at = (Whole *)&table[slab].location[which];
    struct RcacheLocation stored = { 0 };
    uint64_t whole;

    if (location.lease != LOCATION_NONE) {
        stored.lease = (location.lease + 1) |
                       (location.stale ? RCACHE_LOCATION_STALE : 0);
        stored.number = location.number;
    }
    memcpy(&whole, &stored, sizeof(whole));
    __atomic_store_n(at, whole, __ATOMIC_SEQ_CST);
}

bool slab_table_is_free(const struct RcacheSlab *table, uint32_t slab)
{
    for (unsigned i = 0; i < RCACHE_LOCATIONS; i++) {
        if (slab_table_get(table, slab, i).lease != LOCATION_NONE) {
            return false;
        }
    }
    return true;
}

uint32_t slab_table_find_free(const struct RcacheSlab *table, uint32_t from)
{
    while (from < RCACHE_NR_SLABS && !slab_table_is_free(table, from)) {
        from++;
    }
    return from;
}
