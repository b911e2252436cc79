/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slab-table: the slab table of the state memfd: where each slab's bytes are.
 *
 * An entry has up to RCACHE_LOCATIONS locations.  Each is read and changed by
 * one access of 8 bytes, so that a pager killed at any moment leaves it as it
 * was or as it is to be, never a lease of one and a number of the other.
 *
 * The table is shared with the VMM: what is read from it is a copy, and its
 * lease may be any number below 2^31.
 *
 * Pure: it works on memory that it is given, RCACHE_NR_SLABS entries.
 */
#ifndef PAGER_SLAB_TABLE_H
#define PAGER_SLAB_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/vmm.h"

/**
 * struct Location - a place where a slab's bytes are
 * @lease: index of the lease, or LOCATION_NONE
 * @number: the provider's name for the slab
 * @stale: it was given up: what was stored since is not there
 */
typedef struct Location {
    uint32_t lease;
    uint32_t number;
    bool stale;
} Location;

#define LOCATION_NONE   UINT32_MAX

/** slab_table_get() - location @which of a slab, as it is now */
Location slab_table_get(const struct RcacheSlab *table, uint32_t slab,
                        unsigned which);

/** slab_table_set() - change it, in one store; @lease LOCATION_NONE: none */
void slab_table_set(struct RcacheSlab *table, uint32_t slab, unsigned which,
                    Location location);

/** slab_table_is_free() - does the entry name no location? */
bool slab_table_is_free(const struct RcacheSlab *table, uint32_t slab);

/**
 * slab_table_find_free() - an entry that names no location
 * @from: the first to look at
 *
 * Return: its index, or RCACHE_NR_SLABS if there is none
 */
uint32_t slab_table_find_free(const struct RcacheSlab *table, uint32_t from);

#endif
