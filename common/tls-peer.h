/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-peer: who the peer of a stream is; for tls-stream.c.  What others call
 * of it is in tls-stream.h.
 */
#ifndef RCACHE_TLS_PEER_H
#define RCACHE_TLS_PEER_H

#include "common/tls-stream-internal.h"

/** tls_peer_watch() - have GnuTLS ask about the peer of a new session */
void tls_peer_watch(TlsStream *s);

/** tls_peer_end() - the handshake is over: who is it?  0 or -EPROTO */
int tls_peer_end(TlsStream *s);

#endif
