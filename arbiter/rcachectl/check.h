/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check: the command "check", which looks for what will hurt before it does. */
#ifndef RCACHECTL_CHECK_H
#define RCACHECTL_CHECK_H

#include <stdbool.h>

typedef struct CheckOptions {
    const char *socket;         /* of either daemon; NULL: both of this host */
    const char *root;           /* before /proc, /sys and /dev; NULL: "" */
    char **peers;               /* addresses to look at besides; NULL at the
                                 * end */
    unsigned timeout_ms;        /* for all ways together */
    bool json;
} CheckOptions;

/** check_run() - gather, judge and print; returns the exit status */
int check_run(const CheckOptions *options);

#endif
