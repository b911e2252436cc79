/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slab: a piece of lent memory.
 *
 * A slab is a memfd, allocated whole when it is made, so that a store into it
 * can never fail, and mapped and populated, so that no transfer has to fault.
 * Behind its pages it carries a tail: which slab it is, whose lease it belongs
 * to, and a bit for each page that has something stored.  A slab can thus be
 * understood by the next daemon that is given its descriptor.  Behind the tail
 * there is room for what is to be known of pages in the spill file, which is
 * allocated only while there are any (slab-away.h).
 *
 * The bytes of guests never reach swap or a core dump: slab_guard_find() says
 * how that is ensured on this host, and nothing is lent where it is not.
 */
#ifndef RCACHED_PROVIDER_SLAB_H
#define RCACHED_PROVIDER_SLAB_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"

/* What keeps lent memory out of swap. */
typedef enum SlabGuard {
    SLAB_GUARD_NO_SWAP,         /* there is no swap on this host */
    SLAB_GUARD_CGROUP,          /* memory.swap.max is 0 */
    SLAB_GUARD_MLOCK            /* every slab is locked */
} SlabGuard;

struct StoreLease;

#define SLAB_CHUNK      64u     /* pages that go to the spill file at a time */

/* What it takes to read a page that was encrypted: see spill-key.h. */
typedef struct SpillSeal {
    uint64_t count;
    uint8_t tag[16];
} SpillSeal;

/* Of a slab that is in the spill file or on its way: see slab-away.h. */
typedef struct SlabAway {
    uint32_t area;              /* of the file */
    uint64_t lease;             /* it was away of; authenticated */
    bool back;                  /* it is to come back */
    unsigned unread;            /* times in a row that it could not, whole */
    uint64_t back_at;           /* ms: not tried again till then */
    uint64_t *bits;             /* pages that are in the file */
    SpillSeal *seals;           /* of those */
    uint64_t punched[];         /* chunks of which the memory is given back */
} SlabAway;

typedef struct Slab {
    int fd;
    uint32_t number;
    uint32_t pages;
    uint32_t stored;            /* bits set in the bitmap */
    uint32_t punched;           /* pages given back so far, while it ends */
    unsigned users;             /* transfers of its pages, and pushes */
    unsigned filing;            /* those of them that touch only the file */
    unsigned putting;           /* those that store pages, not yet answered */
    unsigned pushes;            /* of it to another provider */
    bool expected;              /* a push is to fill it: see intake.c */
    bool own;                   /* its lease's: see store.h */
    SlabAway *away;             /* NULL: all of it is in memory */
    uint8_t *base;
    struct SlabTail *tail;
    struct StoreLease *lease;
} Slab;

/**
 * slab_guard_find() - how lent memory is kept out of swap on this host
 * @always_lock: lock it even where nothing could be swapped
 * @probe: bytes that have to be lockable if locking is the way
 * @out: the way
 *
 * Return: false, with @errp set, if there is none
 */
bool slab_guard_find(bool always_lock, size_t probe, SlabGuard *out,
                     GError **errp);

/**
 * slab_guard_process() - keep all memory of this process out of swap, as @guard
 * says; for what handles pages in memory of its own, as TLS does
 */
bool slab_guard_process(SlabGuard guard, GError **errp);

/** slab_guard_name() - a SlabGuard in words */
const char *slab_guard_name(SlabGuard guard);

/**
 * slab_new() - allocate a slab
 * @pages: its size, a power of two
 * @guard: as slab_guard_find() said
 * @out: the slab; its number and lease are still to be set
 *
 * Return: 0, or -errno with nothing allocated
 */
int slab_new(uint32_t pages, SlabGuard guard, Slab **out);

/**
 * slab_new_on_disk() - a slab whose pages are all to be in the spill file
 * @lease: whose it is; authenticated with its pages
 * @area: of the file
 * @out: the slab; its number is still to be set
 *
 * It has no memory but for its tail and what is known of its pages.
 *
 * Return: 0, or -errno with nothing allocated
 */
int slab_new_on_disk(uint32_t pages, SlabGuard guard, uint64_t lease,
                     uint32_t area, Slab **out);

/**
 * slab_adopt() - take over a slab that an earlier daemon made
 *
 * Its memory is in the memfd already: pages are mapped as they are touched,
 * unless all of it has to be locked.
 *
 * @fd: its descriptor; taken over on success only
 * @pages: the size that slabs have here
 * @lease: the lease its tail names
 * @out: the slab
 *
 * Return: 0, -EINVAL if @fd is not such a slab, or why it cannot be mapped,
 * which may pass
 */
int slab_adopt(int fd, uint32_t pages, SlabGuard guard, uint64_t *lease,
               Slab **out);

/** slab_free() - unmap and close; what is not punched dies with the fd */
void slab_free(Slab *slab);

/** slab_set_owner() - write number and lease into the tail */
void slab_set_owner(Slab *slab, uint32_t number, uint64_t lease);

/** slab_set_leaving() - note in the tail that it is being dropped */
void slab_set_leaving(Slab *slab, bool leaving);

/** slab_is_leaving() - was it being dropped when the last daemon ended? */
bool slab_is_leaving(const Slab *slab);

/** slab_stored_bits() - a bit for each page that holds something, new */
uint64_t *slab_stored_bits(const Slab *slab);

/** slab_forget() - nothing is stored in any of its pages any more */
void slab_forget(Slab *slab);

/** slab_digest() - a page's part of the digest of a move (protocol.rst);
 * @bytes: of page number @page */
uint64_t slab_digest(const uint8_t *bytes, uint32_t page);

/**
 * slab_punch() - give some of the slab's memory back to the host
 * @pages: at most so many, from where the last call ended
 *
 * Return: true once all of it has been given back
 */
bool slab_punch(Slab *slab, uint32_t pages);

/** slab_page() - where a page is in memory; it may be in the file instead */
static inline uint8_t *slab_page(const Slab *slab, uint32_t page)
{
    return slab->base + (size_t)page * WIRE_PAGE_SIZE;
}

/** slab_is_stored() - does @page hold something? */
bool slab_is_stored(const Slab *slab, uint32_t page);

/**
 * slab_set_stored() - note that @page holds something, or no longer does
 *
 * Return: +1, -1 or 0: what that changed in the number of stored pages
 */
int slab_set_stored(Slab *slab, uint32_t page, bool stored);

/**
 * secret_alloc() - a buffer that guests' bytes may pass through
 *
 * Not in core dumps, and locked if @guard is SLAB_GUARD_MLOCK.
 *
 * Return: the buffer, or NULL; give it back with secret_free()
 */
void *secret_alloc(size_t size, SlabGuard guard);
void secret_free(void *buf, size_t size);

#endif
