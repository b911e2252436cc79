/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-client: one command of an admin socket, run for a tool. */
#ifndef RCACHE_ADMIN_CLIENT_H
#define RCACHE_ADMIN_CLIENT_H

#include "common/admin.h"

/**
 * admin_execute() - connect, run one command, and wait for its answer
 * @path: the socket
 * @command: the name
 * @args: its arguments, or NULL; not taken
 * @timeout_ms: for all of it; 0 waits for ever
 *
 * Blocking; for tools.
 *
 * Return: what was in "return", or NULL with @errp set: ADMIN_ERROR with the
 * class that the daemon named (an unknown one is ADMIN_ERROR_FAILED), or
 * ADMIN_ERROR_NO_DAEMON, ADMIN_ERROR_TIMEOUT
 */
JsonNode *admin_execute(const char *path, const char *command,
                        JsonObject *args, unsigned timeout_ms,
                        GError **errp);

#endif
