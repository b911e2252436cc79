/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options: what rcached is told.  See options.h.
 *
 * options-keys.c is the whole configuration; an option of the command line is
 * another way to set a key of it.
 */
#include "rcached/options.h"

#include <gio/gio.h>
#include <string.h>

#include "common/address.h"
#include "common/config-parse.h"
#include "rcache/proto.h"
#include "rcache/vmm.h"
#include "rcached/options-keys.h"

static const CommandLineOption line_options[] = {
    { "run-dir", "Put the sockets there", "DIR",
      .section = "host", .key = "run-dir" },
    { "host", "This host's name", "NAME", .section = "host", .key = "name" },
    { "label", "This host's failure domain", "TEXT",
      .section = "host", .key = "label" },
    { "tls", "How connections are secured", "required|psk|none",
      .section = "host", .key = "tls" },
    { "tls-directory", "Where certificates and keys are", "DIR",
      .section = "tls", .key = "directory" },
    { "listen", "Where the provider listens", "ADDRESS:PORT",
      .section = "provider", .key = "listen" },
    { "arbiter", "An arbiter; repeat it for more than one", "ADDRESS:PORT",
      .section = "agent", .key = "arbiters", .list = true },
    { "lend", "The most memory to lend; 0: nothing", "SIZE|PERCENT",
      .section = "provider", .key = "lend" },
    { "reserve", "Memory that always stays free", "SIZE|PERCENT",
      .section = "provider", .key = "reserve" },
    { "slab-size", "The unit of lending", "SIZE",
      .section = "provider", .key = "slab-size" },
    { "spill-dir", "The directory for the spill file", "DIR",
      .section = "provider", .key = "spill-dir" },
    { "spill-size", "Room to set aside for the spill file", "SIZE|PERCENT",
      .section = "provider", .key = "spill-size" },
    { "memory-source", "Whose memory is lent", "host|cgroup:PATH",
      .section = "agent", .key = "memory-source" },
    { "poll-us", "How long to spin before sleeping", "MICROSECONDS",
      .section = "pager", .key = "poll-us", .section2 = "provider" },
};

const CommandLine options_line = {
    .program = "rcached",
    .summary = "Lends this host's free memory, and pages out the VMs on it.",
    .file = "/etc/rcached/rcached.conf",
    .options = line_options,
    .nr_options = G_N_ELEMENTS(line_options),
};

/* ---------------------------------------------------------------- values */

static void limits_view(const Config *c, ProviderLimits *l)
{
    l->conns = config_int(c, "limits", "connections");
    l->conns_host = config_int(c, "limits", "connections-per-host");
    l->idle_host = config_int(c, "limits", "idle-connections-per-host");
    l->answers = config_size(c, "limits", "answers", 0);
    l->answers_host = config_size(c, "limits", "answers-per-host", 0);
    l->pages_host = config_int(c, "limits", "pages-per-host");
    l->pings_host = config_int(c, "limits", "pings-per-host");
    l->hellos = config_int(c, "limits", "hellos");
    l->hellos_address = config_int(c, "limits", "hellos-per-address");
    l->handshakes = config_int(c, "limits", "handshakes");
    l->handshakes_address = config_int(c, "limits", "handshakes-per-address");
}

static void options_view(Options *o)
{
    const Config *c = o->config;
    const char *name = config_string(c, "host", "name");

    o->host = g_strdup(*name ? name : g_get_host_name());
    o->label = config_string(c, "host", "label");
    o->run_dir = config_string(c, "host", "run-dir");
    tls_config_view(c, "host", o->host, &o->tls);
    o->listen = config_string(c, "provider", "listen");
    o->slab_size = config_size(c, "provider", "slab-size", 0);
    o->ttl_ms = config_time_ms(c, "provider", "lease-ttl");
    o->orphan_ms = config_time_ms(c, "provider", "orphan-time");
    o->spill_dir = config_string(c, "provider", "spill-dir");
    o->stop_ms = config_time_ms(c, "provider", "stop-timeout");
    o->lock_memory = config_bool(c, "provider", "lock-memory");
    o->provider_poll_us = config_int(c, "provider", "poll-us");
    o->pager.poll_us = config_int(c, "pager", "poll-us");
    o->pager.keep_unused_ms = config_time_ms(c, "pager", "keep-unused");
    o->stall_warn = config_int(c, "pager", "stall-warn");
    o->pager.slow_window_ms = config_time_ms(c, "pager", "slow-window");
    o->pager.moves_per_minute = config_int(c, "pager", "moves-per-minute");
    o->pager.repair_kib = config_size(c, "pager", "repair-rate", 0) /
                          1024;
    o->pager.give_up_ms = config_time_ms(c, "pager", "give-up");
    o->pager.keep_clean = config_bool(c, "pager", "keep-clean");
    o->pager.dscp = config_int(c, "host", "dscp");
    o->pager.plain = o->tls.mode == TLS_MODE_NONE;
    o->memory_source = config_string(c, "agent", "memory-source");
    o->deadline_ms = config_time_ms(c, "agent", "deadline");
    o->history_ms = config_time_ms(c, "agent", "history");
    o->qmp_directory = config_string(c, "agent", "qmp-directory");
    o->qmp_period_ms = config_time_ms(c, "agent", "qmp-period");
    o->growth_rate = config_size(c, "agent", "growth-rate", 0);
    o->arbiters = config_list(c, "agent", "arbiters");
    limits_view(c, &o->limits);
    o->pagers_max = config_int(c, "limits", "pagers");
    o->pagers_per_user_max = config_int(c, "limits", "pagers-per-user");
    o->vmm_owner = config_string(c, "pager", "owner");
    o->vmm_group = config_string(c, "pager", "group");
    o->vmm_group_wished = !config_is_set(c, "pager", "group");
    o->vmm_mode = config_string(c, "pager", "mode");
    o->admin_group = config_string(c, "admin", "group");
    o->admin_read_group = config_string(c, "admin", "read-group");
}

/* An address is one, and what goes there is as secure as was written. */
static bool check_address(const Options *o, const char *what,
                          const char *text, uint16_t port, GError **errp)
{
    struct sockaddr_storage addr;
    socklen_t len;

    if (!address_parse(text, port, &addr, &len, errp)) {
        g_prefix_error(errp, "%s: ", what);
        return false;
    }
    return tls_config_check(&o->tls, what, text, address_is_loopback(&addr),
                            errp);
}

static bool check_text(const char *what, const char *text, GError **errp)
{
    const char *c = text;

    while (g_ascii_isgraph(*c)) {
        c++;
    }
    if (*c || strlen(text) >= RCACHE_NAME_MAX) {
        g_set_error(errp, CONFIG_ERROR, 0, "%s '%s' is not valid: use at most "
                    "%u printable characters and no blanks", what, text,
                    RCACHE_NAME_MAX - 1);
        return false;
    }
    return true;
}

static bool options_check(const Options *o, GError **errp)
{
    uint64_t pages = o->slab_size / RCACHE_PAGE_SIZE;

    if (o->slab_size % RCACHE_PAGE_SIZE || (pages & (pages - 1))) {
        g_set_error(errp, CONFIG_ERROR, 0,
                    "slab-size must be 4K times a power of two");
        return false;
    }
    if (!*o->host || !check_text("host name", o->host, errp) ||
        !check_text("label", o->label, errp)) {
        return false;
    }
    if (!check_address(o, "listen", o->listen, RCACHE_DEFAULT_PORT, errp)) {
        return false;
    }
    for (unsigned i = 0; o->arbiters[i]; i++) {
        if (!check_address(o, "arbiter", o->arbiters[i],
                           RCACHE_ARBITER_PORT, errp)) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------- new */

static bool options_parse(Options *o, int argc, char **argv, GError **errp)
{
    gboolean debug = FALSE;
    const GOptionEntry others[] = {
        { "enable-debug-commands", 0, 0, G_OPTION_ARG_NONE, &debug,
          "Allow commands that break things, for tests", NULL },
        { 0 }
    };
    CommandLine line = options_line;

    line.others = others;
    if (!command_line_parse(&line, argc, argv, o->config, &o->action, errp)) {
        return false;
    }
    o->debug_commands = debug;
    if (!command_line_reads(o->action)) {
        return true;
    }
    options_view(o);
    return options_check(o, errp);
}

Options *options_new(int argc, char **argv, GError **errp)
{
    g_autoptr(Options) o = g_new0(Options, 1);

    o->config = config_new(options_line.program, options_keys, options_nr_keys);
    return options_parse(o, argc, argv, errp) ? g_steal_pointer(&o) : NULL;
}

void options_free(Options *o)
{
    if (o) {
        config_free(o->config);
        g_free(o->host);
        g_free(o);
    }
}

/* No host has more than all of its memory, whatever was written. */
static uint64_t size_within(const Options *o, const char *key, uint64_t total)
{
    return MIN(config_size(o->config, "provider", key, total), total);
}

uint64_t options_lend(const Options *o, uint64_t total)
{
    return size_within(o, "lend", total);
}

void options_say_capped(const Options *o, uint64_t total)
{
    static const struct {
        const char *key, *follows;
    } capped[] = {
        { "lend", "no more than all of it is lent" },
        { "reserve", "nothing is lent" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(capped); i++) {
        uint64_t said = config_size(o->config, "provider", capped[i].key,
                                    total);
        g_autofree char *size = config_format_size(said);

        if (said > total) {
            g_warning("[provider] %s = %s is more than the %" G_GUINT64_FORMAT
                      " MiB of memory here: %s", capped[i].key, size,
                      total >> 20, capped[i].follows);
        }
    }
}

uint64_t options_spill_size(const Options *o, uint64_t total)
{
    return config_size(o->config, "provider", "spill-size", total);
}

uint64_t options_reserve(const Options *o, uint64_t total)
{
    return size_within(o, "reserve", total);
}
