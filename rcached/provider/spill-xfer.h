/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spill-xfer: pages of slabs between memory and the spill file.
 *
 * A transfer is made of pieces, each in one place of the file; done() is
 * called once, when the last of them has ended.
 */
#ifndef RCACHED_PROVIDER_SPILL_XFER_H
#define RCACHED_PROVIDER_SPILL_XFER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ring.h"
#include "rcached/provider/slab.h"
#include "rcached/provider/spill-file.h"

#define SPILL_RUNS      64u     /* of a transfer: as many as pages */

typedef struct SpillXfer SpillXfer;

/* A piece of a transfer that is in one place of the file. */
typedef struct SpillRun {
    RingOp op;
    SpillXfer *xfer;
    size_t bytes;
} SpillRun;

/**
 * SpillXferDone - all pieces are done
 * @error: 0, or -errno of one that failed
 *
 * Called from the ring's loop, or at once if there was no piece.
 */
typedef void SpillXferDone(SpillXfer *xfer, int error);

/* Embedded in what waits for it. */
struct SpillXfer {
    SpillXferDone *done;
    unsigned out;
    int error;
    unsigned nr;
    SpillRun run[SPILL_RUNS];
};

/** spill_xfer_init() - no piece yet; hold it with spill_xfer_hold() while
 * pieces are added */
void spill_xfer_init(SpillXfer *xfer, SpillXferDone *done);

/** spill_xfer_add() - read or write @n pages at @page of @slab's area */
void spill_xfer_add(Ring *ring, SpillFile *file, SpillXfer *xfer, bool write,
                    const Slab *slab, uint32_t page, uint8_t *buf,
                    unsigned n);

/** spill_xfer_go() - no piece more is added; done() may be called at once */
void spill_xfer_go(SpillXfer *xfer);

#endif
