/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * put: the pages of a PUT while they are being received.
 *
 * They are received into the slots they are for, or, where the slab is on its
 * way to the spill file, into a buffer.  From the moment the PUT is judged
 * good until it is let go it holds its lease and slabs in use, so that no
 * memory is taken away under it.
 */
#ifndef RCACHED_PROVIDER_PUT_H
#define RCACHED_PROVIDER_PUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/wire.h"
#include "rcached/provider/store.h"

struct Peer;

typedef struct PeerPut {
    bool active;
    WireHead head;
    enum RcacheStatus status;   /* not OK: its pages are thrown away */
    StoreLease *lease;          /* in use while it lasts, if OK */
    size_t left;                /* bytes of pages still to come */
    unsigned at;
    unsigned nr;
    uint8_t *buf;               /* for pages that go to the file, or NULL */
    uint64_t to_file;           /* which those are: bits; filing in slabs */
    uint64_t digest;            /* of what was received, by put_sum() */
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    Slab *slabs[RCACHE_BATCH_PAGES];    /* of each, in use if lease is */
    struct iovec iov[RCACHE_BATCH_PAGES + 1];
} PeerPut;

/** put_file_buffer() - the buffer for page @i of a PUT; NULL: no memory */
uint8_t *put_file_buffer(struct Peer *peer, unsigned i);

/** put_free_buffer() - a PUT's buffer is of no use any more; lock held */
void put_free_buffer(struct Peer *peer);

/**
 * put_sum() - make the digest of a PUT that has been received whole
 *
 * Reads the memory that the pages stay in, or the buffer they go to the file
 * from.  The PUT has its lease in use; the store's lock is not held, since
 * this takes long.
 */
void put_sum(struct Peer *peer);

/** put_let_go() - a PUT no longer uses its lease; lock held */
void put_let_go(struct Peer *peer);

/** put_stored() - a page of a PUT is in memory; lock held */
void put_stored(struct Peer *peer, StoreLease *lease, Slab *slab,
                RcacheSlot slot);

#endif
