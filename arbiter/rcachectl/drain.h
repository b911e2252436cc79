/* SPDX-License-Identifier: GPL-2.0-or-later */
/* drain: "drain --wait": until a host is empty. */
#ifndef RCACHECTL_DRAIN_H
#define RCACHECTL_DRAIN_H

#include <stdbool.h>

/**
 * drain_wait() - show how far it is, until the host is empty
 * @path: the admin socket
 * @host: which has just been told to drain
 * @timeout_ms: give up after so long; 0: never
 * @json: show nothing, and print the host's object in the end
 *
 * Return: the exit status; what is wrong has been said
 */
int drain_wait(const char *path, const char *host, unsigned timeout_ms,
               bool json);

#endif
