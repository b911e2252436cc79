/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options: the table of rcache-exporter's keys.  One process serves one daemon;
 * the file has a section for each, so that a host with both has one file.
 */
#include "arbiter/exporter/options.h"

#include <string.h>

#include "common/address.h"

#define OF_RCACHED      "rcached"
#define OF_ARBITER      "arbiter"
#define PORT_RCACHED    9472
#define PORT_ARBITER    9473

#define LISTEN_DOC      "Where Prometheus and browsers connect: " \
                        "ADDRESS:PORT or [IPV6]:PORT. There is no " \
                        "encryption, and nobody is asked who he is: beyond " \
                        "this host, let a proxy see to both."

static const ConfigKey keys[] = {
    { .section = "exporter", .key = "of", .type = CONFIG_STRING,
      .fallback = OF_RCACHED, .choices = OF_RCACHED "|" OF_ARBITER,
      .doc = "Whose figures these are: rcached's (this host and its VMs) or "
             "the arbiter's (all hosts and all VMs). The unit "
             "rcache-exporter@NAME says so itself." },
    { .section = "exporter", .key = "page", .type = CONFIG_BOOL,
      .fallback = "yes",
      .doc = "Whether there is a page for people at /, with a history of the "
             "last hour, for which the daemon is asked every ten seconds. "
             "Without it there is /metrics alone, and the daemon is asked when "
             "somebody asks for that." },
    { .section = OF_RCACHED, .key = "listen", .type = CONFIG_STRING,
      .fallback = "127.0.0.1:9472", .doc = LISTEN_DOC },
    { .section = OF_RCACHED, .key = "socket", .type = CONFIG_STRING,
      .fallback = "/run/rcached/admin.sock",
      .doc = "rcached's admin socket." },
    { .section = OF_ARBITER, .key = "listen", .type = CONFIG_STRING,
      .fallback = "127.0.0.1:9473", .doc = LISTEN_DOC },
    { .section = OF_ARBITER, .key = "socket", .type = CONFIG_STRING,
      .fallback = "/run/rcached/arbiter.sock",
      .doc = "The arbiter's admin socket." },
};

static const CommandLineOption line_options[] = {
    { "of", "Whose figures", OF_RCACHED "|" OF_ARBITER,
      .section = "exporter", .key = "of" },
    { "page", "Whether there is a page for people", "yes|no",
      .section = "exporter", .key = "page" },
    { "listen", "Where Prometheus and browsers connect",
      "ADDRESS:PORT",
      .section = OF_RCACHED, .section2 = OF_ARBITER, .key = "listen" },
    { "socket", "The daemon's admin socket", "PATH",
      .section = OF_RCACHED, .section2 = OF_ARBITER, .key = "socket" },
};

const CommandLine options_line = {
    .program = "rcache-exporter",
    .summary = "Gives the figures of rcached or the arbiter to Prometheus, "
               "and to people as a page.",
    .file = "/etc/rcached/exporter.conf",
    .options = line_options,
    .nr_options = G_N_ELEMENTS(line_options),
};

static bool options_view(Options *o, GError **errp)
{
    struct sockaddr_storage addr;
    socklen_t len;

    o->of = config_string(o->config, "exporter", "of");
    o->port = strcmp(o->of, OF_ARBITER) ? PORT_RCACHED : PORT_ARBITER;
    o->listen = config_string(o->config, o->of, "listen");
    o->socket = config_string(o->config, o->of, "socket");
    o->page = config_bool(o->config, "exporter", "page");
    if (!address_parse(o->listen, o->port, &addr, &len, errp)) {
        g_prefix_error(errp, "[%s] listen: ", o->of);
        return false;
    }
    o->beyond = !address_is_loopback(&addr);
    return true;
}

Options *options_new(int argc, char **argv, GError **errp)
{
    g_autoptr(Options) o = g_new0(Options, 1);

    o->config = config_new(options_line.program, keys, G_N_ELEMENTS(keys));
    if (!command_line_parse(&options_line, argc, argv, o->config, &o->action,
                            errp)) {
        return NULL;
    }
    if (command_line_reads(o->action) && !options_view(o, errp)) {
        return NULL;
    }
    return g_steal_pointer(&o);
}

void options_free(Options *options)
{
    config_free(options->config);
    g_free(options);
}
