/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * granter: answers GRANTs of arbiters, and those of this host itself to its own
 * VMs, on a thread of its own, one after the other, since allocating what is
 * granted can take seconds and heartbeats must not wait for it.
 *
 * What may be lent is found out twice a second, and where memory runs short
 * the main loop may be late.  So the thread looks for itself before it
 * allocates: the kernel kills who goes beyond what there is.
 */
#ifndef RCACHED_GRANTER_H
#define RCACHED_GRANTER_H

#include <glib.h>
#include <stdbool.h>

#include "common/wire-control.h"
#include "common/wire.h"
#include "rcached/agent/memory.h"
#include "rcached/options.h"
#include "rcached/provider/provider.h"

typedef struct Granter Granter;

/** GranterDone - a grant is settled; on the main loop, once for each */
typedef void GranterDone(const WireGrantAck *ack, void *opaque);

/**
 * granter_new() - start the thread
 * @provider, @options: must outlive it
 * @memory: whose memory is lent; the granter's own from now on
 */
Granter *granter_new(Provider *provider, const Options *options,
                     MemorySource *memory);

/**
 * granter_free() - finish what is being allocated, refuse what waits; done()
 * is called for all of them before this returns
 */
void granter_free(Granter *granter);

/**
 * granter_add() - allocate what an arbiter has granted of this host's memory
 * @grant: copied
 * @done: called once, on the main loop, when the lease is made or refused
 *
 * Too many at a time are refused with RCACHE_E_BUSY.
 */
void granter_add(Granter *granter, const WireGrant *grant, GranterDone *done,
                 void *opaque);

/**
 * granter_add_own() - the same, on this host's disk, for a VM here
 */
void granter_add_own(Granter *granter, const WireGrant *grant,
                     GranterDone *done, void *opaque);

/** granter_busy() - is memory being allocated, or about to be? */
bool granter_busy(const Granter *granter);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Granter, granter_free)

#endif
