/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-material: certificates and keys as they stand in files.  See
 * tls-material.h.
 *
 * In a memfd each part is its name and its text, each with a zero behind it:
 * both ends are of one host and nearly of one build, and texts have no zeros.
 * Of keys there is one copy each, which tls_material_free() wipes.
 */
#include "common/tls-material.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

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

/* Of a pager's part; "arbiter" is there as often as needed. */
static const struct {
    const char *name;
    size_t at;
} parts[] = {
    { "host", offsetof(TlsMaterial, host) },
    { "priority", offsetof(TlsMaterial, priority) },
    { "ca", offsetof(TlsMaterial, ca) },
    { "crl", offsetof(TlsMaterial, crl) },
    { "client-cert", offsetof(TlsMaterial, client_cert) },
    { "client-key", offsetof(TlsMaterial, client_key) },
    { "psk", offsetof(TlsMaterial, psk) },
};

#define PART_ARBITER    "arbiter"

/* The line of @psk that is @host's and its length; or NULL. */
static const char *own_line(const char *psk, const char *host, size_t *len)
{
    size_t name = strlen(host);

    for (const char *line = psk; *line; line += *line ? 1 : 0) {
        line += strspn(line, " \t\r");
        *len = strcspn(line, "\r\n");
        if (!strncmp(line, host, name) && line[name] == ':') {
            return line;
        }
        line += strcspn(line, "\n");
    }
    return NULL;
}

static bool write_all(int fd, const char *text, size_t len)
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

/* @text has @len bytes; NULL: it is left out. */
static bool write_part(int fd, const char *name, const char *text, size_t len)
{
    return !text || (write_all(fd, name, strlen(name) + 1) &&
                     write_all(fd, text, len) && write_all(fd, "", 1));
}

/* Straight from where they are: nobody would wipe a copy. */
static bool write_parts(int fd, const TlsMaterial *m)
{
    bool done = true;

    for (unsigned i = 0; i < G_N_ELEMENTS(parts) && done; i++) {
        const char *text = G_STRUCT_MEMBER(char *, m, parts[i].at);
        size_t len = text ? strlen(text) : 0;

        if (text && text == m->psk) {
            text = own_line(text, m->host, &len);
        }
        done = write_part(fd, parts[i].name, text, len);
    }
    for (char **name = m->arbiters; *name && done; name++) {
        done = write_part(fd, PART_ARBITER, *name, strlen(*name));
    }
    return done;
}

int tls_material_to_fd(const TlsMaterial *m, GError **errp)
{
    autofd fd = memfd_create("rcached-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool done = fd >= 0 && write_parts(fd, m) &&
                fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW |
                      F_SEAL_WRITE | F_SEAL_SEAL) == 0;

    if (!done) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "TLS: cannot make a memfd for a pager: %s",
                    g_strerror(errno));
    }
    return done ? fd_steal(&fd) : -1;
}

/* The text that begins at *@at, which ends before @end; NULL: it does not. */
static const char *take_text(const char **at, const char *end)
{
    const char *text = *at;
    size_t len = strnlen(text, end - text);

    if (len == (size_t)(end - text)) {
        return NULL;
    }
    *at += len + 1;
    return text;
}

static void set_part(TlsMaterial *m, const char *name, const char *text)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        char **part = &G_STRUCT_MEMBER(char *, m, parts[i].at);

        if (!strcmp(parts[i].name, name) && !*part) {
            *part = g_strdup(text);
        }
    }
}

static TlsMaterial *material_parse(const char *at, size_t len, GError **errp)
{
    g_autoptr(TlsMaterial) m = g_new0(TlsMaterial, 1);
    g_autoptr(GStrvBuilder) arbiters = g_strv_builder_new();
    const char *end = at + len, *name, *text;
    bool whole = true;

    while (at < end && whole) {
        name = take_text(&at, end);
        text = name ? take_text(&at, end) : NULL;
        whole = text;
        if (whole && !strcmp(name, PART_ARBITER)) {
            g_strv_builder_add(arbiters, text);
        } else if (whole) {
            set_part(m, name, text);
        }
    }
    m->arbiters = g_strv_builder_end(arbiters);
    if (!whole || !m->host || !m->priority ||
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
