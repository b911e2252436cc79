/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hello: a connection's first frame (docs/protocol.rst, "HELLO").
 *
 * It says who speaks, and gives no right to anything: a session ends older ones
 * by its first CLAIM (request.c).
 */
#ifndef RCACHED_PROVIDER_HELLO_H
#define RCACHED_PROVIDER_HELLO_H

#include "rcached/provider/peer.h"

/** hello_take() - the first frame */
void hello_take(Peer *peer, const WireHead *head, const uint8_t *payload);

/** hello_refuse() - answer HELLO with a status and a text, then close */
void hello_refuse(Peer *peer, enum RcacheStatus status, const char *text);

#endif
