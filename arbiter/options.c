/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options: the table of the arbiter's keys, and its command line, whose
 * options go over the same table.
 */
#include "arbiter/options.h"

#include <string.h>

#include "common/address.h"
#include "common/config-parse.h"
#include "common/delay-figures.h"
#include "common/strangers-config.h"
#include "common/wire-control.h"

static const ConfigKey keys[] = {
    { .section = "arbiter", .key = "listen", .type = CONFIG_STRING,
      .fallback = "127.0.0.1:9471",
      .unit = "an address and a port",
      .example = "10.0.0.1:9471",
      .change = "hosts have it in [agent] arbiters: change it there as well.",
      .doc = "Where hosts connect: ADDRESS:PORT or [IPV6]:PORT." },
    { .section = "arbiter", .key = "name", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a name, 63 characters at most",
      .example = "node1",
      .change = "the certificate has to be for the new one.",
      .doc = "This arbiter's name towards hosts, which its certificate has to "
             "have; empty: the host name of the system." },
    { .section = "arbiter", .key = "tls", .type = CONFIG_STRING,
      .fallback = "required", .choices = TLS_CONFIG_CHOICES,
      .example = "required",
      .change = "connections end with the former daemon, and both sides of "
                "the new ones have to agree.",
      .doc = TLS_CONFIG_DOC },
    { .section = "arbiter", .key = "heartbeat", .type = CONFIG_TIME,
      .fallback = "1s", .min = 50, .max = 60 * 1000,
      .example = "2s",
      .change = "hosts are told when they connect, which they do at once.",
      .doc = "How often hosts report." },
    { .section = "arbiter", .key = "suspect-beats", .type = CONFIG_INT,
      .fallback = "3", .min = 1, .max = 1000,
      .unit = "heartbeats",
      .example = "5",
      .doc = "A host that misses this many heartbeats is suspect: it is asked "
             "for nothing new." },
    { .section = "arbiter", .key = "dead-beats", .type = CONFIG_INT,
      .fallback = "10", .min = 2, .max = 10000,
      .unit = "heartbeats",
      .example = "20",
      .doc = "A host that misses this many heartbeats is dead: its connection "
             "is closed." },
    { .section = "arbiter", .key = "forget", .type = CONFIG_TIME,
      .fallback = "1h", .min = 1000,
      .example = "1d",
      .doc = "How long a dead host is still shown." },
    { .section = "arbiter", .key = "max-hosts", .type = CONFIG_INT,
      .fallback = "16384", .min = 1, .max = 100000,
      .unit = "hosts",
      .example = "1000",
      .doc = "The most hosts, and the most connections: beyond that they are "
             "refused. Each connection takes a descriptor." },
    { .section = "arbiter", .key = "stall-warn", .type = CONFIG_INT,
      .fallback = DELAY_STALLED_WARN, .max = 1000,
      .unit = "percent",
      .example = "25",
      .doc = "Percent: status warns of a VM whose vCPUs have waited for pages "
             "that were away for more than this of the last minute. 0: never."
      },
    TLS_CONFIG_KEYS,
    { .section = "placement", .key = "spread", .type = CONFIG_INT,
      .fallback = "2", .min = 1, .max = WIRE_GRANTS_MAX,
      .unit = "providers",
      .example = "4",
      .change = "leases that are granted stay where they are.",
      .doc = "How many providers a VM's memory is spread over evenly. More are "
             "used only if these have too little room." },
    { .section = "placement", .key = "sample", .type = CONFIG_INT,
      .fallback = "16", .min = 2, .max = 100000,
      .unit = "hosts",
      .example = "32",
      .doc = "How many hosts, picked at random, are compared for a request." },
    { .section = "placement", .key = "share", .type = CONFIG_INT,
      .fallback = "50", .min = 1, .max = 100,
      .unit = "percent",
      .example = "30",
      .change = "leases that are granted stay where they are.",
      .doc = "Percent: the most of a provider's offer that one VM gets while "
             "other providers have room." },
    { .section = "placement", .key = "quota", .type = CONFIG_SIZE,
      .percent = true, .fallback = "50%",
      .example = "25%",
      .change = "who has more keeps it, and gets no more.",
      .doc = "The most that all VMs of one host may lease together; 0: no "
             "limit. A share is one of all that hosts offer, and holds as soon "
             "as another host has VMs that are managed." },
    { .section = "placement", .key = "max-offer", .type = CONFIG_SIZE,
      .fallback = "4T",
      .example = "1T",
      .doc = "The most of one host's offer that is believed; status names a "
             "host that offers more. 0: no limit. A host that says it has more "
             "than 64 TiB of memory is never asked." },
    { .section = "placement", .key = "offers", .type = CONFIG_LIST,
      .fallback = "",
      .unit = "NAME=SIZE, with commas between them",
      .example = "node7=64G,node8=0",
      .change = "leases that are granted stay where they are.",
      .doc = "The same for single hosts, as NAME=SIZE: what each of them may "
             "lend, whatever it says. NAME=0 is never asked." },
    { .section = "placement", .key = "moves-per-minute", .type = CONFIG_INT,
      .fallback = "1000", .max = 1000000,
      .unit = "slabs a minute",
      .example = "200",
      .doc = "How many slabs are moved in a minute, in all, because hosts are "
             "drained; 0: no limit. What a host under pressure wants back is "
             "not counted." },
    { .section = "placement", .key = "pressure-some-max",
      .type = CONFIG_INT, .fallback = "20", .max = 100,
      .unit = "percent",
      .example = "30",
      .doc = "Percent: a host whose memory pressure (PSI some, ten seconds) "
             "is above this is asked for nothing new." },
    { .section = "placement", .key = "pressure-full-max",
      .type = CONFIG_INT, .fallback = "5", .max = 100,
      .unit = "percent",
      .example = "10",
      .doc = "The same for PSI full." },
    { .section = "placement", .key = "grant-timeout", .type = CONFIG_TIME,
      .fallback = "2s", .min = 50, .max = 60 * 1000,
      .example = "5s",
      .doc = "How long a provider may take to answer a grant, plus 4 s for "
             "each GiB that it has to allocate; five minutes at most." },
    { .section = "placement", .key = "claim-timeout", .type = CONFIG_TIME,
      .fallback = "30s", .min = 1000, .max = 3600 * 1000,
      .example = "1min",
      .doc = "How long a provider waits for a lease to be claimed; then it "
             "drops the lease." },
    STRANGERS_CONFIG_KEYS(CONTROL_HELLOS_ADDRESS, CONTROL_HANDSHAKES,
                          CONTROL_HANDSHAKES_ADDRESS,
                          "twenty seconds' worth"),
    { .section = "limits", .key = "frames-per-host", .type = CONFIG_INT,
      .fallback = CONTROL_FRAMES_HOST, .min = 50, .max = 1000000,
      .unit = "frames a second",
      .example = "2000",
      .doc = "How many frames a second one host may send: heartbeats, requests "
             "for leases and all others. It is not read meanwhile if it sends "
             "more." },
    { .section = "admin", .key = "socket", .type = CONFIG_STRING,
      .fallback = "/run/rcached/arbiter.sock",
      .unit = "a path",
      .example = "/run/rcached/arbiter.sock",
      .change = "rcachectl needs --socket then, and rcache-exporter its key.",
      .doc = "Where rcachectl connects." },
    { .section = "admin", .key = "group", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a group, or nothing",
      .example = "ops",
      .doc = "The group whose members may run all commands of the admin "
             "socket, besides root and this daemon's user." },
    { .section = "admin", .key = "read-group", .type = CONFIG_STRING,
      .fallback = "",
      .unit = "a group, or nothing",
      .example = "rcache-exporter",
      .doc = "The group whose members may run the commands that change "
             "nothing. The socket's file is then open to everybody, and the "
             "kernel is asked which groups a client is in." },
};

static const CommandLineOption line_options[] = {
    { "listen", "Where hosts connect", "ADDRESS:PORT",
      .section = "arbiter", .key = "listen" },
    { "name", "This arbiter's name", "NAME",
      .section = "arbiter", .key = "name" },
    { "tls", "How connections are secured", "required|psk|none",
      .section = "arbiter", .key = "tls" },
    { "tls-directory", "Where certificates and keys are", "DIR",
      .section = "tls", .key = "directory" },
    { "admin-socket", "Where rcachectl connects", "PATH",
      .section = "admin", .key = "socket" },
    { "heartbeat", "How often hosts report", "MILLISECONDS",
      .section = "arbiter", .key = "heartbeat", .unit = "ms" },
};

const CommandLine options_line = {
    .program = "arbiter",
    .summary = "Keeps the table of hosts, and picks who lends memory to whom.",
    .file = "/etc/rcached/arbiter.conf",
    .options = line_options,
    .nr_options = G_N_ELEMENTS(line_options),
};

static void options_view(Options *o)
{
    const Config *c = o->config;
    const char *name = config_string(c, "arbiter", "name");

    o->name = *name ? name : g_get_host_name();
    tls_config_view(c, "arbiter", o->name, &o->tls);
    o->listen = config_string(c, "arbiter", "listen");
    o->admin_socket = config_string(c, "admin", "socket");
    o->admin_group = config_string(c, "admin", "group");
    o->admin_read_group = config_string(c, "admin", "read-group");
    o->hosts = (HostsConfig) {
        .heartbeat_ms = config_time_ms(c, "arbiter", "heartbeat"),
        .suspect_beats = config_int(c, "arbiter", "suspect-beats"),
        .dead_beats = config_int(c, "arbiter", "dead-beats"),
        .forget_ms = config_time_ms(c, "arbiter", "forget"),
        .max = config_int(c, "arbiter", "max-hosts"),
        .max_offer = config_size(c, "placement", "max-offer", 0),
        .certificate_warn_ms = config_time_ms(c, "tls", "warn-before"),
        .stall_warn = config_int(c, "arbiter", "stall-warn"),
    };
    o->placement = (PlacementConfig) {
        .spread = config_int(c, "placement", "spread"),
        .sample = config_int(c, "placement", "sample"),
        .share = config_int(c, "placement", "share"),
        .quota = config_size(c, "placement", "quota", 0),
        .quota_percent = config_percent(c, "placement", "quota"),
        .psi_some_max = 100 * config_int(c, "placement",
                                         "pressure-some-max"),
        .psi_full_max = 100 * config_int(c, "placement",
                                         "pressure-full-max"),
    };
    o->limits = (ControlLimits) {
        .hellos_address = config_int(c, "limits", "hellos-per-address"),
        .handshakes = config_int(c, "limits", "handshakes"),
        .handshakes_address = config_int(c, "limits",
                                         "handshakes-per-address"),
        .frames_host = config_int(c, "limits", "frames-per-host"),
    };
    o->moves_per_minute = config_int(c, "placement", "moves-per-minute");
    o->grants = (GrantsConfig){
        .answer_ms = config_time_ms(c, "placement", "grant-timeout"),
        .claim_ms = config_time_ms(c, "placement", "claim-timeout"),
        .asks_max = 64,
    };
}

static bool options_offers(Options *o, GError **errp)
{
    const char *const *list = config_list(o->config, "placement", "offers");
    GHashTable *offers = g_hash_table_new_full(g_str_hash, g_str_equal,
                                               g_free, g_free);

    o->hosts.offers = offers;
    for (; *list; list++) {
        const char *is = strchr(*list, '=');
        uint64_t *bytes = g_new(uint64_t, 1);
        char *name = is ? g_strndup(*list, is - *list) : NULL;

        g_hash_table_replace(offers, name ? name : g_strdup(""), bytes);
        if (!name || !*name) {
            g_set_error(errp, CONFIG_ERROR, 0, "offers: '%s' is not of the "
                        "form NAME=SIZE", *list);
            return false;
        }
        if (!config_parse_size(is + 1, bytes, NULL, errp)) {
            g_prefix_error(errp, "offers: %s: ", name);
            return false;
        }
    }
    return true;
}

static bool options_check(Options *o, GError **errp)
{
    struct sockaddr_storage addr;
    socklen_t len;

    if (!address_parse(o->listen, RCACHE_ARBITER_PORT, &addr, &len, errp)) {
        g_prefix_error(errp, "listen: ");
        return false;
    }
    if (!tls_config_check(&o->tls, "listen", o->listen,
                          address_is_loopback(&addr), errp)) {
        return false;
    }
    if (o->hosts.dead_beats <= o->hosts.suspect_beats) {
        g_set_error(errp, CONFIG_ERROR, 0, "dead-beats (%u) must be more "
                    "than suspect-beats (%u)", o->hosts.dead_beats,
                    o->hosts.suspect_beats);
        return false;
    }
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
    if (command_line_reads(o->action)) {
        options_view(o);
        if (!options_offers(o, errp) || !options_check(o, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&o);
}

void options_free(Options *options)
{
    g_clear_pointer(&options->hosts.offers, g_hash_table_unref);
    config_free(options->config);
    g_free(options);
}
