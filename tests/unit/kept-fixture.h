/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kept-fixture: kept.c and clean.c with evict.c and arrival.c; the guest is a
 * memfd, and the kernel's scan, zaps and providers are played.
 */
#ifndef KEPT_FIXTURE_H
#define KEPT_FIXTURE_H

#include "rcached/pager/pager.h"

#define PAGES   256u
#define KEEPERS 16u             /* of them, the first; in slots of slab 0 */

extern Pager *p;
extern uint64_t words[PAGES];
extern struct RcacheSide sides[PAGES];
extern struct RcacheCounts counts;
extern Remote remote[2];
extern uint64_t now, room;
extern uint32_t excess;         /* slabs that lease 0 is to leave */
extern enum RcacheCause trouble;
extern bool silent;
extern unsigned room_copies;    /* of groups where a free slot is room */

/* What the kernel says: which pages have a marker, or that it says nothing. */
extern bool marker[PAGES];
extern int scan_error, track_error;
extern unsigned nr_scanned;     /* pages */

extern unsigned nr_puts, nr_put, nr_freed, nr_flushed, nr_told;
extern uint64_t freed[PAGES];

/* SUMS: the last to each provider, and how many to any. */
extern WireHead asked[2];
extern RcacheSlot asked_slot[2][RCACHE_BATCH_PAGES];
extern unsigned nr_asks;

/** slot_of() - where a keeper is */
uint64_t slot_of(unsigned page);

/** set_up() - the keepers are HOT and keep their slots, all others have none */
void set_up(void);
void tear_down(void);

/** zap_begin() - the keepers are in a zap that has not been answered */
Zap *zap_begin(void);

/** zap_answer() - it is; @nr_pinned is 1 if page @pinned is, else 0 */
void zap_answer(unsigned nr_pinned, uint32_t pinned);

/** zapped_clean() - nobody has written to them, and their turn has come */
void zapped_clean(void);

/** place_answers() - to that; page @wrong is not what it was, or -1 */
void place_answers(unsigned i, uint16_t status, int wrong);

/** places_confirm() - both have what was stored there */
void places_confirm(void);

/** frees_answered() - what was freed is free */
void frees_answered(void);

/** expect_asked() - it is here, and clean so far as is known */
void expect_asked(unsigned page);

void expect_gone_for_nothing(unsigned page);

/** expect_ended() - it is dirty, and its slot has been given back */
void expect_ended(unsigned page);

#endif
