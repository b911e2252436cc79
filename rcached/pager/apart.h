/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apart: which two places a slab may have, so that they do not fail together.
 *
 * They are at different providers (C0), and in different failure domains (the
 * label of a host; one without a label is a domain of its own) as long as the
 * VM has a lease in another domain that could be the second one.
 *
 * This host's own disk may be one of the two.  If this host fails, the VM is
 * gone with it, and so that the disk fails with the host costs no VM anything.
 * But it is not put before two other hosts for their labels' sake.
 */
#ifndef PAGER_APART_H
#define PAGER_APART_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/leases.h"

typedef struct Pager Pager;

/**
 * apart_may_be_at() - may a slab be at @to, for its other place's sake?
 * @slab: its index
 * @leaves: the lease that it would not be at any more, or NULL
 */
bool apart_may_be_at(const Pager *p, uint32_t slab, const Lease *leaves,
                     const Lease *to);

#endif
