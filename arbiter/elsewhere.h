/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * elsewhere: VMs of hosts that are dead, which run on another host by now.
 *
 * A host that dies is known for a while, with what it has said last, its VMs
 * among it.  Where one of these has been started on another host, both report
 * its uuid.  It is the one that was heard last that has it; what the dead one
 * says of it is not counted and not asked for.
 *
 * Two hosts that are not dead may both have a VM, which migrates.
 *
 * Pure.  It points into the table of hosts, so it is good until the next
 * heartbeat.
 */
#ifndef ARBITER_ELSEWHERE_H
#define ARBITER_ELSEWHERE_H

#include "arbiter/hosts.h"

typedef struct Elsewhere Elsewhere;

/** elsewhere_new() - as hosts have said until @now */
Elsewhere *elsewhere_new(const Hosts *hosts, uint64_t now);
void elsewhere_free(Elsewhere *elsewhere);

/**
 * elsewhere_host() - where does a VM of this host run now?
 * @host: name of a host that is or was the VM's
 * @vm: the VM's uuid
 *
 * Return: another host, or NULL: it is there, or nobody has said otherwise
 */
const Host *elsewhere_host(const Elsewhere *elsewhere, const char *host,
                           const uint8_t *vm);

/** elsewhere_guests() - how many of the VMs that @host reports are its own */
unsigned elsewhere_guests(const Elsewhere *elsewhere, const Host *host);

/**
 * elsewhere_nobodys() - is nobody left who could read what is in a lease?
 * @lease: as its provider lists it
 *
 * So it is where the VM runs elsewhere, on a host that is alive, and no pager
 * has renewed the lease in time: one may go on where an arbiter cannot see it.
 */
bool elsewhere_nobodys(const Elsewhere *elsewhere, const WireBeatLease *lease);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Elsewhere, elsewhere_free)

#endif
