/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link-server: the daemon's end of the links to its pagers.  See link.h for
 * what is said on them.
 *
 * A link belongs to a VM from its HELLO on.  Messages are checked here for
 * their form; what they mean is the owner's.
 */
#ifndef RCACHED_LINK_SERVER_H
#define RCACHED_LINK_SERVER_H

#include <glib.h>
#include <sys/types.h>

#include "rcached/link.h"
#include "rcached/vms.h"

typedef struct LinkServer LinkServer;
typedef struct Link Link;

typedef struct LinkOps {
    /* Return the VM, or NULL with @errp set to end the link. */
    Vm *(*hello)(Link *link, const struct LinkHello *msg, pid_t pid,
                 void *opaque, GError **errp);
    void (*stats)(Vm *vm, const struct LinkStats *msg, void *opaque);
    void (*balloon)(Vm *vm, const struct LinkBalloon *msg, void *opaque);
    void (*want)(Vm *vm, const struct LinkWant *msg, void *opaque);
    void (*automatic)(Vm *vm, const struct LinkAuto *msg, void *opaque);
    void (*result)(Vm *vm, const struct LinkResult *msg, void *opaque);
    /* The last call for a link; @vm's link is NULL by then. */
    void (*closed)(Vm *vm, void *opaque);
} LinkOps;

/**
 * link_server_new() - listen for pagers at @path
 *
 * Return: the server, or NULL with @errp set
 */
LinkServer *link_server_new(const char *path, const LinkOps *ops,
                            void *opaque, GError **errp);

/** link_server_free() - end all links, without closed(), and stop */
void link_server_free(LinkServer *server);

/**
 * link_send() - send a whole message that starts with a LinkHdr
 *
 * A pager that does not read its link loses it and connects again.
 *
 * Return: false if the link has gone
 */
bool link_send(Link *link, const void *msg, size_t len);

/** link_send_tls() - LINK_TLS with its memfd, or -1; the caller's
 * @plain: without it, beyond loopback too */
bool link_send_tls(Link *link, int fd, bool plain);

/** link_send_leave() - LINK_LEAVE: somebody waits for the pager's place */
bool link_send_leave(Link *link);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LinkServer, link_server_free)

#endif
