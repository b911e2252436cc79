/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * push: a slab goes to another provider (docs/protocol.rst, "The move of a
 * slab": the old provider's part).  See push.c.
 */
#ifndef RCACHED_PROVIDER_PUSH_H
#define RCACHED_PROVIDER_PUSH_H

#include "rcached/provider/peer.h"

/** push_move() - MOVE; NULL, or why the connection is to end */
const char *push_move(Peer *peer, const WireHead *head,
                      const uint8_t *payload);

/** push_leave() - nobody waits for the pushes of @peer any more */
void push_leave(Peer *peer);

/** push_recheck() - the server's credentials are new: end those that go to who
 * is not taken any more */
void push_recheck(Server *server);

/** push_tick() - end those that do not get on */
void push_tick(Server *server);

#endif
