/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls-fixture: authorities and certificates for tests, made as they run. */
#ifndef TESTS_TLS_FIXTURE_H
#define TESTS_TLS_FIXTURE_H

#include <glib.h>

#include "arbiter/rcachectl/pki-cert.h"
#include "common/tls-credentials.h"

#define DAY     INT64_C(86400)

/** tls_fixture_authority() - a new one, valid now */
PkiPair *tls_fixture_authority(void);

/** tls_fixture_request() - what a host's certificate is by default */
PkiRequest tls_fixture_request(const char *name);

/** tls_fixture_material() - a host's files, as if read; ends the test if that
 * cannot be
 * @request: NULL: the default one of @host */
TlsMaterial *tls_fixture_material(const PkiPair *authority, const char *host,
                                  const PkiRequest *request);

/** tls_fixture_credentials() - the same, checked */
TlsCredentials *tls_fixture_credentials(const PkiPair *authority,
                                        const char *host,
                                        const PkiRequest *request);

/** tls_fixture_keys() - credentials of a host out of a file of keys */
TlsCredentials *tls_fixture_keys(const char *host, const char *psk);

#endif
