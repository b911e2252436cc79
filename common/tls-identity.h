/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-identity: whose certificate it is: names, roles, and until when.
 *
 * docs/protocol.rst, "Who is who", has the rules.
 */
#ifndef RCACHE_TLS_IDENTITY_H
#define RCACHE_TLS_IDENTITY_H

#include <glib.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    TLS_ROLE_HOST = 1 << 0,
    TLS_ROLE_ARBITER = 1 << 1,
};

#define TLS_URI_HOST    "rcached:host"
#define TLS_URI_ARBITER "rcached:arbiter"

typedef struct TlsIdentity {
    char **names;               /* at least one, unless .anybody */
    unsigned roles;             /* TLS_ROLE_* */
    int64_t expires;            /* seconds since 1970; 0: never */
    bool anybody;               /* it has a key, and nothing says whose */
} TlsIdentity;

/** tls_identity_of_certificate() - never NULL; one without names is nobody */
TlsIdentity *tls_identity_of_certificate(gnutls_x509_crt_t cert);

/** tls_identity_of_key() - @name: whose key it is; NULL: that is not known */
TlsIdentity *tls_identity_of_key(const char *name);

void tls_identity_free(TlsIdentity *identity);

/** tls_identity_is() - is @name one of its names?  Case counts: a host is not
 * to be two. */
bool tls_identity_is(const TlsIdentity *identity, const char *name);

/**
 * tls_identity_check() - is it whom we want?
 * @role: one of TLS_ROLE_*
 * @name: or NULL: whoever it is
 * @why: @size bytes for the reason if it is not
 */
bool tls_identity_check(const TlsIdentity *identity, unsigned role,
                        const char *name, char *why, size_t size);

/** tls_identity_text() - its names for a person, new: "a, a.example.org" */
char *tls_identity_text(const TlsIdentity *identity);

/** tls_roles_text() - "host", "arbiter", "host and arbiter" */
const char *tls_roles_text(unsigned roles);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsIdentity, tls_identity_free)

#endif
