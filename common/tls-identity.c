/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-identity: whose certificate it is.  See tls-identity.h.
 *
 * GnuTLS's own check of host names is not used, since it is one for the web:
 * it takes wildcards, and looks at common names of servers only.
 */
#include "common/tls-identity.h"

#include <string.h>

#define NAME_SIZE       256u
#define NAMES_MAX       16u     /* others are not looked at */

/* A text of a certificate that somebody may log; others do not count. */
static bool is_plain(const char *text, size_t len)
{
    if (!len || strnlen(text, len) != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!g_ascii_isgraph(text[i])) {
            return false;
        }
    }
    return true;
}

static unsigned role_of(const char *uri)
{
    return !strcmp(uri, TLS_URI_HOST) ? TLS_ROLE_HOST
           : !strcmp(uri, TLS_URI_ARBITER) ? TLS_ROLE_ARBITER : 0;
}

/* Return: false if there is no such one. */
static bool take_name(gnutls_x509_crt_t cert, unsigned i, GStrvBuilder *names,
                      unsigned *nr, unsigned *roles)
{
    char text[NAME_SIZE + 1];
    size_t len = NAME_SIZE;
    unsigned type;
    int ret = gnutls_x509_crt_get_subject_alt_name2(cert, i, text, &len, &type,
                                                    NULL);

    if (ret == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
        return false;
    }
    if (ret < 0 || len > NAME_SIZE || !is_plain(text, len)) {
        return true;            /* not one of ours; there may be more */
    }
    text[len] = '\0';
    if (type == GNUTLS_SAN_DNSNAME && *nr < NAMES_MAX) {
        g_strv_builder_add(names, text);
        (*nr)++;
    } else if (type == GNUTLS_SAN_URI) {
        *roles |= role_of(text);
    }
    return true;
}

static void take_common_name(gnutls_x509_crt_t cert, GStrvBuilder *names)
{
    char text[NAME_SIZE + 1];
    size_t len = sizeof(text);

    if (!gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0,
                                       text, &len) && is_plain(text, len)) {
        g_strv_builder_add(names, text);
    }
}

TlsIdentity *tls_identity_of_certificate(gnutls_x509_crt_t cert)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    TlsIdentity *identity = g_new0(TlsIdentity, 1);
    unsigned nr = 0, i = 0;

    while (take_name(cert, i, names, &nr, &identity->roles)) {
        i++;
    }
    if (!nr) {
        take_common_name(cert, names);
    }
    if (!identity->roles) {
        identity->roles = TLS_ROLE_HOST;
    }
    identity->names = g_strv_builder_end(names);
    identity->expires = gnutls_x509_crt_get_expiration_time(cert);
    return identity;
}

TlsIdentity *tls_identity_of_key(const char *name)
{
    TlsIdentity *identity = g_new0(TlsIdentity, 1);

    identity->anybody = !name;
    identity->names = g_new0(char *, 2);
    identity->names[0] = g_strdup(name);
    identity->roles = TLS_ROLE_HOST | TLS_ROLE_ARBITER;
    return identity;
}

void tls_identity_free(TlsIdentity *identity)
{
    if (identity) {
        g_strfreev(identity->names);
        g_free(identity);
    }
}

bool tls_identity_is(const TlsIdentity *identity, const char *name)
{
    for (char **own = identity->names; *own; own++) {
        if (!strcmp(*own, name)) {
            return true;
        }
    }
    return identity->anybody;
}

bool tls_identity_check(const TlsIdentity *identity, unsigned role,
                        const char *name, char *why, size_t size)
{
    g_autofree char *names = tls_identity_text(identity);

    if (!(identity->roles & role)) {
        g_snprintf(why, size, "the certificate for %s is %s's, and only %s's "
                   "is taken here", names,
                   identity->roles == TLS_ROLE_HOST ? "a host" : "an arbiter",
                   role == TLS_ROLE_HOST ? "a host" : "an arbiter");
        return false;
    }
    if (name && !tls_identity_is(identity, name)) {
        g_snprintf(why, size, "the certificate is for %s and not for %s",
                   names, name);
        return false;
    }
    return true;
}

char *tls_identity_text(const TlsIdentity *identity)
{
    return *identity->names ? g_strjoinv(", ", identity->names)
           : g_strdup(identity->anybody ? "anybody with a key" : "nobody");
}

const char *tls_roles_text(unsigned roles)
{
    switch (roles) {
    case TLS_ROLE_HOST | TLS_ROLE_ARBITER:
        return "host and arbiter";
    case TLS_ROLE_ARBITER:
        return "arbiter";
    default:
        return "host";
    }
}
