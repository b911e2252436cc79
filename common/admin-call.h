/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-call: a line of the admin socket to a call, checked; pure. */
#ifndef RCACHE_ADMIN_CALL_H
#define RCACHE_ADMIN_CALL_H

#include "common/admin.h"

typedef struct AdminCall {
    char *execute;
    JsonObject *arguments;      /* never NULL after admin_call_parse() */
    JsonNode *id;               /* or NULL */
} AdminCall;

/**
 * admin_line_parse() - one line to a JSON object
 * @line: @len bytes without the newline; any bytes at all
 *
 * Return: a node that holds an object, not to be changed; or NULL with @errp
 * set (ADMIN_ERROR_BAD_REQUEST)
 */
JsonNode *admin_line_parse(const char *line, size_t len, GError **errp);

/**
 * admin_node_is_text() - is each string and each name in it UTF-8?
 *
 * json-glib takes escapes that JSON does not have ("\200", one half of a
 * surrogate pair), and makes bytes of them that are none.
 */
bool admin_node_is_text(JsonNode *node);

/**
 * admin_call_parse() - one line to a call
 * @line: @len bytes without the newline; any bytes at all
 * @call: set on success; on failure its id is set if there was one
 *
 * Return: false with @errp set (ADMIN_ERROR_BAD_REQUEST)
 */
bool admin_call_parse(const char *line, size_t len, AdminCall *call,
                      GError **errp);
void admin_call_clear(AdminCall *call);

/**
 * admin_args_check() - are these arguments what the command takes?
 *
 * Return: false with @errp set (ADMIN_ERROR_BAD_ARGUMENT)
 */
bool admin_args_check(const AdminCommand *command, JsonObject *args,
                      GError **errp);

/** admin_node_new() - the object in a node that owns it */
JsonNode *admin_node_new(JsonObject *object);

/** admin_node_new_array() - the same for an array */
JsonNode *admin_node_new_array(JsonArray *array);

#endif
