/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store-spill: which slabs go to the spill file, and when.  See store-spill.c;
 * spill.c does it.
 */
#ifndef RCACHED_PROVIDER_STORE_SPILL_H
#define RCACHED_PROVIDER_STORE_SPILL_H

#include "rcached/provider/store.h"

/**
 * store_set_stay() - what is asked back may stay in memory all the same, and
 * is not written to the file
 * @bytes: of all that is leased; 0, as it is at first: as many as may stay
 *         leased
 *
 * Holds from the next store_need() on.
 */
void store_set_stay(Store *store, uint64_t bytes);

/**
 * store_need() - how much memory the host can spare, now
 * @keep: bytes that may stay leased, and in memory
 * @room: bytes of memory by which slabs may come back from the spill file
 * @deadline_ms: within which the others are to be back
 *
 * Asks for slabs by store_revoke(): for as many as are short, and for those
 * in the file that there is no room for.
 *
 * Return: slabs that have been asked for and are still leased
 */
uint64_t store_need(Store *store, uint64_t keep, uint64_t room, uint64_t now,
                    uint32_t deadline_ms);

/**
 * store_spill_next() - a slab that is to go to the spill file now
 * @rate: bytes that can be written in a second: it begins so early that the
 *        memory is back at the deadline, but leaves the requesters half of
 *        the time
 *
 * First those of expired leases, then those that were asked for and not left,
 * then those that nobody could be asked for; the emptiest of them first.
 *
 * Return: the slab, which may be away in part already, or NULL
 */
Slab *store_spill_next(Store *store, uint64_t now, uint64_t rate);

/** store_is_short() - is more in memory than may be? */
bool store_is_short(const Store *store);

/** store_spill_back() - a slab that there is room for again, after a deadline
 * without any shortage, or NULL; the room counts as taken */
Slab *store_spill_back(Store *store, uint64_t now);

#endif
