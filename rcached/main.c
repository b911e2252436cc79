/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main: the program rcached: the daemon, or, started by it with --pager, one
 * VM's pager.
 */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/log-pace.h"
#include "common/secrecy.h"
#include "common/service.h"
#include "rcached/options.h"
#include "rcached/pager/pager-main.h"
#include "rcached/rcached.h"

/* Exit statuses beside 0. */
#define EXIT_FAILED     1
#define EXIT_USAGE      2

typedef struct Run {
    GMainLoop *loop;
    Rcached *rcached;
    bool lost;                  /* others' bytes end with it */
} Run;

static gboolean run_told_to_end(gpointer opaque)
{
    Run *run = opaque;

    rcached_stop(run->rcached);
    return G_SOURCE_CONTINUE;
}

static gboolean run_told_to_reload(gpointer opaque)
{
    Run *run = opaque;

    if (run->rcached) {
        rcached_reload(run->rcached);
    }
    return G_SOURCE_CONTINUE;
}

static void run_over(bool lost, void *opaque)
{
    Run *run = opaque;

    run->lost = lost;
    g_main_loop_quit(run->loop);
}

static int run(const Options *options)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    g_autoptr(Rcached) rcached = NULL;
    Run state = { .loop = loop };
    guint term, interrupt, hangup;

    hangup = g_unix_signal_add(SIGHUP, run_told_to_reload, &state);
    term = g_unix_signal_add(SIGTERM, run_told_to_end, &state);
    interrupt = g_unix_signal_add(SIGINT, run_told_to_end, &state);
    rcached = rcached_new(options, run_over, &state, &error);
    if (!rcached) {
        g_printerr("rcached: %s\n", error->message);
        return EXIT_FAILED;
    }
    state.rcached = rcached;
    g_message("rcached " RCACHED_VERSION " runs as host %s", options->host);
    service_ready();
    g_main_loop_run(loop);
    service_stopping();
    g_source_remove(term);
    g_source_remove(interrupt);
    g_source_remove(hangup);
    g_message("rcached is stopping; its pagers go on");
    return state.lost ? EXIT_FAILED : 0;
}

static int daemon_main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Options) options = options_new(argc, argv, &error);

    if (!options) {
        g_printerr("rcached: %s\n", error->message);
        return EXIT_USAGE;
    }
    if (command_line_answer(&options_line, options->config,
                            options->action)) {
        return 0;
    }
    secrecy_begin();
    return run(options);
}

int main(int argc, char **argv)
{
    LogPace pace = { 0 };

    /* Pagers inherit it: their daemon may end, and the log's reader too. */
    signal(SIGPIPE, SIG_IGN);
    g_log_writer_default_set_use_stderr(TRUE);
    log_pace_start(&pace);
    if (argc > 1 && !strcmp(argv[1], "--pager")) {
        return pager_main(argc, argv);
    }
    return daemon_main(argc, argv);
}
