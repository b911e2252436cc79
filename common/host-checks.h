/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-checks: what of this host's kernel settings hurts.
 *
 * rcached asks before it takes a VM, and rcachectl check whenever an operator
 * wants to know: both say the same.  Pure.
 */
#ifndef RCACHE_HOST_CHECKS_H
#define RCACHE_HOST_CHECKS_H

#include "common/finding.h"
#include "common/host-facts.h"

/* More than a pager has before its VM's memory comes. */
#define HOST_LOCK_BYTES (UINT64_C(256) << 20)

/* Connections that wait at a provider's port until they are taken. */
#define HOST_BACKLOG    1024

/** host_check_uring() - io_uring, without which nothing works */
void host_check_uring(const HostFacts *facts, Findings *findings);

/**
 * host_check_vms() - all that VMs need: io_uring too, userfaultfd, locked
 * memory, and no large folios in shared memory
 */
void host_check_vms(const HostFacts *facts, Findings *findings);

/** host_check_kernel() - its version, swap, how it counts memory, and how many
 * connections it lets wait */
void host_check_kernel(const HostFacts *facts, Findings *findings);

/** host_check_kinds() - all that these can find; @n: how many */
const FindingKind *host_check_kinds(unsigned *n);

#endif
