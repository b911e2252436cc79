/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qmp-folder: the monitors in a folder.  See qmp-folder.h.
 *
 * The folder is looked through every period.  A socket that is gone takes
 * its monitor with it; one that has been made anew under the same name is
 * found by the monitor itself, when its connection ends.
 */
#include "rcached/agent/qmp-folder.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>

#define MONITORS_MAX    1024u

struct QmpFolder {
    QmpConfig config;
    char *path;
    GHashTable *monitors;       /* path -> Qmp */
    guint timer;
    bool full_said;
};

static bool is_socket(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static gboolean is_gone(gpointer path, gpointer qmp, gpointer opaque)
{
    return !is_socket(path);
}

static void folder_add(QmpFolder *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder->path, name, NULL);

    if (g_hash_table_contains(folder->monitors, path) || !is_socket(path)) {
        return;
    }
    if (g_hash_table_size(folder->monitors) >= MONITORS_MAX) {
        if (!folder->full_said) {
            g_warning("%s: more than %u monitors; the others are not asked",
                      folder->path, MONITORS_MAX);
        }
        folder->full_said = true;
        return;
    }
    g_hash_table_insert(folder->monitors, g_strdup(path),
                        qmp_new(&folder->config, path));
}

static bool folder_scan(QmpFolder *folder, GError **errp)
{
    g_autoptr(GDir) dir = g_dir_open(folder->path, 0, errp);
    const char *name;

    g_hash_table_foreach_remove(folder->monitors, is_gone, NULL);
    while (dir && (name = g_dir_read_name(dir))) {
        folder_add(folder, name);
    }
    return dir;
}

static gboolean folder_period(gpointer opaque)
{
    folder_scan(opaque, NULL);
    return G_SOURCE_CONTINUE;
}

/* A monitor takes one client: libvirt would lose its own to us. */
static bool folder_is_libvirts(const char *path)
{
    static const char *const theirs[] = { "/var/lib/libvirt", "/run/libvirt",
                                          "/var/run/libvirt" };

    for (unsigned i = 0; i < G_N_ELEMENTS(theirs); i++) {
        size_t len = strlen(theirs[i]);

        if (!strncmp(path, theirs[i], len) && (!path[len] ||
                                               path[len] == '/')) {
            return true;
        }
    }
    return false;
}

QmpFolder *qmp_folder_new(const QmpConfig *config, const char *path,
                          GError **errp)
{
    g_autoptr(QmpFolder) folder = g_new0(QmpFolder, 1);

    folder->config = *config;
    folder->monitors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             (GDestroyNotify)qmp_free);
    if (!g_path_is_absolute(path)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "qmp-directory needs an absolute path, not '%s'", path);
        return NULL;
    }
    folder->path = g_canonicalize_filename(path, NULL);
    if (folder_is_libvirts(folder->path)) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "qmp-directory: the monitors in %s are libvirt's; give "
                    "each VM a second one in a folder of its own",
                    folder->path);
        return NULL;
    }
    if (!folder_scan(folder, errp)) {
        g_prefix_error(errp, "qmp-directory: ");
        return NULL;
    }
    folder->timer = g_timeout_add(config->period_ms, folder_period, folder);
    return g_steal_pointer(&folder);
}

void qmp_folder_free(QmpFolder *folder)
{
    if (folder) {
        g_clear_handle_id(&folder->timer, g_source_remove);
        g_clear_pointer(&folder->monitors, g_hash_table_unref);
        g_free(folder->path);
        g_free(folder);
    }
}

static int compare_monitors(gconstpointer a, gconstpointer b)
{
    return strcmp(qmp_path(*(Qmp *const *)a), qmp_path(*(Qmp *const *)b));
}

GPtrArray *qmp_folder_list(QmpFolder *folder)
{
    GPtrArray *all = g_ptr_array_new();
    GHashTableIter iter;
    gpointer qmp;

    g_hash_table_iter_init(&iter, folder->monitors);
    while (g_hash_table_iter_next(&iter, NULL, &qmp)) {
        g_ptr_array_add(all, qmp);
    }
    g_ptr_array_sort(all, compare_monitors);
    return all;
}
