/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command-line: a daemon's command line, which goes over its configuration.
 *
 * An option is another way to set a key of the configuration; what it may be
 * is checked there.  Every daemon has --config=FILE besides, --check-config,
 * --print-config, --example-config, --config-reference and --version.
 */
#ifndef RCACHE_COMMAND_LINE_H
#define RCACHE_COMMAND_LINE_H

#include <glib.h>
#include <stdbool.h>

#include "common/config.h"

typedef enum CommandLineAction {
    COMMAND_LINE_RUN,
    COMMAND_LINE_CHECK,         /* --check-config */
    COMMAND_LINE_PRINT,         /* --print-config */
    COMMAND_LINE_EXAMPLE,       /* --example-config */
    COMMAND_LINE_REFERENCE,     /* --config-reference */
    COMMAND_LINE_VERSION,
} CommandLineAction;

typedef struct CommandLineOption {
    const char *name;           /* without its "--" */
    const char *doc, *arg;      /* for --help */
    const char *section, *key;
    const char *section2;       /* sets @key of this section too, or NULL */
    const char *unit;           /* goes behind the value ("ms"), or NULL */
    bool list;                  /* may be repeated: an item of a CONFIG_LIST */
} CommandLineOption;

typedef struct CommandLine {
    const char *program;
    const char *summary;        /* a sentence for --help */
    const char *file;           /* read if there is no --config */
    const CommandLineOption *options;
    unsigned nr_options;
    const GOptionEntry *others; /* that set no key; ends with { 0 }, or NULL */
} CommandLine;

/** command_line_reads() - does it need what stands in the file? */
bool command_line_reads(CommandLineAction action);

/**
 * command_line_parse() - read the command line, then the configuration
 * @config: at its defaults; gets the values of the file, then those of the
 *          options
 * @argv: changed as GOptionContext does
 * @action: what is asked for.  Nothing is read into @config where
 *          command_line_reads() says that it is not needed
 *
 * Return: false with @errp set: an error of the domain G_OPTION_ERROR is in
 * the command line, others are in a value or in the file
 */
bool command_line_parse(const CommandLine *line, int argc, char **argv,
                        Config *config, CommandLineAction *action,
                        GError **errp);

/**
 * command_line_answer() - print what is asked for on stdout
 *
 * Return: false for COMMAND_LINE_RUN, which prints nothing
 */
bool command_line_answer(const CommandLine *line, const Config *config,
                         CommandLineAction action);

#endif
