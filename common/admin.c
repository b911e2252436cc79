/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admin: the server.  See admin.h; admin-call.c judges the lines and
 * admin-client.c is the other side.
 *
 * A connection reads while it has nothing to do; runs a command (busy, for
 * as long as an AdminStart takes); sends the answer; and then looks for the
 * next line in what it has read.  Reading stops meanwhile, so neither input
 * nor output can grow.  An AdminRequest keeps its connection's memory, not
 * its socket: an answer to a client that has gone is dropped.
 */
#include "common/admin.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/admin-call.h"
#include "common/admin-rights.h"
#include "common/listener.h"

#define CONNS_MAX       64u
#define READERS_MAX     48u     /* of them, for clients that may only look */
#define WARN_US         (60 * G_USEC_PER_SEC)
#define READ_MAX        4096u

struct AdminServer {
    Listener *listener;
    const AdminCommand *commands;
    void *opaque;
    AdminGroups groups;         /* who may do what */
    int64_t warned;             /* of a client that was refused */
    GList *conns;
    unsigned nr_conns;
};

typedef struct AdminConn {
    int refs;
    AdminServer *server;        /* NULL: closed */
    AdminRights rights;
    int64_t active;             /* when it came, or last sent something */
    GSocketConnection *conn;
    GSocket *socket;
    GSource *in, *out;
    GByteArray *input;
    GString *answer;            /* to be sent from .sent on, or empty */
    size_t sent;
    bool busy;                  /* a command runs */
    bool looping;               /* conn_next() is at work further up */
    bool eof;                   /* the client sends no more */
    bool last;                  /* close after this answer */
} AdminConn;

struct AdminRequest {
    AdminConn *conn;
    JsonNode *id;
};

static void conn_next(AdminConn *conn);

static void source_stop(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void conn_unref(AdminConn *conn)
{
    if (--conn->refs > 0) {
        return;
    }
    g_byte_array_unref(conn->input);
    g_string_free(conn->answer, TRUE);
    g_object_unref(conn->conn);
    g_free(conn);
}

static void conn_close(AdminConn *conn)
{
    AdminServer *server = conn->server;

    if (!server) {
        return;
    }
    conn->server = NULL;
    server->conns = g_list_remove(server->conns, conn);
    server->nr_conns--;
    source_stop(&conn->in);
    source_stop(&conn->out);
    g_socket_close(conn->socket, NULL);
    conn_unref(conn);
}

/* ---------------------------------------------------------------- answers */

static gboolean writable(GSocket *socket, GIOCondition condition,
                         void *opaque);

/* Send what can be sent; false: it has been closed or waits. */
static bool conn_flush(AdminConn *conn)
{
    g_autoptr(GError) error = NULL;

    while (conn->sent < conn->answer->len) {
        gssize n = g_socket_send(conn->socket,
                                 conn->answer->str + conn->sent,
                                 conn->answer->len - conn->sent, NULL,
                                 &error);

        if (n >= 0) {
            conn->sent += n;
            continue;
        }
        if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
            conn_close(conn);
        } else if (!conn->out) {
            conn->out = g_socket_create_source(conn->socket, G_IO_OUT, NULL);
            g_source_set_callback(conn->out, G_SOURCE_FUNC(writable), conn,
                                  NULL);
            g_source_attach(conn->out, NULL);
        }
        return false;
    }
    g_string_truncate(conn->answer, 0);
    conn->sent = 0;
    source_stop(&conn->out);
    if (conn->last) {
        conn_close(conn);
        return false;
    }
    return true;
}

static gboolean writable(GSocket *socket, GIOCondition condition,
                         void *opaque)
{
    AdminConn *conn = opaque;

    conn->refs++;
    if (conn_flush(conn)) {
        conn_next(conn);
    }
    conn_unref(conn);
    return conn->out ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* Both are taken: the body of the answer, and the request's id, if any. */
static void conn_answer(AdminConn *conn, const char *member, JsonNode *body,
                        JsonNode *id)
{
    JsonObject *object = json_object_new();
    g_autoptr(JsonNode) root = admin_node_new(object);
    g_autofree char *text = NULL;

    json_object_set_member(object, member, body);
    if (id) {
        json_object_set_member(object, "id", id);
    }
    text = json_to_string(root, FALSE);
    g_string_append(conn->answer, text);
    g_string_append_c(conn->answer, '\n');
}

static void conn_answer_error(AdminConn *conn, const GError *error,
                              JsonNode *id)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "class", admin_error_class(error));
    json_object_set_string_member(object, "desc", error->message);
    conn_answer(conn, "error", admin_node_new(object), id);
}

/* A request is done: answer if its client is there, and go on. */
static void request_done(AdminRequest *request, JsonNode *node,
                         GError *error)
{
    AdminConn *conn = request->conn;

    conn->busy = false;
    if (!conn->server) {
        g_clear_pointer(&node, json_node_unref);
        g_clear_pointer(&request->id, json_node_unref);
    } else if (error) {
        conn_answer_error(conn, error, request->id);
    } else {
        conn_answer(conn, "return",
                    node ? node : admin_node_new(json_object_new()),
                    request->id);
    }
    g_clear_error(&error);
    g_free(request);
}

/*
 * A command that answers later does.  If that is from within its AdminStart,
 * the loop that called it goes on by itself; to go on here would nest as
 * deeply as a client likes.
 */
static void request_finish(AdminRequest *request, JsonNode *node,
                           GError *error)
{
    AdminConn *conn = request->conn;

    request_done(request, node, error);
    if (conn->server && !conn->looping && conn_flush(conn)) {
        conn_next(conn);
    }
    conn_unref(conn);
}

void admin_return(AdminRequest *request, JsonNode *node)
{
    request_finish(request, node, NULL);
}

void admin_fail(AdminRequest *request, GError *error)
{
    request_finish(request, NULL, error);
}

/* --------------------------------------------------------------- commands */

static const char *arg_type_name(AdminArgType type)
{
    static const char *const names[] = {
        [ADMIN_ARG_STRING] = "string",
        [ADMIN_ARG_INT] = "int",
        [ADMIN_ARG_BOOL] = "bool",
    };

    return names[type];
}

static void list_command(JsonArray *list, const AdminCommand *command)
{
    JsonObject *object = json_object_new();
    JsonArray *args = json_array_new();

    json_object_set_string_member(object, "name", command->name);
    json_object_set_string_member(object, "doc", command->doc);
    for (const AdminArg *arg = command->args; arg->name; arg++) {
        JsonObject *a = json_object_new();

        json_object_set_string_member(a, "name", arg->name);
        json_object_set_string_member(a, "type", arg_type_name(arg->type));
        json_object_set_boolean_member(a, "optional", arg->optional);
        json_array_add_object_element(args, a);
    }
    json_object_set_array_member(object, "arguments", args);
    json_object_set_boolean_member(object, "reads", command->reads);
    json_array_add_object_element(list, object);
}

static const AdminCommand query_commands = {
    .name = "query-commands",
    .doc = "The commands of this socket.",
    .reads = true,
};

static JsonNode *run_query_commands(const AdminServer *server)
{
    JsonArray *list = json_array_new();

    for (const AdminCommand *c = server->commands; c->name; c++) {
        list_command(list, c);
    }
    list_command(list, &query_commands);
    return admin_node_new_array(list);
}

static const AdminCommand *command_find(const AdminServer *server,
                                        const char *name, GError **errp)
{
    for (const AdminCommand *c = server->commands; c->name; c++) {
        if (!strcmp(c->name, name)) {
            return c;
        }
    }
    if (!strcmp(name, query_commands.name)) {
        return &query_commands;
    }
    g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_NO_COMMAND,
                "the command '%.64s' is not known here", name);
    return NULL;
}

/* May this client run it?  A refusal says who may. */
static bool may_run(const AdminConn *conn, const AdminCommand *command,
                    GError **errp)
{
    g_autofree char *who = NULL;

    if (conn->rights == ADMIN_RIGHTS_ALL || command->reads) {
        return true;
    }
    who = admin_groups_who(&conn->server->groups, ADMIN_RIGHTS_ALL);
    g_set_error(errp, ADMIN_ERROR, ADMIN_ERROR_REFUSED,
                "you may only run commands that change nothing: %s is for "
                "%s", command->name, who);
    return false;
}

static void conn_execute(AdminConn *conn, const AdminCommand *command,
                         AdminCall *call)
{
    AdminRequest *request;
    GError *error = NULL;
    JsonNode *node;

    request = g_new0(AdminRequest, 1);
    request->conn = conn;
    request->id = g_steal_pointer(&call->id);
    conn->busy = true;
    if (command->start) {
        conn->refs++;
        command->start(request, call->arguments, conn->server->opaque);
        return;
    }
    if (command == &query_commands) {
        node = run_query_commands(conn->server);
    } else {
        node = command->run(call->arguments, conn->server->opaque, &error);
    }
    request_done(request, node, error);
}

static void conn_line(AdminConn *conn, const char *line, size_t len)
{
    const AdminCommand *command = NULL;
    AdminCall call;
    GError *error = NULL;

    if (admin_call_parse(line, len, &call, &error)) {
        command = command_find(conn->server, call.execute, &error);
    }
    if (command && may_run(conn, command, &error) &&
        admin_args_check(command, call.arguments, &error)) {
        conn_execute(conn, command, &call);
    } else {
        conn_answer_error(conn, error, g_steal_pointer(&call.id));
        g_error_free(error);
    }
    admin_call_clear(&call);
}

/* ------------------------------------------------------------------ input */

static gboolean readable(GSocket *socket, GIOCondition condition,
                         void *opaque);

/* The length of the next line, with *@used including its newline, or -1. */
static gssize line_length(const AdminConn *conn, size_t *used)
{
    const uint8_t *newline = memchr(conn->input->data, '\n',
                                    conn->input->len);

    if (newline) {
        *used = newline - conn->input->data + 1;
        return *used - 1;
    }
    *used = conn->input->len;
    return conn->eof && conn->input->len ? (gssize)conn->input->len : -1;
}

static bool is_blank(const char *line, size_t len)
{
    return strspn(line, " \t\r") >= len;
}

/* Take one line, if there is one; false if there is none to take. */
static bool conn_take_line(AdminConn *conn)
{
    g_autofree char *line = NULL;
    size_t used;
    gssize len = conn->input->len ? line_length(conn, &used) : -1;

    if (len > ADMIN_LINE_MAX ||
        (len < 0 && conn->input->len > ADMIN_LINE_MAX)) {
        g_autoptr(GError) error =
            g_error_new(ADMIN_ERROR, ADMIN_ERROR_BAD_REQUEST,
                        "the line is longer than %u bytes", ADMIN_LINE_MAX);

        conn->last = true;
        conn_answer_error(conn, error, NULL);
        return true;
    }
    if (len < 0) {
        return false;
    }
    line = g_strndup((const char *)conn->input->data, len);
    g_byte_array_remove_range(conn->input, 0, used);
    if (!is_blank(line, len)) {
        conn_line(conn, line, len);
    }
    return true;
}

static void conn_watch(AdminConn *conn)
{
    if (!conn->in) {
        conn->in = g_socket_create_source(conn->socket, G_IO_IN, NULL);
        g_source_set_callback(conn->in, G_SOURCE_FUNC(readable), conn, NULL);
        g_source_attach(conn->in, NULL);
    }
}

/* Go on with the next line; the caller holds a reference. */
static void conn_next(AdminConn *conn)
{
    bool took = true;

    conn->looping = true;
    while (took && conn->server && !conn->busy && !conn->answer->len) {
        took = conn_take_line(conn);
        if (conn->server && !conn->busy && conn->answer->len) {
            conn_flush(conn);
        }
    }
    conn->looping = false;
    if (!conn->server) {
        return;
    }
    if (took) {
        source_stop(&conn->in); /* busy, or the answer is being sent */
    } else if (conn->eof) {
        conn_close(conn);
    } else {
        conn_watch(conn);
    }
}

static gboolean readable(GSocket *socket, GIOCondition condition,
                         void *opaque)
{
    AdminConn *conn = opaque;
    g_autoptr(GError) error = NULL;
    uint8_t bytes[READ_MAX];
    gssize n = g_socket_receive(socket, (char *)bytes, sizeof(bytes), NULL,
                                &error);
    gboolean goes_on;

    if (n < 0) {
        if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
            return G_SOURCE_CONTINUE;
        }
        conn_close(conn);
        return G_SOURCE_REMOVE;
    }
    if (n == 0) {
        conn->eof = true;
        source_stop(&conn->in);
    }
    g_byte_array_append(conn->input, bytes, n);
    conn->active = g_get_monotonic_time();
    conn->refs++;
    conn_next(conn);
    goes_on = conn->in ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
    conn_unref(conn);
    return goes_on;
}

/* ------------------------------------------------------------ connections */

/*
 * Silent clients keep nobody out: the one that has been idle for longest goes,
 * but not for a client that may do less.
 */
static bool make_room(AdminServer *server, AdminRights rights)
{
    AdminConn *oldest = NULL;

    for (GList *at = server->conns; at; at = at->next) {
        AdminConn *conn = at->data;

        if (!conn->busy && !conn->looping && conn->rights <= rights &&
            (!oldest || conn->active < oldest->active)) {
            oldest = conn;
        }
    }
    if (oldest) {
        conn_close(oldest);
    }
    return oldest;
}

/* A client that may do nothing is told so, and that is the end of it. */
static char *refusal_of(AdminServer *server, AdminRights rights)
{
    g_autofree char *who = NULL;
    int64_t now = g_get_monotonic_time();

    if (rights != ADMIN_RIGHTS_NONE) {
        /* Those who may only look leave room for those who must act. */
        unsigned max = rights == ADMIN_RIGHTS_ALL ? CONNS_MAX : READERS_MAX;

        return server->nr_conns < max || make_room(server, rights)
                   ? NULL : g_strdup("too many connections");
    }
    if (!server->warned || now - server->warned > WARN_US) {
        server->warned = now;
        g_warning("admin: a client was refused: it is neither root nor in a "
                  "group that may use this socket");
    }
    who = admin_groups_who(&server->groups, ADMIN_RIGHTS_READ);
    return g_strconcat("this socket is for ", who, NULL);
}

static void accepted(GSocketConnection *connection, void *opaque)
{
    AdminServer *server = opaque;
    int fd = g_socket_get_fd(g_socket_connection_get_socket(connection));
    AdminRights rights = admin_groups_peer(&server->groups, fd);
    g_autofree char *refusal = refusal_of(server, rights);
    AdminConn *conn;

    conn = g_new0(AdminConn, 1);
    conn->refs = 1;
    conn->server = server;
    conn->rights = rights;
    conn->active = g_get_monotonic_time();
    conn->conn = g_object_ref(connection);
    conn->socket = g_socket_connection_get_socket(connection);
    conn->input = g_byte_array_new();
    conn->answer = g_string_new(NULL);
    g_socket_set_blocking(conn->socket, FALSE);
    server->conns = g_list_prepend(server->conns, conn);
    server->nr_conns++;
    if (refusal) {
        g_autoptr(GError) error = g_error_new(ADMIN_ERROR,
                                              ADMIN_ERROR_REFUSED, "%s",
                                              refusal);

        conn->last = true;
        conn_answer_error(conn, error, NULL);
        conn_flush(conn);
        return;
    }
    conn_watch(conn);
}

AdminServer *admin_server_new(const char *path, const char *group,
                              const char *read_group,
                              const AdminCommand *commands, void *opaque,
                              GError **errp)
{
    AdminServer *server = g_new0(AdminServer, 1);
    mode_t mode;
    gid_t gid;

    if (!admin_groups_init(&server->groups, group, read_group, errp)) {
        g_free(server);
        return NULL;
    }
    server->commands = commands;
    server->opaque = opaque;
    mode = admin_groups_mode(&server->groups, &gid);
    server->listener = listener_new_unix(path, mode, gid, accepted, server,
                                         errp);
    if (!server->listener) {
        admin_groups_deinit(&server->groups);
        g_free(server);
        return NULL;
    }
    return server;
}

void admin_server_free(AdminServer *server)
{
    if (!server) {
        return;
    }
    listener_free(server->listener);
    while (server->conns) {
        conn_close(server->conns->data);
    }
    admin_groups_deinit(&server->groups);
    g_free(server);
}
