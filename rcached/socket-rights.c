/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socket-rights: see socket-rights.h. */
#include "rcached/socket-rights.h"

#include <gio/gio.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool find_owner(const char *name, uid_t *uid, GError **errp)
{
    const struct passwd *user = *name ? getpwnam(name) : NULL;

    *uid = user ? user->pw_uid : (uid_t)-1;
    if (*name && !user) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "there is no user '%s': name another as owner in the "
                    "section [pager]", name);
        return false;
    }
    if (user && geteuid() && *uid != geteuid()) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                    "vmm.sock cannot be given to the user '%s' (owner in the "
                    "section [pager]): only root can. Name a group instead",
                    name);
        return false;
    }
    return true;
}

/* A file of ours goes to any group of ours; root's to any. */
static bool may_give(gid_t gid)
{
    int n = getgroups(0, NULL);
    g_autofree gid_t *gids = g_new(gid_t, MAX(n, 0) + 1);

    n = getgroups(MAX(n, 0), gids);
    while (n-- > 0) {
        if (gids[n] == gid) {
            return true;
        }
    }
    return !geteuid() || gid == getegid();
}

static bool find_group(const char *name, gid_t *gid, GError **errp)
{
    const struct group *group = *name ? getgrnam(name) : NULL;

    *gid = group ? group->gr_gid : (gid_t)-1;
    if (*name && !group) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "there is no group '%s': make it (groupadd %s), or name "
                    "another as group in the section [pager]", name, name);
        return false;
    }
    if (group && !may_give(*gid)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                    "this daemon is no member of the group '%s' and cannot "
                    "give vmm.sock to it: add its user (gpasswd -a rcached "
                    "%s), or name another as group in the section [pager]",
                    name, name);
        return false;
    }
    return true;
}

bool socket_rights_init(SocketRights *rights, const char *owner,
                        const char *group, bool wished, const char *mode,
                        GError **errp)
{
    g_autoptr(GError) error = NULL;

    rights->mode = strtoul(mode, NULL, 8);
    if (!find_owner(owner, &rights->uid, errp)) {
        return false;
    }
    if (!find_group(group, &rights->gid, &error)) {
        if (!wished) {
            g_propagate_error(errp, g_steal_pointer(&error));
            return false;
        }
        g_message("vmm.sock is for this daemon's own group: %s",
                  error->message);
        rights->gid = (gid_t)-1;
    }
    if (rights->mode & S_IWOTH) {
        g_warning("vmm.sock is open to every user of this host ([pager] mode)");
    }
    return true;
}
