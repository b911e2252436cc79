/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spill-serve: GETs, SUMS and PUTs of pages that are in the spill file, or on
 * their way there.  A PUT into a chunk that is being written waits for it.
 */
#ifndef RCACHED_PROVIDER_SPILL_SERVE_H
#define RCACHED_PROVIDER_SPILL_SERVE_H

#include "rcached/provider/peer.h"
#include "rcached/provider/spill.h"

/** spill_serve_get() - answer a GET or SUMS of which pages are in the file; the
 * lease and the slabs are in use and stay so until it is answered */
void spill_serve_get(Peer *peer, const WireHead *head, StoreLease *lease,
                     const RcacheSlot *slots, Slab *const *slabs);

/** spill_serve_put() - a PUT is here of which pages go to the file */
void spill_serve_put(Peer *peer);

/** spill_serve_waiting() - a chunk is done: go on with PUTs that waited */
void spill_serve_waiting(Spill *spill);

#endif
