/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls-keeper: a daemon's credentials.  See tls-keeper.h. */
#include "common/tls-keeper.h"

#include <unistd.h>

#include "common/cleanup.h"
#include "common/log-event.h"
#include "common/tls-material.h"

#define DAY_S           INT64_C(86400)

struct TlsKeeper {
    const TlsSettings *settings;
    TlsCredentials *creds;      /* NULL: without TLS */
    int fd;
    char *problem;              /* the last reload failed; or NULL */
};

/* A list that is gone, or older, lets in again who is revoked.  It may be just
 * being replaced, or be forgotten on the way to another folder. */
static bool keeps_list(const TlsKeeper *keeper, const TlsCredentials *new,
                       GError **errp)
{
    if (!keeper->creds || tls_credentials_list_time(new) >=
                          tls_credentials_list_time(keeper->creds)) {
        return true;
    }
    g_set_error(errp, CONFIG_ERROR, 0, "TLS: %s/%s is %s, and who is revoked "
                "would be let in again (if that is wanted, restart the daemon)",
                keeper->settings->directory, TLS_FILE_CRL,
                tls_credentials_list_time(new) ? "older than the one before"
                                               : "not there any more");
    return false;
}

/* Read all; on failure everything stays as it is. */
static bool keeper_load(TlsKeeper *keeper, GError **errp)
{
    g_autoptr(TlsMaterial) material = tls_material_read(keeper->settings,
                                                        errp);
    g_autoptr(TlsCredentials) creds = NULL;
    int fd;

    if (!material) {
        return false;
    }
    creds = tls_credentials_new(material, errp);
    fd = creds && keeps_list(keeper, creds, errp)
        ? tls_material_to_fd(material, errp) : -1;
    if (fd < 0) {
        return false;
    }
    tls_credentials_unref(keeper->creds);
    keeper->creds = g_steal_pointer(&creds);
    autofd_close(&keeper->fd);
    keeper->fd = fd;
    return true;
}

static void keeper_tell(const TlsKeeper *keeper)
{
    int64_t expires = tls_credentials_expires(keeper->creds);
    g_autoptr(GDateTime) end = g_date_time_new_from_unix_utc(expires);
    g_autofree char *day = end ? g_date_time_format(end, "%F") : NULL;

    if (tls_credentials_is_psk(keeper->creds)) {
        g_message("TLS: with the keys in %s: whoever has that file can be "
                  "any host", keeper->settings->directory);
    } else {
        g_message("TLS: with the certificates in %s, for %s as %s, valid until "
                  "%s", keeper->settings->directory, keeper->settings->host,
                  tls_roles_text(tls_credentials_roles(keeper->creds)), day);
    }
}

TlsKeeper *tls_keeper_new(const TlsSettings *settings, GError **errp)
{
    g_autoptr(TlsKeeper) keeper = g_new0(TlsKeeper, 1);

    keeper->settings = settings;
    keeper->fd = -1;
    if (settings->mode == TLS_MODE_NONE) {
        return g_steal_pointer(&keeper);
    }
    if (!settings->written && !tls_config_present(settings)) {
        g_message("TLS: there are no certificates in %s, so nothing is "
                  "encrypted, and only this host is spoken to",
                  settings->directory);
        return g_steal_pointer(&keeper);
    }
    if (!keeper_load(keeper, errp)) {
        return NULL;
    }
    keeper_tell(keeper);
    return g_steal_pointer(&keeper);
}

void tls_keeper_free(TlsKeeper *keeper)
{
    if (keeper) {
        tls_credentials_unref(keeper->creds);
        autofd_close(&keeper->fd);
        g_free(keeper->problem);
        g_free(keeper);
    }
}

bool tls_keeper_reload(TlsKeeper *keeper)
{
    g_autoptr(GError) error = NULL;

    if (!keeper->creds) {
        g_message("TLS: there is none since the start, and a reload does not "
                  "change that");
        return false;
    }
    g_clear_pointer(&keeper->problem, g_free);
    if (!keeper_load(keeper, &error)) {
        keeper->problem = g_strdup(error->message);
        log_event(G_LOG_LEVEL_WARNING, LOG_TLS_KEPT, "%s: going on with what "
                  "was read before", error->message);
        return false;
    }
    keeper_tell(keeper);
    return true;
}

TlsCredentials *tls_keeper_credentials(const TlsKeeper *keeper)
{
    return keeper->creds;
}

int tls_keeper_fd(const TlsKeeper *keeper)
{
    return keeper->fd;
}

/* ----------------------------------------------------------------- status */

void tls_judge_expiry(const char *whose, int64_t left_s, int64_t warn_s,
                      Verdict *verdict)
{
    if (left_s > warn_s) {
        return;
    }
    if (left_s <= 0) {
        verdict_add(verdict, VERDICT_DEGRADED, "%s has expired: new "
                    "connections are refused", whose);
    } else if (left_s < DAY_S) {
        verdict_add(verdict, VERDICT_DEGRADED, "%s expires in %.1f hours",
                    whose, left_s / 3600.0);
    } else {
        verdict_add(verdict, left_s < TLS_URGENT_S ? VERDICT_DEGRADED
                                                   : VERDICT_NOTE,
                    "%s expires in %d day%s", whose, (int)(left_s / DAY_S),
                    left_s / DAY_S == 1 ? "" : "s");
    }
}

void tls_keeper_set_status(const TlsKeeper *keeper, int64_t now,
                           JsonObject *o, Verdict *verdict)
{
    int64_t expires = keeper->creds ? tls_credentials_expires(keeper->creds)
                                    : 0;

    json_object_set_string_member(o, "tls", !keeper->creds ? "none"
                                  : tls_credentials_is_psk(keeper->creds)
                                  ? "keys" : "certificates");
    if (expires) {
        json_object_set_int_member(o, "tls_expires_seconds", expires - now);
        tls_judge_expiry("this daemon's certificate", expires - now,
                         keeper->settings->warn_ms / 1000, verdict);
    } else {
        json_object_set_null_member(o, "tls_expires_seconds");
    }
    if (keeper->problem) {
        verdict_add(verdict, VERDICT_DEGRADED, "%s: this daemon goes on with "
                    "what it had read before", keeper->problem);
    }
    if (keeper->settings->mode == TLS_MODE_NONE) {
        verdict_add(verdict, VERDICT_NOTE, "tls=none: connections of this "
                    "daemon are neither encrypted nor authenticated");
    }
}
