/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket-rights: whose vmm.sock is, from the configuration.
 *
 * Who can write to a socket's file may connect.  QEMU runs as a user of its
 * own that is in the group kvm, with libvirt and without, so that is the group
 * where none is named.
 */
#ifndef RCACHED_SOCKET_RIGHTS_H
#define RCACHED_SOCKET_RIGHTS_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#define SOCKET_GROUP    "kvm"

/* The modes that the configuration may name. */
#define SOCKET_MODES    "0600|0660|0666"

/* Of the file; (uid_t)-1 and (gid_t)-1 are the process's own. */
typedef struct SocketRights {
    uid_t uid;
    gid_t gid;
    mode_t mode;
} SocketRights;

/**
 * socket_rights_init() - look user and group up
 * @owner: "": the process's own
 * @group: the same
 * @wished: the group is only a default: if there is none, or the process may
 *          not give files to it, its own group has to do, which is logged
 * @mode: one of SOCKET_MODES
 *
 * Return: false with @errp set: there is no such user or group, or a file
 * cannot be given to them
 */
bool socket_rights_init(SocketRights *rights, const char *owner,
                        const char *group, bool wished, const char *mode,
                        GError **errp);

#endif
