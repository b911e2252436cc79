/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * push-begin: a slab goes to another provider (docs/protocol.rst, "The move of
 * a slab": the old provider's part): how that begins.  See push-begin.c.
 */
#ifndef RCACHED_PROVIDER_PUSH_BEGIN_H
#define RCACHED_PROVIDER_PUSH_BEGIN_H

#include "rcached/provider/peer.h"

/** push_move() - MOVE; NULL, or why the connection is to end */
const char *push_move(Peer *peer, const WireHead *head,
                      const uint8_t *payload);

/** push_leave() - nobody waits for the pushes of @peer any more */
void push_leave(Peer *peer);

/** push_recheck() - the server's credentials are new: end those that go to who
 * is not taken any more */
void push_recheck(Server *server);

/** push_take_found() - an arbiter has said where a new provider is, or not */
void push_take_found(Server *server);

/** push_sweep() - answer those that ended before they were connected */
void push_sweep(Server *server);

/** push_tick() - end those that do not get on */
void push_tick(Server *server);

#endif
