/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-print: see check-print.h. */
#include "arbiter/rcachectl/check-print.h"

#include "arbiter/rcachectl/cell.h"
#include "common/json-set.h"

/* What stands before a finding, and as many blanks before its other lines. */
#define LEVEL_WIDTH     9

static void append_count(GString *out, unsigned n, const char *what)
{
    g_string_append_printf(out, "%s%u %s%s", out->len ? ", " : "", n, what,
                           n == 1 ? "" : "s");
}

/* Texts may be a daemon's, or a file's. */
static void append_line(GString *out, const char *title, const char *text)
{
    g_autofree char *safe = text ? cell_text(text) : NULL;

    if (safe) {
        g_string_append_printf(out, "%*s%-8s%s\n", LEVEL_WIDTH, "", title,
                               safe);
    }
}

static void append_finding(GString *out, const Finding *f)
{
    g_autofree char *what = cell_text(f->what);

    g_string_append_printf(out, "%-*s%s\n", LEVEL_WIDTH,
                           finding_level_name(f->level), what);
    append_line(out, "found:", f->found);
    append_line(out, "wanted:", f->wanted);
    append_line(out, "why:", f->why);
    append_line(out, "remedy:", f->remedy);
}

/* All that is well, with what was found. */
static void append_ok(GString *out, const Findings *findings)
{
    for (unsigned i = 0; i < findings_count(findings); i++) {
        const Finding *f = findings_at(findings, i);
        g_autofree char *found = f->found ? cell_text(f->found) : NULL;

        if (f->level == FINDING_OK) {
            g_string_append_printf(out, "%-*s%s%s%s\n", LEVEL_WIDTH, "ok",
                                   f->check, found ? ": " : "",
                                   found ? found : "");
        }
    }
}

char *check_print_text(const Findings *findings)
{
    GString *out = g_string_new(NULL);

    append_count(out, findings_nr(findings, FINDING_ERROR), "error");
    append_count(out, findings_nr(findings, FINDING_WARNING), "warning");
    append_count(out, findings_nr(findings, FINDING_NOTE), "note");
    g_string_append(out, "\n");
    for (unsigned i = 0; i < findings_count(findings); i++) {
        const Finding *f = findings_at(findings, i);

        if (f->level != FINDING_OK) {
            append_finding(out, f);
        }
    }
    append_ok(out, findings);
    return g_string_free(out, FALSE);
}

static JsonObject *finding_json(const Finding *f)
{
    JsonObject *o = json_object_new();

    json_object_set_string_member(o, "check", f->check);
    json_set_text(o, "id", f->id);
    json_object_set_string_member(o, "severity",
                                  finding_level_name(f->level));
    json_object_set_string_member(o, "what", f->what);
    json_set_text(o, "found", f->found);
    json_set_text(o, "wanted", f->wanted);
    json_set_text(o, "why", f->why);
    json_set_text(o, "remedy", f->remedy);
    return o;
}

JsonNode *check_print_json(const Findings *findings)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    JsonObject *o = json_object_new();
    JsonArray *list = json_array_new();
    unsigned errors = findings_nr(findings, FINDING_ERROR);
    unsigned warnings = findings_nr(findings, FINDING_WARNING);

    for (unsigned i = 0; i < findings_count(findings); i++) {
        json_array_add_object_element(list,
                                      finding_json(findings_at(findings, i)));
    }
    json_object_set_boolean_member(o, "ok", !errors && !warnings);
    json_object_set_int_member(o, "errors", errors);
    json_object_set_int_member(o, "warnings", warnings);
    json_object_set_int_member(o, "notes",
                               findings_nr(findings, FINDING_NOTE));
    json_object_set_array_member(o, "findings", list);
    json_node_take_object(node, o);
    return node;
}
