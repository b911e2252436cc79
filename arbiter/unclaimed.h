/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unclaimed: leases that nobody will claim, since their VM is gone.  Pure:
 * time is an argument, in milliseconds.
 *
 * A provider drops what is not claimed by itself, but only when the time to
 * claim is over, and until then nobody else gets that memory: many VMs that
 * end while they ask for some leave gigabytes.  A VM is gone when its host is
 * heard and does not report it.  A lease has to have stood for two heartbeats,
 * since a VM that has just started is granted one before its host's next
 * heartbeat reports it.
 */
#ifndef ARBITER_UNCLAIMED_H
#define ARBITER_UNCLAIMED_H

#include "arbiter/hosts.h"

typedef void UnclaimedEach(const WireBeatLease *lease, void *opaque);

/**
 * unclaimed_each() - call @each for those of a provider
 * @claim_ms: what a requester has to claim a lease
 */
void unclaimed_each(const Hosts *hosts, const Host *provider,
                    uint64_t claim_ms, uint64_t now, UnclaimedEach *each,
                    void *opaque);

#endif
