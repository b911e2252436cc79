/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls-ends: two ends of TLS in memory.  See tls-ends.h. */
#include "tests/unit/tls-ends.h"

#include <check.h>
#include <errno.h>
#include <string.h>

const TlsWanted tls_any_host = { .role = TLS_ROLE_HOST };

void ends_open(Ends *e, TlsCredentials *client, TlsCredentials *server,
                      const TlsWanted *wanted)
{
    e->client = tls_stream_new(client, TLS_CLIENT, wanted);
    e->server = tls_stream_new(server, TLS_SERVER, &tls_any_host);
    e->piece = WHOLE;
}

void ends_close(Ends *e)
{
    tls_stream_free(e->client);
    tls_stream_free(e->server);
}

/* What one wants to send arrives at the other; false: there was nothing. */
bool ends_carry(TlsStream *from, TlsStream *to, size_t piece)
{
    size_t len, room;
    const void *bytes = tls_stream_out(from, &len);
    void *at = tls_stream_in(to, &room);

    len = MIN(MIN(len, room), piece);
    if (!len) {
        return false;
    }
    memcpy(at, bytes, len);
    tls_stream_sent(from, len);
    tls_stream_received(to, len);
    return true;
}

/* Until nothing moves any more. */
void ends_shake_hands(Ends *e)
{
    bool moved = true;

    while (moved) {
        tls_stream_step(e->client);
        moved = ends_carry(e->client, e->server, e->piece);
        tls_stream_step(e->server);
        moved |= ends_carry(e->server, e->client, e->piece);
    }
    tls_stream_step(e->client);
    tls_stream_step(e->server);
}

void ends_assert_up(const Ends *e)
{
    ck_assert_msg(tls_stream_up(e->client), "client: %s",
                  tls_stream_reason(e->client));
    ck_assert_msg(tls_stream_up(e->server), "server: %s",
                  tls_stream_reason(e->server));
}

/* One end does not take the other: @text is in its reason. */
void ends_assert_failed(const TlsStream *s, const char *text)
{
    ck_assert(!tls_stream_up(s));
    ck_assert_msg(strstr(tls_stream_reason(s), text) != NULL,
                  "'%s' is not in '%s'", text, tls_stream_reason(s));
}

void ends_write(TlsStream *s, const void *bytes, size_t len)
{
    struct iovec iov = { (void *)bytes, len };

    ck_assert_int_eq(tls_stream_write(s, &iov, 1), 0);
}

/* All that @from has to send is read at @to, and is @want. */
void ends_assert_arrives(TlsStream *from, TlsStream *to, size_t piece,
                           const void *want, size_t len)
{
    uint8_t *got = g_malloc(len + 1);
    size_t have = 0;
    bool moved = true;

    while (moved) {
        ssize_t n;

        moved = ends_carry(from, to, piece);
        while ((n = tls_stream_read(to, got + have, len + 1 - have)) > 0) {
            have += n;
        }
        ck_assert_int_eq(n, 0);
    }
    ck_assert_uint_eq(have, len);
    ck_assert(!memcmp(got, want, len));
    g_free(got);
}

/* Do these two come to speak? */
void ends_try(Ends *e, TlsCredentials *client, TlsCredentials *server,
                     const TlsWanted *wanted)
{
    ends_open(e, client, server, wanted);
    ends_shake_hands(e);
}

/* --------------------------------------------------- a peer of GnuTLS's own */

static ssize_t feed_stream(gnutls_transport_ptr_t opaque, const void *bytes,
                           size_t len)
{
    tls_stream_feed(opaque, bytes, len);
    return len;
}

static ssize_t take_from_stream(gnutls_transport_ptr_t opaque, void *bytes,
                                size_t size)
{
    size_t len;
    const void *out = tls_stream_out(opaque, &len);

    len = MIN(len, size);
    if (!len) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(bytes, out, len);
    tls_stream_sent(opaque, len);
    return len;
}

void ends_join(gnutls_session_t session, TlsStream *s)
{
    gnutls_transport_set_ptr(session, s);
    gnutls_transport_set_push_function(session, feed_stream);
    gnutls_transport_set_pull_function(session, take_from_stream);
}
