/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tag: what tells the answers of providers apart.
 *
 * A request carries a tag, and its answer repeats it: in the top byte what
 * kind of request it was, then 24 bits for the entry of the requester's table
 * that it belongs to, then 32 bits for the use of that entry.  A provider can
 * send any tag: whoever gets an answer checks the index, and the serial or the
 * state of the entry.
 */
#ifndef PAGER_TAG_H
#define PAGER_TAG_H

#include <stdint.h>

enum TagKind {
    TAG_GET = 1,                /* index: Fetch */
    TAG_PUT = 2,                /* index: Batch */
    TAG_FREE = 3,               /* index: Lease */
    TAG_CLAIM = 4,              /* index: Lease; serial 0 */
    TAG_RENEW = 5,              /* the same */
    TAG_RELEASE = 6,            /* the same */
    TAG_MOVE = 7,               /* EXPECT, MOVE, CONFIRM; index: Move */
    TAG_DROP = 8,               /* index: Lease */
    TAG_PROBE = 9,              /* PUT and GET; index 0 */
    TAG_SUMS = 10,              /* index: Compare */
    TAG_GETS = 11,              /* index: ManyFrame */
    TAG_CLEAN = 12              /* SUMS; index: CleanAsk */
};

#define TAG_INDEX_MAX   0xffffffu

/**
 * struct Tag - a tag taken apart
 * @kind: enum TagKind, or any other number up to 255 if a peer has made it up
 * @index: up to TAG_INDEX_MAX
 * @serial: of this use of the entry
 */
typedef struct Tag {
    unsigned kind;
    uint32_t index;
    uint32_t serial;
} Tag;

/** tag_encode() - the tag of a request; @index up to TAG_INDEX_MAX */
static inline uint64_t tag_encode(enum TagKind kind, uint32_t index,
                                  uint32_t serial)
{
    return (uint64_t)kind << 56 | (uint64_t)(index & TAG_INDEX_MAX) << 32 |
           serial;
}

/** tag_decode() - of an answer; a peer may have made it up */
static inline Tag tag_decode(uint64_t tag)
{
    return (Tag) {
        .kind = tag >> 56,
        .index = tag >> 32 & TAG_INDEX_MAX,
        .serial = (uint32_t)tag,
    };
}

#endif
