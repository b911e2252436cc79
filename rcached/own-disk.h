/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * own-disk: leases on this host's own disk, for the VMs here.
 *
 * It is the last place that pages go to, when no other host lends memory; so
 * no arbiter is asked, and none need be there.  This daemon grants such a
 * lease itself, and the pager uses it as any other.
 *
 * The disk ends with this daemon.  Once the end has begun all of it is asked
 * back (policy.h) and no lease is made: a pager would wait for one after the
 * other, none of which takes a page.  Told that there is none, it lets
 * local-max give way.
 */
#ifndef RCACHED_OWN_DISK_H
#define RCACHED_OWN_DISK_H

#include "common/wire-control.h"
#include "rcached/granter.h"
#include "rcached/policy.h"
#include "rcached/vm.h"

typedef struct OwnDisk OwnDisk;

/* OwnDiskDone - @reply: one grant, or why there is none; not kept */
typedef void OwnDiskDone(const WireLeaseReply *reply, void *opaque);

/**
 * own_disk_new() - of this host
 * @granter: or NULL: this host has no provider, and so no disk for its VMs
 * @state: of this host's policy: whether this daemon is about to stop
 * @host: this host's name
 * @address: where its provider listens
 *
 * All of them must outlive it.
 */
OwnDisk *own_disk_new(Granter *granter, const HostState *state,
                      const char *host, const char *address);
void own_disk_free(OwnDisk *disk);

/**
 * own_disk_lease() - make a lease for @vm of at most @bytes
 * @done: called once; perhaps before this returns
 */
void own_disk_lease(OwnDisk *disk, const Vm *vm, uint64_t bytes,
                    OwnDiskDone *done, void *opaque);

#endif
