/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host_admin: the commands of this host's admin socket.  rcachectl(1) says
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

/** host_admin_free() - stop; commands that are under way fail */
void host_admin_free(HostAdmin *admin);

/** host_admin_result() - a pager has answered LINK_EVICT */
void host_admin_result(HostAdmin *admin, Vm *vm,
                       const struct LinkResult *msg);

/** host_admin_link_closed() - what was asked of this VM's pager fails */
void host_admin_link_closed(HostAdmin *admin, Vm *vm);

#endif
