/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pki: rcachectl pki: a small authority in a folder, for clusters that have
 * none.
 *
 * In the folder are ca-cert.pem and ca-key.pem, ca-crl.pem once a certificate
 * has been revoked, and
 *
 *   hosts/NAME/         what belongs into /etc/pki/rcached of that host
 *   issued/NAME.N.pem   every certificate that is good
 *   revoked/NAME.N.pem  and those that are not any more
 */
#ifndef ARBITER_RCACHECTL_PKI_H
#define ARBITER_RCACHECTL_PKI_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define PKI_DIRECTORY   "/etc/pki/rcached-ca"

typedef struct PkiOptions {
    const char *directory;
    unsigned roles;             /* TLS_ROLE_* */
    uint64_t valid_ms;          /* 0: the default */
} PkiOptions;

/** pki_init() - make the authority; there must be none
 *
 * Return: what to do next, for a person, or NULL with @errp set; so do the
 * others
 */
char *pki_init(const PkiOptions *options, GError **errp);

/**
 * pki_issue() - make a host's certificate, also in place of an older one
 * @names: of the host, its own first; ends with NULL
 */
char *pki_issue(const PkiOptions *options, const char *const *names,
                GError **errp);

/** pki_revoke() - all certificates of a host are of no use any more */
char *pki_revoke(const PkiOptions *options, const char *name, GError **errp);

/** pki_parse_role() - "host", "arbiter", "both" to TLS_ROLE_*; false if it is
 * none of these */
bool pki_parse_role(const char *text, unsigned *roles);

#endif
