/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frames: a control connection on GLib's main loop.
 *
 * It reads frames of the protocol (rcache/proto.h), checks their heads with
 * the codec before it makes room for the rest, and hands out whole ones; it
 * sends what it is given, from a queue with a limit.  PING is answered here.
 * It knows no HELLO and no payload: what a frame means is its owner's.
 *
 * A connection ends once, for one reason: a peer that ends it, bad bytes, a
 * queue that the peer does not empty, a deadline, or the owner.  on_closed is
 * called for that from the main loop, never from within one of these
 * functions; after it, and after frames_free(), nothing is called any more.
 * frames_free() may be called from both callbacks.
 */
#ifndef RCACHE_FRAMES_H
#define RCACHE_FRAMES_H

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/poller.h"
#include "common/wire.h"

#define FRAMES_QUEUE_MAX        (4u * 1024u * 1024u)
#define FRAMES_QUEUE_LIMITED    (64u * 1024u)   /* after frames_limit() */

typedef struct Frames Frames;

typedef struct FramesOps {
    /* One whole frame; @payload has head->length bytes, for this call only. */
    void (*on_frame)(Frames *frames, const WireHead *head,
                     const uint8_t *payload, void *opaque);
    /* The end; @reason in words, for the log. */
    void (*on_closed)(Frames *frames, const char *reason, void *opaque);
} FramesOps;

/**
 * frames_new() - take over a connection
 * @conn: a reference is taken
 * @side: which types are taken: WIRE_ARBITER or WIRE_HOST
 * @ops: must outlive it
 */
Frames *frames_new(GSocketConnection *conn, WireSide side,
                   const FramesOps *ops, void *opaque);

/**
 * frames_new_in() - the same, watched by @poller together with others: for
 * who has many.  It keeps a reference.
 */
Frames *frames_new_in(Poller *poller, GSocketConnection *conn, WireSide side,
                      const FramesOps *ops, void *opaque);

/** frames_free() - close at once, without on_closed; NULL is fine */
void frames_free(Frames *frames);

/**
 * frames_send() - queue whole frames
 * @bytes: as the codec appended them; not taken
 *
 * Return: false if the connection has ended or its queue is full, which ends
 * it
 */
bool frames_send(Frames *frames, const GByteArray *bytes);

/**
 * frames_close() - end it as soon as what is queued has been sent (two
 * seconds at most); frames that still come are thrown away
 */
void frames_close(Frames *frames, const char *reason);

/**
 * frames_limit() - a peer that is not known yet gets no large buffers
 * @length: of a frame's payload; more ends it.  0: as the protocol says again
 */
void frames_limit(Frames *frames, uint32_t length);

/**
 * frames_set_deadline() - end it when the peer is silent for so long
 * @ms: from now and from each whole frame, except that a PING says nothing,
 *      nor a PONG that nobody asked an arbiter's peer for; 0 for no deadline
 */
void frames_set_deadline(Frames *frames, unsigned ms);

/** frames_peer() - "192.0.2.1:40000", for the log */
const char *frames_peer(const Frames *frames);

/** frames_peer_host() - the same without the port; IPv6 without brackets */
const char *frames_peer_host(const Frames *frames);

/* ------------------------------------------------------------- connecting */

typedef struct FramesDial FramesDial;

/**
 * FramesDialed - how it went, called once, from the main loop
 * @conn: NULL if it did not; take a reference to keep it
 * @error: the callee's to look at only
 *
 * The FramesDial is gone when this is called.
 */
typedef void FramesDialed(GSocketConnection *conn, const GError *error,
                          void *opaque);

/**
 * frames_dial() - connect to "ADDRESS:PORT", as address_parse() takes it
 * @port: if the text has none
 */
FramesDial *frames_dial(const char *address, uint16_t port,
                        unsigned timeout_ms, FramesDialed *done,
                        void *opaque);

/** frames_dial_cancel() - never mind; @done is not called */
void frames_dial_cancel(FramesDial *dial);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Frames, frames_free)

#endif
