/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor-pages: how pages come and go in floor-pager.
 *
 * Only the pager's thread touches what is here, but for .memory and .position,
 * which are the guest's, and .stop.  It never touches the guest's own mapping.
 */
#ifndef BENCH_FLOOR_PAGES_H
#define BENCH_FLOOR_PAGES_H

#include "tests/bench/access.h"

#define FLOOR_BATCH_MAX         512u    /* pages of a GET or PUT */
#define FLOOR_IN                (1u << 20)

typedef enum FloorState {
    FLOOR_AWAY,                 /* a hole in the memfd; the store has it */
    FLOOR_COMING,               /* asked for */
    FLOOR_HERE,
    FLOOR_MARKER,               /* here, but not mapped: its touch is a sign */
    FLOOR_LEAVING               /* zapped, and sent */
} FloorState;

typedef struct FloorPage {
    _Atomic uint8_t state;      /* the guest counts by it what is away */
    uint8_t puts;               /* that are not answered yet */
    bool stays;                 /* zipf visits it most */
    bool marker;                /* is to be one when it comes */
} FloorPage;

typedef struct Floor {
    AccessPlan plan;
    AccessMemory memory;        /* its .ram is the guest's mapping */
    _Atomic uint64_t position;
    _Atomic bool stop;
    uint64_t local;             /* pages */
    unsigned window;            /* pages */
    int memfd, uffd, gets, puts;
    char *other;                /* the pager's mapping of the memfd */
    char *store;
    FloorPage *page;
    uint64_t here, here_max;    /* pages in the memfd, or on their way to it */
    uint64_t ahead;             /* the first visit that is not asked for */
    uint32_t *fifo;             /* pages that are here; a ring */
    size_t fifo_from, fifo_len;
    uint32_t *expected;         /* pages asked for, in order; a ring */
    size_t expected_from, expected_len;
    struct {
        uint32_t n, page[FLOOR_BATCH_MAX];
    } batch[2];                 /* PUTs under way, the older one first */
    unsigned batches;
    char *in, *out;             /* what has arrived; a PUT that is made */
    size_t in_len;
    struct {
        uint32_t n, page[FLOOR_BATCH_MAX];
    } asking;                   /* a GET that is made */
} Floor;

/** floor_is_away() - of a page, for access.h */
bool floor_is_away(void *floor, uint64_t page);

/** floor_begin() - before the pager's thread runs: as if it had long done so */
void floor_begin(Floor *f);

/** floor_run() - the pager's thread, until .stop */
void *floor_run(void *floor);

/** floor_end() - once it has ended: put all pages back into the store */
void floor_end(Floor *f);

#endif
