/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-peer: who the peer of a stream is, during the handshake and again when
 * there are other credentials.  See tls-peer.h.
 *
 * A certificate is judged as soon as it has come, before anything is done with
 * the key in it: whoever reaches a port can show one.
 */
#include "common/tls-peer.h"

#include <errno.h>
#include <string.h>

#define CHAIN_MAX       8u

/* ------------------------------------------------------------ certificates */

static bool judge(TlsStream *s, const gnutls_datum_t *chain, unsigned n)
{
    char why[TLS_REASON_SIZE];

    g_clear_pointer(&s->peer, tls_identity_free);
    s->peer = tls_credentials_judge(s->judges, chain, n, s->end == TLS_SERVER
                                    ? TLS_CLIENT : TLS_SERVER, why,
                                    sizeof(why));
    if (!s->peer ||
        !tls_identity_check(s->peer, s->wanted.role, s->name, why,
                            sizeof(why))) {
        tls_stream_fail(s, "%s", why);
        return false;
    }
    return true;
}

/* A part of a message with its length before it, of @size bytes. */
static bool take_part(gnutls_datum_t *message, unsigned size,
                      gnutls_datum_t *part)
{
    size_t len = 0;

    if (message->size < size) {
        return false;
    }
    for (unsigned i = 0; i < size; i++) {
        len = len << 8 | message->data[i];
    }
    if (len > message->size - size) {
        return false;
    }
    *part = (gnutls_datum_t) { message->data + size, len };
    message->data += size + len;
    message->size -= size + len;
    return true;
}

/* The certificates of a message Certificate (RFC 8446, 4.4.2). */
static unsigned take_chain(gnutls_datum_t message, gnutls_datum_t *chain)
{
    gnutls_datum_t context, list, extensions;
    unsigned n = 0;

    if (!take_part(&message, 1, &context) || !take_part(&message, 3, &list)) {
        return 0;
    }
    while (n < CHAIN_MAX && take_part(&list, 3, &chain[n]) &&
           take_part(&list, 2, &extensions)) {
        n++;
    }
    return n;
}

/*
 * GnuTLS has a certificate, and has not looked at it.  Next it would check a
 * signature with the key in it, and that can be one of a stranger's choice that
 * takes seconds.  One that shows none, or nothing of the kind, is left to it.
 */
static int on_certificate(gnutls_session_t session, unsigned type,
                          unsigned when, unsigned incoming,
                          const gnutls_datum_t *message)
{
    TlsStream *s = gnutls_transport_get_ptr(session);
    gnutls_datum_t chain[CHAIN_MAX];
    unsigned n = incoming ? take_chain(*message, chain) : 0;

    if (!n) {
        return 0;
    }
    if (tls_credentials_is_psk(s->creds) || s->state != STREAM_HANDSHAKE) {
        tls_stream_fail(s, "the peer has shown a certificate, and none was "
                        "asked for");
        return GNUTLS_E_CERTIFICATE_ERROR;
    }
    g_clear_pointer(&s->leaf, g_bytes_unref);
    s->leaf = g_bytes_new(chain[0].data, chain[0].size);
    return judge(s, chain, n) ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

/* It asks before it says that it is done: it is to have understood the same. */
static int stream_verify(gnutls_session_t session)
{
    const TlsStream *s = gnutls_transport_get_ptr(session);
    unsigned n = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
    size_t len = 0;
    const void *leaf = s->leaf ? g_bytes_get_data(s->leaf, &len) : NULL;

    return s->peer && chain && n && chain->size == len &&
           !memcmp(chain->data, leaf, len) ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

/* -------------------------------------------------------------------- keys */

static int take_key_identity(TlsStream *s)
{
    const char *name = s->end == TLS_SERVER
                           ? gnutls_psk_server_get_username(s->session) : NULL;

    if (s->end == TLS_SERVER && !name) {
        return tls_stream_fail(s, "the peer has shown no key");
    }
    if (name && !tls_credentials_same_key(s->creds, s->judges, name)) {
        return tls_stream_fail(s, "the key of %s is not that any more", name);
    }
    s->peer = tls_identity_of_key(name);
    return 0;
}

void tls_peer_watch(TlsStream *s)
{
    gnutls_handshake_set_hook_function(s->session,
                                       GNUTLS_HANDSHAKE_CERTIFICATE_PKT,
                                       GNUTLS_HOOK_PRE, on_certificate);
    gnutls_session_set_verify_function(s->session, stream_verify);
}

int tls_peer_end(TlsStream *s)
{
    if (tls_credentials_is_psk(s->creds) && take_key_identity(s)) {
        return -EPROTO;
    }
    if (!s->peer) {
        return tls_stream_fail(s, "the peer is nobody");
    }
    if (s->again) {
        unsigned n = 0;
        const gnutls_datum_t *chain = gnutls_certificate_get_peers(s->session,
                                                                   &n);

        return judge(s, chain, n) ? 0 : -EPROTO;
    }
    return 0;
}

/* --------------------------------------------------------------- identity */

const TlsIdentity *tls_stream_peer(const TlsStream *s)
{
    return s->state == STREAM_UP ? s->peer : NULL;
}

bool tls_stream_is(const TlsStream *s, const char *name, char *why,
                   size_t size)
{
    g_autofree char *names = NULL;

    if (s->peer && tls_identity_is(s->peer, name)) {
        return true;
    }
    names = s->peer ? tls_identity_text(s->peer) : g_strdup("nobody");
    g_snprintf(why, size, "it calls itself %s, and its %s is for %s", name,
               tls_credentials_is_psk(s->creds) ? "key" : "certificate",
               names);
    return false;
}

/* Who has shown a key has one no more if the file says so. */
static bool key_still_good(const TlsStream *s, const TlsCredentials *creds,
                           char *why, size_t size)
{
    const char *name = *s->peer->names;

    if (!name || tls_credentials_same_key(s->creds, creds, name)) {
        return true;
    }
    g_snprintf(why, size, "the key of %s is not that any more", name);
    return false;
}

bool tls_stream_still_good(TlsStream *s, TlsCredentials *creds, char *why,
                           size_t size)
{
    TlsIdentity *identity;
    const gnutls_datum_t *chain;
    unsigned n = 0;
    bool good;

    if (tls_credentials_is_psk(creds) != tls_credentials_is_psk(s->creds) ||
        s->state == STREAM_FAILED) {
        return true;
    }
    if (s->state == STREAM_HANDSHAKE) {
        tls_credentials_ref(creds);
        tls_credentials_unref(s->judges);
        s->judges = creds;
        s->again = s->leaf;
        return true;
    }
    if (tls_credentials_is_psk(creds)) {
        return key_still_good(s, creds, why, size);
    }
    chain = gnutls_certificate_get_peers(s->session, &n);
    identity = tls_credentials_judge(creds, chain, n, s->end == TLS_SERVER
                                     ? TLS_CLIENT : TLS_SERVER, why, size);
    good = identity && identity->roles & s->wanted.role;
    if (identity && !good) {
        g_strlcpy(why, "it has another role now", size);
    }
    tls_identity_free(identity);
    return good;
}
