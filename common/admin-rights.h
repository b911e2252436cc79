/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admin-rights: who may do what on an admin socket.
 *
 * A client is who the kernel says it was when it connected: its user, its
 * group, and its supplementary groups.  Root and the daemon's own user may do
 * everything, and so may the members of one group; the members of a second
 * may look.  Neither group has to be named.
 *
 * A socket file has one group only.  With the second group named, the file is
 * open to everybody, and the credentials alone decide.
 */
#ifndef RCACHE_ADMIN_RIGHTS_H
#define RCACHE_ADMIN_RIGHTS_H

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef enum AdminRights {
    ADMIN_RIGHTS_NONE,
    ADMIN_RIGHTS_READ,          /* commands that change nothing */
    ADMIN_RIGHTS_ALL
} AdminRights;

typedef struct AdminGroups {
    char *all, *read;           /* names, or NULL */
    gid_t all_gid, read_gid;    /* or (gid_t)-1 */
} AdminGroups;

/**
 * admin_groups_init() - look the groups up
 * @all: whose members may do everything; NULL or "" for nobody
 * @read: whose members may look; the same
 *
 * Return: false with @errp set, and nothing to deinit: there is no such group
 */
bool admin_groups_init(AdminGroups *groups, const char *all,
                       const char *read, GError **errp);
void admin_groups_deinit(AdminGroups *groups);

/** admin_groups_mode() - of the socket file; *@gid: its group, or -1 */
mode_t admin_groups_mode(const AdminGroups *groups, gid_t *gid);

/**
 * admin_groups_rights() - what may this user do?  Pure.
 * @self: the daemon's own user
 * @gids: @n groups of the client, its own one among them
 */
AdminRights admin_groups_rights(const AdminGroups *groups, uid_t self,
                                uid_t uid, const gid_t *gids, unsigned n);

/** admin_groups_peer() - the same, of who is connected to @fd */
AdminRights admin_groups_peer(const AdminGroups *groups, int fd);

/**
 * admin_groups_who() - in words, who may do what: for a refusal
 * @rights: what is asked for
 *
 * Return: a new text
 */
char *admin_groups_who(const AdminGroups *groups, AdminRights rights);

#endif
