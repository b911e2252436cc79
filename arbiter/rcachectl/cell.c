/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cell: a figure of an answer as text.  See cell.h. */
#include "arbiter/rcachectl/cell.h"

char *cell_bytes(double bytes)
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

char *cell_seconds(double s)
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
char *cell_text(const char *text)
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

JsonObject *cell_object(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node)
                                                : NULL;
}

JsonArray *cell_array(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node)
                                               : NULL;
}

bool cell_is_number(JsonNode *node)
{
    GType type = node && JSON_NODE_HOLDS_VALUE(node)
                     ? json_node_get_value_type(node) : G_TYPE_INVALID;

    return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

bool cell_is_text(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_STRING;
}

bool cell_is_true(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_BOOLEAN &&
           json_node_get_boolean(node);
}

char *cell_flags(JsonObject *o)
{
    GString *out = g_string_new(cell_is_true(o, "lends") ? "lends" : "");

    if (cell_is_true(o, "draining")) {
        g_string_append(out, out->len ? ",draining" : "draining");
    }
    if (!cell_is_true(o, "connected")) {
        g_string_append(out, out->len ? ",away" : "away");
    }
    if (cell_is_text(json_object_get_member(o, "implausible"))) {
        g_string_append(out, out->len ? ",implausible" : "implausible");
    }
    if (cell_is_text(json_object_get_member(o, "trouble"))) {
        g_string_append(out, out->len ? ",unusable" : "unusable");
    }
    return g_string_free(out, FALSE);
}

char *cell_state(JsonObject *o)
{
    g_autofree char *state = cell_field(o, "state", CELL_TEXT);
    g_autofree char *age = cell_field(o, "age_seconds", CELL_SECONDS);

    return cell_is_true(o, "stale")
               ? g_strdup_printf("%s, %s ago", state, age)
               : g_steal_pointer(&state);
}

char *cell_field(JsonObject *o, const char *field, CellKind kind)
{
    return cell_value(json_object_get_member(o, field), kind);
}

char *cell_words(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return cell_text(cell_is_text(node) ? json_node_get_string(node) : "");
}

bool cell_whole(JsonObject *o, const char *field, int64_t *value)
{
    JsonNode *node = json_object_get_member(o, field);

    *value = 0;
    if (!cell_is_number(node)) {
        return false;
    }
    if (json_node_get_value_type(node) == G_TYPE_INT64) {
        *value = MAX(json_node_get_int(node), -INT64_MAX);
    } else {
        double number = json_node_get_double(node);

        *value = number >= 0x1p63 ? INT64_MAX
                 : number <= -0x1p63 ? -INT64_MAX : (int64_t)number;
    }
    return true;
}

static double number_of(JsonObject *o, const char *field)
{
    JsonNode *node = json_object_get_member(o, field);

    return cell_is_number(node) ? json_node_get_double(node) : 0;
}

/* "(lost 107M, 2 wrong)": what a provider has cost the VM. */
static void append_damage(GString *out, JsonObject *o)
{
    g_autofree char *lost = cell_field(o, "lost_bytes", CELL_BYTES);
    double wrong = number_of(o, "wrong_pages");
    bool is_lost = number_of(o, "lost_bytes") > 0;

    if (is_lost && wrong > 0) {
        g_string_append_printf(out, "(lost %s, %.0f wrong)", lost, wrong);
    } else if (is_lost) {
        g_string_append_printf(out, "(lost %s)", lost);
    } else if (wrong > 0) {
        g_string_append_printf(out, "(%.0f wrong)", wrong);
    }
}

/* "b:160M c:159M(2 wrong)" */
static char *format_providers(JsonNode *node)
{
    GString *out = g_string_new(NULL);
    JsonArray *list = node && JSON_NODE_HOLDS_ARRAY(node)
                          ? json_node_get_array(node) : NULL;

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *each = json_array_get_element(list, i);

        if (JSON_NODE_HOLDS_OBJECT(each)) {
            JsonObject *o = json_node_get_object(each);
            g_autofree char *host = cell_field(o, "host", CELL_TEXT);
            g_autofree char *stored = cell_field(o, "stored_bytes",
                                                   CELL_BYTES);

            g_string_append_printf(out, "%s%s:%s", out->len ? " " : "", host,
                                   stored);
            append_damage(out, o);
        }
    }
    if (!out->len) {
        g_string_append_c(out, '-');
    }
    return g_string_free(out, FALSE);
}

char *cell_value(JsonNode *node, CellKind kind)
{
    if (kind == CELL_TEXT && cell_is_text(node)) {
        return cell_text(json_node_get_string(node));
    }
    if (kind == CELL_PROVIDERS) {
        return format_providers(node);
    }
    if (!cell_is_number(node)) {
        return g_strdup("-");
    }
    switch (kind) {
    case CELL_BYTES:
        return cell_bytes(json_node_get_double(node));
    case CELL_SECONDS:
        return cell_seconds(json_node_get_double(node));
    case CELL_PERCENT:
        return g_strdup_printf("%.1f%%", json_node_get_double(node));
    default:
        return g_strdup_printf("%.0f", json_node_get_double(node));
    }
}
