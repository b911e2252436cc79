/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pki-cert: certificates of a small authority, made with GnuTLS.  In memory:
 * where they stand is pki.h.
 */
#ifndef ARBITER_RCACHECTL_PKI_CERT_H
#define ARBITER_RCACHECTL_PKI_CERT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* PEM. */
typedef struct PkiPair {
    char *cert;
    char *key;
} PkiPair;

enum {
    PKI_FOR_SERVER = 1 << 0,
    PKI_FOR_CLIENT = 1 << 1,
};

typedef struct PkiRequest {
    const char *name;           /* of the host */
    const char *const *others;  /* more names of it; or NULL */
    unsigned roles;             /* TLS_ROLE_*; 0: not said */
    unsigned purposes;          /* PKI_FOR_*; 0: not said */
    bool common_name_only;      /* as older tools make them */
    int64_t from, until;        /* seconds since 1970, and so the next */
} PkiRequest;

/** pki_cert_make_authority() - a new authority, or NULL with @errp set */
PkiPair *pki_cert_make_authority(const char *name, int64_t from,
                                 int64_t until, GError **errp);

/** pki_cert_issue() - a certificate and its key, or NULL with @errp set */
PkiPair *pki_cert_issue(const PkiPair *authority, const PkiRequest *request,
                        GError **errp);

/**
 * pki_cert_revoke() - a list of what is revoked
 * @certs: @n certificates, all of those, PEM
 * @number: higher than that of the list before
 *
 * Return: PEM, or NULL with @errp set
 */
char *pki_cert_revoke(const PkiPair *authority, const char *const *certs,
                      unsigned n, uint64_t number, int64_t from,
                      int64_t until, GError **errp);

void pki_pair_free(PkiPair *pair);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PkiPair, pki_pair_free)

#endif
