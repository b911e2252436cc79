/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rcachectl: one command to an admin socket, and its answer for a person or,
 * with --json, as it is.  See rcachectl(1).
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "arbiter/rcachectl/rcachectl.h"
#include "arbiter/rcachectl/cell.h"
#include "arbiter/rcachectl/check.h"
#include "arbiter/rcachectl/drain.h"
#include "arbiter/rcachectl/explain.h"
#include "arbiter/rcachectl/metrics.h"
#include "arbiter/rcachectl/pki.h"
#include "arbiter/rcachectl/print.h"
#include "arbiter/rcachectl/top-look.h"
#include "arbiter/rcachectl/top-screen.h"
#include "arbiter/rcachectl/upgrade.h"
#include "common/admin-client.h"
#include "common/admin.h"
#include "common/config-parse.h"
#include "common/config.h"
#include "common/tls-identity.h"

#define ARBITER_SOCKET  "/run/rcached/arbiter.sock"
#define UPGRADE_ASK_MS  5000u
#define UPGRADE_MS      (2 * 60 * 1000u)        /* of all that follows */
#define HOST_SOCKET     "/run/rcached/admin.sock"
#define INTERVAL_MS     1000u   /* of top */
#define INTERVAL_MIN_MS 100u
#define CHECK_PEERS     1000u

typedef struct Command {
    const char *name;
    const char *args;           /* for people */
    const char *doc;
    char *(*print)(JsonNode *answer);
    JsonObject *(*make_args)(char **argv, GError **errp);
    unsigned nr_args;
    unsigned nr_more;           /* that may be left out */
    unsigned timeout_ms;
    bool judges;                /* its answer's "ok" is the exit status */
    bool of_host;               /* no arbiter has it */
} Command;

static JsonObject *evict_args(char **argv, GError **errp)
{
    JsonObject *args;
    uint64_t bytes;

    if (!config_parse_size(argv[1], &bytes, NULL, errp)) {
        return NULL;
    }
    args = json_object_new();
    json_object_set_string_member(args, "vm", argv[0]);
    json_object_set_int_member(args, "bytes", bytes);
    return args;
}

/* KEY=VALUE; there is one key so far. */
static JsonObject *set_args(char **argv, GError **errp)
{
    bool on = !strcmp(argv[1], "hold=on");
    JsonObject *args;

    if (!on && strcmp(argv[1], "hold=off")) {
        g_set_error(errp, CONFIG_ERROR, 0, "'%s' is nothing that can be set: "
                    "it is hold=on or hold=off", argv[1]);
        return NULL;
    }
    args = json_object_new();
    json_object_set_string_member(args, "vm", argv[0]);
    json_object_set_boolean_member(args, "hold", on);
    return args;
}

static JsonObject *host_args(char **argv, GError **errp)
{
    return rcachectl_host_args(argv[0]);
}

static const Command commands[] = {
    { "status", "", "Whether all is well", print_status, .timeout_ms = 5000 },
    { "hosts", "", "What hosts have, lend and store", print_hosts,
      .timeout_ms = 5000 },
    { "leases", " [HOST]", "Who lends how much to which VM", print_leases,
      host_args, 0, 1, .timeout_ms = 5000 },
    { "vms", " [HOST]", "VMs, their sizes, where their memory is", print_vms,
      host_args, 0, 1, .timeout_ms = 5000 },
    { "evict", " VM BYTES", "Send cold pages of a VM away now", print_evict,
      evict_args, 2, .timeout_ms = 120000 },
    { "set", " VM KEY=VALUE", "Change what holds for a VM: hold=on|off",
      print_set, set_args, 2, .timeout_ms = 5000, .of_host = true },
    { "top", "", "Hosts and VMs, live, on the terminal" },
    { "metrics", "", "All figures in Prometheus' text format" },
    { "whatif", " HOST", "What VMs feel if HOST dies or is drained",
      print_whatif, host_args, 1, .timeout_ms = 5000 },
    { "ok-to-stop", " HOST", "Whether anything is gone if it goes now",
      print_ok_to_stop, host_args, 1, .timeout_ms = 5000, .judges = true },
    { "drain", " HOST", "HOST lends nothing more, asks all back", print_drain,
      host_args, 1, .timeout_ms = 5000 },
    { "undrain", " HOST", "End the drain of HOST", print_drain, host_args, 1,
      .timeout_ms = 5000 },
    { "upgrade", " HOST", "Start what is installed there, pagers too", NULL,
      host_args, 1 },
    { "check", " [ADDRESS...]", "What on this host hurts, or will", NULL,
      .nr_more = CHECK_PEERS, .timeout_ms = 30000 },
    { "pki", " COMMAND [HOST]", "Certificates for TLS: init, issue, revoke",
      .nr_args = 1, .nr_more = 16 },
};

typedef struct CommandLine {
    char *socket, *timeout, *explain, *interval;
    char *directory, *role, *valid;     /* of pki */
    char *root;                         /* of check */
    gboolean json, wait, version;
    unsigned timeout_ms, interval_ms;
    bool timeout_set;
} CommandLine;

static char *commands_text(void)
{
    GString *out = g_string_new("Commands:\n");

    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *name = g_strconcat(commands[i].name,
                                            commands[i].args, NULL);

        g_string_append_printf(out, "  %-28s %s\n", name, commands[i].doc);
    }
    return g_string_free(out, FALSE);
}

/* @text: NULL leaves it as it is. */
static bool parse_time(const char *option, const char *text, unsigned min,
                       unsigned *out, GError **errp)
{
    uint64_t ms = 0;

    if (!text) {
        return true;
    }
    if (!config_parse_time(text, &ms, errp)) {
        g_prefix_error(errp, "%s: ", option);
        return false;
    }
    if (ms < min) {
        g_set_error(errp, CONFIG_ERROR, 0, "%s: %s is less than %u ms",
                    option, text, min);
        return false;
    }
    *out = MIN(ms, G_MAXINT);
    return true;
}

static bool command_line_parse(CommandLine *line, int *argc, char ***argv,
                               GError **errp)
{
    const GOptionEntry entries[] = {
        { "socket", 0, 0, G_OPTION_ARG_FILENAME, &line->socket,
          "The admin socket (default: the arbiter's where there is one, "
          "else the host's)", "PATH" },
        { "json", 0, 0, G_OPTION_ARG_NONE, &line->json,
          "Print JSON: bytes and seconds as plain numbers", NULL },
        { "timeout", 0, 0, G_OPTION_ARG_STRING, &line->timeout,
          "How long to wait; 0: for ever", "TIME" },
        { "explain", 0, 0, G_OPTION_ARG_STRING, &line->explain,
          "With hosts: why HOST offers what it offers", "HOST" },
        { "wait", 0, 0, G_OPTION_ARG_NONE, &line->wait,
          "With drain: show progress until HOST is empty", NULL },
        { "interval", 0, 0, G_OPTION_ARG_STRING, &line->interval,
          "With top: how often to look", "TIME" },
        { "directory", 0, 0, G_OPTION_ARG_FILENAME, &line->directory,
          "With pki: where the authority is (default: " PKI_DIRECTORY ")",
          "DIR" },
        { "role", 0, 0, G_OPTION_ARG_STRING, &line->role,
          "With pki issue: what HOST is (default: host)",
          "host|arbiter|both" },
        { "valid", 0, 0, G_OPTION_ARG_STRING, &line->valid,
          "With pki: for how long", "TIME" },
        { "root", 0, 0, G_OPTION_ARG_FILENAME, &line->root,
          "With check: where /proc, /sys and /dev of the host are", "DIR" },
        { "version", 0, 0, G_OPTION_ARG_NONE, &line->version,
          "Print the version", NULL },
        { 0 }
    };
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND");
    g_autofree char *text = commands_text();

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context, text);
    if (!g_option_context_parse(context, argc, argv, errp)) {
        return false;
    }
    line->interval_ms = INTERVAL_MS;
    line->timeout_set = line->timeout;
    return parse_time("--timeout", line->timeout, 0, &line->timeout_ms,
                      errp) &&
           parse_time("--interval", line->interval, INTERVAL_MIN_MS,
                      &line->interval_ms, errp);
}

static const Command *command_find(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

static const char *default_socket(const Command *command)
{
    return !command->of_host &&
           g_file_test(ARBITER_SOCKET, G_FILE_TEST_EXISTS) ? ARBITER_SOCKET
                                                           : HOST_SOCKET;
}

static bool is_ok(JsonNode *answer)
{
    return JSON_NODE_HOLDS_OBJECT(answer) &&
           cell_is_true(json_node_get_object(answer), "ok");
}

/* One command and its answer. */
static int run(const CommandLine *line, const Command *command,
               const char *path, JsonObject *args)
{
    unsigned timeout_ms = line->timeout_set && !line->wait
                              ? line->timeout_ms : command->timeout_ms;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer = admin_execute(path, command->name, args,
                                               timeout_ms, &error);
    g_autofree char *text = NULL;
    JsonNode *shown = answer;
    int status;

    if (answer && line->explain) {
        shown = explain_find(answer, line->explain, &error);
    }
    if (!shown) {
        if (g_error_matches(error, ADMIN_ERROR, ADMIN_ERROR_NO_COMMAND)) {
            g_prefix_error(&error, "%s needs %s of this version (see "
                           "--socket): ", command->name, command->of_host
                           ? "the rcached of the VM's host" : "an arbiter");
        }
        return rcachectl_fail(error);
    }
    if (line->wait && line->json) {
        return EXIT_DONE;       /* its end is what is printed */
    }
    if (!line->json) {
        text = (line->explain ? explain_print : command->print)(shown);
    }
    status = rcachectl_put(shown, text);
    if (status == EXIT_DONE && command->judges && !is_ok(shown)) {
        return EXIT_REFUSED;
    }
    return status;
}

static int upgrade(const CommandLine *line, const char *path,
                   const char *host, JsonObject *args)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) answer = admin_execute(path, "upgrade", args,
                                               UPGRADE_ASK_MS, &error);

    return answer ? upgrade_wait(path, host, answer, line->timeout_set
                                 ? line->timeout_ms : UPGRADE_MS, line->json)
                  : rcachectl_fail(error);
}

static int pki(const CommandLine *line, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    PkiOptions options = {
        .directory = line->directory ? line->directory : PKI_DIRECTORY,
        .roles = TLS_ROLE_HOST,
    };
    bool issue = !strcmp(argv[0], "issue");

    if (line->role && (!issue || !pki_parse_role(line->role, &options.roles))) {
        g_printerr("rcachectl: --role goes with pki issue, and is host, "
                   "arbiter or both\n");
        return EXIT_USAGE;
    }
    if (line->valid && !config_parse_time(line->valid, &options.valid_ms,
                                          &error)) {
        g_printerr("rcachectl: --valid: %s\n", error->message);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[0], "init") && argc == 1) {
        text = pki_init(&options, &error);
    } else if (issue && argc > 1) {
        text = pki_issue(&options, (const char *const *)argv + 1, &error);
    } else if (!strcmp(argv[0], "revoke") && argc == 2) {
        text = pki_revoke(&options, argv[1], &error);
    } else {
        g_printerr("usage: rcachectl pki init | issue HOST [NAME...] | "
                   "revoke HOST\n");
        return EXIT_USAGE;
    }
    if (!text) {
        g_printerr("rcachectl: %s\n", error->message);
        return error->domain == CONFIG_ERROR ? EXIT_USAGE : EXIT_FAILED;
    }
    fputs(text, stdout);
    return EXIT_DONE;
}

static int check(const CommandLine *line, const Command *command,
                 char **peers)
{
    const CheckOptions options = {
        .socket = line->socket,
        .root = line->root,
        .peers = peers,
        .timeout_ms = line->timeout_set ? line->timeout_ms
                                        : command->timeout_ms,
        .json = line->json,
    };

    return check_run(&options);
}

static int run_all(const CommandLine *line, const Command *command,
                   char **argv, JsonObject *args)
{
    const char *path = line->socket ? line->socket
                                    : default_socket(command);
    int status;

    if (!strcmp(command->name, "check")) {
        return check(line, command, argv);
    }
    if (!strcmp(command->name, "upgrade")) {
        return upgrade(line, path, argv[0], args);
    }
    if (!strcmp(command->name, "top")) {
        return line->json ? top_once(path, NULL)
                          : top_run(path, line->interval_ms);
    }
    if (!strcmp(command->name, "metrics")) {
        return top_once(path, line->json ? NULL : metrics_text);
    }
    status = run(line, command, path, args);
    if (status == EXIT_DONE && line->wait) {
        status = drain_wait(path, argv[0], line->timeout_ms, line->json);
    }
    return status;
}

/* Options that only one command has. */
static bool options_fit(const CommandLine *line, const Command *command)
{
    const struct {
        bool given;
        const char *options, *command;
    } only[] = {
        { line->explain, "--explain goes", "hosts" },
        { line->interval, "--interval goes", "top" },
        { line->wait, "--wait goes", "drain" },
        { line->directory || line->role || line->valid,
          "--directory, --role and --valid go", "pki" },
        { line->root, "--root goes", "check" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(only); i++) {
        if (only[i].given && strcmp(command->name, only[i].command)) {
            g_printerr("rcachectl: %s with %s, not with %s\n",
                       only[i].options, only[i].command, command->name);
            return false;
        }
    }
    return true;
}

static int dispatch(const CommandLine *line, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) args = NULL;
    const Command *command;

    if (line->version) {
        puts("rcachectl " RCACHED_VERSION);
        return EXIT_DONE;
    }
    if (argc < 2) {
        g_printerr("rcachectl: a command is missing; see rcachectl --help\n");
        return EXIT_USAGE;
    }
    command = command_find(argv[1]);
    if (!command) {
        g_printerr("rcachectl: there is no command '%s'; see rcachectl "
                   "--help\n", argv[1]);
        return EXIT_USAGE;
    }
    if (!options_fit(line, command)) {
        return EXIT_USAGE;
    }
    if ((unsigned)argc - 2 < command->nr_args ||
        (unsigned)argc - 2 > command->nr_args + command->nr_more) {
        g_printerr("usage: rcachectl [OPTION...] %s%s\n", command->name,
                   command->args);
        return EXIT_USAGE;
    }
    if (!strcmp(command->name, "pki")) {
        return pki(line, argc - 2, argv + 2);
    }
    if (command->make_args && argc > 2) {
        args = command->make_args(argv + 2, &error);
        if (!args) {
            g_printerr("rcachectl: %s: %s\n", command->name, error->message);
            return EXIT_USAGE;
        }
    }
    return run_all(line, command, argv + 2, args);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    CommandLine line = { 0 };
    int status;

    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    if (command_line_parse(&line, &argc, &argv, &error)) {
        status = dispatch(&line, argc, argv);
    } else {
        g_printerr("rcachectl: %s\n", error->message);
        status = EXIT_USAGE;
    }
    g_free(line.socket);
    g_free(line.timeout);
    g_free(line.explain);
    g_free(line.interval);
    g_free(line.directory);
    g_free(line.role);
    g_free(line.valid);
    g_free(line.root);
    return status;
}
