/* SPDX-License-Identifier: GPL-2.0-or-later */
/* upgrade: until a host's daemon and its pagers are the installed program. */
#ifndef RCACHECTL_UPGRADE_H
#define RCACHECTL_UPGRADE_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

/**
 * upgrade_wait() - until the next daemon runs and has replaced all pagers
 * @path: the admin socket, of the host or of an arbiter, that was told
 * @host: its name
 * @answer: its answer
 * @timeout_ms: give up after so long; 0: never
 * @json: show nothing, and print what is known of the host in the end
 *
 * Return: the exit status; what is wrong has been said
 */
int upgrade_wait(const char *path, const char *host, JsonNode *answer,
                 unsigned timeout_ms, bool json);

#endif
