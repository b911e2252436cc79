/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * division: the host's memory among its VMs with local-max=auto, as far as
 * the whole daemon is concerned; a step of policy.h.  agent/divide.h says who
 * gets how much.  It decides; telling pagers is the caller's.
 *
 * What they may take in all is what they take now, what is free above the
 * reserve, and what is lent, since that comes back as soon as less than the
 * reserve is free; less what VMs with a local-max of their own have yet to
 * take up to it.
 */
#ifndef RCACHED_DIVISION_H
#define RCACHED_DIVISION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/agent/divide.h"
#include "rcached/vms.h"

typedef struct Division {
    Divide divide;
    uint64_t budget;            /* of the VMs in it, in bytes, smoothed */
    uint64_t budget_ms;         /* when that last changed; 0: never */
    unsigned nr;                /* VMs in it then */
    GHashTable *vms;            /* uuid to what is known of that VM */
} Division;

typedef struct DivisionInput {
    uint64_t now_ms;            /* any clock that does not step */
    uint64_t available;         /* bytes, and so are the next */
    uint64_t lent;              /* and in memory */
    uint64_t reserve;
} DivisionInput;

/* What a VM may have from now on. */
typedef struct DivisionLimit {
    const Vm *vm;
    uint64_t local_max;         /* bytes */
} DivisionLimit;

void division_init(Division *division);
void division_deinit(Division *division);

/**
 * division_run() - look at this moment
 * @vms: all VMs of the host (const Vm *)
 *
 * However often it is called, shares change no faster than once a second.
 *
 * Return: limits (DivisionLimit) to tell, new; NULL if it is too soon for any
 */
GArray *division_run(Division *division, const DivisionInput *in,
                     const GPtrArray *vms);

#endif
