/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-material: certificates and keys as they stand in files.  See
 * tls-material.h.
 *
 * In a memfd it is a key file of GLib's with one group: both ends are of one
 * host and nearly of one build, and a person can read it in a debugger.
 */
#include "common/tls-material.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define GROUP           "tls"
/* More than any list of revoked certificates of a cluster. */
#define FILE_MAX        (4u * 1024u * 1024u)

enum {
    FILE_NEEDED = 1 << 0,       /* it is an error if it is not there */
    FILE_KEY = 1 << 1,          /* it is for nobody else */
};

static void secret_clear(char **text)
{
    if (*text) {
        explicit_bzero(*text, strlen(*text));
        g_clear_pointer(text, g_free);
    }
}

void tls_material_free(TlsMaterial *m)
{
    if (!m) {
        return;
    }
    g_free(m->host);
    g_free(m->priority);
    g_strfreev(m->arbiters);
    g_free(m->ca);
    g_free(m->crl);
    g_free(m->server_cert);
    g_free(m->client_cert);
    secret_clear(&m->server_key);
    secret_clear(&m->client_key);
    secret_clear(&m->psk);
    g_free(m);
}

/* ------------------------------------------------------------------ files */

/* Who can read a key can be this host, and who can write it can be another one
 * to it.  That the daemon's group may read it is how a key of root's is given
 * to a daemon. */
static bool key_is_private(const char *path, const struct stat *st,
                           GError **errp)
{
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                    "TLS: the key %s belongs to user %u, who could be this "
                    "host: make it root's or the daemon's own (chown root %s)",
                    path, (unsigned)st->st_uid, path);
        return false;
    }
    if (st->st_mode & (S_IWGRP | S_IRWXO)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                    "TLS: others can read or write the key %s (mode %04o), "
                    "and so be this host: chmod g-w,o= %s", path,
                    (unsigned)st->st_mode & 07777, path);
        return false;
    }
    return true;
}

/* All that @fd has, which is @size bytes or less; NULL: errno. */
static char *read_text(int fd, size_t size, size_t *len)
{
    char *text = g_malloc(size + 1);
    ssize_t n = 1;

    for (*len = 0; n && *len < size; *len += MAX(n, 0)) {
        n = read(fd, text + *len, size - *len);
        if (n < 0 && errno != EINTR) {
            explicit_bzero(text, *len);
            g_free(text);
            return NULL;
        }
    }
    text[*len] = '\0';
    return text;
}

static bool fail_errno(GError **errp, const char *path)
{
    g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                "TLS: cannot read %s: %s", path, g_strerror(errno));
    return false;
}

/* What was looked at is what is read: nobody can put another file there in
 * between. */
static bool read_open(int fd, const char *path, bool is_key, char **out,
                      GError **errp)
{
    struct stat st;
    size_t len;

    if (fstat(fd, &st)) {
        return fail_errno(errp, path);
    }
    if (is_key && !key_is_private(path, &st, errp)) {
        return false;
    }
    if (S_ISREG(st.st_mode) && st.st_size <= FILE_MAX) {
        *out = read_text(fd, st.st_size, &len);
        if (!*out) {
            return fail_errno(errp, path);
        }
        if (strlen(*out) == len) {
            return true;
        }
    }
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "TLS: %s is not a text of at most 4 MiB", path);
    return false;
}

/* @flags: of FILE_* */
static bool read_file(const char *directory, const char *name, unsigned flags,
                      char **out, GError **errp)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    autofd fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return (errno == ENOENT && !(flags & FILE_NEEDED)) ||
               fail_errno(errp, path);
    }
    return read_open(fd, path, flags & FILE_KEY, out, errp);
}

static bool read_certificates(const char *d, TlsMaterial *m, GError **errp)
{
    const unsigned key = FILE_NEEDED | FILE_KEY;

    if (!read_file(d, TLS_FILE_CA, FILE_NEEDED, &m->ca, errp) ||
        !read_file(d, TLS_FILE_CRL, 0, &m->crl, errp) ||
        !read_file(d, TLS_FILE_SERVER_CERT, FILE_NEEDED, &m->server_cert,
                   errp) ||
        !read_file(d, TLS_FILE_SERVER_KEY, key, &m->server_key, errp) ||
        !read_file(d, TLS_FILE_CLIENT_CERT, 0, &m->client_cert, errp)) {
        return false;
    }
    if (!m->client_cert) {
        m->client_cert = g_strdup(m->server_cert);
        m->client_key = g_strdup(m->server_key);
        return true;
    }
    return read_file(d, TLS_FILE_CLIENT_KEY, key, &m->client_key, errp);
}

TlsMaterial *tls_material_read(const TlsSettings *settings, GError **errp)
{
    g_autoptr(TlsMaterial) m = g_new0(TlsMaterial, 1);

    m->host = g_strdup(settings->host);
    m->priority = g_strdup(settings->priority);
    m->arbiters = g_strdupv((char **)settings->arbiters);
    if (settings->mode == TLS_MODE_PSK
            ? read_file(settings->directory, TLS_FILE_PSK,
                        FILE_NEEDED | FILE_KEY, &m->psk, errp)
            : read_certificates(settings->directory, m, errp)) {
        return g_steal_pointer(&m);
    }
    return NULL;
}

/* ------------------------------------------------------------------ memfd */

/* The one line of @psk that is @host's, or NULL. */
static char *own_line(const char *psk, const char *host)
{
    g_auto(GStrv) lines = g_strsplit(psk, "\n", -1);
    size_t len = strlen(host);
    char *own = NULL;

    for (char **line = lines; *line; line++) {
        g_strstrip(*line);
        if (!own && g_str_has_prefix(*line, host) && (*line)[len] == ':') {
            own = g_strdup(*line);
        }
        explicit_bzero(*line, strlen(*line));
    }
    return own;
}

static void set_part(GKeyFile *file, const char *key, const char *text)
{
    if (text) {
        g_key_file_set_string(file, GROUP, key, text);
    }
}

static char *material_text(const TlsMaterial *m, gsize *len)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *own = m->psk ? own_line(m->psk, m->host) : NULL;

    set_part(file, "host", m->host);
    set_part(file, "priority", m->priority);
    g_key_file_set_string_list(file, GROUP, "arbiters",
                               (const char *const *)m->arbiters,
                               g_strv_length(m->arbiters));
    set_part(file, "ca", m->ca);
    set_part(file, "crl", m->crl);
    set_part(file, "client-cert", m->client_cert);
    set_part(file, "client-key", m->client_key);
    set_part(file, "psk", own);
    return g_key_file_to_data(file, len, NULL);
}

static bool write_all(int fd, const char *text, gsize len)
{
    while (len) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno != EINTR) {
            return false;
        }
        text += MAX(n, 0);
        len -= MAX(n, 0);
    }
    return true;
}

int tls_material_to_fd(const TlsMaterial *m, GError **errp)
{
    autofd fd = memfd_create("rcached-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    char *text;
    gsize len;
    bool done;

    text = material_text(m, &len);
    done = fd >= 0 && write_all(fd, text, len) &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
                 F_SEAL_SEAL) == 0;
    if (!done) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "TLS: cannot make a memfd for a pager: %s",
                    g_strerror(errno));
    }
    explicit_bzero(text, len);
    g_free(text);
    return done ? fd_steal(&fd) : -1;
}

static char *get_part(GKeyFile *file, const char *key)
{
    return g_key_file_get_string(file, GROUP, key, NULL);
}

static TlsMaterial *material_parse(const char *text, gsize len, GError **errp)
{
    g_autoptr(TlsMaterial) m = g_new0(TlsMaterial, 1);
    g_autoptr(GKeyFile) file = g_key_file_new();

    if (!g_key_file_load_from_data(file, text, len, G_KEY_FILE_NONE, errp)) {
        return NULL;
    }
    m->host = get_part(file, "host");
    m->priority = get_part(file, "priority");
    m->arbiters = g_key_file_get_string_list(file, GROUP, "arbiters", NULL,
                                             NULL);
    if (!m->arbiters) {
        m->arbiters = g_new0(char *, 1);
    }
    m->ca = get_part(file, "ca");
    m->crl = get_part(file, "crl");
    m->client_cert = get_part(file, "client-cert");
    m->client_key = get_part(file, "client-key");
    m->psk = get_part(file, "psk");
    if (!m->host || !m->priority ||
        !(m->psk || (m->ca && m->client_cert && m->client_key))) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "TLS: a part of what the daemon has passed is missing");
        return NULL;
    }
    return g_steal_pointer(&m);
}

TlsMaterial *tls_material_from_fd(int fd, GError **errp)
{
    TlsMaterial *m;
    struct stat st;
    size_t len;
    char *text;

    if (fstat(fd, &st) < 0 || st.st_size <= 0 ||
        st.st_size > 8 * (off_t)FILE_MAX) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "TLS: what the daemon has passed is not a memfd of keys");
        return NULL;
    }
    len = st.st_size;
    text = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "TLS: cannot read what the daemon has passed: %s",
                    g_strerror(errno));
        return NULL;
    }
    m = material_parse(text, len, errp);
    munmap(text, len);
    return m;
}
