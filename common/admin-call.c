/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admin-call: lines to calls, and what arguments a command takes.  Pure: these
 * functions see every byte that a local client sends, and are fuzzed.
 */
#include "common/admin-call.h"

#include <string.h>

#include "common/admin.h"

#define DEPTH_MAX       32u

G_DEFINE_QUARK(rcache-admin-error-quark, admin_error)

const char *admin_error_class(const GError *error)
{
    static const char *const names[] = {
        [ADMIN_ERROR_FAILED] = "GenericError",
        [ADMIN_ERROR_BAD_REQUEST] = "BadRequest",
        [ADMIN_ERROR_NO_COMMAND] = "CommandNotFound",
        [ADMIN_ERROR_BAD_ARGUMENT] = "BadArgument",
        [ADMIN_ERROR_NOT_FOUND] = "NotFound",
        [ADMIN_ERROR_REFUSED] = "Refused",
        [ADMIN_ERROR_NO_DAEMON] = "NoDaemon",
        [ADMIN_ERROR_TIMEOUT] = "Timeout",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == ADMIN_ERROR_MAX_);
    if (error->domain != ADMIN_ERROR || error->code < 0 ||
        error->code >= ADMIN_ERROR_MAX_) {
        return names[ADMIN_ERROR_FAILED];
    }
    return names[error->code];
}

static bool bad_request(GError **errp, const char *text)
{
    g_set_error_literal(errp, ADMIN_ERROR, ADMIN_ERROR_BAD_REQUEST, text);
    return false;
}

/* The byte after the string that starts at line[i], or @len. */
static size_t skip_string(const char *line, size_t len, size_t i)
{
    for (i++; i < len && line[i] != '"'; i++) {
        i += line[i] == '\\';
    }
    return i < len ? i + 1 : len;
}

/*
 * Is this one object, nested so deep at most?  json-glib would take more: it
 * parses recursively and before 1.10 without a limit, so that a line of
 * brackets overflows the stack; it skips comments, which could hide them; and
 * of two values on a line it leaks one.  What passes here it reads as we do.
 */
static bool is_one_object(const char *line, size_t len)
{
    unsigned depth = 0;
    bool ended = false;
    size_t i = 0;

    while (i < len) {
        char c = line[i];

        if (c == ' ' || c == '\t' || c == '\r') {
            i++;
            continue;
        }
        if (ended || c == '/' || (!depth && c != '{')) {
            return false;
        }
        if (c == '"') {
            i = skip_string(line, len, i);
            continue;
        }
        if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX) {
                return false;
            }
        } else if (c == '}' || c == ']') {
            ended = --depth == 0;
        }
        i++;
    }
    return ended;
}

/* It goes back as it is: 1e999 would be no JSON any more. */
static bool id_fits(JsonNode *node)
{
    return JSON_NODE_HOLDS_NULL(node) ||
           (JSON_NODE_HOLDS_VALUE(node) &&
            (json_node_get_value_type(node) == G_TYPE_STRING ||
             json_node_get_value_type(node) == G_TYPE_INT64));
}

/* Take the members of the object apart; each must be what it is to be. */
static bool call_take(AdminCall *call, JsonObject *object, GError **errp)
{
    JsonNode *node;
    GList *members;
    bool known = true;

    node = json_object_get_member(object, "id");
    if (node) {
        if (!id_fits(node)) {
            return bad_request(errp, "\"id\" is neither a whole number nor a "
                               "string");
        }
        call->id = json_node_copy(node);
    }
    members = json_object_get_members(object);
    for (GList *at = members; at; at = at->next) {
        known = known && (!strcmp(at->data, "execute") ||
                          !strcmp(at->data, "arguments") ||
                          !strcmp(at->data, "id"));
    }
    g_list_free(members);
    if (!known) {
        return bad_request(errp, "only \"execute\", \"arguments\" and \"id\" "
                           "are known");
    }
    node = json_object_get_member(object, "execute");
    if (!node || json_node_get_value_type(node) != G_TYPE_STRING) {
        return bad_request(errp, "\"execute\" with the name of a command is "
                           "missing");
    }
    call->execute = json_node_dup_string(node);
    node = json_object_get_member(object, "arguments");
    if (node && !JSON_NODE_HOLDS_OBJECT(node)) {
        return bad_request(errp, "\"arguments\" is not an object");
    }
    call->arguments = node ? json_node_dup_object(node) : json_object_new();
    return true;
}

static void member_check(JsonObject *object, const char *name, JsonNode *node,
                         gpointer good)
{
    *(bool *)good = *(bool *)good && g_utf8_validate(name, -1, NULL) &&
                    admin_node_is_text(node);
}

static void element_check(JsonArray *array, guint i, JsonNode *node,
                          gpointer good)
{
    *(bool *)good = *(bool *)good && admin_node_is_text(node);
}

bool admin_node_is_text(JsonNode *node)
{
    bool good = true;

    if (JSON_NODE_HOLDS_OBJECT(node)) {
        json_object_foreach_member(json_node_get_object(node), member_check,
                                   &good);
    } else if (JSON_NODE_HOLDS_ARRAY(node)) {
        json_array_foreach_element(json_node_get_array(node), element_check,
                                   &good);
    } else if (json_node_get_value_type(node) == G_TYPE_STRING) {
        good = g_utf8_validate(json_node_get_string(node), -1, NULL);
    }
    return good;
}

JsonNode *admin_line_parse(const char *line, size_t len, GError **errp)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) error = NULL;
    JsonNode *root;

    if (len > ADMIN_LINE_MAX) {
        bad_request(errp, "the line is too long");
        return NULL;
    }
    if (memchr(line, 0, len) || !g_utf8_validate(line, len, NULL)) {
        bad_request(errp, "the line is not UTF-8 text");
        return NULL;
    }
    if (!is_one_object(line, len)) {
        bad_request(errp, "the line is not one JSON object");
        return NULL;
    }
    if (!json_parser_load_from_data(parser, line, len, &error)) {
        g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_BAD_REQUEST,
                    "the line is not JSON: %s", error->message);
        return NULL;
    }
    root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        bad_request(errp, "the line is not one JSON object");
        return NULL;
    }
    if (!admin_node_is_text(root)) {
        bad_request(errp, "a string of the line is not UTF-8 text");
        return NULL;
    }
    return json_node_ref(root);
}

bool admin_call_parse(const char *line, size_t len, AdminCall *call,
                      GError **errp)
{
    g_autoptr(JsonNode) root = admin_line_parse(line, len, errp);

    *call = (AdminCall) { 0 };
    return root && call_take(call, json_node_get_object(root), errp);
}

void admin_call_clear(AdminCall *call)
{
    g_clear_pointer(&call->execute, g_free);
    g_clear_pointer(&call->arguments, json_object_unref);
    g_clear_pointer(&call->id, json_node_unref);
}

/* -------------------------------------------------------------- arguments */

static bool arg_fits(const AdminArg *arg, JsonNode *node)
{
    GType type = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node)
                                             : G_TYPE_INVALID;

    switch (arg->type) {
    case ADMIN_ARG_STRING:
        return type == G_TYPE_STRING;
    case ADMIN_ARG_INT:
        return type == G_TYPE_INT64 && json_node_get_int(node) >= 0;
    case ADMIN_ARG_BOOL:
        return type == G_TYPE_BOOLEAN;
    }
    return false;
}

static const AdminArg *arg_find(const AdminCommand *command, const char *name)
{
    for (const AdminArg *arg = command->args; arg->name; arg++) {
        if (!strcmp(arg->name, name)) {
            return arg;
        }
    }
    return NULL;
}

bool admin_args_check(const AdminCommand *command, JsonObject *args,
                      GError **errp)
{
    static const char *const types[] = {
        [ADMIN_ARG_STRING] = "a text",
        [ADMIN_ARG_INT] = "a number that is whole and not negative",
        [ADMIN_ARG_BOOL] = "true or false",
    };
    g_autoptr(GList) members = json_object_get_members(args);

    for (GList *at = members; at; at = at->next) {
        const AdminArg *arg = arg_find(command, at->data);

        if (!arg) {
            g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_BAD_ARGUMENT,
                        "%s takes no argument '%s'", command->name,
                        (const char *)at->data);
            return false;
        }
        if (!arg_fits(arg, json_object_get_member(args, at->data))) {
            g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_BAD_ARGUMENT,
                        "%s: '%s' is not %s", command->name, arg->name,
                        types[arg->type]);
            return false;
        }
    }
    for (const AdminArg *arg = command->args; arg->name; arg++) {
        if (!arg->optional && !json_object_has_member(args, arg->name)) {
            g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_BAD_ARGUMENT,
                        "%s: '%s' is missing", command->name, arg->name);
            return false;
        }
    }
    return true;
}

JsonNode *admin_node_new(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, object);
    return node;
}

JsonNode *admin_node_new_array(JsonArray *array)
{
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);

    json_node_take_array(node, array);
    return node;
}
