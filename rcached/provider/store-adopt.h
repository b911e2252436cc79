/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store-adopt: what an earlier daemon left becomes this one's. */
#ifndef RCACHED_PROVIDER_STORE_ADOPT_H
#define RCACHED_PROVIDER_STORE_ADOPT_H

#include "rcached/provider/store.h"

/** store_table_slab_pages() - the slabs' size in a table; 0: not one of ours */
uint32_t store_table_slab_pages(int table_fd);

/**
 * store_adopt() - take over what an earlier daemon left
 * @table_fd: its lease table
 * @slab_fds: its slabs, in any order; those taken over become -1
 * @now: CLOCK_BOOTTIME, ms
 *
 * The store must be empty.  A lease of which a slab is missing is dropped:
 * that it lost bytes must not be found out page by page.
 *
 * Return: leases taken over; -EINVAL if the table is of another kind; why a
 * slab cannot be mapped.  If it fails nothing has been given up: the
 * descriptors are what they were, and the store is of no use any more.
 */
int store_adopt(Store *store, int table_fd, int *slab_fds, unsigned nr_fds,
                SlabGuard guard, uint64_t now);

#endif
