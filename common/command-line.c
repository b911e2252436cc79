/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command-line: see command-line.h.
 *
 * GOption hands over names and values while it parses, in their order; they
 * are kept until the file has been read, since options go over it.
 */
#include "common/command-line.h"

#include <stdio.h>
#include <string.h>

#include "common/config-reference.h"

typedef struct Parsing {
    const CommandLine *line;
    char *file;
    char *file_doc;             /* GOption keeps a pointer to it */
    GPtrArray *set;             /* of char *: name, value, name, ... */
    gboolean check, print, example, reference, version;
} Parsing;

/* ------------------------------------------------------------ the options */

static gboolean option_seen(const char *name, const char *value,
                            gpointer opaque, GError **errp)
{
    Parsing *p = opaque;

    g_ptr_array_add(p->set, g_strdup(name + strlen("--")));
    g_ptr_array_add(p->set, g_strdup(value));
    return TRUE;
}

static GOptionContext *context_new(Parsing *p)
{
    const GOptionEntry common[] = {
        { "config", 0, 0, G_OPTION_ARG_FILENAME, &p->file, p->file_doc,
          "FILE" },
        { "check-config", 0, 0, G_OPTION_ARG_NONE, &p->check,
          "Check the configuration and exit", NULL },
        { "print-config", 0, 0, G_OPTION_ARG_NONE, &p->print,
          "Print the configuration in force and exit", NULL },
        { "example-config", 0, 0, G_OPTION_ARG_NONE, &p->example,
          "Print all keys with their defaults and exit", NULL },
        { "config-reference", 0, 0, G_OPTION_ARG_NONE, &p->reference,
          "Print what the manual says of all keys and exit", NULL },
        { "version", 0, 0, G_OPTION_ARG_NONE, &p->version,
          "Print the version and exit", NULL },
        { 0 }
    };
    GOptionContext *context = g_option_context_new(NULL);
    GOptionGroup *group = g_option_group_new(p->line->program, NULL, NULL, p,
                                             NULL);

    for (unsigned i = 0; i < p->line->nr_options; i++) {
        const CommandLineOption *o = &p->line->options[i];
        const GOptionEntry entry[] = {
            { o->name, 0, 0, G_OPTION_ARG_CALLBACK, option_seen, o->doc,
              o->arg },
            { 0 }
        };

        g_option_group_add_entries(group, entry);
    }
    if (p->line->others) {
        g_option_group_add_entries(group, p->line->others);
    }
    g_option_group_add_entries(group, common);
    g_option_context_set_main_group(context, group);
    g_option_context_set_summary(context, p->line->summary);
    return context;
}

static CommandLineAction action_of(const Parsing *p)
{
    return p->version ? COMMAND_LINE_VERSION
           : p->example ? COMMAND_LINE_EXAMPLE
           : p->reference ? COMMAND_LINE_REFERENCE
           : p->print ? COMMAND_LINE_PRINT
           : p->check ? COMMAND_LINE_CHECK : COMMAND_LINE_RUN;
}

/* ------------------------------------------------------ the configuration */

/* All values that were given for it, with commas; NULL: none was. */
static char *list_of(const Parsing *p, const CommandLineOption *o)
{
    GString *list = NULL;

    for (guint i = 0; i < p->set->len; i += 2) {
        if (strcmp(p->set->pdata[i], o->name)) {
            continue;
        }
        if (list) {
            g_string_append_c(list, ',');
        } else {
            list = g_string_new(NULL);
        }
        g_string_append(list, p->set->pdata[i + 1]);
    }
    return list ? g_string_free(list, FALSE) : NULL;
}

static bool option_set(const Parsing *p, const CommandLineOption *o,
                       const char *given, Config *config, GError **errp)
{
    g_autofree char *said = g_strconcat("--", o->name, NULL);
    g_autofree char *value = o->list ? list_of(p, o)
                                     : g_strconcat(given, o->unit, NULL);

    return config_set(config, o->section, o->key, value, said, errp) &&
           (!o->section2 ||
            config_set(config, o->section2, o->key, value, said, errp));
}

static bool options_set(const Parsing *p, Config *config, GError **errp)
{
    for (guint i = 0; i < p->set->len; i += 2) {
        const CommandLineOption *o = p->line->options;

        while (strcmp(o->name, p->set->pdata[i])) {
            o++;                /* the context knows no others */
        }
        if (!option_set(p, o, p->set->pdata[i + 1], config, errp)) {
            return false;
        }
    }
    return true;
}

static bool parse(Parsing *p, int argc, char **argv, Config *config,
                  CommandLineAction *action, GError **errp)
{
    g_autoptr(GOptionContext) context = context_new(p);

    if (!g_option_context_parse(context, &argc, &argv, errp)) {
        return false;
    }
    if (argc > 1) {
        g_set_error(errp, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION,
                    "unexpected argument '%s'", argv[1]);
        return false;
    }
    *action = action_of(p);
    return !command_line_reads(*action) ||
           (config_load(config, p->file ? p->file : p->line->file, !p->file,
                        errp) &&
            options_set(p, config, errp));
}

bool command_line_reads(CommandLineAction action)
{
    return action != COMMAND_LINE_VERSION && action != COMMAND_LINE_EXAMPLE &&
           action != COMMAND_LINE_REFERENCE;
}

bool command_line_parse(const CommandLine *line, int argc, char **argv,
                        Config *config, CommandLineAction *action,
                        GError **errp)
{
    Parsing p = {
        .line = line,
        .file_doc = g_strdup_printf("Read FILE, and FILE.d/*.conf, instead of "
                                    "%s", line->file),
        .set = g_ptr_array_new_with_free_func(g_free),
    };
    bool good = parse(&p, argc, argv, config, action, errp);

    g_ptr_array_unref(p.set);
    g_free(p.file);
    g_free(p.file_doc);
    return good;
}

bool command_line_answer(const CommandLine *line, const Config *config,
                         CommandLineAction action)
{
    g_autofree char *text = NULL;

    switch (action) {
    case COMMAND_LINE_VERSION:
        printf("%s " RCACHED_VERSION "\n", line->program);
        return true;
    case COMMAND_LINE_PRINT:
    case COMMAND_LINE_EXAMPLE:
        text = config_print(config, action == COMMAND_LINE_EXAMPLE);
        fputs(text, stdout);
        return true;
    case COMMAND_LINE_REFERENCE:
        text = config_reference(config);
        fputs(text, stdout);
        return true;
    case COMMAND_LINE_CHECK:
        printf("%s: the configuration is in order\n", line->program);
        return true;
    case COMMAND_LINE_RUN:
        break;
    }
    return false;
}
