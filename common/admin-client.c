/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin-client: one command, waited for.  See admin-client.h. */
#include "common/admin-client.h"

#include "common/admin-call.h"
#include "common/admin.h"

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/un.h>

#define READ_MAX        65536u

typedef struct Client {
    const char *path;
    GSocket *socket;
    gint64 until_us;            /* monotonic, or -1 */
} Client;

static bool client_fail(GError **errp, AdminError code, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);

static bool client_fail(GError **errp, AdminError code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (errp) {
        *errp = g_error_new_valist(ADMIN_ERROR, code, fmt, ap);
    }
    va_end(ap);
    return false;
}

static bool client_connect(Client *client, GError **errp)
{
    g_autoptr(GSocketAddress) address = NULL;
    g_autoptr(GError) error = NULL;

    if (strlen(client->path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        return client_fail(errp, ADMIN_ERROR_NO_DAEMON,
                           "%s: the path is too long for a socket",
                           client->path);
    }
    client->socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                                  G_SOCKET_PROTOCOL_DEFAULT, &error);
    if (!client->socket) {
        return client_fail(errp, ADMIN_ERROR_FAILED, "%s", error->message);
    }
    g_socket_set_blocking(client->socket, FALSE);
    address = g_unix_socket_address_new(client->path);
    if (g_socket_connect(client->socket, address, NULL, &error)) {
        return true;
    }
    return client_fail(errp,
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED)
            ? ADMIN_ERROR_REFUSED : ADMIN_ERROR_NO_DAEMON,
        "no daemon answers at %s: %s", client->path, error->message);
}

static bool client_wait(Client *client, GIOCondition condition,
                        GError **errp)
{
    g_autoptr(GError) error = NULL;
    gint64 left = -1;

    if (client->until_us >= 0) {
        left = MAX(client->until_us - g_get_monotonic_time(), 0);
    }
    if (g_socket_condition_timed_wait(client->socket, condition, left, NULL,
                                      &error)) {
        return true;
    }
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        return client_fail(errp, ADMIN_ERROR_TIMEOUT,
                           "%s: no answer in time", client->path);
    }
    return client_fail(errp, ADMIN_ERROR_FAILED, "%s: %s", client->path,
                       error->message);
}

static bool client_send(Client *client, const char *text, GError **errp)
{
    size_t len = strlen(text);

    while (len) {
        g_autoptr(GError) error = NULL;
        gssize n = g_socket_send(client->socket, text, len, NULL, &error);

        if (n > 0) {
            text += n;
            len -= n;
        } else if (!g_error_matches(error, G_IO_ERROR,
                                    G_IO_ERROR_WOULD_BLOCK)) {
            /* It may have said why before it closed. */
            return g_error_matches(error, G_IO_ERROR,
                                   G_IO_ERROR_BROKEN_PIPE) ||
                   client_fail(errp, ADMIN_ERROR_FAILED, "%s: %s",
                               client->path, error->message);
        } else if (!client_wait(client, G_IO_OUT, errp)) {
            return false;
        }
    }
    return true;
}

/* One line, into @line without its newline. */
static bool client_receive(Client *client, GString *line, GError **errp)
{
    char bytes[READ_MAX];

    for (;;) {
        g_autoptr(GError) error = NULL;
        char *newline;
        gssize n = g_socket_receive(client->socket, bytes, sizeof(bytes),
                                    NULL, &error);

        if (n < 0 && g_error_matches(error, G_IO_ERROR,
                                     G_IO_ERROR_WOULD_BLOCK)) {
            if (!client_wait(client, G_IO_IN, errp)) {
                return false;
            }
            continue;
        }
        if (n <= 0) {
            return client_fail(errp, ADMIN_ERROR_FAILED,
                               "%s: the daemon closed without an answer",
                               client->path);
        }
        newline = memchr(bytes, '\n', n);
        g_string_append_len(line, bytes, newline ? newline - bytes : n);
        if (newline) {
            return true;
        }
        if (line->len > ADMIN_ANSWER_MAX) {
            return client_fail(errp, ADMIN_ERROR_FAILED,
                               "%s: the answer is too long", client->path);
        }
    }
}

/* A member that is to be a text; else @instead. */
static const char *text_of(JsonObject *object, const char *name,
                           const char *instead)
{
    JsonNode *node = json_object_get_member(object, name);

    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node) : instead;
}

/* The daemon's error with the class it named. */
static void take_error(JsonObject *object, GError **errp)
{
    const char *class = text_of(object, "class", "");
    const char *desc = text_of(object, "desc", "an error without a text");

    for (int code = 0; code < ADMIN_ERROR_MAX_; code++) {
        g_autoptr(GError) error = g_error_new_literal(ADMIN_ERROR, code,
                                                      desc);

        if (!strcmp(admin_error_class(error), class)) {
            g_propagate_error(errp, g_steal_pointer(&error));
            return;
        }
    }
    client_fail(errp, ADMIN_ERROR_FAILED, "%s", desc);
}

static JsonNode *take_answer(const Client *client, const GString *line,
                             GError **errp)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *object = NULL;
    JsonNode *root, *node;

    if (json_parser_load_from_data(parser, line->str, line->len, NULL)) {
        root = json_parser_get_root(parser);
        object = root && JSON_NODE_HOLDS_OBJECT(root) &&
                 admin_node_is_text(root)
                     ? json_node_get_object(root) : NULL;
    }
    if (object && json_object_has_member(object, "return")) {
        return json_object_dup_member(object, "return");
    }
    node = object ? json_object_get_member(object, "error") : NULL;
    if (node && JSON_NODE_HOLDS_OBJECT(node)) {
        take_error(json_node_get_object(node), errp);
        return NULL;
    }
    client_fail(errp, ADMIN_ERROR_FAILED, "%s: the answer is malformed",
                client->path);
    return NULL;
}

static char *request_text(const char *command, JsonObject *args)
{
    JsonObject *object = json_object_new();
    g_autoptr(JsonNode) root = admin_node_new(object);
    g_autofree char *text = NULL;

    json_object_set_string_member(object, "execute", command);
    if (args) {
        json_object_set_object_member(object, "arguments",
                                      json_object_ref(args));
    }
    text = json_to_string(root, FALSE);
    return g_strconcat(text, "\n", NULL);
}

JsonNode *admin_execute(const char *path, const char *command,
                        JsonObject *args, unsigned timeout_ms,
                        GError **errp)
{
    g_autofree char *text = request_text(command, args);
    g_autoptr(GString) line = g_string_new(NULL);
    Client client = {
        .path = path,
        .until_us = timeout_ms ? g_get_monotonic_time() + timeout_ms * 1000ll
                               : -1,
    };
    JsonNode *answer = NULL;

    if (client_connect(&client, errp) && client_send(&client, text, errp) &&
        client_receive(&client, line, errp)) {
        answer = take_answer(&client, line, errp);
    }
    g_clear_object(&client.socket);
    return answer;
}
