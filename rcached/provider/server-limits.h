/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server-limits: what the server does about who runs into a limit.
 */
#ifndef RCACHED_PROVIDER_SERVER_LIMITS_H
#define RCACHED_PROVIDER_SERVER_LIMITS_H

#include "rcached/provider/peer.h"

/* How often those who asked too fast are looked at again. */
#define SERVER_PACE_NS  (UINT64_C(5) * 1000 * 1000)

/**
 * server_hit() - somebody has run into a limit
 * @who: host or address
 *
 * Counted for status; a line is written of the first only, until the limit has
 * not bitten for a while, whatever else is said of peers.
 */
void server_hit(Server *server, PeerLimit limit, const char *who);

/**
 * server_shakes() - may a step of a handshake be done now?
 *
 * While hosts compete those of an address that begins many have a tenth of the
 * time: nobody can be served during one.  If not, it is parked.
 */
bool server_shakes(Server *server, Peer *peer);

/** server_shook() - that has been done, since @began of GLib's clock */
void server_shook(Server *server, const Peer *peer, int64_t began);

/** server_park() - nothing is to be read of a connection for so many ms */
void server_park(Server *server, Peer *peer, unsigned ms);

/** server_unpark() - it goes on, or ends */
void server_unpark(Server *server, Peer *peer);

#endif
