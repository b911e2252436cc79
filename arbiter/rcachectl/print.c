/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * print: tables.  See print.h.
 *
 * A table is a list of columns, each a field of the answer's objects and how
 * to show it; all cells are made first, since widths depend on them.
 */
#include "arbiter/rcachectl/print.h"

#include <string.h>

#include "arbiter/rcachectl/cell.h"

typedef struct Column {
    const char *title;
    const char *field;
    CellKind kind;
} Column;

/* ----------------------------------------------------------------- tables */

static void append_cell(GString *out, const char *text, size_t width,
                        CellKind kind, bool last)
{
    size_t len = g_utf8_strlen(text, -1);
    bool left = kind == CELL_TEXT || kind == CELL_FLAGS ||
                kind == CELL_PROVIDERS;

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

            row[c] = columns[c].kind == CELL_FLAGS ? cell_flags(o)
                     : columns[c].kind == CELL_STATE ? cell_state(o)
                         : cell_field(o, columns[c].field,
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
        { "HOST", "name", CELL_TEXT },
        { "STATE", NULL, CELL_STATE },
        { "AGE", "age_seconds", CELL_SECONDS },
        { "TOTAL", "mem_total_bytes", CELL_BYTES },
        { "AVAIL", "mem_available_bytes", CELL_BYTES },
        { "OFFERED", "offered_bytes", CELL_BYTES },
        { "LEASED", "leased_bytes", CELL_BYTES },
        { "STORED", "stored_bytes", CELL_BYTES },
        { "SPILLED", "spilled_bytes", CELL_BYTES },
        { "FREE", "free_bytes", CELL_BYTES },
        { "PSI", "psi_some_percent", CELL_PERCENT },
        { "VMS", "vms", CELL_COUNT },
        { "FLAGS", NULL, CELL_FLAGS },
    };

    return print_table(answer, columns, G_N_ELEMENTS(columns),
                       "no hosts\n");
}

char *print_leases(JsonNode *answer)
{
    static const Column columns[] = {
        { "LEASE", "lease", CELL_TEXT },
        { "VM", "vm", CELL_TEXT },
        { "REQUESTER", "requester", CELL_TEXT },
        { "PROVIDER", "provider", CELL_TEXT },
        { "STATE", "state", CELL_TEXT },
        { "SIZE", "bytes", CELL_BYTES },
        { "STORED", "stored_bytes", CELL_BYTES },
        { "EXPIRES", "expires_seconds", CELL_SECONDS },
    };

    return print_table(answer, columns, G_N_ELEMENTS(columns),
                       "no leases\n");
}

char *print_vms(JsonNode *answer)
{
    static const Column columns[] = {
        { "VM", "name", CELL_TEXT },
        { "HOST", "host", CELL_TEXT },
        { "STATE", NULL, CELL_STATE },
        { "GUEST", "guest_bytes", CELL_BYTES },
        { "HERE", "resident_bytes", CELL_BYTES },
        { "MAX", "local_max_bytes", CELL_BYTES },
        { "REMOTE", "remote_bytes", CELL_BYTES },
        { "ZERO", "zero_bytes", CELL_BYTES },
        { "COPIES", "copies", CELL_COUNT },
        { "ONECOPY", "one_copy_bytes", CELL_BYTES },
        { "REPAIRING", "repairing_bytes", CELL_BYTES },
        { "GUESTFREE", "balloon_free_bytes", CELL_BYTES },
        { "FAULTS", "faults", CELL_COUNT },
        { "EVICTED", "evicted_pages", CELL_COUNT },
        { "P50", "fault_p50_seconds", CELL_SECONDS },
        { "P99", "fault_p99_seconds", CELL_SECONDS },
        { "STALL", "stall_seconds", CELL_SECONDS },
        { "STALLED", "stalled_percent", CELL_PERCENT },
        { "SLOWEST", "slowest_phase", CELL_TEXT },
        { "RESTARTS", "pager_restarts", CELL_COUNT },
        { "SEAL", "seal", CELL_TEXT },
        { "HOLD", "hold", CELL_TEXT },
        { "PROVIDERS", "providers", CELL_PROVIDERS },
    };

    return print_table(answer, columns, G_N_ELEMENTS(columns), "no VMs\n");
}

char *print_whatif(JsonNode *answer)
{
    static const Column columns[] = {
        { "VM", "name", CELL_TEXT },
        { "HOST", "host", CELL_TEXT },
        { "GUEST", "guest_bytes", CELL_BYTES },
        { "LEASED", "leased_bytes", CELL_BYTES },
        { "STORED", "stored_bytes", CELL_BYTES },
        { "SOLE", "sole_bytes", CELL_BYTES },
        { "REPAIRING", "repairing_bytes", CELL_BYTES },
        { "DIED", "if_died", CELL_TEXT },
        { "PLACED", "placed_bytes", CELL_BYTES },
        { "DRAINED", "if_drained", CELL_TEXT },
        { "WHY", "why", CELL_TEXT },
    };
    g_autofree char *died = NULL, *drained = NULL, *vms = NULL;
    JsonObject *o;
    JsonNode *list;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        return g_strdup("-\n");
    }
    o = json_node_get_object(answer);
    died = cell_field(o, "if_died", CELL_TEXT);
    drained = cell_field(o, "if_drained", CELL_TEXT);
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

    if (!o || !cell_is_text(json_object_get_member(o, "why"))) {
        return NULL;
    }
    name = cell_field(o, "name", CELL_TEXT);
    why = cell_field(o, "why", CELL_TEXT);
    return g_strdup_printf("vm %s cannot move: %s", name, why);
}

/* ----------------------------------------------------------------- status */

static char *format_any(const char *name, JsonNode *node);

static char *format_object(JsonObject *o)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GList) names = json_object_get_members(o);

    for (GList *at = names; at; at = at->next) {
        g_autofree char *name = cell_text(at->data);
        g_autofree char *value = format_any(at->data,
            json_object_get_member(o, at->data));

        g_string_append_printf(out, "%s%s %s", out->len ? ", " : "", name,
                               value);
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
    if (cell_is_text(node)) {
        return cell_text(json_node_get_string(node));
    }
    if (cell_is_number(node)) {
        return cell_value(node, g_str_has_suffix(name, "_bytes")
                                      ? CELL_BYTES
                                  : g_str_has_suffix(name, "_seconds")
                                      ? CELL_SECONDS
                                      : CELL_COUNT);
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
    return cell_text(label);
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
    verdict = cell_field(o, "verdict", CELL_TEXT);
    g_string_append_printf(out, "%s\n", verdict);
    append_texts(out, json_object_get_member(o, "problems"), "");
    if (!cell_is_true(o, "ok") && json_object_has_member(o, "summary")) {
        g_autofree char *summary = cell_field(o, "summary", CELL_TEXT);

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

char *print_ok_to_stop(JsonNode *answer)
{
    GString *out = g_string_new(NULL);
    g_autofree char *host = NULL;
    JsonObject *o;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        return g_string_free(g_string_append(out, "-\n"), FALSE);
    }
    o = json_node_get_object(answer);
    host = cell_field(o, "host", CELL_TEXT);
    if (cell_is_true(o, "ok")) {
        g_string_append_printf(out, "%s may stop: nothing has its only live "
                               "copy there\n", host);
    } else {
        g_string_append_printf(out, "%s may not stop:\n", host);
        append_texts(out, json_object_get_member(o, "reasons"), "");
    }
    return g_string_free(out, FALSE);
}

char *print_evict(JsonNode *answer)
{
    g_autofree char *vm = NULL, *bytes = NULL, *pages = NULL, *why = NULL;
    JsonObject *o;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        return g_strdup("-\n");
    }
    o = json_node_get_object(answer);
    vm = cell_field(o, "vm", CELL_TEXT);
    bytes = cell_field(o, "evicted_bytes", CELL_BYTES);
    pages = cell_field(o, "evicted_pages", CELL_COUNT);
    why = cell_words(o, "text");
    return g_strdup_printf("%s: evicted %s (%s pages)%s%s\n", vm, bytes, pages,
                           *why ? "; " : "", why);
}

char *print_set(JsonNode *answer)
{
    g_autofree char *vm = NULL, *host = NULL, *away = NULL, *lacking = NULL;
    int64_t no_room;
    JsonObject *o;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        return g_strdup("-\n");
    }
    o = json_node_get_object(answer);
    vm = cell_field(o, "vm", CELL_TEXT);
    host = cell_field(o, "host", CELL_TEXT);
    away = cell_field(o, "remote_bytes", CELL_BYTES);
    lacking = cell_field(o, "no_room_bytes", CELL_BYTES);
    if (!cell_is_true(o, "held")) {
        return g_strdup_printf("%s is not held: its limits count again\n", vm);
    }
    if (cell_whole(o, "no_room_bytes", &no_room) && no_room > 0) {
        return g_strdup_printf("%s is held: %s are away, and host %s has no "
                               "room for %s of that, which stay away until it "
                               "has\n", vm, away, host, lacking);
    }
    return g_strdup_printf("%s is held: %s are away, and come home\n", vm,
                           away);
}

char *print_drain(JsonNode *answer)
{
    g_autofree char *host = NULL, *leased = NULL, *asked = NULL;
    JsonObject *o;

    if (!JSON_NODE_HOLDS_OBJECT(answer)) {
        return g_strdup("-\n");
    }
    o = json_node_get_object(answer);
    host = cell_field(o, "host", CELL_TEXT);
    leased = cell_field(o, "leased_bytes", CELL_BYTES);
    asked = cell_field(o, "asked_back_bytes", CELL_BYTES);
    if (!cell_is_true(o, "draining")) {
        return g_strdup_printf("%s lends again; %s are leased\n", host,
                               leased);
    }
    return g_strdup_printf("%s is draining: %s are leased, %s asked back\n",
                           host, leased, asked);
}
