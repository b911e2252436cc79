/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-material: certificates and keys as they stand in files.
 *
 * They are read whole or not at all, so that no mixture of an old and a new
 * certificate ever comes about, and nobody has looked at what is in them yet:
 * that is tls-credentials.h.  A pager is given its part of them in a sealed
 * memfd.
 */
#ifndef RCACHE_TLS_MATERIAL_H
#define RCACHE_TLS_MATERIAL_H

#include <glib.h>
#include <stdbool.h>

#include "common/tls-config.h"

/* QEMU's names. */
#define TLS_FILE_CA             "ca-cert.pem"
#define TLS_FILE_CRL            "ca-crl.pem"
#define TLS_FILE_SERVER_CERT    "server-cert.pem"
#define TLS_FILE_SERVER_KEY     "server-key.pem"
#define TLS_FILE_CLIENT_CERT    "client-cert.pem"
#define TLS_FILE_CLIENT_KEY     "client-key.pem"
#define TLS_FILE_PSK            "keys.psk"

/*
 * A part that is not there is NULL.  With keys: .psk is the file; of
 * certificates .psk is NULL.
 */
typedef struct TlsMaterial {
    char *host;                 /* our own name */
    char *priority;
    char **arbiters;
    char *ca, *crl;             /* PEM, and so are the next */
    char *server_cert, *server_key;
    char *client_cert, *client_key;
    char *psk;                  /* lines of NAME:KEY, the key in hex */
} TlsMaterial;

/**
 * tls_material_read() - read the files that the settings name
 *
 * Where there is no client's certificate the server's is taken for both.  A key
 * that others than root and our user could read or write is refused; their
 * group may read it.
 *
 * Return: it, or NULL with @errp set, which names the file
 */
TlsMaterial *tls_material_read(const TlsSettings *settings, GError **errp);
/** tls_material_free() - and wipe the keys; NULL is fine */
void tls_material_free(TlsMaterial *material);

/**
 * tls_material_to_fd() - what a pager needs of it: to connect, no more
 *
 * Return: a sealed memfd, or -1 with @errp set
 */
int tls_material_to_fd(const TlsMaterial *material, GError **errp);

/**
 * tls_material_from_fd() - the other end
 * @fd: stays the caller's
 *
 * Return: it, or NULL with @errp set
 */
TlsMaterial *tls_material_from_fd(int fd, GError **errp);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsMaterial, tls_material_free)

#endif
