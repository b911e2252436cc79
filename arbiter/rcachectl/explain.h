/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain: why a host offers what it offers, term by term. */
#ifndef RCACHECTL_EXPLAIN_H
#define RCACHECTL_EXPLAIN_H

#include <json-glib/json-glib.h>

/**
 * explain_find() - a host in the answer to "hosts"
 *
 * Return: its node, the answer's; or NULL with @errp set
 */
JsonNode *explain_find(JsonNode *answer, const char *host, GError **errp);

/** explain_print() - the terms of its prediction, and what they add up to */
char *explain_print(JsonNode *host);

#endif
