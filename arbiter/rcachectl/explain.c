/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain: the terms of a prediction.  See explain.h. */
#include "arbiter/rcachectl/explain.h"

#include <stdbool.h>
#include <string.h>

#include "arbiter/rcachectl/cell.h"
#include "common/admin.h"

static const struct {
    const char *name, *meaning;
} meanings[] = {
    { "leased", "lent already: allocated, and so not available" },
    { "available", "what the kernel says can be had without swapping" },
    { "reserve", "kept for the host, by its configuration" },
    { "growth-host", "growth of the host without its VMs, as in the past" },
    { "growth-guests", "growth of what its VMs use, as far as they can grow" },
    { "growth-sudden", "growth that comes with no warning, beyond those two" },
    { "slack", "not offered, so that noise asks nothing back" },
    { "pressure", "memory pressure is high: nothing more is lent" },
    { "spilled", "slabs on its disk, which come back first" },
    { "spill file", "more than its spill file could take" },
    { "lend-max", "more than it may lend, by its configuration" },
    { "asked back", "the host is short and wants memory back" },
    { "drained", "an operator drains it, or its rcached is about to stop" },
};

static JsonObject *object_of(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

static const char *text_of(JsonObject *o, const char *name)
{
    JsonNode *node = o ? json_object_get_member(o, name) : NULL;
    bool text = node && JSON_NODE_HOLDS_VALUE(node) &&
                json_node_get_value_type(node) == G_TYPE_STRING;

    return text ? json_node_get_string(node) : "";
}

static int64_t bytes_of(JsonObject *o, const char *name)
{
    int64_t bytes = 0;

    if (o) {
        cell_whole(o, name, &bytes);
    }
    return bytes;
}

JsonNode *explain_find(JsonNode *answer, const char *host, GError **errp)
{
    JsonArray *list = JSON_NODE_HOLDS_ARRAY(answer)
                          ? json_node_get_array(answer) : NULL;

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);

        if (!strcmp(text_of(object_of(node), "name"), host)) {
            return node;
        }
    }
    g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NOT_FOUND,
                "there is no host '%s'; see rcachectl hosts", host);
    return NULL;
}

static void add_line(GString *out, const char *sign, int64_t bytes,
                     const char *name, const char *meaning)
{
    g_autofree char *size =
        g_format_size_full(ABS(bytes), G_FORMAT_SIZE_IEC_UNITS);
    /* A daemon's words, on our terminal. */
    g_autofree char *safe = g_str_to_ascii(name, "C");

    for (char *c = safe; *c; c++) {
        *c = g_ascii_isprint(*c) ? *c : '?';
    }
    g_string_append_printf(out, "  %s %10s  ", sign, size);
    g_string_append_printf(out, *meaning ? "%-14s %s\n" : "%s%s\n", safe,
                           meaning);
}

static const char *meaning_of(const char *term)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(meanings); i++) {
        if (!strcmp(meanings[i].name, term)) {
            return meanings[i].meaning;
        }
    }
    return "";
}

char *explain_print(JsonNode *host)
{
    JsonObject *o = object_of(host);
    JsonNode *node = o ? json_object_get_member(o, "terms") : NULL;
    JsonArray *terms = node && JSON_NODE_HOLDS_ARRAY(node)
                           ? json_node_get_array(node) : NULL;
    GString *out = g_string_new(NULL);
    int64_t offered = bytes_of(o, "offered_bytes");
    double sum = 0;

    if (!terms || !json_array_get_length(terms)) {
        g_string_append(out, "the host has not reported the terms of its "
                        "prediction\n");
        return g_string_free(out, FALSE);
    }
    for (guint i = 0; i < json_array_get_length(terms); i++) {
        JsonObject *term = object_of(json_array_get_element(terms, i));
        const char *name = text_of(term, "name");
        int64_t bytes = bytes_of(term, "bytes");

        sum += bytes;
        add_line(out, bytes < 0 || (!bytes && i > 1) ? "-" : "+", bytes,
                 name, meaning_of(name));
    }
    if (sum > offered) {
        add_line(out, "-", MIN(sum - offered, 0x1p62), "arbiter",
                 "more than offers or max-offer allows, or than can be");
    }
    add_line(out, "=", offered, "offered", "");
    return g_string_free(out, FALSE);
}
