/* SPDX-License-Identifier: GPL-2.0-or-later */
/* top-screen: "rcachectl top" on a terminal. */
#ifndef RCACHECTL_TOP_SCREEN_H
#define RCACHECTL_TOP_SCREEN_H

/**
 * top_run() - show it until the user quits
 * @path: the admin socket
 * @interval_ms: between two looks
 *
 * Return: the exit status; what is wrong has been said
 */
int top_run(const char *path, unsigned interval_ms);

#endif
