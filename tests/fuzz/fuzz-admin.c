/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-admin: lines that a local client sends to an admin socket.
 *
 * A call that is taken has a command and arguments; written out again it is
 * taken again with the same ones; and checking its arguments ends with a yes
 * or with a reason.
 */
#include <glib.h>
#include <string.h>

#include "common/admin-call.h"
#include "common/admin.h"
#include "fuzz.h"

static const AdminCommand command = {
    .name = "evict",
    .args = { { "vm", ADMIN_ARG_STRING }, { "bytes", ADMIN_ARG_INT },
              { "now", ADMIN_ARG_BOOL, .optional = true } },
};

static char *write_call(const AdminCall *call)
{
    JsonObject *object = json_object_new();
    g_autoptr(JsonNode) root = admin_node_new(object);

    json_object_set_string_member(object, "execute", call->execute);
    json_object_set_object_member(object, "arguments",
                                  json_object_ref(call->arguments));
    if (call->id) {
        json_object_set_member(object, "id", json_node_copy(call->id));
    }
    return json_to_string(root, FALSE);
}

/* No command takes fractions; json-glib does not read all that it writes. */
static bool is_whole(JsonNode *node)
{
    g_autoptr(GList) values = NULL;
    bool yes = true;

    if (JSON_NODE_HOLDS_OBJECT(node)) {
        values = json_object_get_values(json_node_get_object(node));
    } else if (JSON_NODE_HOLDS_ARRAY(node)) {
        values = json_array_get_elements(json_node_get_array(node));
    } else if (json_node_get_value_type(node) == G_TYPE_DOUBLE) {
        return false;
    }
    for (GList *at = values; at; at = at->next) {
        yes = yes && is_whole(at->data);
    }
    return yes;
}

static void check_again(const AdminCall *call)
{
    g_autoptr(JsonNode) args =
        admin_node_new(json_object_ref(call->arguments));
    g_autofree char *text = NULL, *second = NULL;
    AdminCall again;

    if (!is_whole(args)) {
        return;
    }
    text = write_call(call);
    if (strlen(text) > ADMIN_LINE_MAX) {
        return;                 /* escapes may lengthen it */
    }
    g_assert(admin_call_parse(text, strlen(text), &again, NULL));
    g_assert(!strcmp(again.execute, call->execute));
    g_assert(!again.id == !call->id);
    second = write_call(&again);
    g_assert(!strcmp(second, text));
    admin_call_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) why = NULL;
    AdminCall call;

    if (admin_call_parse((const char *)data, size, &call, &error)) {
        g_assert(!error && call.execute && call.arguments);
        g_assert(admin_args_check(&command, call.arguments, &why) == !why);
        check_again(&call);
    } else {
        g_assert(g_error_matches(error, ADMIN_ERROR,
                                 ADMIN_ERROR_BAD_REQUEST));
    }
    admin_call_clear(&call);
    return 0;
}
