/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of tls-stream: what a stranger can have us compute.  The server is
 * ours; its peer is one of GnuTLS's own, which does what ours never would.
 */
#include "common/tls-stream.h"

#include <check.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tls-ends.h"
#include "tests/unit/tls-fixture.h"

#define KEY_BITS    16384u
#define KEY_LEN     (KEY_BITS / 8)

/* ------------------------------------------------------ a key of its choice */

/* A signature: any number below the modulus costs as much as a good one. */
static int sign_anything(gnutls_privkey_t key, gnutls_sign_algorithm_t sign,
                         void *opaque, unsigned flags,
                         const gnutls_datum_t *data, gnutls_datum_t *out)
{
    out->data = gnutls_malloc(KEY_LEN);
    out->size = KEY_LEN;
    memset(out->data, 0x55, KEY_LEN);
    return 0;
}

static int sign_hash(gnutls_privkey_t key, gnutls_sign_algorithm_t sign,
                     void *opaque, unsigned flags, const gnutls_datum_t *hash,
                     gnutls_datum_t *out)
{
    return sign_anything(key, sign, opaque, flags, hash, out);
}

static int key_info(gnutls_privkey_t key, unsigned flags, void *opaque)
{
    if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) {
        return GNUTLS_FLAGS_TO_SIGN_ALGO(flags) ==
               GNUTLS_SIGN_RSA_PSS_RSAE_SHA256;
    }
    return flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS ? (int)KEY_BITS
                                                    : (int)GNUTLS_PK_RSA;
}

/* A certificate for a key that nobody has: all it can do is cost. */
static void make_certificate(gnutls_pcert_st *out)
{
    g_autofree uint8_t *modulus = g_malloc(KEY_LEN);
    g_autoptr(PkiPair) own = tls_fixture_authority();
    gnutls_datum_t m = { modulus, KEY_LEN };
    gnutls_datum_t own_cert = { (uint8_t *)own->cert, strlen(own->cert) };
    gnutls_datum_t own_key = { (uint8_t *)own->key, strlen(own->key) };
    gnutls_x509_privkey_t signer;
    gnutls_x509_crt_t cert, issuer;
    gnutls_pubkey_t key;
    time_t now = time(NULL);

    memset(modulus, 0xff, KEY_LEN);         /* odd, and its own exponent */
    gnutls_pubkey_init(&key);
    ck_assert_int_eq(gnutls_pubkey_import_rsa_raw(key, &m, &m), 0);
    gnutls_x509_privkey_init(&signer);
    gnutls_x509_privkey_import(signer, &own_key, GNUTLS_X509_FMT_PEM);
    gnutls_x509_crt_init(&issuer);
    gnutls_x509_crt_import(issuer, &own_cert, GNUTLS_X509_FMT_PEM);
    gnutls_x509_crt_init(&cert);
    gnutls_x509_crt_set_version(cert, 3);
    gnutls_x509_crt_set_serial(cert, "\1", 1);
    gnutls_x509_crt_set_activation_time(cert, now - DAY);
    gnutls_x509_crt_set_expiration_time(cert, now + DAY);
    ck_assert_int_eq(gnutls_x509_crt_set_dn_by_oid(
        cert, GNUTLS_OID_X520_COMMON_NAME, 0, "req", 3), 0);
    ck_assert_int_eq(gnutls_x509_crt_set_pubkey(cert, key), 0);
    ck_assert_int_eq(gnutls_x509_crt_sign2(cert, issuer, signer,
                                           GNUTLS_DIG_SHA256, 0), 0);
    ck_assert_int_eq(gnutls_pcert_import_x509(out, cert, 0), 0);
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_crt_deinit(issuer);
    gnutls_x509_privkey_deinit(signer);
    gnutls_pubkey_deinit(key);
}

/* Shake hands as far as it goes. */
static void meet(gnutls_session_t client, TlsStream *s)
{
    ends_join(client, s);
    for (int i = 0; i < 4 && !tls_stream_up(s); i++) {
        gnutls_handshake(client);
        tls_stream_step(s);
    }
}

START_TEST(no_key_of_a_stranger_is_used)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    g_autoptr(TlsStream) s = tls_stream_new(b, TLS_SERVER, &tls_any_host);
    gnutls_certificate_credentials_t creds;
    gnutls_session_t client;
    gnutls_privkey_t key;
    gnutls_pcert_st cert;

    make_certificate(&cert);
    gnutls_privkey_init(&key);
    ck_assert_int_eq(gnutls_privkey_import_ext4(key, NULL, sign_anything,
                                                sign_hash, NULL, NULL,
                                                key_info, 0), 0);
    gnutls_certificate_allocate_credentials(&creds);
    gnutls_certificate_set_flags(creds, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    ck_assert_int_eq(gnutls_certificate_set_key(creds, NULL, 0, &cert, 1,
                                                key), 0);
    gnutls_init(&client, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
    gnutls_priority_set_direct(client, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
    gnutls_credentials_set(client, GNUTLS_CRD_CERTIFICATE, creds);
    meet(client, s);
    /* It is the certificate that is refused, not the signature. */
    ends_assert_failed(s, "the certificate for req is refused");
    gnutls_deinit(client);
    gnutls_certificate_free_credentials(creds);
}
END_TEST

/* ----------------------------------------------------------- key exchanges */

static const struct {
    const char *group;
    bool taken;
} groups[] = {
    { "X25519", true }, { "SECP256R1", true }, { "SECP384R1", true },
    { "SECP521R1", false }, { "X448", false }, { "FFDHE2048", false },
    { "FFDHE3072", false }, { "FFDHE4096", false }, { "FFDHE6144", false },
    { "FFDHE8192", false },
};

/* The client says in which group; some cost many times what others do. */
START_TEST(only_cheap_groups_are_taken)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    g_autoptr(TlsStream) s = tls_stream_new(b, TLS_SERVER, &tls_any_host);
    g_autofree char *priority = g_strdup_printf(
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-%s",
        groups[_i].group);
    gnutls_session_t client;

    ck_assert_int_eq(tls_credentials_session(b, TLS_CLIENT, &client), 0);
    ck_assert_int_eq(gnutls_priority_set_direct(client, priority, NULL), 0);
    meet(client, s);
    ck_assert_msg(tls_stream_up(s) == groups[_i].taken, "%s: %s",
                  groups[_i].group, tls_stream_reason(s));
    gnutls_deinit(client);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls-cost");
    TCase *tc = tcase_create("tls-cost");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, no_key_of_a_stranger_is_used);
    tcase_add_loop_test(tc, only_cheap_groups_are_taken, 0,
                        G_N_ELEMENTS(groups));
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
