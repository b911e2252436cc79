/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qmp-folder: the QMP monitors whose sockets are in one folder. */
#ifndef RCACHED_AGENT_QMP_FOLDER_H
#define RCACHED_AGENT_QMP_FOLDER_H

#include "rcached/agent/qmp.h"

/* All sockets in a folder; looked for again every period. */
typedef struct QmpFolder QmpFolder;

/**
 * qmp_folder_new() - follow the monitors in a folder
 *
 * Return: the folder, or NULL with @errp set: it is not absolute, cannot be
 * read, or is libvirt's, whose monitors have a client already
 */
QmpFolder *qmp_folder_new(const QmpConfig *config, const char *path,
                          GError **errp);
void qmp_folder_free(QmpFolder *folder);

/** qmp_folder_list() - the monitors, of Qmp, not owned; free the array */
GPtrArray *qmp_folder_list(QmpFolder *folder);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpFolder, qmp_folder_free)

#endif
