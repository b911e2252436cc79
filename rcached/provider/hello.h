/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hello: a connection's first frame (docs/protocol.rst, "HELLO").
 *
 * A HELLO of a newer session ends every connection of older sessions of its
 * VM.  It is answered when nothing of these is in progress any more: from then
 * on no byte of an older session can change a slab.
 */
#ifndef RCACHED_PROVIDER_HELLO_H
#define RCACHED_PROVIDER_HELLO_H

#include "rcached/provider/peer.h"

/** hello_take() - the first frame */
void hello_take(Peer *peer, const WireHead *head, const uint8_t *payload);

/** hello_answer() - the older sessions are gone */
void hello_answer(Peer *peer);

/** hello_refuse() - answer HELLO with a status and a text, then close */
void hello_refuse(Peer *peer, enum RcacheStatus status, const char *text);

#endif
