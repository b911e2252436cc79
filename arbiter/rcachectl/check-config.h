/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check-config: what rcached would do were it started now: its configuration,
 * and the certificates or keys that this names.
 *
 * The installed program is asked (--print-config), so that nobody else knows
 * how its configuration is read.  The files are read by what daemons read them
 * with, as the user that the daemon has: a key that root may read may be closed
 * to it.
 */
#ifndef RCACHECTL_CHECK_CONFIG_H
#define RCACHECTL_CHECK_CONFIG_H

#include "arbiter/rcachectl/check-facts.h"

/**
 * check_config_read() - ask the program, and read the files
 * @program: the path of rcached
 * @user: whom the daemon runs as; not known: as whoever asks
 */
void check_config_read(const char *program, const HostUser *user,
                       CheckConfig *config);

/**
 * check_config_take() - the same of what the program has printed
 *
 * Return: false with @errp set if that cannot be understood
 */
bool check_config_take(const char *text, const HostUser *user,
                       CheckConfig *config, GError **errp);

#endif
