/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pki: a small authority in a folder.  See pki.h.
 *
 * Keys are written to files that nobody else can read from their first byte
 * on.  What is overwritten is replaced whole.
 */
#include "arbiter/rcachectl/pki.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "arbiter/rcachectl/pki-cert.h"
#include "common/config.h"
#include "common/tls-identity.h"
#include "common/tls-material.h"
#include "rcache/proto.h"

#define CA_KEY          "ca-key.pem"
#define CA_NAME         "rcached"
#define DAY_S           INT64_C(86400)
#define CA_S            (3650 * DAY_S)
#define HOST_S          (825 * DAY_S)
/* Clocks differ. */
#define EARLIER_S       3600

static int64_t now_s(void)
{
    return g_get_real_time() / G_USEC_PER_SEC;
}

bool pki_parse_role(const char *text, unsigned *roles)
{
    *roles = !strcmp(text, "host") ? TLS_ROLE_HOST
             : !strcmp(text, "arbiter") ? TLS_ROLE_ARBITER
             : !strcmp(text, "both") ? TLS_ROLE_HOST | TLS_ROLE_ARBITER : 0;
    return *roles;
}

/* ------------------------------------------------------------------ files */

static bool put(const char *directory, const char *name, const char *text,
                GError **errp)
{
    bool secret = g_str_has_suffix(name, "-key.pem");
    g_autofree char *path = g_build_filename(directory, name, NULL);

    return g_file_set_contents_full(path, text, -1,
                                    G_FILE_SET_CONTENTS_CONSISTENT |
                                    G_FILE_SET_CONTENTS_DURABLE,
                                    secret ? 0600 : 0644, errp);
}

static char *get(const char *directory, const char *name, GError **errp)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, errp);
    return text;
}

static bool has(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static bool make_folders(const char *path, int mode, GError **errp)
{
    if (g_mkdir_with_parents(path, mode) < 0) {
        g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "cannot make %s: %s", path, g_strerror(errno));
        return false;
    }
    return true;
}

static bool make_folder(const char *path, GError **errp)
{
    return make_folders(path, 0700, errp);
}

/* What it is in is not the authority's: daemons have their files there. */
static bool make_authority(const char *path, GError **errp)
{
    g_autofree char *parent = g_path_get_dirname(path);

    return make_folders(parent, 0755, errp) && make_folder(path, errp);
}

static PkiPair *authority_load(const char *directory, GError **errp)
{
    g_autoptr(PkiPair) pair = g_new0(PkiPair, 1);

    pair->cert = get(directory, TLS_FILE_CA, errp);
    if (pair->cert) {
        pair->key = get(directory, CA_KEY, errp);
    }
    if (!pair->key) {
        g_prefix_error(errp, "there is no authority (rcachectl pki init makes "
                       "one): ");
        return NULL;
    }
    return g_steal_pointer(&pair);
}

/* ------------------------------------------------------------------- init */

char *pki_init(const PkiOptions *options, GError **errp)
{
    const char *d = options->directory;
    int64_t valid = options->valid_ms ? (int64_t)options->valid_ms / 1000
                                      : CA_S;
    g_autoptr(PkiPair) pair = NULL;

    if (has(d, CA_KEY) || has(d, TLS_FILE_CA)) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                    "there is an authority in %s already: what it has signed "
                    "would be of no use any more", d);
        return NULL;
    }
    pair = pki_cert_make_authority(CA_NAME, now_s() - EARLIER_S,
                                   now_s() + valid, errp);
    if (!pair || !make_authority(d, errp) ||
        !put(d, CA_KEY, pair->key, errp) ||
        !put(d, TLS_FILE_CA, pair->cert, errp)) {
        return NULL;
    }
    return g_strdup_printf("The authority is in %s. Keep it there: who has its "
                           "key can be any host.\nNext, for each host: "
                           "rcachectl pki issue HOST (and --role both or "
                           "--role arbiter for arbiters)\n", d);
}

/* ------------------------------------------------------------------ issue */

static bool check_name(const char *name, GError **errp)
{
    const char *c = name;

    while (g_ascii_isalnum(*c) || (c > name && strchr("-._", *c) && *c)) {
        c++;
    }
    if (*c || c == name || c - name >= RCACHE_NAME_MAX) {
        g_set_error(errp, CONFIG_ERROR, 0, "'%s' is no name of a host: "
                    "letters, digits, and '-', '.' and '_' between them, %u "
                    "at most", name, RCACHE_NAME_MAX - 1);
        return false;
    }
    return true;
}

/* The certificate is noted before it is handed out: it can be revoked. */
static bool note_issued(const char *d, const char *name, const char *cert,
                        GError **errp)
{
    g_autofree char *folder = g_build_filename(d, "issued", NULL);
    g_autofree char *gone = g_build_filename(d, "revoked", NULL);
    g_autofree char *file = NULL;
    unsigned n = 0;

    do {
        g_free(file);
        file = g_strdup_printf("%s.%u.pem", name, ++n);
    } while (has(folder, file) || has(gone, file));
    return make_folder(folder, errp) && put(folder, file, cert, errp);
}

static bool put_crl(const char *d, const char *folder, GError **errp)
{
    g_autofree char *crl = has(d, TLS_FILE_CRL) ? get(d, TLS_FILE_CRL, errp)
                                                : NULL;

    return !has(d, TLS_FILE_CRL) ||
           (crl && put(folder, TLS_FILE_CRL, crl, errp));
}

static bool put_host(const char *d, const char *folder, const PkiPair *ca,
                     const PkiPair *pair, GError **errp)
{
    return make_folder(folder, errp) &&
           put(folder, TLS_FILE_CA, ca->cert, errp) &&
           put_crl(d, folder, errp) &&
           put(folder, TLS_FILE_SERVER_KEY, pair->key, errp) &&
           put(folder, TLS_FILE_SERVER_CERT, pair->cert, errp) &&
           put(folder, TLS_FILE_CLIENT_KEY, pair->key, errp) &&
           put(folder, TLS_FILE_CLIENT_CERT, pair->cert, errp);
}

char *pki_issue(const PkiOptions *options, const char *const *names,
                GError **errp)
{
    const char *d = options->directory;
    int64_t valid = options->valid_ms ? (int64_t)options->valid_ms / 1000
                                      : HOST_S;
    g_autofree char *folder = g_build_filename(d, "hosts", names[0], NULL);
    PkiRequest request = {
        .name = names[0], .others = names + 1, .roles = options->roles,
        .purposes = PKI_FOR_SERVER | PKI_FOR_CLIENT,
        .from = now_s() - EARLIER_S, .until = now_s() + valid,
    };
    g_autoptr(PkiPair) ca = NULL;
    g_autoptr(PkiPair) pair = NULL;

    for (unsigned i = 0; names[i]; i++) {
        if (!check_name(names[i], errp)) {
            return NULL;
        }
    }
    ca = authority_load(d, errp);
    pair = ca ? pki_cert_issue(ca, &request, errp) : NULL;
    if (!pair || !note_issued(d, names[0], pair->cert, errp) ||
        !put_host(d, folder, ca, pair, errp)) {
        return NULL;
    }
    return g_strdup_printf("Copy %s/*.pem to %s on %s, for the daemon's user "
                           "to read and nobody else.\nA daemon that runs takes "
                           "them at: systemctl reload rcached (or arbiter)\n",
                           folder, TLS_DIRECTORY, names[0]);
}

/* ----------------------------------------------------------------- revoke */

/* The files of a folder with certificates, those of @name only if not NULL. */
static GPtrArray *list(const char *folder, const char *name)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    size_t len = name ? strlen(name) : 0;
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        const char *number = file + len + 1;

        /* NAME.N.pem: another host may be called NAME.7 */
        if (!name || (g_str_has_prefix(file, name) && file[len] == '.' &&
                      strspn(number, "0123456789") &&
                      !strcmp(number + strspn(number, "0123456789"), ".pem"))) {
            g_ptr_array_add(files, g_strdup(file));
        }
    }
    return files;
}

static bool move_all(const char *from, const char *to, const GPtrArray *files,
                     GError **errp)
{
    for (guint i = 0; i < files->len; i++) {
        g_autofree char *old = g_build_filename(from, files->pdata[i], NULL);
        g_autofree char *new = g_build_filename(to, files->pdata[i], NULL);

        if (g_rename(old, new) < 0) {
            g_set_error(errp, G_FILE_ERROR, g_file_error_from_errno(errno),
                        "cannot move %s: %s", old, g_strerror(errno));
            return false;
        }
    }
    return true;
}

static bool get_all(const char *folder, const GPtrArray *files,
                    GPtrArray *certs, GError **errp)
{
    for (guint i = 0; i < files->len; i++) {
        char *cert = get(folder, files->pdata[i], errp);

        if (!cert) {
            return false;
        }
        g_ptr_array_add(certs, cert);
    }
    return true;
}

/* Of all that are gone, and @files of @good, which will be. */
static bool write_crl(const char *d, const char *gone, const char *good,
                      const GPtrArray *files, GError **errp)
{
    g_autoptr(PkiPair) ca = authority_load(d, errp);
    g_autoptr(GPtrArray) before = list(gone, NULL);
    g_autoptr(GPtrArray) certs = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *crl = NULL;

    if (!ca || !get_all(gone, before, certs, errp) ||
        !get_all(good, files, certs, errp)) {
        return false;
    }
    crl = pki_cert_revoke(ca, (const char *const *)certs->pdata, certs->len,
                          now_s(), now_s(), now_s() + CA_S, errp);
    return crl && put(d, TLS_FILE_CRL, crl, errp);
}

char *pki_revoke(const PkiOptions *options, const char *name, GError **errp)
{
    const char *d = options->directory;
    g_autofree char *good = g_build_filename(d, "issued", NULL);
    g_autofree char *gone = g_build_filename(d, "revoked", NULL);
    g_autoptr(GPtrArray) files = list(good, name);

    if (!files->len) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                    "no certificate has been issued for %s that is still "
                    "good", name);
        return NULL;
    }
    /* In this order: what fails on the way can be done again. */
    if (!make_folder(gone, errp) ||
        !write_crl(d, gone, good, files, errp) ||
        !move_all(good, gone, files, errp)) {
        return NULL;
    }
    return g_strdup_printf("%u of %s: copy %s/%s to %s on every other host, "
                           "and reload the daemons there: they close its "
                           "connections.\n", files->len, name, d, TLS_FILE_CRL,
                           TLS_DIRECTORY);
}
