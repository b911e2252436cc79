/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-credentials: certificates and keys for sessions.  See
 * tls-credentials.h.
 *
 * One way judges a peer's certificate, during the handshake and again when the
 * files have changed; it is also how ours are tried before anybody else does.
 */
#include "common/tls-credentials.h"

#include <gio/gio.h>
#include <string.h>

#define CHAIN_MAX       8u
/* Nothing but the version that the protocol asks for. */
#define ONLY_TLS_1_3    ":-VERS-ALL:+VERS-TLS1.3"
/* Of key exchanges those that cost us little: who connects chooses, and nobody
 * knows him yet.  Others cost many times as much. */
#define ONLY_CHEAP \
    ":-GROUP-SECP521R1:-GROUP-X448:-GROUP-FFDHE2048:-GROUP-FFDHE3072" \
    ":-GROUP-FFDHE4096:-GROUP-FFDHE6144:-GROUP-FFDHE8192"
/* Keys are bound with SHA-256, which AES-256 does not go with. */
#define ONLY_KEYS       ":-KX-ALL:+ECDHE-PSK:-AES-256-GCM"
/* A page costs several times as much with it where the CPU has AES. */
#define CHACHA_LAST     ":-CHACHA20-POLY1305:+CHACHA20-POLY1305"

#define KEY_MIN         16u     /* bytes */

struct TlsCredentials {
    gint refs;
    gnutls_priority_t priority;
    gnutls_certificate_credentials_t cert[2];   /* by TlsEnd; or NULL */
    gnutls_psk_server_credentials_t psk_server;
    gnutls_psk_client_credentials_t psk_client;
    GHashTable *keys;           /* name to key in hex; NULL: certificates */
    char **arbiters;
    unsigned roles;
    int64_t expires;
    int64_t list_time;
};

/* ------------------------------------------------------------------ errors */

static bool fail(GError **errp, const char *what, int ret)
{
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_FAILED, "TLS: %s: %s", what,
                gnutls_strerror(ret));
    return false;
}

/* What GnuTLS says of a certificate, less the blank at the end. */
static void status_text(unsigned status, char *why, size_t size)
{
    gnutls_datum_t text = { 0 };

    if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509,
                                                     &text, 0) < 0) {
        g_strlcpy(why, "the certificate is not valid", size);
        return;
    }
    g_strlcpy(why, (const char *)text.data, size);
    g_strchomp(why);
    gnutls_free(text.data);
}

/* ------------------------------------------------------------ certificates */

typedef struct Chain {
    gnutls_x509_crt_t cert[CHAIN_MAX];
    unsigned n;
} Chain;

static void chain_deinit(Chain *chain)
{
    while (chain->n) {
        gnutls_x509_crt_deinit(chain->cert[--chain->n]);
    }
}

static bool chain_import(Chain *chain, const gnutls_datum_t *der, unsigned n)
{
    chain->n = 0;
    for (unsigned i = 0; i < MIN(n, CHAIN_MAX); i++) {
        if (gnutls_x509_crt_init(&chain->cert[i]) < 0) {
            return false;
        }
        chain->n++;
        if (gnutls_x509_crt_import(chain->cert[i], &der[i],
                                   GNUTLS_X509_FMT_DER) < 0) {
            return false;
        }
    }
    return chain->n;
}

/* Return: what is wrong with it, of GNUTLS_CERT_*; 0 is nothing. */
static unsigned chain_verify(const TlsCredentials *creds, Chain *chain,
                             TlsEnd end)
{
    const char *purpose = end == TLS_SERVER ? GNUTLS_KP_TLS_WWW_SERVER
                                            : GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st data = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (void *)purpose,
        .size = strlen(purpose),
    };
    gnutls_certificate_credentials_t cert =
        creds->cert[TLS_CLIENT] ? creds->cert[TLS_CLIENT]
                                : creds->cert[TLS_SERVER];
    gnutls_x509_trust_list_t trusted;
    unsigned status = 0;

    gnutls_certificate_get_trust_list(cert, &trusted);
    if (gnutls_x509_trust_list_verify_crt2(trusted, chain->cert, chain->n,
                                           &data, 1, 0, &status, NULL) < 0) {
        return GNUTLS_CERT_INVALID;
    }
    return status;
}

/* Hosts that the configuration calls arbiters. */
static void add_roles(const TlsCredentials *creds, TlsIdentity *identity)
{
    for (char **name = creds->arbiters; *name; name++) {
        if (tls_identity_is(identity, *name)) {
            identity->roles |= TLS_ROLE_ARBITER;
        }
    }
}

TlsIdentity *tls_credentials_judge(const TlsCredentials *creds,
                                   const gnutls_datum_t *chain, unsigned n,
                                   TlsEnd peer, char *why, size_t size)
{
    TlsIdentity *identity = NULL;
    unsigned status;
    Chain certs;

    if (!chain || !chain_import(&certs, chain, n)) {
        g_strlcpy(why, "there is no certificate that can be read", size);
        if (chain) {
            chain_deinit(&certs);
        }
        return NULL;
    }
    status = chain_verify(creds, &certs, peer);
    identity = tls_identity_of_certificate(certs.cert[0]);
    chain_deinit(&certs);
    if (status) {
        g_autofree char *names = tls_identity_text(identity);
        char reason[160];

        status_text(status, reason, sizeof(reason));
        g_snprintf(why, size, "the certificate for %s is refused: %s", names,
                   reason);
        g_clear_pointer(&identity, tls_identity_free);
        return NULL;
    }
    add_roles(creds, identity);
    return identity;
}

/* ---------------------------------------------------------------- our own */

static void note_expiry(TlsCredentials *creds, int64_t expires)
{
    if (expires > 0 && (!creds->expires || expires < creds->expires)) {
        creds->expires = expires;
    }
}

/* The authority's own certificate ends what it has signed. */
static void note_issuer(TlsCredentials *creds, TlsEnd end, Chain *chain)
{
    gnutls_x509_trust_list_t trusted;
    gnutls_x509_crt_t issuer;

    gnutls_certificate_get_trust_list(creds->cert[end], &trusted);
    if (!gnutls_x509_trust_list_get_issuer(trusted, chain->cert[chain->n - 1],
                                           &issuer, 0)) {
        note_expiry(creds, gnutls_x509_crt_get_expiration_time(issuer));
    }
}

/* Would others take it?  Its time may be over: that can be mended later. */
static bool check_own(TlsCredentials *creds, TlsEnd end, const char *host,
                      Chain *chain, GError **errp)
{
    const char *file = end == TLS_SERVER ? TLS_FILE_SERVER_CERT
                                         : TLS_FILE_CLIENT_CERT;
    g_autoptr(TlsIdentity) own = tls_identity_of_certificate(chain->cert[0]);
    unsigned status = chain_verify(creds, chain, end);
    g_autofree char *names = tls_identity_text(own);
    char why[160];

    add_roles(creds, own);
    creds->roles |= own->roles;
    for (unsigned i = 0; i < chain->n; i++) {
        note_expiry(creds,
                    gnutls_x509_crt_get_expiration_time(chain->cert[i]));
    }
    note_issuer(creds, end, chain);
    if (!tls_identity_is(own, host)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "TLS: %s is for %s, and this host is called %s: others "
                    "would refuse it", file, names, host);
        return false;
    }
    status_text(status, why, sizeof(why));
    if (status & ~(unsigned)(GNUTLS_CERT_INVALID | GNUTLS_CERT_EXPIRED)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "TLS: %s does not go with %s: %s", file, TLS_FILE_CA, why);
        return false;
    }
    if (status) {
        g_warning("TLS: %s: %s: others refuse it until there is another",
                  file, why);
    }
    return true;
}

static gnutls_datum_t text_datum(const char *text)
{
    return (gnutls_datum_t) { (unsigned char *)text, strlen(text) };
}

/* GnuTLS has read the same text before. */
static int64_t newest_list(const gnutls_datum_t *pem)
{
    gnutls_x509_crl_t *lists = NULL;
    int64_t newest = 0;
    unsigned n = 0;

    if (gnutls_x509_crl_list_import2(&lists, &n, pem, GNUTLS_X509_FMT_PEM,
                                     0) < 0) {
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        newest = MAX(newest, gnutls_x509_crl_get_this_update(lists[i]));
        gnutls_x509_crl_deinit(lists[i]);
    }
    gnutls_free(lists);
    return newest;
}

static bool load_trust(TlsCredentials *creds, TlsEnd end,
                       const TlsMaterial *m, GError **errp)
{
    gnutls_certificate_credentials_t cert = creds->cert[end];
    gnutls_datum_t ca = text_datum(m->ca);
    gnutls_datum_t crl = text_datum(m->crl ? m->crl : "");
    int ret = gnutls_certificate_set_x509_trust_mem(cert, &ca,
                                                    GNUTLS_X509_FMT_PEM);

    if (ret <= 0) {
        return fail(errp, TLS_FILE_CA, ret ? ret
                                           : GNUTLS_E_NO_CERTIFICATE_FOUND);
    }
    ret = m->crl ? gnutls_certificate_set_x509_crl_mem(cert, &crl,
                                                       GNUTLS_X509_FMT_PEM)
                 : 0;
    creds->list_time = m->crl ? newest_list(&crl) : 0;
    return ret < 0 ? fail(errp, TLS_FILE_CRL, ret) : true;
}

static bool load_own(TlsCredentials *creds, TlsEnd end, const char *host,
                     const char *cert, const char *key, GError **errp)
{
    gnutls_datum_t cert_pem = text_datum(cert);
    gnutls_datum_t key_pem = text_datum(key);
    gnutls_x509_crt_t *list = NULL;
    unsigned n = 0;
    Chain chain = { .n = 0 };
    bool good;
    int ret;

    ret = gnutls_certificate_set_x509_key_mem2(creds->cert[end], &cert_pem,
                                               &key_pem, GNUTLS_X509_FMT_PEM,
                                               NULL, 0);
    if (ret >= 0) {
        ret = gnutls_x509_crt_list_import2(&list, &n, &cert_pem,
                                           GNUTLS_X509_FMT_PEM, 0);
    }
    if (ret < 0) {
        return fail(errp, end == TLS_SERVER
                    ? TLS_FILE_SERVER_CERT " and " TLS_FILE_SERVER_KEY
                    : TLS_FILE_CLIENT_CERT " and " TLS_FILE_CLIENT_KEY, ret);
    }
    for (unsigned i = 0; i < n; i++) {
        if (i < CHAIN_MAX) {
            chain.cert[chain.n++] = list[i];
        } else {
            gnutls_x509_crt_deinit(list[i]);
        }
    }
    gnutls_free(list);
    good = check_own(creds, end, host, &chain, errp);
    chain_deinit(&chain);
    return good;
}

static bool load_end(TlsCredentials *creds, TlsEnd end, const TlsMaterial *m,
                     const char *cert, const char *key, GError **errp)
{
    int ret;

    if (!cert) {
        return true;            /* a pager only connects */
    }
    ret = gnutls_certificate_allocate_credentials(&creds->cert[end]);
    if (ret < 0) {
        return fail(errp, "no memory", ret);
    }
    return load_trust(creds, end, m, errp) &&
           load_own(creds, end, m->host, cert, key, errp);
}

/* -------------------------------------------------------------------- keys */

/* GnuTLS asks for the key of who connects; the session's pointer is ours. */
static int find_key(gnutls_session_t session, const char *name,
                    gnutls_datum_t *out)
{
    const TlsCredentials *creds = gnutls_session_get_ptr(session);
    const char *hex = g_hash_table_lookup(creds->keys, name);
    gnutls_datum_t text;

    if (!hex) {
        return -1;
    }
    text = text_datum(hex);
    return gnutls_hex_decode2(&text, out);
}

static void wipe(void *text)
{
    explicit_bzero(text, strlen(text));
    g_free(text);
}

/* One that is short can be found by trying: a handshake that was listened to
 * tells which is right.  One that is empty is everybody's. */
static bool key_is_good(const char *hex)
{
    size_t len = strlen(hex);

    return len >= 2 * KEY_MIN && len % 2 == 0 &&
           strspn(hex, "0123456789abcdefABCDEF") == len;
}

static bool fail_line(GError **errp, unsigned nr, const char *what,
                      const char *name, int len)
{
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "TLS: %s, line %u: %s '%.*s'", TLS_FILE_PSK, nr, what, len,
                name);
    return false;
}

/* @line is NAME:KEY, a comment or empty. */
static bool load_key(TlsCredentials *creds, const char *line, unsigned nr,
                     GError **errp)
{
    const char *colon = strchr(line, ':');

    if (!*line || *line == '#') {
        return true;
    }
    if (!colon) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "TLS: %s, line %u: not NAME:KEY", TLS_FILE_PSK, nr);
        return false;
    }
    if (!key_is_good(colon + 1)) {
        return fail_line(errp, nr, "less than 16 bytes in hex (psktool makes "
                         "32) as the key of", line, colon - line);
    }
    if (!g_hash_table_insert(creds->keys, g_strndup(line, colon - line),
                             g_strdup(colon + 1))) {
        return fail_line(errp, nr, "remove the one that is old: a second key "
                         "for", line, colon - line);
    }
    return true;
}

static bool load_lines(TlsCredentials *creds, const char *psk, GError **errp)
{
    g_auto(GStrv) lines = g_strsplit(psk, "\n", -1);
    bool good = true;

    for (unsigned i = 0; lines[i]; i++) {
        good = good && load_key(creds, g_strstrip(lines[i]), i + 1, errp);
        explicit_bzero(lines[i], strlen(lines[i]));
    }
    return good;
}

static bool load_keys(TlsCredentials *creds, const TlsMaterial *m,
                      GError **errp)
{
    gnutls_datum_t key;
    const char *own;
    int ret;

    creds->keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, wipe);
    if (!load_lines(creds, m->psk, errp)) {
        return false;
    }
    own = g_hash_table_lookup(creds->keys, m->host);
    if (!own) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "TLS: %s has no key for this host: add one with psktool "
                    "-u %s", TLS_FILE_PSK, m->host);
        return false;
    }
    key = text_datum(own);
    ret = gnutls_psk_allocate_client_credentials(&creds->psk_client);
    if (ret >= 0) {
        ret = gnutls_psk_set_client_credentials(creds->psk_client, m->host,
                                                &key, GNUTLS_PSK_KEY_HEX);
    }
    if (ret >= 0) {
        ret = gnutls_psk_allocate_server_credentials(&creds->psk_server);
    }
    if (ret < 0) {
        return fail(errp, TLS_FILE_PSK, ret);
    }
    gnutls_psk_set_server_credentials_function(creds->psk_server, find_key);
    creds->roles = TLS_ROLE_HOST | TLS_ROLE_ARBITER;
    return true;
}

/* --------------------------------------------------------------------- all */

/*
 * Would AES-GCM be taken rather than ChaCha, and is it still with AES-128?
 * GnuTLS's own lists have that behind ChaCha, which is what would be taken once
 * AES-256 is off them.
 */
static bool prefers_aes(const char *text)
{
    const unsigned *ciphers;
    gnutls_priority_t priority;
    bool first = false, chacha = false, short_keys = false;
    int n;

    if (gnutls_priority_init(&priority, text, NULL) < 0) {
        return false;           /* as whoever reads it next says */
    }
    n = gnutls_priority_cipher_list(priority, &ciphers);
    for (int i = 0; i < n; i++) {
        chacha |= ciphers[i] == GNUTLS_CIPHER_CHACHA20_POLY1305;
        short_keys |= ciphers[i] == GNUTLS_CIPHER_AES_128_GCM;
        first |= !chacha && (ciphers[i] == GNUTLS_CIPHER_AES_256_GCM ||
                             ciphers[i] == GNUTLS_CIPHER_AES_128_GCM);
    }
    gnutls_priority_deinit(priority);
    return first && chacha && short_keys;
}

static bool load_priority(TlsCredentials *creds, const TlsMaterial *m,
                          GError **errp)
{
    g_autofree char *text = g_strconcat(
        m->priority, ONLY_TLS_1_3 ONLY_CHEAP, m->psk ? ONLY_KEYS : "",
        m->psk && prefers_aes(m->priority) ? CHACHA_LAST : NULL, NULL);
    const char *at = text;
    int ret = gnutls_priority_init(&creds->priority, text, &at);

    if (ret < 0) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "TLS: priority '%s' is not valid, from '%s' on: %s",
                    m->priority, at, gnutls_strerror(ret));
    }
    return ret >= 0;
}

TlsCredentials *tls_credentials_new(const TlsMaterial *m, GError **errp)
{
    g_autoptr(TlsCredentials) creds = g_new0(TlsCredentials, 1);

    creds->refs = 1;
    creds->arbiters = g_strdupv(m->arbiters);
    if (!load_priority(creds, m, errp)) {
        return NULL;
    }
    if (m->psk ? load_keys(creds, m, errp)
               : load_end(creds, TLS_SERVER, m, m->server_cert, m->server_key,
                          errp) &&
                 load_end(creds, TLS_CLIENT, m, m->client_cert, m->client_key,
                          errp)) {
        return g_steal_pointer(&creds);
    }
    return NULL;
}

TlsCredentials *tls_credentials_ref(TlsCredentials *creds)
{
    if (creds) {
        g_atomic_int_inc(&creds->refs);
    }
    return creds;
}

void tls_credentials_unref(TlsCredentials *creds)
{
    if (!creds || !g_atomic_int_dec_and_test(&creds->refs)) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        if (creds->cert[i]) {
            gnutls_certificate_free_credentials(creds->cert[i]);
        }
    }
    if (creds->psk_client) {
        gnutls_psk_free_client_credentials(creds->psk_client);
    }
    if (creds->psk_server) {
        gnutls_psk_free_server_credentials(creds->psk_server);
    }
    if (creds->priority) {
        gnutls_priority_deinit(creds->priority);
    }
    g_clear_pointer(&creds->keys, g_hash_table_unref);
    g_strfreev(creds->arbiters);
    g_free(creds);
}

int64_t tls_credentials_expires(const TlsCredentials *creds)
{
    return creds->expires;
}

int64_t tls_credentials_list_time(const TlsCredentials *creds)
{
    return creds->list_time;
}

bool tls_credentials_is_psk(const TlsCredentials *creds)
{
    return creds->keys;
}

bool tls_credentials_same_key(const TlsCredentials *a, const TlsCredentials *b,
                              const char *name)
{
    const char *key = g_hash_table_lookup(a->keys, name);

    return key && !g_strcmp0(key, g_hash_table_lookup(b->keys, name));
}

unsigned tls_credentials_roles(const TlsCredentials *creds)
{
    return creds->roles;
}

static int session_credentials(TlsCredentials *creds, TlsEnd end,
                               gnutls_session_t session)
{
    if (!creds->keys) {
        return creds->cert[end]
            ? gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                                     creds->cert[end])
            : GNUTLS_E_INSUFFICIENT_CREDENTIALS;
    }
    return gnutls_credentials_set(session, GNUTLS_CRD_PSK,
                                  end == TLS_SERVER
                                      ? (void *)creds->psk_server
                                      : (void *)creds->psk_client);
}

int tls_credentials_session(TlsCredentials *creds, TlsEnd end,
                            gnutls_session_t *out)
{
    int ret = gnutls_init(out, (end == TLS_SERVER ? GNUTLS_SERVER
                                                  : GNUTLS_CLIENT) |
                          GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS);

    if (ret < 0) {
        return ret;
    }
    gnutls_session_set_ptr(*out, creds);
    ret = gnutls_priority_set(*out, creds->priority);
    if (ret >= 0) {
        ret = session_credentials(creds, end, *out);
    }
    if (ret < 0) {
        gnutls_deinit(*out);
        return ret;
    }
    if (end == TLS_SERVER && !creds->keys) {
        gnutls_certificate_server_set_request(*out, GNUTLS_CERT_REQUIRE);
    }
    return 0;
}
