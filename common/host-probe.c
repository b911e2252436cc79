/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-probe: see host-probe.h. */
#include "common/host-probe.h"

#include <errno.h>
#include <sys/mman.h>

#include "common/host-checks.h"
#include "common/ring.h"

int host_probe_ring(unsigned entries)
{
    int err = 0;
    Ring *ring = ring_new(entries, &err);

    if (!ring) {
        return -err;
    }
    ring_free(ring);
    return 0;
}

int host_probe_lock(void)
{
    void *area = mmap(NULL, HOST_LOCK_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int err = area == MAP_FAILED || mlock2(area, HOST_LOCK_BYTES,
                                           MLOCK_ONFAULT) ? errno : 0;

    if (area != MAP_FAILED) {
        munmap(area, HOST_LOCK_BYTES);
    }
    return err;
}
