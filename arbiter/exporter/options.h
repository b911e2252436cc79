/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options: what rcache-exporter is told. */
#ifndef EXPORTER_OPTIONS_H
#define EXPORTER_OPTIONS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/command-line.h"
#include "common/config.h"

typedef struct Options {
    CommandLineAction action;
    Config *config;

    /* Views of the configuration, checked. */
    const char *of;             /* "rcached" or "arbiter" */
    const char *socket;         /* its admin socket */
    const char *listen;
    uint16_t port;              /* if .listen has none */
    bool page;                  /* for people, at / */
    bool beyond;                /* .listen is no loopback address */
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
