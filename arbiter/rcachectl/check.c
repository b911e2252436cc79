/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check: see check.h.
 *
 * First all is gathered (check-facts.h), each part by a file of its own; then
 * check-judge.h judges it without looking at anything, and check-print.h
 * shows it.  Nothing is changed, neither here nor elsewhere.
 */
#include "arbiter/rcachectl/check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arbiter/rcachectl/check-clock.h"
#include "arbiter/rcachectl/check-config.h"
#include "arbiter/rcachectl/check-daemons.h"
#include "arbiter/rcachectl/check-judge.h"
#include "arbiter/rcachectl/check-path.h"
#include "arbiter/rcachectl/check-print.h"
#include "arbiter/rcachectl/check-process.h"
#include "arbiter/rcachectl/rcachectl.h"
#include "common/host-probe.h"

#define RUN_DIR         "/run/rcached"
#define ADMIN           "admin.sock"
#define ARBITER         "arbiter.sock"
#define USER            "rcached"
#define ASK_MS          5000u

/* ---------------------------------------------------------------- daemons */

/* The other daemon's socket is in the same folder, if it is on this host. */
static bool ask_at(const char *socket, CheckFacts *facts, GError **errp)
{
    const char *which = check_daemons_which(socket, ASK_MS, errp);
    g_autofree char *folder = g_path_get_dirname(socket);
    g_autofree char *other = NULL;
    bool arbiter = which && !strcmp(which, "arbiter");

    if (!which) {
        return false;
    }
    other = g_build_filename(folder, arbiter ? ADMIN : ARBITER, NULL);
    check_daemons_ask(arbiter ? other : socket, arbiter ? socket : other,
                      ASK_MS, facts);
    return true;
}

static void ask_here(CheckFacts *facts)
{
    check_daemons_ask(RUN_DIR "/" ADMIN, RUN_DIR "/" ARBITER, ASK_MS, facts);
}

/* ------------------------------------------------------------------- host */

/* What is only to be tried is tried on this host, which another tree need not
 * be of. */
static void look_at_host(const char *root, CheckFacts *facts)
{
    host_facts_read(&facts->host, root);
    if (facts->daemon.pid > 0) {
        check_process_read(root, facts->daemon.pid, &facts->process,
                           &facts->host);
    }
    if (!facts->host.user.known && !*root) {
        check_process_expect(USER, &facts->host);
    }
    if (!*root) {
        facts->host.uring_err = host_probe_ring(HOST_PAGER_RING);
        /* Of who asks, and not of the daemon. */
        if (facts->host.uring_err == EPERM && geteuid()) {
            facts->host.uring_err = HOST_UNKNOWN;
        }
        check_clock_read(facts);
    }
}

/* ------------------------------------------------------------------ peers */

static bool is_known(const GPtrArray *paths, const char *address)
{
    for (guint i = 0; i < paths->len; i++) {
        if (!strcmp(((const CheckPath *)paths->pdata[i])->address, address)) {
            return true;
        }
    }
    return false;
}

static void add_path(GPtrArray *paths, const char *name, const char *address)
{
    if (*address && !is_known(paths, address)) {
        g_ptr_array_add(paths, check_path_new(name, address));
    }
}

/* What is asked for, the arbiters that are there, and the providers that an
 * arbiter on this host knows. */
static void list_paths(const CheckOptions *options, CheckFacts *facts)
{
    const char *self = facts->daemon.host;

    for (char **peer = options->peers; peer && *peer; peer++) {
        add_path(facts->paths, *peer, *peer);
    }
    for (guint i = 0; i < facts->daemon.arbiters->len; i++) {
        const CheckLink *link = facts->daemon.arbiters->pdata[i];

        if (link->connected) {
            add_path(facts->paths, "an arbiter", link->address);
        }
    }
    for (guint i = 0; i < facts->arbiter.hosts->len; i++) {
        const CheckHost *host = facts->arbiter.hosts->pdata[i];

        if (host->alive && (!self || strcmp(self, host->name))) {
            add_path(facts->paths, host->name, host->address);
        }
    }
}

static void look_at_paths(const CheckOptions *options, CheckFacts *facts)
{
    int64_t until = g_get_monotonic_time() +
                    (int64_t)options->timeout_ms * 1000;

    list_paths(options, facts);
    for (guint i = 0; i < facts->paths->len; i++) {
        CheckPath *path = facts->paths->pdata[i];

        path->skipped = options->timeout_ms &&
                        g_get_monotonic_time() > until;
        if (!path->skipped) {
            check_path_look(path);
        }
    }
}

/* -------------------------------------------------------------------- all */

static int show(const Findings *findings, bool json)
{
    g_autoptr(JsonNode) node = check_print_json(findings);
    g_autofree char *text = json ? NULL : check_print_text(findings);
    int status = rcachectl_put(node, text);

    if (status != EXIT_DONE) {
        return status;
    }
    return findings_nr(findings, FINDING_ERROR) ? EXIT_REFUSED
           : findings_nr(findings, FINDING_WARNING) ? EXIT_WARNED : EXIT_DONE;
}

int check_run(const CheckOptions *options)
{
    g_auto(CheckFacts) facts = { 0 };
    g_autoptr(Findings) findings = findings_new();
    g_autoptr(GError) error = NULL;

    check_facts_init(&facts);
    facts.now = g_get_real_time() / G_USEC_PER_SEC;
    if (!options->socket) {
        ask_here(&facts);
    } else if (!ask_at(options->socket, &facts, &error)) {
        return rcachectl_fail(error);
    }
    look_at_host(options->root ? options->root : "", &facts);
    check_config_read(RCACHED_PROGRAM, &facts.host.user, &facts.config);
    look_at_paths(options, &facts);
    check_judge(&facts, findings);
    return show(findings, options->json);
}
