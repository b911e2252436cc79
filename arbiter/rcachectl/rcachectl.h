/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcachectl: what its parts share. */
#ifndef ARBITER_RCACHECTL_H
#define ARBITER_RCACHECTL_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NO_DAEMON = 3,
    EXIT_REFUSED = 4,
    EXIT_WARNED = 5             /* check: there is nothing worse */
};

/** rcachectl_fail() - say why on stderr; returns the exit status for it */
int rcachectl_fail(const GError *error);

/** rcachectl_host_args() - {"host": @host}, new */
JsonObject *rcachectl_host_args(const char *host);

/**
 * rcachectl_put() - print an answer
 * @text: for people, or NULL: as JSON
 */
int rcachectl_put(JsonNode *answer, const char *text);

#endif
