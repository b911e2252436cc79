/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-admin: the commands of this host's admin socket.  rcachectl(1) says
 * what they answer.
 */
#ifndef RCACHED_HOST_ADMIN_H
#define RCACHED_HOST_ADMIN_H

#include <glib.h>

#include "rcached/rcached.h"

/**
 * host_admin_new() - listen on admin.sock in the daemon's folder
 *
 * Return: the admin socket, or NULL with @errp set
 */
HostAdmin *host_admin_new(Rcached *r, GError **errp);

/** host_admin_free() - stop; takes NULL */
void host_admin_free(HostAdmin *admin);

#endif
