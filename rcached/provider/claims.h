/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claims: the leases that a connection has claimed.  A request may use no
 * other.
 */
#ifndef RCACHED_PROVIDER_CLAIMS_H
#define RCACHED_PROVIDER_CLAIMS_H

#include "rcached/provider/peer.h"

/** claims_find() - the lease of that id, claimed here and not ending, or NULL;
 * the store's lock is held */
StoreLease *claims_find(const Peer *peer, uint64_t id);

/**
 * claims_lease_for() - may this request use its lease?  The lock is held.
 *
 * Return: RCACHE_OK with *@out set, or the status to answer with
 */
enum RcacheStatus claims_lease_for(const Peer *peer, const WireHead *head,
                                   StoreLease **out);

/** claims_can_be_asked() - is it by this connection that its requester is asked
 * to leave slabs?  One of a session is, if it has the feature. */
bool claims_can_be_asked(const Peer *peer);

/** claims_add() - the connection has claimed a lease, whose reference becomes
 * its own; the lock is held, and so for those that follow */
void claims_add(Peer *peer, StoreLease *lease);

/** claims_drop() - the connection has ended, and forgets all it has claimed */
void claims_drop(Peer *peer);

/** claims_prune() - forget claims of leases that have ended, so that they do
 * not pile up */
void claims_prune(Peer *peer);

/** claims_count() - tell its host's account whether it has a lease still, as
 * leases end by themselves, too; they are not forgotten by this */
void claims_count(Peer *peer);

#endif
