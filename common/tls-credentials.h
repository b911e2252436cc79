/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-credentials: certificates and keys, checked and ready for sessions.
 *
 * They never change once they are made: a daemon that has read new files
 * makes others, and connections keep those that they began with.  So they may
 * be used on several threads.
 */
#ifndef RCACHE_TLS_CREDENTIALS_H
#define RCACHE_TLS_CREDENTIALS_H

#include <glib.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/tls-identity.h"
#include "common/tls-material.h"

typedef enum TlsEnd {
    TLS_CLIENT,
    TLS_SERVER
} TlsEnd;

typedef struct TlsCredentials TlsCredentials;

/**
 * tls_credentials_new() - check what was read
 * @material: not needed afterwards
 *
 * It must be of use: our certificates are signed by the authority, have our
 * name, and the keys are theirs.  One that has expired is taken all the same,
 * since a daemon that serves can be given another; it is logged.
 *
 * Return: one reference, or NULL with @errp set
 */
TlsCredentials *tls_credentials_new(const TlsMaterial *material,
                                    GError **errp);
/* NULL is fine for both. */
TlsCredentials *tls_credentials_ref(TlsCredentials *creds);
void tls_credentials_unref(TlsCredentials *creds);

/**
 * tls_credentials_expires() - when the first of our own certificates does
 *
 * Return: seconds since 1970; 0: never, since they are keys
 */
int64_t tls_credentials_expires(const TlsCredentials *creds);

/**
 * tls_credentials_list_time() - from when the list of revoked certificates is
 *
 * Return: seconds since 1970, of the newest if there are several; 0: there is
 * none
 */
int64_t tls_credentials_list_time(const TlsCredentials *creds);

/** tls_credentials_is_psk() - keys in place of certificates? */
bool tls_credentials_is_psk(const TlsCredentials *creds);

/** tls_credentials_same_key() - does @name have the same key in both? */
bool tls_credentials_same_key(const TlsCredentials *a, const TlsCredentials *b,
                              const char *name);

/** tls_credentials_roles() - TLS_ROLE_* of our own certificate */
unsigned tls_credentials_roles(const TlsCredentials *creds);

/**
 * tls_credentials_session() - make a session that uses them
 *
 * Return: GnuTLS's error, or 0; the session's pointer is not to be changed
 */
int tls_credentials_session(TlsCredentials *creds, TlsEnd end,
                            gnutls_session_t *out);

/**
 * tls_credentials_judge() - is a peer's certificate good, and whose is it?
 * @peer: the end that the peer is
 * @why: @size bytes for the reason
 *
 * Return: the identity, or NULL
 */
TlsIdentity *tls_credentials_judge(const TlsCredentials *creds,
                                   const gnutls_datum_t *chain, unsigned n,
                                   TlsEnd peer, char *why, size_t size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsCredentials, tls_credentials_unref)

#endif
