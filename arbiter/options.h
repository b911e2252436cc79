/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options: what the arbiter is told, by its configuration and command line. */
#ifndef ARBITER_OPTIONS_H
#define ARBITER_OPTIONS_H

#include <glib.h>
#include <stdbool.h>

#include "arbiter/hosts.h"
#include "arbiter/control-limits.h"
#include "arbiter/grants.h"
#include "arbiter/placement.h"
#include "common/command-line.h"
#include "common/config.h"
#include "common/tls-config.h"

typedef struct Options {
    CommandLineAction action;
    Config *config;

    /* Views of the configuration, checked. */
    const char *listen;
    const char *name;           /* this arbiter's */
    TlsSettings tls;
    const char *admin_socket;
    const char *admin_group;
    const char *admin_read_group;
    HostsConfig hosts;
    PlacementConfig placement;
    unsigned moves_per_minute;  /* 0: no limit */
    GrantsConfig grants;
    ControlLimits limits;
} Options;

/* The command line, for command_line_answer(). */
extern const CommandLine options_line;

/**
 * options_new() - read configuration and command line
 * @argv: changed as GOptionContext does
 *
 * Return: the options, or NULL with @errp set
 */
Options *options_new(int argc, char **argv, GError **errp);
void options_free(Options *options);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Options, options_free)

#endif
