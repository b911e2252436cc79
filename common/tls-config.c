/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls-config: what is configured about TLS.  See tls-config.h. */
#include "common/tls-config.h"

#include <string.h>

#include "common/tls-material.h"

static bool has_file(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static const char *first_file(TlsMode mode)
{
    return mode == TLS_MODE_PSK ? TLS_FILE_PSK : TLS_FILE_CA;
}

void tls_config_view(const Config *config, const char *section,
                     const char *host, TlsSettings *out)
{
    const char *mode = config_string(config, section, "tls");

    *out = (TlsSettings) {
        .mode = !strcmp(mode, "none") ? TLS_MODE_NONE
                : !strcmp(mode, "psk") ? TLS_MODE_PSK : TLS_MODE_REQUIRED,
        .written = config_is_set(config, section, "tls"),
        .directory = config_string(config, "tls", "directory"),
        .arbiters = config_list(config, "tls", "arbiters"),
        .priority = config_string(config, "tls", "priority"),
        .warn_ms = config_time_ms(config, "tls", "warn-before"),
        .host = host,
    };
    if (!*out->directory) {
        const char *file = first_file(out->mode);

        out->directory = !has_file(TLS_DIRECTORY, file) &&
                         has_file(TLS_DIRECTORY_QEMU, file)
                             ? TLS_DIRECTORY_QEMU : TLS_DIRECTORY;
    }
}

bool tls_config_present(const TlsSettings *settings)
{
    return has_file(settings->directory, first_file(settings->mode));
}

bool tls_config_check(const TlsSettings *settings, const char *what,
                      const char *text, bool loopback, GError **errp)
{
    if (loopback || settings->mode == TLS_MODE_NONE ||
        tls_config_present(settings)) {
        return true;
    }
    g_set_error(errp, CONFIG_ERROR, 0, "%s %s: there is no %s in %s, so "
                "beyond the loopback interface nothing would be encrypted: "
                "%s, or write tls=none to allow that", what, text,
                first_file(settings->mode), settings->directory,
                settings->mode == TLS_MODE_PSK
                    ? "make one with psktool"
                    : "make certificates (rcachectl pki init)");
    return false;
}
