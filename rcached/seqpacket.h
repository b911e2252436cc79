/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seqpacket: listening unix sockets whose packets are messages, as VMMs and
 * pagers use them, on GLib's main loop.
 */
#ifndef RCACHED_SEQPACKET_H
#define RCACHED_SEQPACKET_H

#include <glib.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "rcached/socket-rights.h"

typedef struct SeqListener SeqListener;

/** SeqAccept - a connection has come; @fd (non-blocking) is the callee's */
typedef void SeqAccept(int fd, const struct ucred *peer, void *opaque);

/**
 * seq_listener_new() - listen at @path
 * @rights: of the socket's file
 *
 * A socket that is there already is replaced: the caller holds the lock of
 * its folder (rundir.h), so that nobody else listens on it.
 *
 * Return: the listener, or NULL with @errp set
 */
SeqListener *seq_listener_new(const char *path, const SocketRights *rights,
                              SeqAccept *accept, void *opaque,
                              GError **errp);

/** seq_listener_free() - stop, and remove the socket's file */
void seq_listener_free(SeqListener *listener);

/**
 * seq_send() - send one message at once, or not at all
 * @pass: a descriptor to send along, the caller's; or -1
 *
 * Return: 0 or -errno (-EAGAIN: the peer does not read)
 */
int seq_send(int fd, const void *msg, size_t len, int pass);

/**
 * seq_recv() - take one message, if there is one
 * @pass: set to the descriptor that came with it, the caller's; or to -1
 *
 * Return: its length, which may be more than @size; 0 at the end; or -errno
 */
ssize_t seq_recv(int fd, void *buf, size_t size, int *pass);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SeqListener, seq_listener_free)

#endif
