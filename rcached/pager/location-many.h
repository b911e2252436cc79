/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * location-many: pages that nobody waits for are asked for many in a frame.
 *
 * A frame names pages of one lease, and goes over the bulk connection: a fault
 * does not wait behind it.  Each of its pages is a GET of location-get.c, with
 * all that this has: it counts against its provider, keeps its slot from being
 * used again, and has a number of its own.  So what comes is dealt with page by
 * page, whatever has become of the others: discarded, waited for by now, or
 * answered from elsewhere.
 *
 *   sent --> the pages come: ops->got() for each, in the frame's order
 *        +-> refused, BUSY, the session ended: ops->missing() for each, but one
 *            that a guest has come to wait for is asked for alone
 *
 * A frame takes as long as it is large, and as what is before it on its
 * connection: so none says whether pages get through (passage.h).  What is
 * waited for and does not come is asked for alone, and that does.
 *
 * While a large frame is dealt with ops->between() is called, as a fault must
 * not wait for that either.
 */
#ifndef PAGER_LOCATION_MANY_H
#define PAGER_LOCATION_MANY_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/proto.h"
#include "common/wire.h"

typedef struct Pager Pager;
typedef struct Remote Remote;

#define LOCATION_FRAMES     32u     /* that are out at a time */
#define LOCATION_FRAME_PAGES    32u /* of one, at most RCACHE_BATCH_PAGES */

/**
 * struct ManyFrame - one that is out; private to location-many.c
 * @remote: to whom; NULL: this entry is free
 * @serial: of the tag
 * @n: pages in it
 * @number: of the GET of each, in the frame's order
 */
typedef struct ManyFrame {
    Remote *remote;
    uint32_t serial;
    unsigned n;
    uint16_t number[LOCATION_FRAME_PAGES];
} ManyFrame;

/**
 * struct Many - all of them
 * @refused_at: ns, a frame was last refused; 0: never
 */
typedef struct Many {
    ManyFrame frame[LOCATION_FRAMES];
    uint64_t refused_at;
} Many;

/**
 * location_get_many() - ask for the bytes of known slots
 * @i: the caller's numbers, none of them busy
 * @slot: of each
 * @n: at most RCACHE_BATCH_PAGES
 *
 * ops->got() or ops->missing() follows for each; missing() at once for those
 * that cannot be asked for in this way now.
 */
void location_get_many(Pager *p, const unsigned *i, const uint64_t *slot,
                       unsigned n);

/* For location.c: */

/** location_many_answer() - GET_REPLY; false: to no frame that is out there */
bool location_many_answer(Pager *p, Remote *remote, const WireHead *head,
                          const void *payload);

/** location_many_down() - what is out at @remote will not be answered */
void location_many_down(Pager *p, const Remote *remote);

#endif
