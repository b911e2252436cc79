/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer-frame: the frames that stand in a connection's buffer: whether they may
 * be looked at, what they cost, and who is told of them; for peer.c.
 */
#ifndef RCACHED_PROVIDER_PEER_FRAME_H
#define RCACHED_PROVIDER_PEER_FRAME_H

#include "rcached/provider/peer.h"

/**
 * peer_frame() - handle one frame
 * @cost: what it costs is added, in pages
 * @why: set to why the connection is to end, if it is
 *
 * Return: false: there is not enough of it, or no more to do
 */
bool peer_frame(Peer *peer, unsigned *cost, const char **why);

/** peer_may_ask() - may more of its requests be looked at, by the limits of its
 * host? If not it is held, and goes on by itself when they may. */
bool peer_may_ask(Peer *peer);

#endif
