/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store-fixture: a store of small slabs, and what a provider does to one. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <check.h>

#include "common/wire-control.h"
#include "rcached/provider/store.h"

#define PAGES   128u
#define SLAB    (PAGES * (uint64_t)WIRE_PAGE_SIZE)
#define TTL     30000u
#define ORPHAN  1000000u
#define CLAIM   500u

extern const uint8_t vm_a[RCACHE_UUID_LEN], vm_b[RCACHE_UUID_LEN];
extern Store *store;            /* the one under test */
extern unsigned slabs_gone;     /* that it has freed */

/** make_store() - an empty store that may lease @limit bytes */
Store *make_store(uint64_t limit);

/** store_set_up(), store_tear_down() - Check's fixture: .store, 8 slabs */
void store_set_up(void);
void store_tear_down(void);

/** grant_of() - a grant to VM A */
WireGrant grant_of(uint64_t id, uint64_t bytes);

/** give() - grant it, as the provider does */
enum RcacheStatus give(uint64_t id, uint64_t bytes, WireGrantAck *ack);

/** claim() - show its token */
enum RcacheStatus claim(uint64_t id, const uint8_t *vm, uint64_t incarnation,
                        uint64_t now, StoreLease **out);

/** claimed() - a lease of VM A, with a reference */
StoreLease *claimed(uint64_t id, uint64_t bytes);

/** leased() - bytes; stored() - pages */
uint64_t leased(void);
uint64_t stored(void);

/** mark() - something is stored in a slot, or no longer */
void mark(StoreLease *lease, RcacheSlot slot, bool on);

/** reap_all() - give back all memory of what has ended */
void reap_all(void);

/** number() - of the lease's slab @i */
uint32_t number(const StoreLease *lease, unsigned i);

#endif
