/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-tree: a made-up /proc, /sys and /dev, of a host on which all is well. */
#ifndef TESTS_HOST_TREE_H
#define TESTS_HOST_TREE_H

#include <glib.h>

#include "common/host-facts.h"

/** host_tree_new() - the folder that stands before /proc; new */
char *host_tree_new(void);

/** host_tree_put() - a file below it; @text NULL takes the file away */
void host_tree_put(const char *root, const char *path, const char *text);

/** host_tree_free() - and all that is below it */
void host_tree_free(char *root);

/** host_tree_user() - some user in these groups; the last one is -1 */
HostUser host_tree_user(const int *groups);

#endif
