/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay: run a fuzz target over the files of the folders given, once, in a
 * build without libFuzzer.  An empty corpus is an error.
 */
#include <glib.h>
#include <stdio.h>

#include "fuzz.h"

static unsigned replay_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    unsigned n = 0;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *bytes = NULL;
        gsize size;

        if (g_file_get_contents(file, &bytes, &size, NULL)) {
            LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
            n++;
        }
    }
    return n;
}

int main(int argc, char **argv)
{
    unsigned n = 0;
    int i;

    for (i = 1; i < argc; i++) {
        n += replay_folder(argv[i]);
    }
    printf("%u inputs\n", n);
    return n ? 0 : 1;
}
