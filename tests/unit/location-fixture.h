/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * location-fixture: location.c and freeing.c with two leases, each at its own
 * provider; connections and what else they need are played.
 */
#ifndef LOCATION_FIXTURE_H
#define LOCATION_FIXTURE_H

#include "rcached/pager/pager.h"

#define PAGES   64u             /* of a slab */

extern Pager *p;
extern Remote remote[2];
extern uint8_t page[RCACHE_PAGE_SIZE];
extern uint64_t now;

/* What was sent last, and how often; and what was told. */
extern WireHead sent;
extern RcacheSlot sent_slot, sent_slots[RCACHE_BATCH_PAGES];
extern const DataConn *sent_to;
extern unsigned nr_sent, nr_closed;
extern unsigned nr_got, nr_missing, nr_stored, nr_wrong, nr_busy, nr_told;
extern unsigned nr_in_vain, nr_between;
extern const void *got_bytes;
extern const Remote *got_from;

/* What is told of the bytes that have come. */
extern bool bytes_are_right;

/* The number of a GET whose bytes are not, whatever that says; or none. */
extern unsigned wrong_number;

extern bool stored_ok, soon;

/* From whom no page comes, though there is a session. */
extern const Remote *silent;

/** set_up() - two leases at providers that are up; slab 0 is the first's */
void set_up(void);

/** set_up_two() - slab 0 is at both, and the VM wants that */
void set_up_two(void);

void tear_down(void);

/** stored_slot() - one more slot that something is stored in */
uint64_t stored_slot(void);

/** answer_own() - provider @from answers what was sent to it last */
bool answer_own(unsigned from, uint8_t type, uint16_t status);

/** answer() - provider @from answers what was sent last */
bool answer(unsigned from, uint8_t type, uint16_t status);

/** answer_many() - it answers a frame of @count pages, page @i of them at
 * many_pages + i * RCACHE_PAGE_SIZE */
bool answer_many(unsigned from, uint16_t status, unsigned count);

extern uint8_t many_pages[RCACHE_BATCH_PAGES * RCACHE_PAGE_SIZE];

/** goes_away() - provider @i's session ends */
void goes_away(unsigned i);

/** comes_back() - it has a new one, and its lease has been claimed */
void comes_back(unsigned i);

#endif
