/* SPDX-License-Identifier: GPL-2.0-or-later */
/* prom-text: see prom-text.h. */
#include "arbiter/rcachectl/prom-text.h"

void prom_head(GString *out, const char *name, const char *type,
               const char *help)
{
    g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help,
                           name, type);
}

void prom_label(GString *out, const char *name, const char *text)
{
    g_string_append_printf(out, "%s=\"", name);
    for (; *text; text++) {
        if (*text == '\n') {
            g_string_append(out, "\\n");
            continue;
        }
        if (*text == '"' || *text == '\\') {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
}

void prom_value(GString *out, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(out, " %s\n", g_ascii_dtostr(text, sizeof(text),
                                                        value));
}
