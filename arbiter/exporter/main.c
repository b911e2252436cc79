/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main: the program rcache-exporter.
 *
 * It is a process of its own, and no part of the daemons, since those hold
 * guests' memory and keys and may never wait: what parses requests of the
 * network here can reach neither, its user may only look (read-group), and a
 * client that does not read, or an exporter that dies, costs nobody anything.
 * The daemon answers it the three questions that it answers rcachectl, in its
 * own loop; as whoever reaches the port makes it do so, answers.h says how much
 * of its time that may take.
 */
#include <glib-unix.h>
#include <signal.h>

#include "arbiter/exporter/answers.h"
#include "arbiter/exporter/http.h"
#include "arbiter/exporter/options.h"
#include "arbiter/exporter/site.h"
#include "common/log-pace.h"
#include "common/service.h"

/* Exit statuses beside 0. */
#define EXIT_FAILED     1
#define EXIT_USAGE      2

static gboolean end_loop(void *opaque)
{
    g_main_loop_quit(opaque);
    return G_SOURCE_CONTINUE;
}

static gboolean sample(void *opaque)
{
    answers_sample(opaque);
    return G_SOURCE_CONTINUE;
}

static void say_where(const Options *options, const Http *http)
{
    g_message("figures of %s, asked for at %s, are at http://%s/metrics%s",
              options->of, options->socket, http_address(http),
              options->page ? ", and for people at /" : "");
    if (options->beyond) {
        g_warning("listening on %s, beyond this host: anyone who can reach "
                  "the port can read the names and figures of VMs and "
                  "hosts", http_address(http));
    }
}

static int run(const Options *options)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    guint term = g_unix_signal_add(SIGTERM, end_loop, loop);
    guint interrupt = g_unix_signal_add(SIGINT, end_loop, loop);
    guint sampled = 0;
    Site site;
    Answers answers;
    Http *http;

    answers_init(&answers, options->of, options->socket, options->page);
    site_init(&site, &answers);
    http = http_new(options->listen, options->port, &site.http, &error);
    if (http) {
        say_where(options, http);
        sampled = g_timeout_add_seconds(1, sample, &answers);
        service_ready();
        g_main_loop_run(loop);
        service_stopping();
        http_free(http);
    } else {
        g_printerr("rcache-exporter: %s\n", error->message);
    }
    site_deinit(&site);
    answers_deinit(&answers);
    g_clear_handle_id(&sampled, g_source_remove);
    g_source_remove(term);
    g_source_remove(interrupt);
    return error ? EXIT_FAILED : 0;
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
        g_printerr("rcache-exporter: %s\n", error->message);
        return EXIT_USAGE;
    }
    if (command_line_answer(&options_line, options->config,
                            options->action)) {
        return 0;
    }
    return run(options);
}
