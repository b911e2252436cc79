/* SPDX-License-Identifier: GPL-2.0-or-later */
/* secrecy: keep a process's memory from others.  See secrecy.h. */
#include "common/secrecy.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void secrecy_begin(void)
{
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* One line of heading, then one line for each swap area. */
bool secrecy_host_has_swap(const char *root)
{
    g_autofree char *path = g_strconcat(root, "/proc/swaps", NULL);
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return errno != ENOENT;
    }
    line = strchr(text, '\n');
    return line && line[1];
}
