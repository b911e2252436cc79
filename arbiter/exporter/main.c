/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main: the program rcache-exporter.
 *
 * It is a process of its own, and no part of the daemons, since those hold
 * guests' memory and keys and may never wait: what parses requests of the
 * network here can reach neither, its user may only look (read-group), and a
 * client that does not read, or an exporter that dies, costs nobody anything.
 * The daemon answers it the three questions that it answers rcachectl, in its
 * own loop; as whoever reaches the port makes it do so, http.h says how much of
 * its time that may take.
 */
#include <glib-unix.h>
#include <signal.h>

#include "arbiter/exporter/http.h"
#include "arbiter/exporter/options.h"
#include "arbiter/exporter/scrape.h"
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

static int run(const Options *options)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GError) error = NULL;
    Scrape scrape = { .daemon = options->of, .socket = options->socket };
    guint term = g_unix_signal_add(SIGTERM, end_loop, loop);
    guint interrupt = g_unix_signal_add(SIGINT, end_loop, loop);
    Http *http = http_new(options->listen, options->port, scrape_text,
                          &scrape, &error);

    if (http) {
        g_message("figures of %s, asked for at %s, are at http://%s/metrics",
                  options->of, options->socket, http_address(http));
        if (options->beyond) {
            g_warning("listening on %s, beyond this host: anyone who can reach "
                      "the port can read the names and figures of VMs and "
                      "hosts", http_address(http));
        }
        service_ready();
        g_main_loop_run(loop);
        service_stopping();
        http_free(http);
    } else {
        g_printerr("rcache-exporter: %s\n", error->message);
    }
    scrape_deinit(&scrape);
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
