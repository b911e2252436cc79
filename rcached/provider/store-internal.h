/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the store share; for nobody else.
 */
#ifndef RCACHED_PROVIDER_STORE_INTERNAL_H
#define RCACHED_PROVIDER_STORE_INTERNAL_H

#include "rcached/provider/store.h"

typedef struct StoreTable {
    uint32_t magic;
    uint32_t version;
    uint32_t slab_pages;
    uint32_t record_size;
    StoreRecord records[STORE_LEASES_MAX];
} StoreTable;

struct Store {
    StoreConfig config;
    int table_fd;
    StoreTable *table;
    GHashTable *leases;         /* &lease->id -> StoreLease, the living */
    GPtrArray *slabs;           /* by number, NULL: a number to use */
    GQueue dying;               /* StoreLease: ended, memory not yet back */
    GQueue leaving;             /* Slab: dropped, memory not yet back */
    uint64_t limit;             /* bytes */
    uint64_t most;              /* slabs, lent or not */
    uint64_t nr_slabs;          /* allocated */
    uint64_t nr_own;            /* of those: of leases of VMs here */
    uint64_t nr_reserved;       /* promised, not yet allocated */
    uint64_t stay;              /* store_set_stay() */
    uint64_t keep;              /* bytes that may stay in memory: as many, or
                                 * all that may stay leased */
    uint64_t room;              /* bytes by which slabs may come back */
    uint64_t short_by;          /* ms: when what is short is to be back; 0:
                                 * nothing is */
    uint64_t calm_from;         /* ms: nothing has been short since */
    uint32_t deadline_ms;       /* from the asking to that moment */
};

/** store_slab_bytes() - of one slab, without its tail */
static inline uint64_t store_slab_bytes(const Store *store)
{
    return (uint64_t)store->config.slab_pages * WIRE_PAGE_SIZE;
}

/** store_nr_lent() - slabs that are lent, or promised */
static inline uint64_t store_nr_lent(const Store *store)
{
    return store->nr_slabs - store->nr_own + store->nr_reserved;
}

/** store_left() - slabs that there may still be */
static inline uint64_t store_left(const Store *store)
{
    uint64_t taken = store->nr_slabs + store->nr_reserved;

    return store->most > taken ? store->most - taken : 0;
}

/** store_table_map() - map a table; @fresh: write its head first */
StoreTable *store_table_map(int fd, const StoreConfig *config, bool fresh);

/** store_lease_new() - a lease for @rec, in the hash, without slabs */
StoreLease *store_lease_new(Store *store, StoreRecord *rec);

/** store_lease_add_slab() - the lease has one slab more, numbered already */
void store_lease_add_slab(Store *store, StoreLease *lease, Slab *slab);

/** store_totals_away() - the part of @out that is about the spill file */
void store_totals_away(const Store *store, StoreTotals *out);

#endif
