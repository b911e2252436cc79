/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls-keeper: a daemon's credentials, from its start through each SIGHUP, and
 * what its status says of them.
 */
#ifndef RCACHE_TLS_KEEPER_H
#define RCACHE_TLS_KEEPER_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/tls-config.h"
#include "common/tls-credentials.h"
#include "common/verdict.h"

/* A warning becomes a problem so long before a certificate expires. */
#define TLS_URGENT_S    (7 * 86400)

typedef struct TlsKeeper TlsKeeper;

/**
 * tls_keeper_new() - read the files, and say in the log what is spoken
 * @settings: kept, not copied
 *
 * That nothing is to be reached beyond the loopback interface without TLS has
 * been seen to before (tls_config_check()).
 *
 * Return: the keeper, or NULL with @errp set
 */
TlsKeeper *tls_keeper_new(const TlsSettings *settings, GError **errp);
void tls_keeper_free(TlsKeeper *keeper);

/**
 * tls_keeper_reload() - read the files again
 *
 * Return: true if there are other credentials now.  If the files are of no
 * use, or the list of revoked certificates is gone or older than before, it
 * goes on with those it has, and says so in the log and in status.
 */
bool tls_keeper_reload(TlsKeeper *keeper);

/** tls_keeper_credentials() - its own; NULL: without TLS */
TlsCredentials *tls_keeper_credentials(const TlsKeeper *keeper);

/** tls_keeper_fd() - a pager's part of them, a memfd; -1: without TLS */
int tls_keeper_fd(const TlsKeeper *keeper);

/**
 * tls_keeper_set_status() - put it into an answer and its verdict
 *
 * Members: "tls" ("certificates", "keys", "none"), "tls_expires_seconds"
 * (from now; null where nothing expires).
 * @now: seconds since 1970
 */
void tls_keeper_set_status(const TlsKeeper *keeper, int64_t now,
                           JsonObject *o, Verdict *verdict);

/**
 * tls_judge_expiry() - put a certificate's end into a verdict, if it is near
 * @whose: "the certificate of host a"
 * @left_s: seconds from now; what is not above 0 is over
 * @warn_s: seconds before it that it is worth a word
 */
void tls_judge_expiry(const char *whose, int64_t left_s, int64_t warn_s,
                      Verdict *verdict);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsKeeper, tls_keeper_free)

#endif
