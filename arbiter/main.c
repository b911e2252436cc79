/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main: the program arbiter. */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "arbiter/arbiter.h"
#include "arbiter/descriptors.h"
#include "arbiter/options.h"
#include "common/log-pace.h"
#include "common/secrecy.h"
#include "common/service.h"

/* Exit statuses beside 0. */
#define EXIT_FAILED     1
#define EXIT_USAGE      2

static gboolean end_loop(void *opaque)
{
    g_main_loop_quit(opaque);
    return G_SOURCE_CONTINUE;
}

/* It may come before there is an arbiter. */
static gboolean reload(void *opaque)
{
    Arbiter **arbiter = opaque;

    if (*arbiter) {
        arbiter_reload(*arbiter);
    }
    return G_SOURCE_CONTINUE;
}

/* A descriptor for each host: the hard limit too, if that may be raised. */
static void raise_limits(const Options *options)
{
    rlim_t want = arbiter_descriptors(options);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return;
    }
    if (limit.rlim_max < want) {
        struct rlimit more = { want, want };

        if (setrlimit(RLIMIT_NOFILE, &more) == 0) {
            return;
        }
        g_warning("there may be %u hosts (max-hosts), which takes %llu "
                  "descriptors, but there are only %llu: raise LimitNOFILE of "
                  "the service, or ulimit -n", options->hosts.max,
                  (unsigned long long)want,
                  (unsigned long long)limit.rlim_max);
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int run(const Options *options)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    g_autoptr(Arbiter) arbiter = NULL;
    guint term = g_unix_signal_add(SIGTERM, end_loop, loop);
    guint interrupt = g_unix_signal_add(SIGINT, end_loop, loop);
    guint hangup = g_unix_signal_add(SIGHUP, reload, &arbiter);

    raise_limits(options);
    arbiter = arbiter_new(options, &error);
    if (!arbiter) {
        g_printerr("arbiter: %s\n", error->message);
        return EXIT_FAILED;
    }
    service_ready();
    g_main_loop_run(loop);
    service_stopping();
    g_source_remove(term);
    g_source_remove(interrupt);
    g_source_remove(hangup);
    return 0;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Options) options = NULL;
    LogPace pace = { 0 };

    signal(SIGPIPE, SIG_IGN);
    g_log_writer_default_set_use_stderr(TRUE);
    log_pace_start(&pace);
    options = options_new(argc, argv, &error);
    if (!options) {
        g_printerr("arbiter: %s\n", error->message);
        return EXIT_USAGE;
    }
    if (command_line_answer(&options_line, options->config,
                            options->action)) {
        return 0;
    }
    secrecy_begin();
    return run(options);
}
