/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store-revoke: slabs are asked back, and given back one by one. */
#ifndef RCACHED_PROVIDER_STORE_REVOKE_H
#define RCACHED_PROVIDER_STORE_REVOKE_H

#include "rcached/provider/store.h"

/** store_forget() - nothing is stored in a slab of @lease any more */
void store_forget(StoreLease *lease, Slab *slab);

/**
 * store_asker_comes() - there is a connection by which the lease's requester
 * can be asked to leave slabs
 */
void store_asker_comes(StoreLease *lease);

/** store_asker_leaves() - it has ended; @now is CLOCK_BOOTTIME, ms */
void store_asker_leaves(StoreLease *lease, uint64_t now);

/**
 * store_can_ask() - can the lease's requester be asked to leave slabs?
 *
 * Not of one that has expired, nor without a connection; but one that has just
 * lost its connection has a moment to come back.
 */
bool store_can_ask(const Store *store, const StoreLease *lease, uint64_t now);

/**
 * store_revoke() - ask for slabs that are lent back, or no longer
 * @keep: slabs that may stay leased in all
 * @now: CLOCK_BOOTTIME, ms, and so is
 * @deadline: for those that are asked for from now on
 *
 * What has been asked of a lease before stays asked for, as far as it is
 * needed and its requester can be asked (store_can_ask()); more is asked first
 * of the leases that have most room unused.
 *
 * Return: slabs that have been asked for and are still leased
 */
uint64_t store_revoke(Store *store, uint64_t keep, uint64_t now,
                      uint64_t deadline);

/** store_asked() - slabs that have been asked for and are still leased */
uint64_t store_asked(const Store *store);

/**
 * store_revoke_own() - ask VMs here to leave the spill file, or no longer
 * @deadline: CLOCK_BOOTTIME, ms
 */
void store_revoke_own(Store *store, bool leave, uint64_t deadline);

/**
 * store_drop() - take a slab out of its lease
 *
 * It may not be the lease's last.  Its memory goes as that of ended leases.
 */
void store_drop(Store *store, StoreLease *lease, Slab *slab);

#endif
