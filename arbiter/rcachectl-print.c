/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rcachectl-print: tables.  See rcachectl-print.h.
 *
 * A table is a list of columns, each a field of the answer's objects and how
 * to show it; all cells are made first, since widths depend on them.
 */
#include "arbiter/rcachectl-print.h"

#include <string.h>

typedef enum Kind {
    KIND_TEXT,
    KIND_COUNT,
    KIND_BYTES,
    KIND_SECONDS,
    KIND_PERCENT,
    KIND_FLAGS,                 /* of a host */
    KIND_PROVIDERS              /* of a VM */
} Kind;

typedef struct Column {
    const char *title;
    const char *field;
    Kind kind;
} Column;

/* ----------------------------------------------------------------- values */

char *print_bytes(double bytes)
{
    static const char units[] = "BKMGTPE";
    unsigned unit = 0;

    while (bytes >= 1024 && units[unit + 1]) {
        bytes /= 1024;
        unit++;
    }
    return g_strdup_printf(unit && bytes < 100 ? "%.1f%c" : "%.0f%c", bytes,
                           units[unit]);
}

static char *format_seconds(double s)
{
    if (s <= 0) {
        return g_strdup("0");
    }
    if (s < 1e-3) {
        return g_strdup_printf("%.0fus", s * 1e6);
    }
    if (s < 1) {
        return g_strdup_printf(s < 0.1 ? "%.1fms" : "%.0fms", s * 1e3);
    }
    if (s < 120) {
        return g_strdup_printf("%.1fs", s);
    }
    return s < 7200 ? g_strdup_printf("%.0fmin", s / 60)
                    : g_strdup_printf("%.1fh", s / 3600);
}

/* Nothing a terminal would act upon. */
static char *format_text(const char *text)
{
    GString *out = g_string_new(NULL);

    for (; *text; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char_validated(text, -1);

        if (c == (gunichar)-1 || c == (gunichar)-2) {
            g_string_append_c(out, '?');
            break;
        }
        g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
    }
    return g_string_free(out, FALSE);
}

static bool is_number(JsonNode *node)
{
    GType type = node && JSON_NODE_HOLDS_VALUE(node)
                     ? json_node_get_value_type(node) : G_TYPE_INVALID;

    return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

static bool is_text(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_STRING;
}

static bool is_true(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_BOOLEAN &&
           json_node_get_boolean(node);
}

static char *format_flags(JsonObject *o)
{
    GString *out = g_string_new(is_true(o, "lends") ? "lends" : "");

    if (is_true(o, "draining")) {
        g_string_append(out, out->len ? ",draining" : "draining");
    }
    if (!is_true(o, "connected")) {
        g_string_append(out, out->len ? ",away" : "away");
    }
    return g_string_free(out, FALSE);
}

static char *format_value(JsonNode *node, Kind kind);

static char *format_field(JsonObject *o, const char *field, Kind kind)
{
    return format_value(json_object_get_member(o, field), kind);
}

/* "b:160M c:159M" */
static char *format_providers(JsonNode *node)
{
    GString *out = g_string_new(NULL);
    JsonArray *list = node && JSON_NODE_HOLDS_ARRAY(node)
                          ? json_node_get_array(node) : NULL;

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *each = json_array_get_element(list, i);

        if (JSON_NODE_HOLDS_OBJECT(each)) {
            JsonObject *o = json_node_get_object(each);
            g_autofree char *host = format_field(o, "host", KIND_TEXT);
            g_autofree char *stored = format_field(o, "stored_bytes",
                                                   KIND_BYTES);

            g_string_append_printf(out, "%s%s:%s", out->len ? " " : "", host,
                                   stored);
        }
    }
    if (!out->len) {
        g_string_append_c(out, '-');
    }
    return g_string_free(out, FALSE);
}

static char *format_value(JsonNode *node, Kind kind)
{
    if (kind == KIND_TEXT && is_text(node)) {
        return format_text(json_node_get_string(node));
    }
    if (kind == KIND_PROVIDERS) {
        return format_providers(node);
    }
    if (!is_number(node)) {
        return g_strdup("-");
    }
    switch (kind) {
    case KIND_BYTES:
        return print_bytes(json_node_get_double(node));
    case KIND_SECONDS:
        return format_seconds(json_node_get_double(node));
    case KIND_PERCENT:
        return g_strdup_printf("%.1f%%", json_node_get_double(node));
    default:
        return g_strdup_printf("%.0f", json_node_get_double(node));
    }
}

/* ----------------------------------------------------------------- tables */

static void append_cell(GString *out, const char *text, size_t width,
                        Kind kind, bool last)
{
    size_t len = g_utf8_strlen(text, -1);
    bool left = kind == KIND_TEXT || kind == KIND_FLAGS ||
                kind == KIND_PROVIDERS;

    for (size_t i = len; !left && i < width; i++) {
        g_string_append_c(out, ' ');
    }
    g_string_append(out, text);
    for (size_t i = len; left && !last && i < width; i++) {
        g_string_append_c(out, ' ');
    }
    g_string_append(out, last ? "\n" : "  ");
}

/* The objects of an answer as rows of cells; the titles are the first. */
static GPtrArray *make_rows(JsonArray *list, const Column *columns,
                            unsigned n)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)
                                                     g_strfreev);
    char **titles = g_new0(char *, n + 1);

    for (unsigned c = 0; c < n; c++) {
        titles[c] = g_strdup(columns[c].title);
    }
    g_ptr_array_add(rows, titles);
    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);
        char **row;

        if (!JSON_NODE_HOLDS_OBJECT(node)) {
            continue;
        }
        row = g_new0(char *, n + 1);
        for (unsigned c = 0; c < n; c++) {
            JsonObject *o = json_node_get_object(node);

            row[c] = columns[c].kind == KIND_FLAGS
                         ? format_flags(o)
                         : format_field(o, columns[c].field,
                                        columns[c].kind);
        }
        g_ptr_array_add(rows, row);
    }
    return rows;
}

static char *print_table(JsonNode *answer, const Column *columns, unsigned n,
                         const char *none)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GPtrArray) rows = NULL;

    if (!JSON_NODE_HOLDS_ARRAY(answer) ||
        !json_array_get_length(json_node_get_array(answer))) {
        return g_string_free(g_string_append(out, none), FALSE);
    }
    rows = make_rows(json_node_get_array(answer), columns, n);
    for (guint r = 0; r < rows->len; r++) {
        for (unsigned c = 0; c < n; c++) {
            size_t width = 0;

            for (guint i = 0; i < rows->len; i++) {
                char **row = rows->pdata[i];

                width = MAX(width, (size_t)g_utf8_strlen(row[c], -1));
            }
            append_cell(out, ((char **)rows->pdata[r])[c], width,
                        columns[c].kind, c == n - 1);
        }
    }
    return g_string_free(out, FALSE);
}

char *print_hosts(JsonNode *answer)
{
    static const Column columns[] = {
        { "HOST", "name", KIND_TEXT },
        { "STATE", "state", KIND_TEXT },
        { "AGE", "age_seconds", KIND_SECONDS },
        { "TOTAL", "mem_total_bytes", KIND_BYTES },
        { "AVAIL", "mem_available_bytes", KIND_BYTES },
        { "OFFERED", "offered_bytes", KIND_BYTES },
        { "LEASED", "leased_bytes", KIND_BYTES },
        { "STORED", "stored_bytes", KIND_BYTES },
        { "FREE", "free_bytes", KIND_BYTES },
        { "PSI", "psi_some_percent", KIND_PERCENT },
        { "VMS", "vms", KIND_COUNT },
        { "FLAGS", NULL, KIND_FLAGS },
    };

    return print_table(answer, columns, G_N_ELEMENTS(columns),
                       "no hosts\n");
}

char *print_leases(JsonNode *answer)
{
    static const Column columns[] = {
        { "LEASE", "lease", KIND_TEXT },
        { "VM", "vm", KIND_TEXT },
        { "REQUESTER", "requester", KIND_TEXT },
        { "PROVIDER", "provider", KIND_TEXT },
        { "STATE", "state", KIND_TEXT },
        { "SIZE", "bytes", KIND_BYTES },
        { "STORED", "stored_bytes", KIND_BYTES },
        { "EXPIRES", "expires_seconds", KIND_SECONDS },
    };

    return print_table(answer, columns, G_N_ELEMENTS(columns),
                       "no leases\n");
}

char *print_vms(JsonNode *answer)
{
    static const Column columns[] = {
        { "VM", "name", KIND_TEXT },
        { "HOST", "host", KIND_TEXT },
        { "STATE", "state", KIND_TEXT },
        { "GUEST", "guest_bytes", KIND_BYTES },
        { "HERE", "resident_bytes", KIND_BYTES },
        { "MAX", "local_max_bytes", KIND_BYTES },
        { "REMOTE", "remote_bytes", KIND_BYTES },
        { "ZERO", "zero_bytes", KIND_BYTES },
        { "GUESTFREE", "balloon_free_bytes", KIND_BYTES },
        { "FAULTS", "faults", KIND_COUNT },
        { "EVICTED", "evicted_pages", KIND_COUNT },
        { "P50", "fault_p50_seconds", KIND_SECONDS },
        { "P99", "fault_p99_seconds", KIND_SECONDS },
        { "STALL", "stall_seconds", KIND_SECONDS },
        { "RESTARTS", "pager_restarts", KIND_COUNT },
        { "PROVIDERS", "providers", KIND_PROVIDERS },
    };

    return print_table(answer, columns, G_N_ELEMENTS(columns), "no VMs\n");
}

char *print_whatif(JsonNode *answer)
{
    static const Column columns[] = {
        { "VM", "name", KIND_TEXT },
        { "HOST", "host", KIND_TEXT },
        { "GUEST", "guest_bytes", KIND_BYTES },
        { "LEASED", "leased_bytes", KIND_BYTES },
        { "STORED", "stored_bytes", KIND_BYTES },
        { "DIED", "if_died", KIND_TEXT },
        { "PLACED", "placed_bytes", KIND_BYTES },
        { "DRAINED", "if_drained", KIND_TEXT },
        { "WHY", "why", KIND_TEXT },
    };
    g_autofree char *died = NULL, *drained = NULL, *vms = NULL;
    JsonObject *o;
    JsonNode *list;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        return g_strdup("-\n");
    }
    o = json_node_get_object(answer);
    died = format_field(o, "if_died", KIND_TEXT);
    drained = format_field(o, "if_drained", KIND_TEXT);
    list = json_object_get_member(o, "vms");
    vms = list && JSON_NODE_HOLDS_ARRAY(list)
              ? print_table(list, columns, G_N_ELEMENTS(columns),
                            "no VM has memory there\n")
              : g_strdup("-\n");
    return g_strdup_printf("died now: %s\ndrained:  %s\n%s", died, drained,
                           vms);
}

char *print_why(JsonNode *vm)
{
    g_autofree char *name = NULL, *why = NULL;
    JsonObject *o = JSON_NODE_HOLDS_OBJECT(vm) ? json_node_get_object(vm)
                                               : NULL;

    if (!o || !is_text(json_object_get_member(o, "why"))) {
        return NULL;
    }
    name = format_field(o, "name", KIND_TEXT);
    why = format_field(o, "why", KIND_TEXT);
    return g_strdup_printf("vm %s cannot move: %s", name, why);
}

/* ----------------------------------------------------------------- status */

static char *format_any(const char *name, JsonNode *node);

static char *format_object(JsonObject *o)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GList) names = json_object_get_members(o);

    for (GList *at = names; at; at = at->next) {
        g_autofree char *value = format_any(at->data,
            json_object_get_member(o, at->data));

        g_string_append_printf(out, "%s%s %s", out->len ? ", " : "",
                               (const char *)at->data, value);
    }
    return g_string_free(out, FALSE);
}

static char *format_list(JsonArray *list)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < json_array_get_length(list); i++) {
        g_autofree char *value = format_any("", json_array_get_element(list,
                                                                       i));

        g_string_append_printf(out, "%s%s", i ? "; " : "", value);
    }
    return g_string_free(out, FALSE);
}

/* A value by its type, and its unit by the end of its name. */
static char *format_any(const char *name, JsonNode *node)
{
    if (JSON_NODE_HOLDS_OBJECT(node)) {
        return format_object(json_node_get_object(node));
    }
    if (JSON_NODE_HOLDS_ARRAY(node)) {
        return format_list(json_node_get_array(node));
    }
    if (is_text(node)) {
        return format_text(json_node_get_string(node));
    }
    if (is_number(node)) {
        return format_value(node, g_str_has_suffix(name, "_bytes")
                                      ? KIND_BYTES
                                  : g_str_has_suffix(name, "_seconds")
                                      ? KIND_SECONDS
                                      : KIND_COUNT);
    }
    if (JSON_NODE_HOLDS_VALUE(node)) {
        return g_strdup(json_node_get_boolean(node) ? "yes" : "no");
    }
    return g_strdup("-");
}

/* "mem_total_bytes" -> "mem total" */
static char *label_of(const char *name)
{
    static const char *const suffixes[] = { "_bytes", "_seconds" };
    g_autofree char *label = g_strdup(name);

    for (unsigned i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        if (g_str_has_suffix(label, suffixes[i])) {
            label[strlen(label) - strlen(suffixes[i])] = 0;
        }
    }
    g_strdelimit(label, "_", ' ');
    return format_text(label);
}

static void append_texts(GString *out, JsonNode *node, const char *kind)
{
    JsonArray *list = node && JSON_NODE_HOLDS_ARRAY(node)
                          ? json_node_get_array(node) : NULL;

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        g_autofree char *text = format_any("",
            json_array_get_element(list, i));

        g_string_append_printf(out, "  %s%s\n", kind, text);
    }
}

char *print_status(JsonNode *answer)
{
    /* What the first lines say. */
    static const char *const above[] = {
        "verdict", "problems", "notes", "ok", "level", "summary", NULL
    };
    GString *out = g_string_new(NULL);
    g_autofree char *verdict = NULL;
    g_autoptr(GList) names = NULL;
    JsonObject *o;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        return g_string_free(g_string_append(out, "-\n"), FALSE);
    }
    o = json_node_get_object(answer);
    verdict = format_field(o, "verdict", KIND_TEXT);
    g_string_append_printf(out, "%s\n", verdict);
    append_texts(out, json_object_get_member(o, "problems"), "");
    if (!is_true(o, "ok") && json_object_has_member(o, "summary")) {
        g_autofree char *summary = format_field(o, "summary", KIND_TEXT);

        g_string_append_printf(out, "  %s\n", summary);
    }
    append_texts(out, json_object_get_member(o, "notes"), "note: ");
    names = json_object_get_members(o);
    for (GList *at = names; at; at = at->next) {
        g_autofree char *label = label_of(at->data);
        g_autofree char *value = NULL;

        if (g_strv_contains(above, at->data)) {
            continue;
        }
        value = format_any(at->data, json_object_get_member(o, at->data));
        g_string_append_printf(out, "%-15s %s\n", label, value);
    }
    return g_string_free(out, FALSE);
}

char *print_evict(JsonNode *answer)
{
    g_autofree char *vm = NULL, *bytes = NULL, *pages = NULL;
    JsonObject *o;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        return g_strdup("-\n");
    }
    o = json_node_get_object(answer);
    vm = format_field(o, "vm", KIND_TEXT);
    bytes = format_field(o, "evicted_bytes", KIND_BYTES);
    pages = format_field(o, "evicted_pages", KIND_COUNT);
    return g_strdup_printf("%s: %s (%s pages) went\n", vm, bytes, pages);
}

char *print_drain(JsonNode *answer)
{
    g_autofree char *host = NULL, *leased = NULL, *asked = NULL;
    JsonObject *o;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        return g_strdup("-\n");
    }
    o = json_node_get_object(answer);
    host = format_field(o, "host", KIND_TEXT);
    leased = format_field(o, "leased_bytes", KIND_BYTES);
    asked = format_field(o, "asked_back_bytes", KIND_BYTES);
    if (!is_true(o, "draining")) {
        return g_strdup_printf("%s lends again; %s are leased\n", host,
                               leased);
    }
    return g_strdup_printf("%s is draining: %s are leased, %s asked back\n",
                           host, leased, asked);
}
