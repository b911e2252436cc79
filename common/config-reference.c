/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config-reference: what a manual says of each key.  See config-reference.h.
 *
 * It is made of the table that the daemon itself goes by, so that no key can
 * be missing, and no default or range be another one than what is checked.
 */
#include "common/config-reference.h"

#include <string.h>

#include "common/config-internal.h"
#include "common/config-parse.h"

#define AT_RESTART  "takes effect when the daemon is started again"

/* @text as it is, whatever reStructuredText makes of its characters. */
static void put_text(GString *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("*`|_\\", *text)) {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *text);
    }
}

static void put_choices(GString *out, const char *choices)
{
    g_auto(GStrv) words = g_strsplit(choices, "|", -1);
    unsigned n = g_strv_length(words);

    for (unsigned i = 0; i < n; i++) {
        g_string_append_printf(out, "%s``%s``",
                               !i ? "" : i + 1 < n ? ", " : " or ", words[i]);
    }
}

/* "from 1 to 9", "1 or more", or nothing where all numbers are allowed. */
static void put_range(GString *out, const ConfigKey *key,
                      char *(*format)(uint64_t number))
{
    g_autofree char *min = format(key->min), *max = format(key->max);

    if (key->max) {
        g_string_append_printf(out, ", from %s to %s", min, max);
    } else if (key->min) {
        g_string_append_printf(out, ", %s or more", min);
    }
}

static char *format_int(uint64_t number)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, number);
}

static void put_takes(GString *out, const ConfigKey *key)
{
    const char *unit = key->unit;

    switch (key->type) {
    case CONFIG_STRING:
        if (key->choices) {
            put_choices(out, key->choices);
        } else {
            put_text(out, unit ? unit : "a text");
        }
        break;
    case CONFIG_LIST:
        put_text(out, unit ? unit : "texts, with commas between them");
        break;
    case CONFIG_BOOL:
        g_string_append(out, "``yes`` or ``no``");
        break;
    case CONFIG_INT:
        g_string_append_printf(out, "a whole number of %s",
                               unit ? unit : "something");
        put_range(out, key, format_int);
        break;
    case CONFIG_SIZE:
        put_text(out, unit ? unit : "bytes");
        put_range(out, key, config_format_size);
        if (key->percent) {
            g_string_append(out, ", or a share from 0% to 100%");
        }
        break;
    case CONFIG_TIME:
        g_string_append(out, "a time");
        put_range(out, key, config_format_time);
        break;
    }
}

/* A field of the key's own list. */
static void put_field(GString *out, const char *name)
{
    g_string_append_printf(out, "    :%s: ", name);
}

static void put_key(GString *out, const ConfigKey *key)
{
    g_string_append_printf(out, "\n**%s**\n    ", key->key);
    put_text(out, key->doc);
    g_string_append(out, "\n\n");
    put_field(out, "Takes");
    put_takes(out, key);
    g_string_append_c(out, '\n');
    put_field(out, "Default");
    g_string_append_printf(out, *key->fallback ? "``%s``\n" : "empty%s\n",
                           key->fallback);
    if (key->example) {
        put_field(out, "Example");
        g_string_append_printf(out, "``%s = %s``\n", key->key, key->example);
    }
    put_field(out, "Change");
    g_string_append(out, AT_RESTART);
    if (key->change) {
        g_string_append(out, "; ");
        put_text(out, key->change);
    }
    g_string_append(out, key->change ? "\n" : ".\n");
}

char *config_reference(const Config *config)
{
    GString *out = g_string_new(NULL);
    const char *section = "";
    unsigned n;
    const ConfigKey *keys = config_keys(config, &n);

    for (unsigned i = 0; i < n; i++) {
        if (strcmp(section, keys[i].section)) {
            section = keys[i].section;
            g_string_append_printf(out, "%s[%s]\n", i ? "\n" : "", section);
            for (size_t c = 0; c < strlen(section) + 2; c++) {
                g_string_append_c(out, '-');
            }
            g_string_append_c(out, '\n');
        }
        put_key(out, &keys[i]);
    }
    return g_string_free(out, FALSE);
}
