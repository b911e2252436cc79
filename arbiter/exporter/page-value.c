/* SPDX-License-Identifier: GPL-2.0-or-later */
/* page-value: see page-value.h. */
#include "arbiter/exporter/page-value.h"

#include <math.h>
#include <string.h>

#include "arbiter/rcachectl/cell.h"

JsonObject *page_object_at(JsonArray *list, guint i)
{
    JsonNode *node = json_array_get_element(list, i);

    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

const char *page_text_of(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return cell_is_text(node) ? json_node_get_string(node) : "";
}

double page_figure(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return cell_is_number(node) ? CLAMP(json_node_get_double(node), 0,
                                        PAGE_FIGURE_MAX) : NAN;
}

double page_amount(JsonObject *o, const char *field)
{
    double value = page_figure(o, field);

    return isnan(value) ? 0 : value;
}

void page_set(JsonObject *o, const char *field, double value)
{
    if (isnan(value)) {
        json_object_set_null_member(o, field);
        return;
    }
    value = MIN(value, PAGE_FIGURE_MAX);
    if (value == floor(value)) {
        json_object_set_int_member(o, field, (gint64)value);
    } else {
        json_object_set_double_member(o, field, value);
    }
}

char *page_clean(const char *text, unsigned max)
{
    g_autofree char *clean = cell_text(text);
    g_autofree char *start = NULL;

    if (g_utf8_strlen(clean, -1) <= max) {
        return g_steal_pointer(&clean);
    }
    start = g_utf8_substring(clean, 0, max - 1);
    return g_strconcat(start, "…", NULL);
}

char *page_escape(const char *text, unsigned max)
{
    g_autofree char *clean = page_clean(text, max);

    return g_markup_escape_text(clean, -1);
}

char *page_bytes(double bytes)
{
    g_autofree char *text = cell_bytes(bytes);
    size_t len = strlen(text);
    char unit = text[len - 1];

    text[len - 1] = 0;
    return unit == 'B' ? g_strdup_printf("%s B", text)
                       : g_strdup_printf("%s %ciB", text, unit);
}

bool page_host_is_stale(JsonObject *host)
{
    return cell_is_true(host, "stale") ||
           !strcmp(page_text_of(host, "state"), "dead");
}

bool page_vm_is_stale(JsonObject *vm)
{
    const char *state = page_text_of(vm, "state");

    return cell_is_true(vm, "stale") || !strcmp(state, "host dead") ||
           !strcmp(state, "stuck");
}
