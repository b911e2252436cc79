/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-conn: a control connection on GLib's main loop.
 *
 * It reads frames of the protocol (rcache/proto.h), checks their heads with
 * the codec before it makes room for the rest, and hands out whole ones; it
 * sends what it is given, from a queue with a limit.  PING is answered here.
 * It knows no HELLO and no payload: what a frame means is its owner's.
 *
 * With control_conn_start_tls() all of that goes through TLS, and what is sent
 * before the peer's certificate has been judged waits for it.
 *
 * A connection ends once, for one reason: a peer that ends it, bad bytes, a
 * queue that the peer does not empty, a deadline, or the owner.  on_closed is
 * called for that from the main loop, never from within one of these
 * functions; after it, and after control_conn_free(), nothing is called any
 * more. control_conn_free() may be called from both callbacks.
 */
#ifndef RCACHE_CONTROL_CONN_H
#define RCACHE_CONTROL_CONN_H

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/frame-pace.h"
#include "common/poller.h"
#include "common/tls-stream.h"
#include "common/wire.h"

#define CONTROL_QUEUE_MAX     (4u * 1024u * 1024u)
#define CONTROL_QUEUE_LIMITED (64u * 1024u) /* after control_conn_limit() */

typedef struct ControlConn ControlConn;

typedef struct ControlConnOps {
    /* One whole frame; @payload has head->length bytes, for this call only. */
    void (*on_frame)(ControlConn *frames, const WireHead *head,
                     const uint8_t *payload, void *opaque);
    /* The end; @reason in words, for the log. */
    void (*on_closed)(ControlConn *frames, const char *reason, void *opaque);
    /* It sends too fast, and is not read for a moment; or NULL. */
    void (*on_paced)(ControlConn *frames, void *opaque);
} ControlConnOps;

/**
 * control_conn_new() - take over a connection
 * @conn: a reference is taken
 * @side: which types are taken: WIRE_ARBITER or WIRE_HOST
 * @ops: must outlive it
 */
ControlConn *control_conn_new(GSocketConnection *conn, WireSide side,
                              const ControlConnOps *ops, void *opaque);

/**
 * control_conn_new_in() - the same, watched by @poller together with others:
 * for who has many.  It keeps a reference.
 */
ControlConn *control_conn_new_in(Poller *poller, GSocketConnection *conn,
                                 WireSide side, const ControlConnOps *ops,
                                 void *opaque);

/**
 * control_conn_start_tls() - speak TLS on it, from its first byte on
 * @creds: a reference is taken; NULL: speak without
 * @wanted: whom to take
 */
void control_conn_start_tls(ControlConn *frames, TlsCredentials *creds,
                            TlsEnd end, const TlsWanted *wanted);

/**
 * control_conn_pace() - take so many frames, PINGs included; a new one takes
 * any number
 *
 * Who sends more is not read meanwhile, and TCP makes it wait.
 */
void control_conn_pace(ControlConn *frames, const FramePace *pace);

/** control_conn_paced() - how far that is by now */
const FramePace *control_conn_paced(const ControlConn *frames);

/**
 * control_conn_is() - is @name one of the peer's, by its certificate?
 * @why: @size bytes for a reason that names both
 *
 * Without TLS everybody is who he says he is.
 */
bool control_conn_is(const ControlConn *frames, const char *name, char *why,
                     size_t size);

/**
 * control_conn_expires() - when the peer's certificate does
 *
 * Return: seconds since 1970; 0: it has none
 */
int64_t control_conn_expires(const ControlConn *frames);

/**
 * control_conn_recheck() - new credentials are here: end it if they do not
 * take its peer
 */
void control_conn_recheck(ControlConn *frames, TlsCredentials *creds);

/** control_conn_free() - close at once, without on_closed; NULL is fine */
void control_conn_free(ControlConn *frames);

/**
 * control_conn_send() - queue whole frames
 * @bytes: as the codec appended them; not taken
 *
 * Return: false if the connection has ended or its queue is full, which ends
 * it
 */
bool control_conn_send(ControlConn *frames, const GByteArray *bytes);

/**
 * control_conn_close() - end it as soon as what is queued has been sent (two
 * seconds at most); frames that still come are thrown away
 */
void control_conn_close(ControlConn *frames, const char *reason);

/**
 * control_conn_limit() - a peer that is not known yet gets no large buffers
 * @length: of a frame's payload; more ends it.  0: as the protocol says again
 */
void control_conn_limit(ControlConn *frames, uint32_t length);

/**
 * control_conn_set_deadline() - end it when the peer is silent for so long
 * @ms: from now and from each whole frame, except that a PING says nothing,
 *      nor a PONG that nobody asked an arbiter's peer for; 0 for no deadline
 */
void control_conn_set_deadline(ControlConn *frames, unsigned ms);

/** control_conn_peer() - "192.0.2.1:40000", for the log */
const char *control_conn_peer(const ControlConn *frames);

/** control_conn_peer_host() - the same without the port; IPv6 without brackets
 */
const char *control_conn_peer_host(const ControlConn *frames);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ControlConn, control_conn_free)

#endif
