/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pki-cert: certificates of a small authority.  See pki-cert.h.
 *
 * Keys are of the curve P-256, which every TLS library has, and with which a
 * handshake costs a tenth of what it does with RSA.
 */
#include "arbiter/rcachectl/pki-cert.h"

#include <gio/gio.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>

#include "common/tls-identity.h"

#define SERIAL_LEN      16u
#define KEY_ID_MAX      64u

typedef struct Signer {
    gnutls_x509_crt_t cert;
    gnutls_x509_privkey_t key;
} Signer;

static bool fail(GError **errp, const char *what, int ret)
{
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", what,
                gnutls_strerror(ret));
    return false;
}

void pki_pair_free(PkiPair *pair)
{
    if (pair) {
        g_free(pair->cert);
        if (pair->key) {
            explicit_bzero(pair->key, strlen(pair->key));
        }
        g_free(pair->key);
        g_free(pair);
    }
}

static void signer_deinit(Signer *signer)
{
    g_clear_pointer(&signer->cert, gnutls_x509_crt_deinit);
    g_clear_pointer(&signer->key, gnutls_x509_privkey_deinit);
}

static gnutls_datum_t text_datum(const char *text)
{
    return (gnutls_datum_t) { (unsigned char *)text, strlen(text) };
}

static int signer_load(Signer *signer, const PkiPair *pair)
{
    gnutls_datum_t cert = text_datum(pair->cert);
    gnutls_datum_t key = text_datum(pair->key);
    int ret;

    *signer = (Signer) { 0 };
    ret = gnutls_x509_crt_init(&signer->cert);
    if (ret >= 0) {
        ret = gnutls_x509_privkey_init(&signer->key);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_import(signer->cert, &cert, GNUTLS_X509_FMT_PEM);
    }
    if (ret >= 0) {
        ret = gnutls_x509_privkey_import(signer->key, &key,
                                         GNUTLS_X509_FMT_PEM);
    }
    return ret;
}

/* A certificate without contents, and a new key for it. */
static int signer_generate(Signer *signer)
{
    unsigned bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    int ret;

    *signer = (Signer) { 0 };
    ret = gnutls_x509_crt_init(&signer->cert);
    if (ret >= 0) {
        ret = gnutls_x509_privkey_init(&signer->key);
    }
    return ret < 0 ? ret
                   : gnutls_x509_privkey_generate(signer->key,
                                                  GNUTLS_PK_ECDSA, bits, 0);
}

/* ---------------------------------------------------------------- contents */

static int set_serial(gnutls_x509_crt_t cert)
{
    uint8_t serial[SERIAL_LEN];
    int ret = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

    serial[0] &= 0x7f;          /* a positive number, */
    serial[0] |= 0x40;          /* and always of that length */
    return ret < 0 ? ret
                   : gnutls_x509_crt_set_serial(cert, serial, sizeof(serial));
}

/* What every certificate has. */
static int set_common(const Signer *own, const char *name, int64_t from,
                      int64_t until)
{
    uint8_t id[KEY_ID_MAX];
    size_t len = sizeof(id);
    int ret = set_serial(own->cert);

    if (ret >= 0) {
        ret = gnutls_x509_crt_set_version(own->cert, 3);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_dn_by_oid(own->cert,
                                            GNUTLS_OID_X520_COMMON_NAME, 0,
                                            name, strlen(name));
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_activation_time(own->cert, from);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_expiration_time(own->cert, until);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_key(own->cert, own->key);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_get_key_id(own->cert, GNUTLS_KEYID_USE_SHA1, id,
                                         &len);
    }
    return ret < 0 ? ret
                   : gnutls_x509_crt_set_subject_key_id(own->cert, id, len);
}

static int add_name(gnutls_x509_crt_t cert, gnutls_x509_subject_alt_name_t type,
                    const char *name)
{
    return gnutls_x509_crt_set_subject_alt_name(cert, type, name, strlen(name),
                                                GNUTLS_FSAN_APPEND);
}

static int set_names(gnutls_x509_crt_t cert, const PkiRequest *request)
{
    int ret = request->common_name_only
                  ? 0 : add_name(cert, GNUTLS_SAN_DNSNAME, request->name);

    for (unsigned i = 0; ret >= 0 && request->others && request->others[i];
         i++) {
        ret = add_name(cert, GNUTLS_SAN_DNSNAME, request->others[i]);
    }
    if (ret >= 0 && request->roles & TLS_ROLE_HOST) {
        ret = add_name(cert, GNUTLS_SAN_URI, TLS_URI_HOST);
    }
    if (ret >= 0 && request->roles & TLS_ROLE_ARBITER) {
        ret = add_name(cert, GNUTLS_SAN_URI, TLS_URI_ARBITER);
    }
    return ret;
}

static int set_use(gnutls_x509_crt_t cert, unsigned purposes)
{
    int ret = gnutls_x509_crt_set_basic_constraints(cert, 0, -1);

    if (ret >= 0) {
        ret = gnutls_x509_crt_set_key_usage(cert,
                                            GNUTLS_KEY_DIGITAL_SIGNATURE);
    }
    if (ret >= 0 && purposes & PKI_FOR_SERVER) {
        ret = gnutls_x509_crt_set_key_purpose_oid(
            cert, GNUTLS_KP_TLS_WWW_SERVER, 0);
    }
    if (ret >= 0 && purposes & PKI_FOR_CLIENT) {
        ret = gnutls_x509_crt_set_key_purpose_oid(
            cert, GNUTLS_KP_TLS_WWW_CLIENT, 0);
    }
    return ret;
}

static int sign(const Signer *own, const Signer *by)
{
    uint8_t id[KEY_ID_MAX];
    size_t len = sizeof(id);
    int ret = gnutls_x509_crt_get_subject_key_id(by->cert, id, &len, NULL);

    if (ret >= 0) {
        ret = gnutls_x509_crt_set_authority_key_id(own->cert, id, len);
    }
    return ret < 0 ? ret
                   : gnutls_x509_crt_sign2(own->cert, by->cert, by->key,
                                           GNUTLS_DIG_SHA256, 0);
}

/* ------------------------------------------------------------------- pairs */

static char *take_text(gnutls_datum_t *text)
{
    char *copy = g_strndup((const char *)text->data, text->size);

    explicit_bzero(text->data, text->size);
    gnutls_free(text->data);
    return copy;
}

static PkiPair *pair_new(const Signer *own, GError **errp)
{
    g_autoptr(PkiPair) pair = g_new0(PkiPair, 1);
    gnutls_datum_t text;
    int ret = gnutls_x509_crt_export2(own->cert, GNUTLS_X509_FMT_PEM, &text);

    if (ret >= 0) {
        pair->cert = take_text(&text);
        ret = gnutls_x509_privkey_export2_pkcs8(own->key, GNUTLS_X509_FMT_PEM,
                                                NULL, GNUTLS_PKCS_PLAIN,
                                                &text);
    }
    if (ret < 0) {
        fail(errp, "cannot export a certificate", ret);
        return NULL;
    }
    pair->key = take_text(&text);
    return g_steal_pointer(&pair);
}

PkiPair *pki_cert_make_authority(const char *name, int64_t from,
                                 int64_t until, GError **errp)
{
    PkiPair *pair = NULL;
    Signer own;
    int ret = signer_generate(&own);

    if (ret >= 0) {
        ret = set_common(&own, name, from, until);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_basic_constraints(own.cert, 1, 0);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_set_key_usage(own.cert, GNUTLS_KEY_KEY_CERT_SIGN |
                                            GNUTLS_KEY_CRL_SIGN);
    }
    if (ret >= 0) {
        ret = sign(&own, &own);
    }
    if (ret < 0) {
        fail(errp, "cannot make the authority's certificate", ret);
    } else {
        pair = pair_new(&own, errp);
    }
    signer_deinit(&own);
    return pair;
}

PkiPair *pki_cert_issue(const PkiPair *authority, const PkiRequest *request,
                        GError **errp)
{
    Signer own = { 0 }, by;
    PkiPair *pair = NULL;
    int ret = signer_load(&by, authority);

    if (ret >= 0) {
        ret = signer_generate(&own);
    }
    if (ret >= 0) {
        ret = set_common(&own, request->name, request->from, request->until);
    }
    if (ret >= 0) {
        ret = set_names(own.cert, request);
    }
    if (ret >= 0) {
        ret = set_use(own.cert, request->purposes);
    }
    if (ret >= 0) {
        ret = sign(&own, &by);
    }
    if (ret < 0) {
        fail(errp, "cannot make a certificate", ret);
    } else {
        pair = pair_new(&own, errp);
    }
    signer_deinit(&own);
    signer_deinit(&by);
    return pair;
}

/* ------------------------------------------------------------- revocation */

static int add_revoked(gnutls_x509_crl_t crl, const char *pem, int64_t when)
{
    gnutls_datum_t text = text_datum(pem);
    gnutls_x509_crt_t cert;
    int ret = gnutls_x509_crt_init(&cert);

    if (ret < 0) {
        return ret;
    }
    ret = gnutls_x509_crt_import(cert, &text, GNUTLS_X509_FMT_PEM);
    if (ret >= 0) {
        ret = gnutls_x509_crl_set_crt(crl, cert, when);
    }
    gnutls_x509_crt_deinit(cert);
    return ret;
}

static int crl_finish(gnutls_x509_crl_t crl, const Signer *by, uint64_t number,
                      int64_t from, int64_t until)
{
    uint64_t big = GUINT64_TO_BE(number);
    uint8_t id[KEY_ID_MAX];
    size_t len = sizeof(id);
    int ret = gnutls_x509_crl_set_version(crl, 2);

    if (ret >= 0) {
        ret = gnutls_x509_crl_set_this_update(crl, from);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crl_set_next_update(crl, until);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crl_set_number(crl, &big, sizeof(big));
    }
    if (ret >= 0) {
        ret = gnutls_x509_crt_get_subject_key_id(by->cert, id, &len, NULL);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crl_set_authority_key_id(crl, id, len);
    }
    return ret < 0 ? ret
                   : gnutls_x509_crl_sign2(crl, by->cert, by->key,
                                           GNUTLS_DIG_SHA256, 0);
}

char *pki_cert_revoke(const PkiPair *authority, const char *const *certs,
                      unsigned n, uint64_t number, int64_t from,
                      int64_t until, GError **errp)
{
    gnutls_x509_crl_t crl = NULL;
    gnutls_datum_t text;
    char *pem = NULL;
    Signer by;
    int ret = signer_load(&by, authority);

    if (ret >= 0) {
        ret = gnutls_x509_crl_init(&crl);
    }
    for (unsigned i = 0; i < n && ret >= 0; i++) {
        ret = add_revoked(crl, certs[i], from);
    }
    if (ret >= 0) {
        ret = crl_finish(crl, &by, number, from, until);
    }
    if (ret >= 0) {
        ret = gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &text);
    }
    if (ret < 0) {
        fail(errp, "cannot make the list of revoked certificates", ret);
    } else {
        pem = take_text(&text);
    }
    g_clear_pointer(&crl, gnutls_x509_crl_deinit);
    signer_deinit(&by);
    return pem;
}
