/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admin: the admin socket of a daemon, and its client.
 *
 * A unix stream socket; one JSON object a line, shaped like QMP:
 *
 *     {"execute": "hosts", "arguments": {}, "id": 7}
 *     {"return": [...], "id": 7}
 *     {"error": {"class": "CommandNotFound", "desc": "..."}, "id": 7}
 *
 * There is no greeting.  The commands of one connection are answered one
 * after the other, in order: the next line is read when the answer to the
 * last has been sent, so that a client which does not read costs one answer
 * and no more.  A line that is not a request is answered with BadRequest; a
 * line longer than ADMIN_LINE_MAX as well, and then the connection ends.
 *
 * Root, the daemon's own user and, where one is configured, the members of a
 * group may run all commands; the members of a second group those that change
 * nothing (admin-rights.h).  Where there are many connections, the one that
 * has been silent for longest makes room for the next.  All of it runs in
 * GLib's main loop.
 */
#ifndef RCACHE_ADMIN_H
#define RCACHE_ADMIN_H

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <sys/types.h>

#define ADMIN_LINE_MAX          (64u * 1024u)   /* a request, in bytes */
#define ADMIN_ANSWER_MAX        (64u * 1024u * 1024u)
#define ADMIN_ARGS_MAX          8u

/* The classes of errors; admin_error_class() has their names in JSON. */
typedef enum AdminError {
    ADMIN_ERROR_FAILED,         /* "GenericError" */
    ADMIN_ERROR_BAD_REQUEST,    /* "BadRequest": no JSON, or no request */
    ADMIN_ERROR_NO_COMMAND,     /* "CommandNotFound" */
    ADMIN_ERROR_BAD_ARGUMENT,   /* "BadArgument" */
    ADMIN_ERROR_NOT_FOUND,      /* "NotFound": no such VM, host, ... */
    ADMIN_ERROR_REFUSED,        /* "Refused": it could, but will not */
    ADMIN_ERROR_NO_DAEMON,      /* client only: nobody listens */
    ADMIN_ERROR_TIMEOUT,        /* client only: no answer in time */
    ADMIN_ERROR_MAX_
} AdminError;

#define ADMIN_ERROR admin_error_quark()
GQuark admin_error_quark(void);

/** admin_error_class() - the JSON name; errors of other domains: Generic */
const char *admin_error_class(const GError *error);

typedef enum AdminArgType {
    ADMIN_ARG_STRING,
    ADMIN_ARG_INT,              /* not negative */
    ADMIN_ARG_BOOL,
} AdminArgType;

typedef struct AdminArg {
    const char *name;           /* NULL ends the list */
    AdminArgType type;
    bool optional;
} AdminArg;

typedef struct AdminRequest AdminRequest;

/**
 * AdminRun - a command that answers at once
 * @args: checked against AdminCommand.args; never NULL
 *
 * Return: what goes into "return", the caller's from then on; or NULL with
 * @errp set (domain ADMIN_ERROR, or any other for a GenericError)
 */
typedef JsonNode *AdminRun(JsonObject *args, void *opaque, GError **errp);

/**
 * AdminStart - a command that answers later
 * @request: give it to admin_return() or admin_fail(), exactly once, now or
 *           at any later time, even after its client or the server has gone
 * @args: only for the duration of this call
 */
typedef void AdminStart(AdminRequest *request, JsonObject *args,
                        void *opaque);

typedef struct AdminCommand {
    const char *name;           /* NULL ends a table of them */
    const char *doc;            /* one sentence, for query-commands */
    AdminArg args[ADMIN_ARGS_MAX];
    AdminRun *run;              /* this one or the next */
    AdminStart *start;
    bool reads;                 /* it changes nothing */
} AdminCommand;

/* ---------------------------------------------------------------- server */

typedef struct AdminServer AdminServer;

/**
 * admin_server_new() - listen
 * @path: the socket; a stale one is removed, a live one is an error
 * @group: whose members may run all commands; NULL or "" for nobody
 * @read_group: whose members may run those that change nothing; the same
 * @commands: must outlive the server; "query-commands" is added to them
 * @opaque: for the commands
 *
 * Return: the server, or NULL with @errp set
 */
AdminServer *admin_server_new(const char *path, const char *group,
                              const char *read_group,
                              const AdminCommand *commands, void *opaque,
                              GError **errp);

/** admin_server_free() - end all connections and remove the socket */
void admin_server_free(AdminServer *server);

/** admin_return() - the answer of an AdminStart; takes @node */
void admin_return(AdminRequest *request, JsonNode *node);

/** admin_fail() - its failure; takes @error */
void admin_fail(AdminRequest *request, GError *error);

#endif
