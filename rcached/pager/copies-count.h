/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * copies-count: how many copies of pages can be had at this moment.
 */
#ifndef PAGER_COPIES_COUNT_H
#define PAGER_COPIES_COUNT_H

#include <stdint.h>

#include "rcached/pager/leases.h"

typedef struct Pager Pager;

/**
 * struct CopiesCount - all figures, in pages
 * @one: of which one copy can be had now, or none, however many are wanted
 * @pending: which have to be copied, so that there are as many as are wanted
 * @sole: of each lease: of which no copy can be had now but the one there
 *
 * Slots that are being given back count until they are free; but not those that
 * were kept, nor those that are (kept.h).
 */
typedef struct CopiesCount {
    uint64_t one;
    uint64_t pending;
    uint64_t sole[RCACHE_NR_LEASES];
} CopiesCount;

/** copies_count() - fill in @count, in one pass over the slabs */
void copies_count(const Pager *p, CopiesCount *count);

#endif
