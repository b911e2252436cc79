/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer-socket: a connection's socket when it has been accepted; for peer.c. */
#ifndef RCACHED_PROVIDER_PEER_SOCKET_H
#define RCACHED_PROVIDER_PEER_SOCKET_H

#include "rcached/provider/peer.h"

/**
 * peer_set_address() - who it is from; it is a stranger from now on
 *
 * Return: who has to give way to it, or NULL
 */
Peer *peer_set_address(Peer *peer);

/** peer_set_options() - how its kernel is to treat it */
void peer_set_options(int fd);

#endif
