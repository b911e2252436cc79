/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-peer: who the peer of a stream is, during the handshake and again when
 * there are other credentials.  See tls-peer.h.
 */
#include "common/tls-peer.h"

#include <errno.h>

/* GnuTLS asks during the handshake, before it says that it is done. */
static int stream_verify(gnutls_session_t session)
{
    TlsStream *s = gnutls_transport_get_ptr(session);
    const gnutls_datum_t *chain;
    char why[TLS_REASON_SIZE];
    unsigned n = 0;

    chain = gnutls_certificate_get_peers(session, &n);
    s->peer = tls_credentials_judge(s->judges, chain, n, s->end == TLS_SERVER
                                    ? TLS_CLIENT : TLS_SERVER, why,
                                    sizeof(why));
    if (!s->peer ||
        !tls_identity_check(s->peer, s->wanted.role, s->name, why,
                            sizeof(why))) {
        tls_stream_fail(s, "%s", why);
    }
    return s->state == STREAM_FAILED ? GNUTLS_E_CERTIFICATE_ERROR : 0;
}

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
    gnutls_session_set_verify_function(s->session, stream_verify);
}

int tls_peer_end(TlsStream *s)
{
    if (tls_credentials_is_psk(s->creds) && take_key_identity(s)) {
        return -EPROTO;
    }
    return s->peer ? 0 : tls_stream_fail(s, "the peer is nobody");
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
