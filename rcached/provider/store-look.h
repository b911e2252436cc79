/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store-look: what is in the store, for those who only look. */
#ifndef RCACHED_PROVIDER_STORE_LOOK_H
#define RCACHED_PROVIDER_STORE_LOOK_H

#include "rcached/provider/store.h"

/** store_list() - append a WireBeatLease for each lease to @out */
void store_list(const Store *store, uint64_t now, GArray *out);

/** store_session() - the highest session of @owner that claimed any of its
 * leases, 0 if none did */
uint64_t store_session(const Store *store, const SessionOwner *owner);

/** store_find_own() - a lease of that start of a VM in the spill file; NULL: it
 * has none there */
StoreLease *store_find_own(const Store *store, const uint8_t *vm,
                           uint64_t incarnation);

/** store_holds() - has @owner a lease here? */
bool store_holds(const Store *store, const SessionOwner *owner);

/** store_has_slab() - is there a slab of that number? */
bool store_has_slab(const Store *store, uint32_t number);

/** store_random_stored() - some page that holds something; NULL: there is
 * none.  @nth chooses among them. */
uint8_t *store_random_stored(const Store *store, uint64_t nth);

#endif
