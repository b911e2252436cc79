/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls-fixture: certificates for tests.  See tls-fixture.h. */
#include "tests/unit/tls-fixture.h"

#include <check.h>

static int64_t now_s(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

PkiPair *tls_fixture_authority(void)
{
    g_autoptr(GError) error = NULL;
    PkiPair *pair = pki_cert_make_authority("an authority", now_s() - DAY,
                                            now_s() + 100 * DAY, &error);

    ck_assert_msg(pair != NULL, "%s", error ? error->message : "");
    return pair;
}

PkiRequest tls_fixture_request(const char *name)
{
    return (PkiRequest) {
        .name = name, .roles = TLS_ROLE_HOST,
        .purposes = PKI_FOR_SERVER | PKI_FOR_CLIENT,
        .from = now_s() - DAY, .until = now_s() + 50 * DAY,
    };
}

TlsMaterial *tls_fixture_material(const PkiPair *authority, const char *host,
                                  const PkiRequest *request)
{
    PkiRequest usual = tls_fixture_request(host);
    g_autoptr(GError) error = NULL;
    g_autoptr(PkiPair) pair = pki_cert_issue(authority, request ? request
                                             : &usual, &error);
    TlsMaterial *m = g_new0(TlsMaterial, 1);

    ck_assert_msg(pair != NULL, "%s", error ? error->message : "");
    m->host = g_strdup(host);
    m->priority = g_strdup("NORMAL");
    m->arbiters = g_new0(char *, 1);
    m->ca = g_strdup(authority->cert);
    m->server_cert = g_strdup(pair->cert);
    m->server_key = g_strdup(pair->key);
    m->client_cert = g_strdup(pair->cert);
    m->client_key = g_strdup(pair->key);
    return m;
}

static TlsCredentials *credentials(const TlsMaterial *m)
{
    g_autoptr(GError) error = NULL;
    TlsCredentials *creds = tls_credentials_new(m, &error);

    ck_assert_msg(creds != NULL, "%s", error ? error->message : "");
    return creds;
}

TlsCredentials *tls_fixture_credentials(const PkiPair *authority,
                                        const char *host,
                                        const PkiRequest *request)
{
    g_autoptr(TlsMaterial) m = tls_fixture_material(authority, host, request);

    return credentials(m);
}

TlsCredentials *tls_fixture_keys(const char *host, const char *psk)
{
    g_autoptr(TlsMaterial) m = g_new0(TlsMaterial, 1);

    m->host = g_strdup(host);
    m->priority = g_strdup("NORMAL");
    m->arbiters = g_new0(char *, 1);
    m->psk = g_strdup(psk);
    return credentials(m);
}
