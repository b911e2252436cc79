/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check-daemons: what the daemons say at their admin sockets.
 *
 * Their figures and verdicts are taken as they are: rcachectl check works out
 * nothing that a daemon has worked out, so that the two never differ.
 */
#ifndef RCACHECTL_CHECK_DAEMONS_H
#define RCACHECTL_CHECK_DAEMONS_H

#include <json-glib/json-glib.h>

#include "arbiter/rcachectl/check-facts.h"

/**
 * check_daemons_ask() - ask both sockets
 * @rcached, @arbiter: their paths
 * @timeout_ms: for each answer
 */
void check_daemons_ask(const char *rcached, const char *arbiter,
                       unsigned timeout_ms, CheckFacts *facts);

/** check_daemons_take_rcached() - the answer to "status" of rcached */
void check_daemons_take_rcached(JsonObject *status, CheckDaemon *daemon);

/** check_daemons_take_arbiter() - those to "status" and "hosts" of an arbiter;
 * what is of another type than expected is left out */
void check_daemons_take_arbiter(JsonObject *status, JsonArray *hosts,
                                CheckArbiter *arbiter);

/**
 * check_daemons_which() - which daemon is at a socket?
 *
 * Return: "arbiter" or "rcached", or NULL with @errp set
 */
const char *check_daemons_which(const char *socket, unsigned timeout_ms,
                                GError **errp);

#endif
