/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a slab's memfd is laid out: its pages, its tail, and what is known of
 * pages in the spill file.  Only slab.c and slab-away.c include this.
 */
#ifndef RCACHED_PROVIDER_SLAB_INTERNAL_H
#define RCACHED_PROVIDER_SLAB_INTERNAL_H

#include "rcached/provider/slab-away.h"

#define SLAB_MAGIC              0x62616c73u     /* "slab" */
#define SLAB_VERSION            1u
/* For a daemon that knows nothing of the file such a slab is none. */
#define SLAB_VERSION_AWAY       2u

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE     23
#endif

/* Host order: a slab never leaves the host. */
struct SlabTail {
    uint32_t magic;
    uint32_t version;
    uint32_t pages;
    uint32_t number;
    uint64_t lease;
    uint64_t leaving;           /* 1: dropped from its lease, or nearly */
    uint64_t away;              /* area of the spill file + 1, or 0 */
    uint64_t reserved[3];
    uint64_t bitmap[];
};

/** slab_bytes() - of @pages pages */
static inline size_t slab_bytes(uint32_t pages)
{
    return (size_t)pages * WIRE_PAGE_SIZE;
}

/** slab_round() - @bytes up to whole pages */
static inline size_t slab_round(size_t bytes)
{
    return (bytes + WIRE_PAGE_SIZE - 1) / WIRE_PAGE_SIZE * WIRE_PAGE_SIZE;
}

/* Pages and tail, in whole pages. */
static inline size_t slab_file_bytes(uint32_t pages)
{
    return slab_bytes(pages) +
           slab_round(sizeof(struct SlabTail) + (pages + 63) / 64 * 8);
}

/* What is behind the tail: a bit for each page, then their seals. */
static inline size_t slab_away_bytes(uint32_t pages)
{
    return slab_round((pages + 63) / 64 * 8 + pages * sizeof(SpillSeal));
}

/** slab_away_adopt() - look at what the last daemon left behind the tail */
int slab_away_adopt(Slab *slab);

/** slab_away_unmap() - forget it, in this process */
void slab_away_unmap(Slab *slab);

#endif
