/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-stream: one connection's TLS, over memory.  See tls-stream.h; tls-peer.c
 * knows whose it is.
 *
 * GnuTLS's push function appends to .out, its pull function takes from .in.
 * What is being sent stands in .flying, which nobody appends to, since the
 * kernel reads it; when all of it has gone the two change places.
 *
 * The room to receive into grows with what comes: most connections of a
 * provider see small requests only, and there may be thousands.
 *
 * Once it is up, tls-data.c opens records straight from .in and makes them in
 * .out.
 */
#include "common/tls-stream.h"

#include <errno.h>
#include <string.h>

#include "common/tls-data.h"
#include "common/tls-peer.h"
#include "rcache/proto.h"

#define IN_FIRST        4096u   /* a handshake's messages come in pieces */
#define IN_UP           16384u
#define IN_MAX          (128u * 1024u)
/* Of a whole handshake: some certificates with long keys.  GnuTLS keeps 128 KiB
 * of each message, and a server has thousands whom it does not know yet. */
#define HANDSHAKE_MAX   (32u * 1024u)

/* ------------------------------------------------------------- to GnuTLS */

static ssize_t stream_push(gnutls_transport_ptr_t opaque, const giovec_t *iov,
                           int n)
{
    TlsStream *s = opaque;
    ssize_t total = 0;

    if (s->writes.cipher && !s->lent) {
        /*
         * Our own mistake: the record has a number that has been used.  GnuTLS
         * keeps it, and would send it before whatever comes next.
         */
        s->spoilt = true;
        tls_stream_fail(s, "TLS: a record was made out of turn");
        gnutls_transport_set_errno(s->session, EIO);
        return -1;
    }
    if (!s->out) {
        s->out = g_byte_array_new();
    }
    for (int i = 0; i < n; i++) {
        g_byte_array_append(s->out, iov[i].iov_base, iov[i].iov_len);
        total += iov[i].iov_len;
    }
    return total;
}

static ssize_t stream_pull(gnutls_transport_ptr_t opaque, void *buf,
                           size_t size)
{
    TlsStream *s = opaque;
    size_t n = MIN(size, s->in_end - s->in_start);

    if (!n) {
        gnutls_transport_set_errno(s->session, EAGAIN);
        return -1;
    }
    memcpy(buf, s->in + s->in_start, n);
    s->in_start += n;
    s->pulled += s->state == STREAM_HANDSHAKE ? n : 0;
    return n;
}

/* Nobody waits here: is there anything? */
static int stream_pull_timeout(gnutls_transport_ptr_t opaque, unsigned ms)
{
    const TlsStream *s = opaque;

    return s->in_end > s->in_start;
}

/* ----------------------------------------------------------------- set-up */

TlsStream *tls_stream_new(TlsCredentials *creds, TlsEnd end,
                          const TlsWanted *wanted)
{
    TlsStream *s = g_new0(TlsStream, 1);
    int ret;

    s->creds = tls_credentials_ref(creds);
    s->judges = tls_credentials_ref(creds);
    s->end = end;
    s->wanted = *wanted;
    s->wanted.name = s->name = g_strdup(wanted->name);
    ret = tls_credentials_session(creds, end, &s->session);
    if (ret < 0) {
        s->session = NULL;
        tls_stream_fail(s, "cannot make a TLS session: %s",
                        gnutls_strerror(ret));
        return s;
    }
    gnutls_transport_set_ptr(s->session, s);
    gnutls_transport_set_vec_push_function(s->session, stream_push);
    gnutls_transport_set_pull_function(s->session, stream_pull);
    gnutls_transport_set_pull_timeout_function(s->session,
                                               stream_pull_timeout);
    tls_peer_watch(s);
    return s;
}

static void bytes_clear(GByteArray **bytes)
{
    g_clear_pointer(bytes, g_byte_array_unref);
}

void tls_stream_free(TlsStream *s)
{
    if (!s) {
        return;
    }
    tls_data_end(s);
    if (s->session) {
        gnutls_deinit(s->session);
    }
    tls_credentials_unref(s->creds);
    tls_credentials_unref(s->judges);
    tls_identity_free(s->peer);
    g_clear_pointer(&s->leaf, g_bytes_unref);
    bytes_clear(&s->out);
    bytes_clear(&s->flying);
    g_free(s->in);
    g_free(s->name);
    g_free(s);
}

/* --------------------------------------------------------------------- in */

/* Room for @n bytes more behind those that are there. */
static void in_make_room(TlsStream *s, size_t n)
{
    size_t there = s->in_end - s->in_start;

    if (!there) {
        s->in_start = s->in_end = 0;
    }
    if (s->in_size - s->in_end >= n) {
        return;
    }
    if (s->in_start) {
        memmove(s->in, s->in + s->in_start, there);
        s->in_start = 0;
        s->in_end = there;
    }
    if (s->in_size < there + n) {
        s->in_size = there + n;
        s->in = g_realloc(s->in, s->in_size);
    }
}

void *tls_stream_in(TlsStream *s, size_t *room)
{
    size_t want = s->state == STREAM_UP ? MAX(s->in_want, IN_UP) : IN_FIRST;
    size_t there = s->in_end - s->in_start;

    in_make_room(s, there + IN_FIRST > want ? IN_FIRST : want - there);
    *room = s->in_size - s->in_end;
    return s->in + s->in_end;
}

void tls_stream_received(TlsStream *s, size_t n)
{
    tls_record_pass(&s->coming, s->in + s->in_end, n);
    s->in_end += n;
    if (s->in_end == s->in_size && s->state == STREAM_UP) {
        s->in_want = MIN(s->in_size * 2, IN_MAX);
    }
}

void tls_stream_feed(TlsStream *s, const void *bytes, size_t n)
{
    in_make_room(s, n);
    memcpy(s->in + s->in_end, bytes, n);
    tls_record_pass(&s->coming, bytes, n);
    s->in_end += n;
}

bool tls_stream_is_cut(const TlsStream *s)
{
    return tls_record_is_cut(&s->coming);
}

/* -------------------------------------------------------------- handshake */

static int handshake_failed(TlsStream *s, int ret)
{
    const char *text = gnutls_strerror(ret);

    switch (ret) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return tls_stream_fail(s, "the peer has refused the TLS handshake: %s",
                               tls_data_alert(s));
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
    case GNUTLS_E_NO_CIPHER_SUITES:     /* what GnuTLS makes of TLS 1.2 */
        text = "the peer speaks no TLS 1.3, or has no cipher in common";
        break;
    case GNUTLS_E_CERTIFICATE_REQUIRED:
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
        text = "the peer has shown no certificate";
        break;
    }
    /* One that has a reason of its own, from tls-peer.c, keeps it. */
    tls_stream_fail(s, "the TLS handshake has failed: %s", text);
    return tls_data_fail(s, ret);
}

/* Has the peer begun, as it should?  Nothing has cost much before that. */
static int stream_begin(TlsStream *s)
{
    if (s->heard || s->in_end == s->in_start) {
        return 0;
    }
    s->heard = true;
    /* A handshake's first byte is none of a frame's. */
    if (s->in[s->in_start] == (RCACHE_MAGIC & 0xff)) {
        gnutls_alert_send(s->session, GNUTLS_AL_FATAL,
                          GNUTLS_A_UNEXPECTED_MESSAGE);
        return tls_stream_fail(s, "the peer speaks without TLS (tls=none), and "
                               "TLS is wanted here");
    }
    if (s->wanted.may_begin && !s->wanted.may_begin(s->wanted.opaque)) {
        gnutls_alert_send(s->session, GNUTLS_AL_FATAL, ALERT_TOO_MANY);
        return tls_stream_fail(s, "too many TLS handshakes from its address");
    }
    return 0;
}

int tls_stream_step(TlsStream *s)
{
    size_t from;
    int ret;

    if (s->state != STREAM_HANDSHAKE) {
        return s->state == STREAM_UP ? 0 : -EPROTO;
    }
    if (stream_begin(s)) {
        return -EPROTO;
    }
    do {
        from = s->in_start;
        ret = gnutls_handshake(s->session);
    } while (ret == GNUTLS_E_INTERRUPTED ||
             ret == GNUTLS_E_WARNING_ALERT_RECEIVED ||
             (ret == GNUTLS_E_AGAIN && tls_data_sees_more(s, from)));
    if (ret == GNUTLS_E_AGAIN && s->pulled <= HANDSHAKE_MAX) {
        return 0;
    }
    if (ret == GNUTLS_E_AGAIN) {
        ret = GNUTLS_E_HANDSHAKE_TOO_LARGE;
    }
    if (ret < 0) {
        return handshake_failed(s, ret);
    }
    if (tls_peer_end(s)) {
        return tls_data_fail(s, GNUTLS_E_CERTIFICATE_ERROR);
    }
    if (gnutls_protocol_get_version(s->session) != GNUTLS_TLS1_3) {
        return tls_stream_fail(s, "TLS was agreed upon that is not ours");
    }
    s->state = STREAM_UP;
    tls_data_begin(s);
    return 0;
}

bool tls_stream_up(const TlsStream *s)
{
    return s->state == STREAM_UP;
}

const char *tls_stream_reason(const TlsStream *s)
{
    return s->reason;
}

const char *tls_stream_ended(const TlsStream *s)
{
    if (s->state == STREAM_UP) {
        return NULL;
    }
    if (s->heard) {
        return "the peer closed the connection during the TLS handshake";
    }
    return s->end == TLS_SERVER
        ? NULL
        : "the peer closed the connection at the first bytes of TLS: does it "
          "speak without (tls=none)?";
}

/* -------------------------------------------------------------------- out */

const void *tls_stream_out(TlsStream *s, size_t *len)
{
    if ((!s->flying || s->flying->len == 0) && s->out && s->out->len) {
        GByteArray *empty = s->flying;

        s->flying = s->out;
        s->out = empty;
        s->sent = 0;
    }
    *len = s->flying ? s->flying->len - s->sent : 0;
    return *len ? s->flying->data + s->sent : NULL;
}

void tls_stream_sent(TlsStream *s, size_t n)
{
    s->sent += n;
    if (s->sent == s->flying->len) {
        g_byte_array_set_size(s->flying, 0);
        s->sent = 0;
    }
}

size_t tls_stream_waiting(const TlsStream *s)
{
    return (s->out ? s->out->len : 0) +
           (s->flying ? s->flying->len - s->sent : 0);
}

void tls_stream_trim(TlsStream *s)
{
    if (!tls_stream_waiting(s)) {
        bytes_clear(&s->out);
        bytes_clear(&s->flying);
    }
    if (s->in_end == s->in_start) {
        g_clear_pointer(&s->in, g_free);
        s->in_size = s->in_start = s->in_end = 0;
    }
}
