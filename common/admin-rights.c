/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-rights: see admin-rights.h. */
#include "common/admin-rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/admin.h"

#define NO_GID          ((gid_t)-1)
#define GROUPS_USUAL    64u

static bool group_find(const char *name, char **copy, gid_t *gid,
                       GError **errp)
{
    struct group *group;

    *copy = NULL;
    *gid = NO_GID;
    if (!name || !*name) {
        return true;
    }
    group = getgrnam(name);
    if (!group) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_FAILED,
                    "there is no group '%s'; make it (groupadd %s), or name "
                    "another in the section [admin]", name, name);
        return false;
    }
    *copy = g_strdup(name);
    *gid = group->gr_gid;
    return true;
}

bool admin_groups_init(AdminGroups *groups, const char *all,
                       const char *read, GError **errp)
{
    if (!group_find(all, &groups->all, &groups->all_gid, errp)) {
        return false;
    }
    if (!group_find(read, &groups->read, &groups->read_gid, errp)) {
        g_clear_pointer(&groups->all, g_free);
        return false;
    }
    return true;
}

void admin_groups_deinit(AdminGroups *groups)
{
    g_clear_pointer(&groups->all, g_free);
    g_clear_pointer(&groups->read, g_free);
}

mode_t admin_groups_mode(const AdminGroups *groups, gid_t *gid)
{
    if (groups->read_gid != NO_GID && groups->read_gid != groups->all_gid) {
        *gid = NO_GID;
        return 0666;
    }
    *gid = groups->all_gid;
    return groups->all_gid != NO_GID ? 0660 : 0600;
}

static bool has(gid_t gid, const gid_t *gids, unsigned n)
{
    for (unsigned i = 0; gid != NO_GID && i < n; i++) {
        if (gids[i] == gid) {
            return true;
        }
    }
    return false;
}

AdminRights admin_groups_rights(const AdminGroups *groups, uid_t self,
                                uid_t uid, const gid_t *gids, unsigned n)
{
    if (uid == 0 || uid == self || has(groups->all_gid, gids, n)) {
        return ADMIN_RIGHTS_ALL;
    }
    return has(groups->read_gid, gids, n) ? ADMIN_RIGHTS_READ
                                          : ADMIN_RIGHTS_NONE;
}

/* The supplementary groups with @gid behind them; NULL: they are not known. */
static gid_t *peer_groups(int fd, gid_t gid, unsigned *n)
{
    socklen_t len = GROUPS_USUAL * sizeof(gid_t);
    gid_t *gids = g_malloc(len + sizeof(gid_t));

    while (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &len) < 0) {
        if (errno != ERANGE) {
            g_free(gids);
            return NULL;
        }
        /* @len is what it takes. */
        gids = g_realloc(gids, len + sizeof(gid_t));
    }
    *n = len / sizeof(gid_t);
    gids[(*n)++] = gid;
    return gids;
}

AdminRights admin_groups_peer(const AdminGroups *groups, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    g_autofree gid_t *gids = NULL;
    unsigned n = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
        return ADMIN_RIGHTS_NONE;
    }
    gids = peer_groups(fd, peer.gid, &n);
    return admin_groups_rights(groups, geteuid(), peer.uid, gids, n);
}

char *admin_groups_who(const AdminGroups *groups, AdminRights rights)
{
    const struct passwd *self = getpwuid(geteuid());
    GString *out = g_string_new("root");

    if (self && self->pw_uid) {
        g_string_append_printf(out, ", the user %s", self->pw_name);
    }
    if (groups->all) {
        g_string_append_printf(out, ", members of the group %s", groups->all);
    }
    if (rights == ADMIN_RIGHTS_READ && groups->read) {
        g_string_append_printf(out, ", members of the group %s",
                               groups->read);
    }
    if (!groups->all && !(rights == ADMIN_RIGHTS_READ && groups->read)) {
        g_string_append(out, " (a group can be named in the daemon's "
                        "configuration, section [admin])");
    }
    return g_string_free(out, FALSE);
}
