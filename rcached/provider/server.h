/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server: the thread that answers requesters.
 *
 * One thread, one ring.  It owns the listening socket and every connection;
 * it shares with others only the store, under the store's lock, and the
 * event descriptor by which it is woken.
 */
#ifndef RCACHED_PROVIDER_SERVER_H
#define RCACHED_PROVIDER_SERVER_H

#include <glib.h>

#include "rcached/provider/serving.h"

/**
 * server_new() - a server; to be called on the thread that runs it
 *
 * Return: the server, or NULL with @errp set
 */
Server *server_new(const ServerConfig *config, GError **errp);

/**
 * server_run() - serve until *stop is not 0 and wake_fd is written to
 *
 * Every connection is closed when this returns.
 */
void server_run(Server *server);

void server_free(Server *server);

/** server_counts() - with the store's lock held, from any thread */
void server_counts(const Server *server, ServerCounts *out);

/** server_hits() - who has run into limits; the same */
void server_hits(const Server *server, LimitHits *out);

#endif
