/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spill: slabs that nobody takes go to a file, encrypted, and come back.
 *
 * store-spill.c says which and when; slab-away.h says what a slab is on the
 * way.  This does it, on the server's thread: it moves one slab at a time, in
 * chunks, a few of which are in flight; at most one chunk is encrypted or
 * decrypted in a round of the server's loop, so that answers to guests wait
 * for no more than that (some 200 us).
 *
 * Requesters know nothing of it.  A GET of pages in the file reads them into
 * a buffer first (spill-serve.c); a PUT into a slab that is going out passes
 * through a buffer into the file; a push reads what it sends.  Everything that
 * is read is authenticated.  What cannot be read, or is not what was written,
 * is answered with an error, and stays in the file; it says nothing about other
 * pages, which come back, nor about writing.  What cannot be written stays in
 * memory, and nothing more is written for a while.
 */
#ifndef RCACHED_PROVIDER_SPILL_H
#define RCACHED_PROVIDER_SPILL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/ring.h"
#include "rcached/provider/spill-file.h"
#include "rcached/provider/spill-key.h"
#include "rcached/provider/spill-xfer.h"
#include "rcached/provider/store.h"

#define SPILL_CHUNKS    4u      /* in flight */

typedef struct Spill Spill;

/* Some pages of the slab that is moved, on their way. */
typedef struct SpillChunk {
    Spill *spill;
    bool busy;
    bool out;                   /* else back */
    Slab *slab;
    uint32_t first;             /* page */
    uint64_t pages;             /* bits: those that are moved */
    uint8_t *buf;
    SpillXfer xfer;
} SpillChunk;

/* Counted under the store's lock. */
typedef struct SpillCounts {
    uint64_t slabs_out;
    uint64_t slabs_back;
    uint64_t get_pages;         /* answered from the file */
    uint64_t put_pages;         /* that went straight to it */
    uint64_t errors;            /* reads and writes that failed */
} SpillCounts;

struct Server;

/* SpillArrived - a chunk is done: PUTs into it that waited may go on */
typedef void SpillArrived(Spill *spill);

struct Spill {
    SpillFile *file;
    SpillKey *key;
    SlabGuard guard;
    uint64_t rate;              /* bytes written in a second */
    uint32_t pause_ms;          /* after a failure */
    struct Server *server;
    SpillArrived *arrived;
    Ring *ring;

    /* The slab that is moved now, and in use; or NULL. */
    Slab *slab;
    StoreLease *lease;          /* its, in use */
    uint32_t next;              /* chunk to look at */
    bool look;                  /* there may be another one to move */
    bool give_up;               /* when no chunk is in flight */
    bool unread;                /* some of it could not be read */
    uint64_t began;             /* ms */
    uint64_t written;           /* bytes, of it */
    uint64_t pause_until;       /* ms: no slab goes to the file till then, */
    uint64_t back_until;        /* nor comes back: there was no memory */
    uint64_t quiet_until;       /* ms: nothing more is logged till then */
    SpillChunk chunk[SPILL_CHUNKS];
    GQueue waiting;             /* SpillServe: a chunk of its is in flight */
    SpillCounts counts;
    char problem[320];          /* the last; "": none since the last slab */
};

/** spill_new() - takes over @file and @key */
Spill *spill_new(SpillFile *file, SpillKey *key, SlabGuard guard,
                 uint64_t rate, uint32_t pause_ms);
void spill_free(Spill *spill);

/**
 * spill_attach() - the server's thread has begun
 * @arrived: called when a chunk has arrived where it was going
 *
 * Return: false if there is no memory for the buffers
 */
bool spill_attach(Spill *spill, struct Server *server,
                  SpillArrived *arrived);

/** spill_look() - the store's need has changed, or time has passed */
void spill_look(Spill *spill);

/** spill_step() - do a piece of work; return whether there is more now */
bool spill_step(Spill *spill);

/** spill_stop() - begin nothing more; the ring runs until all is done */
void spill_stop(Spill *spill);

/** spill_failing() - has a write failed a short while ago? */
bool spill_failing(const Spill *spill, uint64_t now);

/** spill_forget() - the slab's memory is given up; so is its area */
void spill_forget(Spill *spill, const Slab *slab);

/** spill_touched() - bytes of a page of a slab that is away are, or will
 * be, written to memory */
void spill_touched(Spill *spill, Slab *slab, uint32_t page);

/* -- for spill-serve.c */

/** spill_place() - the authenticated name of a page */
SpillPlace spill_place(const Slab *slab, uint32_t page);

/** spill_in_flight() - is a chunk with this page on its way out? */
bool spill_in_flight(const Spill *spill, const Slab *slab, uint32_t page);

/** spill_says() - writing failed; with the server's lock or before it */
void spill_says(Spill *spill, const char *why);

/** spill_write_failed() - log and count it, write nothing for a while */
void spill_write_failed(Spill *spill, const char *why);

/**
 * spill_read_failed() - log and count it
 * @slab: in use; what of it cannot be read stays in the file
 * @error: -errno, or 0: what was read is not what was written
 */
void spill_read_failed(Spill *spill, const Slab *slab, int error);

#endif
