/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-stream: one connection's TLS, over memory.
 *
 * It knows no descriptor.  The owner puts in what has come from the network
 * and takes out what is to go there; in between are a handshake, and then a
 * stream of bytes both ways.
 *
 *   HANDSHAKE --tls_stream_step()--> UP --tls_stream_bye()--> (nothing more
 *       |                             |                        is written)
 *       +----------> FAILED <---------+
 *
 * A failed stream has a reason for the log, and often an alert to be sent:
 * what tls_stream_out() still has is for the peer, so that its log says why
 * as well.
 *
 * Bytes in: tls_stream_in() is room to receive into, which stays where it is
 * until tls_stream_received(); then tls_stream_step() until the stream is up,
 * and tls_stream_read() until it returns 0.  Bytes out: tls_stream_write()
 * encrypts at once, so what was written may change; tls_stream_out() is what
 * to send, which stays where it is until tls_stream_sent() has said how much
 * of it has gone.
 */
#ifndef RCACHE_TLS_STREAM_H
#define RCACHE_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/tls-credentials.h"

/* Where to stop writing: a fault is not to wait behind much more. */
#define TLS_OUT_MAX     65536u

typedef struct TlsStream TlsStream;

/* Whom to speak to. */
typedef struct TlsWanted {
    unsigned role;              /* one of TLS_ROLE_* */
    const char *name;           /* or NULL: whoever it is */
    /* Of a server, at the peer's first byte: false: it is not to go on, since
     * its address has begun too many handshakes.  NULL: it may. */
    bool (*may_begin)(void *opaque);
    void *opaque;
} TlsWanted;

/**
 * tls_stream_new() - a stream that has not begun
 * @creds: a reference is taken
 * @end: which one we are
 * @wanted: copied, with .name; a client has to know it before it says anything
 */
TlsStream *tls_stream_new(TlsCredentials *creds, TlsEnd end,
                          const TlsWanted *wanted);
/** tls_stream_free() - NULL is fine */
void tls_stream_free(TlsStream *stream);

/** tls_stream_in() - where to receive to
 * @room: how much, at least 4096 bytes if all that came before was read */
void *tls_stream_in(TlsStream *stream, size_t *room);

/** tls_stream_received() - @n bytes are there now */
void tls_stream_received(TlsStream *stream, size_t n);

/** tls_stream_feed() - the two above, with a copy, whatever the size */
void tls_stream_feed(TlsStream *stream, const void *bytes, size_t n);

/** tls_stream_is_cut() - is a record still to be ended by the peer? */
bool tls_stream_is_cut(const TlsStream *stream);

/**
 * tls_stream_step() - go on with the handshake; once it is up that does nothing
 *
 * Return: 0, or -EPROTO: failed
 */
int tls_stream_step(TlsStream *stream);

/** tls_stream_up() - may be read and written? */
bool tls_stream_up(const TlsStream *stream);

/** tls_stream_reason() - why it has failed */
const char *tls_stream_reason(const TlsStream *stream);

/**
 * tls_stream_ended() - the peer has closed the connection: what to say of that
 *
 * Return: NULL: nothing, since it was up, or has not even begun
 */
const char *tls_stream_ended(const TlsStream *stream);

/**
 * tls_stream_read() - take bytes that have come
 * @buf: what is behind the bytes that are returned is not kept: something may
 *       be written there, up to @size
 *
 * Return: how many; 0: there are none yet; -EPIPE: the peer will send no more;
 * -EPROTO: failed
 */
ssize_t tls_stream_read(TlsStream *stream, void *buf, size_t size);

/**
 * tls_stream_write() - encrypt all of it
 *
 * Return: 0 or -EPROTO
 */
int tls_stream_write(TlsStream *stream, const struct iovec *iov, unsigned n);

/** tls_stream_bye() - tell the peer that nothing more comes */
void tls_stream_bye(TlsStream *stream);

/** tls_stream_out() - what to send next; @len: how much, 0 if nothing */
const void *tls_stream_out(TlsStream *stream, size_t *len);

/** tls_stream_sent() - the first @n bytes of that have gone */
void tls_stream_sent(TlsStream *stream, size_t n);

/** tls_stream_waiting() - bytes that are to be sent, all of them */
size_t tls_stream_waiting(const TlsStream *stream);

/** tls_stream_trim() - free buffers that are empty: it will be quiet */
void tls_stream_trim(TlsStream *stream);

/** tls_stream_peer() - who the peer is, once it is up; else NULL */
const TlsIdentity *tls_stream_peer(const TlsStream *stream);

/**
 * tls_stream_is() - is the peer called so?
 * @why: @size bytes for a reason that names both
 */
bool tls_stream_is(const TlsStream *stream, const char *name, char *why,
                   size_t size);

/**
 * tls_stream_still_good() - would these credentials take the peer too?
 *
 * During the handshake the answer is yes, and it is they that judge when it
 * ends.  With keys it is no if the peer has connected with a key that is not
 * its any more; whom we have connected to has shown none of its own.
 */
bool tls_stream_still_good(TlsStream *stream, TlsCredentials *creds, char *why,
                           size_t size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsStream, tls_stream_free)

#endif
