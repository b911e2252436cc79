/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener: a listening stream socket on GLib's main loop.
 *
 * When the process runs out of descriptors it pauses instead of spinning on
 * a queue that it cannot empty; connections wait meanwhile.
 */
#ifndef RCACHE_LISTENER_H
#define RCACHE_LISTENER_H

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Listener Listener;

/**
 * ListenerAccept - a connection has come; take a reference to keep it
 *
 * It must not free the listener.
 */
typedef void ListenerAccept(GSocketConnection *conn, void *opaque);

/**
 * listener_new_tcp() - listen on a TCP address
 * @address: as address_parse() takes it
 * @port: if @address has none
 *
 * Return: the listener, or NULL with @errp set
 */
Listener *listener_new_tcp(const char *address, uint16_t port,
                           ListenerAccept *accept, void *opaque,
                           GError **errp);

/**
 * listener_new_unix() - listen on a socket file
 * @path: the file; what a dead daemon left there is removed, a socket on
 *        which somebody listens and any other file are not
 * @mode: of the file
 * @gid: its group, or (gid_t)-1
 */
Listener *listener_new_unix(const char *path, mode_t mode, gid_t gid,
                            ListenerAccept *accept, void *opaque,
                            GError **errp);

/** listener_free() - stop; removes the socket file if it is still ours */
void listener_free(Listener *listener);

/** listener_address() - where it listens: "ADDRESS:PORT" or the path */
const char *listener_address(const Listener *listener);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Listener, listener_free)

#endif
