/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * move-fixture: move.c alone, with one slab that begins to move; slabs, spare
 * slabs, connections and what is compared are played.
 */
#ifndef MOVE_FIXTURE_H
#define MOVE_FIXTURE_H

#include "rcached/pager/pager.h"

#define SLAB    3u              /* index */
#define OLD     7u              /* number at the old provider */
#define SPARE   9u              /* number at the new one */

extern Pager *p;
extern Remote remote[2];
extern struct RcacheLease shared[2];
extern Lease *from, *to;
extern uint64_t now;
extern bool quiet;
extern unsigned nr_sent, nr_moved, nr_frozen, nr_added, nr_cleared;
extern bool sums;               /* the provider can be asked for them */
extern CompareDone *compared;   /* NULL: nothing is compared */
extern ComparePlace compared_at;
extern bool compared_unread;
extern bool kept_off;           /* pages are to be fetched first */
extern const DataConn *sent_to;
extern Lease *spare_of;
extern const Remote *closed;    /* the last whose session was ended */
extern uint32_t spare_number;

void set_up(void);
void tear_down(void);

/** move() - the one that is under way */
Move *move(void);

/** answer() - of whom such an answer is expected; answer_from(): of @r */
void answer(uint8_t type, uint16_t status, uint64_t digest);
void answer_from(const Remote *r, uint8_t type, uint16_t status,
                 uint64_t digest);

/** expect_stays() - nothing moves any more, and nothing has */
void expect_stays(void);

/** moves_to_be_compared() - all has been pushed, and is to be compared */
void moves_to_be_compared(void);

#endif
