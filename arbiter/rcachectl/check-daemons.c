/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-daemons: see check-daemons.h. */
#include "arbiter/rcachectl/check-daemons.h"

#include <string.h>
#include <unistd.h>

#include "arbiter/rcachectl/cell.h"
#include "common/admin-client.h"

/* A member that is a text, new; else NULL. */
static char *text_of(JsonObject *o, const char *name)
{
    return cell_is_text(json_object_get_member(o, name)) ? cell_words(o, name)
                                                         : NULL;
}

static int64_t number_of(JsonObject *o, const char *name)
{
    int64_t value;

    cell_whole(o, name, &value);
    return value;
}

static JsonObject *object_at(JsonArray *list, guint i)
{
    JsonNode *node = json_array_get_element(list, i);

    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static guint length_of(JsonArray *list)
{
    return list ? json_array_get_length(list) : 0;
}

/* ---------------------------------------------------------------- rcached */

static int64_t limit_of(JsonObject *status, const char *key)
{
    JsonArray *limits = cell_array(status, "limits");

    for (guint i = 0; i < length_of(limits); i++) {
        JsonObject *o = object_at(limits, i);
        g_autofree char *name = o ? text_of(o, "limit") : NULL;

        if (name && !strcmp(name, key)) {
            return number_of(o, "value");
        }
    }
    return 0;
}

static void take_links(JsonObject *status, GPtrArray *out)
{
    JsonArray *list = cell_array(status, "arbiters");

    for (guint i = 0; i < length_of(list); i++) {
        JsonObject *o = object_at(list, i);
        char *address = o ? text_of(o, "address") : NULL;
        CheckLink *link;

        if (address) {
            link = g_new0(CheckLink, 1);
            link->address = address;
            link->connected = cell_is_true(o, "connected");
            link->error = text_of(o, "error");
            g_ptr_array_add(out, link);
        }
    }
}

void check_daemons_take_rcached(JsonObject *status, CheckDaemon *d)
{
    d->host = text_of(status, "host");
    d->version = text_of(status, "version");
    d->level = text_of(status, "level");
    d->verdict = text_of(status, "verdict");
    d->listen = text_of(status, "listen");
    d->tls = text_of(status, "tls");
    d->expires = cell_is_number(json_object_get_member(status,
                                                       "tls_expires_seconds"));
    d->expires_s = number_of(status, "tls_expires_seconds");
    d->pid = number_of(status, "pid");
    d->pagers_to_replace = number_of(status, "pagers_to_replace");
    d->pagers_max = number_of(status, "pagers_max");
    d->connections = limit_of(status, "connections");
    d->mem_total = number_of(status, "mem_total_bytes");
    take_links(status, d->arbiters);
}

/* ---------------------------------------------------------------- arbiter */

static void take_host(JsonObject *o, GPtrArray *out)
{
    g_autofree char *state = text_of(o, "state");
    char *name = text_of(o, "name"), *address = text_of(o, "address");
    CheckHost *host;

    if (!name) {
        g_free(address);
        return;
    }
    host = g_new0(CheckHost, 1);
    host->name = name;
    host->address = address ? address : g_strdup("");
    host->alive = state && !strcmp(state, "alive");
    host->protocol = number_of(o, "protocol_version");
    g_ptr_array_add(out, host);
}

void check_daemons_take_arbiter(JsonObject *status, JsonArray *hosts,
                                CheckArbiter *arbiter)
{
    arbiter->version = text_of(status, "version");
    arbiter->level = text_of(status, "level");
    arbiter->verdict = text_of(status, "verdict");
    for (guint i = 0; i < length_of(hosts); i++) {
        JsonObject *o = object_at(hosts, i);

        if (o) {
            take_host(o, arbiter->hosts);
        }
    }
}

/* -------------------------------------------------------------------- ask */

/* Why there is no answer. */
typedef struct Missing {
    char **why;
    bool *there, *broken;
} Missing;

/* The answer to a command; NULL: @missing says why. */
static JsonNode *ask(const char *socket, const char *command,
                     unsigned timeout_ms, const Missing *missing)
{
    g_autoptr(GError) error = NULL;
    JsonNode *answer = admin_execute(socket, command, NULL, timeout_ms,
                                     &error);

    if (!answer) {
        *missing->why = cell_text(error->message);
        *missing->there = !access(socket, F_OK);
        *missing->broken = !access(socket, W_OK) &&
                           !g_error_matches(error, ADMIN_ERROR,
                                            ADMIN_ERROR_REFUSED);
    }
    return answer;
}

static JsonNode *ask_object(const char *socket, unsigned timeout_ms,
                            const Missing *missing)
{
    JsonNode *answer = ask(socket, "status", timeout_ms, missing);

    if (answer && !JSON_NODE_HOLDS_OBJECT(answer)) {
        g_clear_pointer(&answer, json_node_unref);
        *missing->why = g_strdup_printf("%s: the answer is malformed", socket);
        *missing->there = *missing->broken = true;
    }
    return answer;
}

static void ask_rcached(const char *socket, unsigned timeout_ms,
                        CheckDaemon *d)
{
    const Missing missing = { &d->missing, &d->there, &d->broken };
    g_autoptr(JsonNode) status = ask_object(socket, timeout_ms, &missing);

    d->socket = g_strdup(socket);
    if (status) {
        check_daemons_take_rcached(json_node_get_object(status), d);
    }
}

static void ask_arbiter(const char *socket, unsigned timeout_ms,
                        CheckArbiter *a)
{
    const Missing missing = { &a->missing, &a->there, &a->broken };
    g_autoptr(JsonNode) status = ask_object(socket, timeout_ms, &missing);
    g_autoptr(JsonNode) hosts = status ? ask(socket, "hosts", timeout_ms,
                                             &missing) : NULL;

    a->socket = g_strdup(socket);
    if (hosts) {
        check_daemons_take_arbiter(json_node_get_object(status),
                                   JSON_NODE_HOLDS_ARRAY(hosts)
                                   ? json_node_get_array(hosts) : NULL, a);
    }
}

void check_daemons_ask(const char *rcached, const char *arbiter,
                       unsigned timeout_ms, CheckFacts *facts)
{
    ask_rcached(rcached, timeout_ms, &facts->daemon);
    ask_arbiter(arbiter, timeout_ms, &facts->arbiter);
}

const char *check_daemons_which(const char *socket, unsigned timeout_ms,
                                GError **errp)
{
    g_autoptr(JsonNode) status = admin_execute(socket, "status", NULL,
                                               timeout_ms, errp);
    g_autofree char *daemon = NULL;

    if (!status) {
        return NULL;
    }
    daemon = JSON_NODE_HOLDS_OBJECT(status)
                 ? text_of(json_node_get_object(status), "daemon") : NULL;
    return daemon && !strcmp(daemon, "arbiter") ? "arbiter" : "rcached";
}
