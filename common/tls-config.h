/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-config: what a daemon's configuration says about TLS.
 *
 * The daemons have the section [tls] in common, TLS_CONFIG_KEYS, and a key
 * "tls" each in a section of its own.
 */
#ifndef RCACHE_TLS_CONFIG_H
#define RCACHE_TLS_CONFIG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"

#define TLS_DIRECTORY           "/etc/pki/rcached"
#define TLS_DIRECTORY_QEMU      "/etc/pki/qemu"

#define TLS_CONFIG_CHOICES      "required|psk|none"

/* Of a daemon's own key "tls". */
#define TLS_CONFIG_DOC \
    "How connections are secured. \"required\": TLS with certificates, see " \
    "[tls]. \"psk\": TLS with a key for each host. \"none\": not at all: " \
    "guest memory then crosses the network readable, and anyone who can " \
    "reach the port can take memory. Where this is \"required\" and there " \
    "are no certificates, the daemon speaks on the loopback interface only."

#define TLS_CONFIG_KEYS \
    { .section = "tls", .key = "directory", .type = CONFIG_STRING, \
      .fallback = "", \
      .unit = "a directory, or nothing", .example = "/etc/pki/node7", \
      .change = "what is in the directory is read again at SIGHUP, which " \
                "directory it is is not.", \
      .doc = "Where ca-cert.pem, ca-crl.pem (if there is one), " \
             "server-cert.pem, server-key.pem, client-cert.pem and " \
             "client-key.pem are, or keys.psk. Empty: " TLS_DIRECTORY \
             ", or if that has none of them " TLS_DIRECTORY_QEMU "." }, \
    { .section = "tls", .key = "arbiters", .type = CONFIG_LIST, \
      .fallback = "", \
      .unit = "names, with commas between them", \
      .example = "node1,node2", \
      .doc = "Names of hosts that are arbiters although their certificates " \
             "do not say so (rcached:arbiter)." }, \
    { .section = "tls", .key = "priority", .type = CONFIG_STRING, \
      .fallback = "NORMAL", \
      .unit = "one of GnuTLS's priority strings", .example = "SECURE256", \
      .doc = "What GnuTLS may use, as one of its priority strings; of the " \
             "protocol's versions it is always TLS 1.3 only." }, \
    { .section = "tls", .key = "warn-before", .type = CONFIG_TIME, \
      .fallback = "28d", .max = INT64_C(3650) * 86400 * 1000, \
      .example = "60d", \
      .doc = "How long before a certificate expires status says so." }

typedef enum TlsMode {
    TLS_MODE_REQUIRED,
    TLS_MODE_PSK,
    TLS_MODE_NONE
} TlsMode;

/* Texts belong to the configuration. */
typedef struct TlsSettings {
    TlsMode mode;
    bool written;               /* somebody did, and it is not the default */
    const char *directory;      /* the one that is used */
    const char *const *arbiters;
    const char *priority;
    uint64_t warn_ms;
    const char *host;           /* our own name */
} TlsSettings;

/**
 * tls_config_view() - read it out of a configuration
 * @section: where the daemon's key "tls" is
 * @host: our own name; the caller's
 */
void tls_config_view(const Config *config, const char *section,
                     const char *host, TlsSettings *out);

/** tls_config_present() - are there any of the files that the mode takes? */
bool tls_config_present(const TlsSettings *settings);

/**
 * tls_config_check() - may an address be used?
 * @what: what it is, for the message
 * @text: the address
 * @loopback: it can be reached from this host only
 *
 * Return: false with @errp set, if it would not be secured and nobody has
 * written that this is wanted
 */
bool tls_config_check(const TlsSettings *settings, const char *what,
                      const char *text, bool loopback, GError **errp);

#endif
