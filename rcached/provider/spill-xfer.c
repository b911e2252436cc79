/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spill-xfer: pages between memory and the spill file.  See spill-xfer.h. */
#include "rcached/provider/spill-xfer.h"

#include <errno.h>

#include "common/cleanup.h"
#include "rcached/provider/slab-away.h"

void spill_xfer_init(SpillXfer *xfer, SpillXferDone *done)
{
    xfer->done = done;
    xfer->error = 0;
    xfer->nr = 0;
    xfer->out = 1;              /* until spill_xfer_go() */
}

static void xfer_less(SpillXfer *xfer)
{
    if (--xfer->out == 0) {
        xfer->done(xfer, xfer->error);
    }
}

static void run_done(RingOp *op, int res, bool more)
{
    SpillRun *run = container_of(op, SpillRun, op);

    if (res != (int)run->bytes) {
        run->xfer->error = res < 0 ? res : -EIO;
    }
    xfer_less(run->xfer);
}

void spill_xfer_add(Ring *ring, SpillFile *file, SpillXfer *xfer, bool write,
                    const Slab *slab, uint32_t page, uint8_t *buf, unsigned n)
{
    SpillRun *run = &xfer->run[xfer->nr++];
    uint64_t at = spill_file_offset(file, slab->away->area, page);
    int fd = spill_file_fd(file);

    ring_op_init(&run->op, run_done);
    run->xfer = xfer;
    run->bytes = (size_t)n * WIRE_PAGE_SIZE;
    xfer->out++;
    if (write) {
        ring_write(ring, &run->op, fd, buf, run->bytes, at);
    } else {
        ring_read(ring, &run->op, fd, buf, run->bytes, at);
    }
}

void spill_xfer_go(SpillXfer *xfer)
{
    xfer_less(xfer);
}
