/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options: what rcached is told.  See options.h.
 *
 * The table below is the whole configuration; an option of the command line
 * is another way to set a key of it.
 */
#include "rcached/options.h"

#include <gio/gio.h>
#include <string.h>

#include "common/address.h"
#include "common/config-parse.h"
#include "common/delay-figures.h"
#include "common/strangers-config.h"
#include "rcache/proto.h"
#include "rcache/vmm.h"
#include "rcached/socket-rights.h"
#include "rcached/vm-limits.h"

static const ConfigKey keys[] = {
    { .section = "host", .key = "name", .type = CONFIG_STRING,
      .fallback = "",
      .doc = "This host's name towards arbiters and providers; empty: the "
             "host name of the system." },
    { .section = "host", .key = "label", .type = CONFIG_STRING,
      .fallback = "",
      .doc = "The failure domain this host is in, a rack for example." },
    { .section = "host", .key = "run-dir", .type = CONFIG_STRING,
      .fallback = "/run/rcached",
      .doc = "Where vmm.sock, pager.sock and admin.sock are." },
    { .section = "host", .key = "tls", .type = CONFIG_STRING,
      .fallback = "required", .choices = TLS_CONFIG_CHOICES,
      .doc = TLS_CONFIG_DOC },
    TLS_CONFIG_KEYS,
    { .section = "provider", .key = "listen", .type = CONFIG_STRING,
      .fallback = "127.0.0.1:9470",
      .doc = "Where requesters connect: ADDRESS:PORT or [IPV6]:PORT." },
    { .section = "provider", .key = "lend", .type = CONFIG_SIZE,
      .fallback = "100%", .percent = true,
      .doc = "The most memory to lend, however much is free. 0: lend "
             "nothing." },
    { .section = "provider", .key = "reserve", .type = CONFIG_SIZE,
      .fallback = "10%", .percent = true,
      .doc = "Memory that always stays free for this host itself." },
    { .section = "provider", .key = "slab-size", .type = CONFIG_SIZE,
      .fallback = "64M", .min = RCACHE_PAGE_SIZE,
      .max = (int64_t)RCACHE_SLAB_PAGES_MAX * RCACHE_PAGE_SIZE,
      .doc = "The unit of lending; 4K times a power of two." },
    { .section = "provider", .key = "lease-ttl", .type = CONFIG_TIME,
      .fallback = "30s", .min = 1000, .max = 3600 * 1000,
      .doc = "How long a lease lives without being renewed. Its bytes are "
             "kept for longer: see orphan-time." },
    { .section = "provider", .key = "orphan-time", .type = CONFIG_TIME,
      .fallback = "12h", .min = 60 * 1000,
      .doc = "How long the bytes of a lease that has expired are kept, from "
             "when this host has seen it expire." },
    { .section = "provider", .key = "lock-memory", .type = CONFIG_BOOL,
      .fallback = "no",
      .doc = "Lock lent memory even where there is no swap." },
    { .section = "provider", .key = "spill-dir", .type = CONFIG_STRING,
      .fallback = "",
      .doc = "A directory on a local disk for the spill file: slabs that "
             "no other host takes by the deadline go there, encrypted with a "
             "key that is only in memory, and this host has its memory back. "
             "No more is lent than it has room for. The VMs here use it too, "
             "while no other host lends them memory. Empty: no spill file; "
             "such slabs stay in memory." },
    { .section = "provider", .key = "spill-size", .type = CONFIG_SIZE,
      .fallback = "25%", .percent = true,
      .doc = "Room to set aside for the spill file; a share is one of this "
             "host's memory." },
    { .section = "provider", .key = "stop-timeout", .type = CONFIG_TIME,
      .fallback = "5min", .max = 86400 * 1000,
      .doc = "When the service is stopped or the host shuts down, lent memory "
             "leaves this host first. How long to wait without any progress "
             "before the rest is given up and lost. 0: it is never given up."
      },
    { .section = "provider", .key = "poll-us", .type = CONFIG_INT,
      .fallback = "0", .max = 1000 * 1000,
      .doc = "Microseconds to spin before sleeping: answers come sooner, and a "
             "core is kept busy." },
    { .section = "pager", .key = "poll-us", .type = CONFIG_INT,
      .fallback = "0", .max = 1000 * 1000,
      .doc = "The same for the pagers of the VMs here." },
    { .section = "pager", .key = "keep-unused", .type = CONFIG_TIME,
      .fallback = "60s", .min = 1000, .max = 86400 * 1000,
      .doc = "How long a VM keeps memory of other hosts that it does not "
             "use." },
    { .section = "pager", .key = "slow-window", .type = CONFIG_TIME,
      .fallback = "10s", .min = 100, .max = 3600 * 1000,
      .doc = "The window over which providers' answer times are compared. A "
             "provider that is much slower than the others in three windows in "
             "a row counts as slow." },
    { .section = "pager", .key = "moves-per-minute", .type = CONFIG_INT,
      .fallback = "6", .max = 6000,
      .doc = "How many slabs of a VM may leave slow providers in a minute; 0: "
             "none." },
    { .section = "pager", .key = "repair-rate", .type = CONFIG_SIZE,
      .fallback = "64M",
      .doc = "How many bytes a second are copied for a VM whose pages have "
             "fewer copies than it wants; 0: no limit." },
    { .section = "pager", .key = "give-up", .type = CONFIG_TIME,
      .fallback = "10min", .min = 1000, .max = 86400 * 1000,
      .doc = "What is at a provider that has been away, or has sent no pages, "
             "for so long is copied from its other place to another provider. "
             "If there is no other place, a VM that waits for it is stopped "
             "(on-loss=pause)." },
    { .section = "pager", .key = "keep-clean", .type = CONFIG_BOOL,
      .fallback = "no",
      .doc = "A page that comes back stays stored at its provider until it is "
             "written, and leaves again without being sent. Takes effect for "
             "VMs that connect, and pagers that start, from then on; without "
             "effect where the kernel (before Linux 6.7) or QEMU does not "
             "track writes. New and off: no other process may write to the "
             "memory of VMs here." },
    { .section = "pager", .key = "stall-warn", .type = CONFIG_INT,
      .fallback = DELAY_STALLED_WARN, .max = 1000,
      .doc = "Percent: status warns of a VM whose vCPUs have waited for pages "
             "that were away for more than this of the last minute. 0: never."
      },
    { .section = "pager", .key = "group", .type = CONFIG_STRING,
      .fallback = SOCKET_GROUP,
      .doc = "The group whose members may connect VMs to vmm.sock, besides "
             "root: the QEMU of libvirt and of most others is one of kvm. "
             "This daemon has to be one too. Empty, or if there is no kvm and "
             "nothing is written here: this daemon's own group." },
    { .section = "pager", .key = "owner", .type = CONFIG_STRING,
      .fallback = "",
      .doc = "The user whose vmm.sock is, where this daemon runs as root; "
             "empty: this daemon's own." },
    { .section = "pager", .key = "mode", .type = CONFIG_STRING,
      .fallback = "0660", .choices = SOCKET_MODES,
      .doc = "The mode of vmm.sock; with 0666 every user of this host may "
             "connect VMs." },
    { .section = "limits", .key = "pagers", .type = CONFIG_INT,
      .fallback = G_STRINGIFY(VM_LIMITS_ALL), .min = 1, .max = 65536,
      .doc = "How many VMs of this host may have a pager, in all. A VM counts "
             "until its QEMU has ended." },
    { .section = "limits", .key = "pagers-per-user", .type = CONFIG_INT,
      .fallback = G_STRINGIFY(VM_LIMITS_EACH), .min = 1, .max = 65536,
      .doc = "How many of them one user may have. libvirt runs all its VMs as "
             "one user." },
    { .section = "limits", .key = "connections", .type = CONFIG_INT,
      .fallback = PROVIDER_CONNS, .min = 16, .max = 1000000,
      .doc = "How many connections of requesters, which have said HELLO, "
             "there may be at the provider here. Too many are not "
             "refused: those give way that have no lease, of the host "
             "that has most of them; such ones may have a quarter of "
             "all." },
    { .section = "limits", .key = "connections-per-host", .type = CONFIG_INT,
      .fallback = PROVIDER_CONNS_HOST, .min = 4, .max = 1000000,
      .doc = "How many of them one host may have. A VM has two with a "
             "provider." },
    { .section = "limits", .key = "idle-connections-per-host",
      .type = CONFIG_INT, .fallback = PROVIDER_IDLE_HOST, .min = 2,
      .max = 1000000,
      .doc = "How many of these may have no lease. Its oldest gives way "
             "to its newest." },
    { .section = "limits", .key = "answers", .type = CONFIG_SIZE,
      .fallback = PROVIDER_ANSWERS, .min = 1 << 20,
      .doc = "How much memory answers may take that requesters have not "
             "read. Beyond that nobody is read who has not read all of "
             "them." },
    { .section = "limits", .key = "answers-per-host", .type = CONFIG_SIZE,
      .fallback = PROVIDER_ANSWERS_HOST, .min = 1 << 20,
      .doc = "The same for one host." },
    { .section = "limits", .key = "pages-per-host", .type = CONFIG_INT,
      .fallback = PROVIDER_PAGES_HOST, .min = 1000, .max = 100000000,
      .doc = "How many pages a second one host may send or ask for. It "
             "is not read meanwhile if it goes on. However many it asks "
             "for, hosts take turns." },
    { .section = "limits", .key = "pings-per-host", .type = CONFIG_INT,
      .fallback = PROVIDER_PINGS_HOST, .min = 100, .max = 1000000,
      .doc = "How many requests a second one host may send that move no "
             "page: PING, CLAIM, RENEW and what is refused. Each of its "
             "VMs sends two PINGs a second." },
    { .section = "limits", .key = "hellos", .type = CONFIG_INT,
      .fallback = PROVIDER_HELLOS, .min = 16, .max = 100000,
      .doc = "How many connections may not have said HELLO yet. The "
             "oldest gives way to the newest." },
    STRANGERS_CONFIG_KEYS(PROVIDER_HELLOS_ADDRESS, PROVIDER_HANDSHAKES,
                          PROVIDER_HANDSHAKES_ADDRESS,
                          "ten seconds' worth"),
    { .section = "agent", .key = "memory-source", .type = CONFIG_STRING,
      .fallback = "host",
      .doc = "Whose memory is lent: \"host\", or \"cgroup:PATH\", a memory "
             "cgroup that this daemon is in." },
    { .section = "agent", .key = "deadline", .type = CONFIG_TIME,
      .fallback = "30s", .min = 1000, .max = 3600 * 1000,
      .doc = "How far ahead this host's own demand is predicted, and how soon "
             "lent memory has to be back once it is asked for." },
    { .section = "agent", .key = "history", .type = CONFIG_TIME,
      .fallback = "1d", .min = 60 * 1000, .max = INT64_C(30) * 86400 * 1000,
      .doc = "How much of the past the prediction learns from." },
    { .section = "agent", .key = "growth-rate", .type = CONFIG_SIZE,
      .fallback = "440M",
      .doc = "How much this host's demand may grow in a second with no "
             "warning, whatever the past shows; at most a tenth of all memory "
             "is kept free for that." },
    { .section = "agent", .key = "qmp-directory", .type = CONFIG_STRING,
      .fallback = "",
      .doc = "A folder of QMP sockets, one for each VM here that has no "
             "remote-cache object: the VM's balloon statistics say how much "
             "memory it may still take. Each has to be a monitor of rcached's "
             "own, not libvirt's. Empty: none." },
    { .section = "agent", .key = "qmp-period", .type = CONFIG_TIME,
      .fallback = "5s", .min = 100, .max = 3600 * 1000,
      .doc = "How often each of these monitors is asked." },
    { .section = "agent", .key = "arbiters", .type = CONFIG_LIST,
      .fallback = "",
      .doc = "The arbiters, ADDRESS:PORT each; all of them get heartbeats, "
             "any of them is asked for leases." },
    { .section = "admin", .key = "group", .type = CONFIG_STRING,
      .fallback = "",
      .doc = "The group whose members may run all commands of admin.sock, "
             "besides root and this daemon's user." },
    { .section = "admin", .key = "read-group", .type = CONFIG_STRING,
      .fallback = "",
      .doc = "The group whose members may run the commands that change "
             "nothing. The socket's file is then open to everybody, and the "
             "kernel is asked which groups a client is in." },
};

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
    if (o->action == COMMAND_LINE_VERSION ||
        o->action == COMMAND_LINE_EXAMPLE) {
        return true;
    }
    options_view(o);
    return options_check(o, errp);
}

Options *options_new(int argc, char **argv, GError **errp)
{
    g_autoptr(Options) o = g_new0(Options, 1);

    o->config = config_new(options_line.program, keys, G_N_ELEMENTS(keys));
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
