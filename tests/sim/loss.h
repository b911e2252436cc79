/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loss: how many VMs lose bytes when hosts and racks fail, with one copy of
 * their pages and with two.
 *
 * VMs are placed by the arbiter's own placement, on hosts that lend a fixed
 * part of their memory.  Machines and racks fail as load.ini says, and what
 * was in their memory is gone.  A VM has lost bytes when a slab of it has no
 * copy left; it is started again then.  With two copies a slab that has lost
 * one is copied again, after the time that a silent provider is given and at
 * a bounded rate, to a place that placement names.  A VM whose own host fails
 * ends with it, and is counted apart: no copy could help it.
 *
 * Only failures happen, so that a decade takes seconds.  Everything follows
 * from the load and the seed; the failures are the same for any copies.
 */
#ifndef SIM_LOSS_H
#define SIM_LOSS_H

#include <stdbool.h>

#include "load.h"

typedef struct LossConfig {
    unsigned hosts;
    unsigned copies;            /* 1 or 2 */
    bool labels;                /* does the arbiter know the racks? */
    uint64_t seed;
    double years;
} LossConfig;

typedef struct LossResult {
    unsigned vms;
    uint64_t machines, racks;   /* that failed */
    uint64_t lost;              /* VMs that lost bytes */
    uint64_t ended;             /* VMs that ended with their own host */
    uint64_t repairs;           /* copies made again */
    uint64_t no_room;           /* times that there was no room for one */
} LossResult;

void loss_run(const LossConfig *config, const Load *load, LossResult *out);

#endif
