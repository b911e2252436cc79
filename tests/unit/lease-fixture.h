/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease-fixture: lease.c and lease-demand.c with one provider; the provider,
 * rcached and the guest are played.
 */
#ifndef LEASE_FIXTURE_H
#define LEASE_FIXTURE_H

#include "rcached/pager/pager.h"

#define PAGES   256u            /* of a slab */
#define TTL_MS  30000u
#define LEASE   UINT64_C(77)

extern Pager p;
extern Remote remote;
extern struct RcacheLease table[RCACHE_NR_LEASES];
extern uint64_t now, resident;
extern enum RcacheCause trouble;
extern bool silent;

/* What was sent, and what was told. */
extern WireHead sent[64];
extern unsigned nr_sent, nr_events;

/* What was asked for. */
extern unsigned nr_wants, wanted_copies;
extern uint64_t wanted;
extern const char *avoided;
extern WantFor wanted_for;

/* What providers want back and nobody has room for: pages. */
extern uint64_t revoked;

/* What slabs want, as wanting_look() and revoke_lacking() say it. */
extern uint64_t wanting, revoked;
extern uint32_t kept;

/* Pages that kept_give() was asked for, and of slabs that it would empty. */
extern uint64_t nr_kept_given, kept_only;
extern unsigned nr_flushed;
extern const Remote *beside;

void set_up(void);
void tear_down(void);

/** was_sent() - how many such frames since the last look */
unsigned was_sent(uint8_t type, uint64_t lease);

/** grant() - what an arbiter says of a lease */
struct RcacheLeaseGrant grant(uint64_t lease);

/** granted() - a lease that the pager has been told of; ready(): claimed too */
Lease *granted(uint64_t lease);
Lease *ready(uint64_t lease);

/** answer() - the provider answers; answer_of(): it has @nr slabs, not 2 */
void answer(const Lease *l, bool bulk, uint8_t type, uint16_t status);
void answer_of(const Lease *l, bool bulk, uint8_t type, uint16_t status,
               unsigned nr);

#endif
