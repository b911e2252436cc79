/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pager-main: the process that a pager is.  See pager-main.h. */
#include "rcached/pager/pager-main.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/dscp.h"
#include "common/secrecy.h"
#include "common/uuid.h"
#include "common/vmm-refuse.h"
#include "rcached/pager-config.h"
#include "rcached/pager/pager-end.h"
#include "rcached/pager/pager.h"

/* LimitNICE= in rcached.service allows as much. */
#define PAGER_NICE      (-10)

/* Page bytes must reach neither swap nor a core dump (rule 10). */
static char *pager_keep_private(void)
{
    secrecy_begin();
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0 &&
        secrecy_host_has_swap("")) {
        return g_strdup_printf("memory cannot be locked (%s) and this host has "
                               "swap: raise LimitMEMLOCK, or turn swap off",
                               g_strerror(errno));
    }
    return NULL;
}

/*
 * Each fault of a guest waits for this process, and pages go only while it is
 * run: on a busy host it is not to stand in a queue with the guest's own CPUs.
 * What it does for a guest is as little as the guest's faults ask for.
 */
static void pager_be_prompt(void)
{
    if (setpriority(PRIO_PROCESS, 0, PAGER_NICE) < 0) {
        g_message("pager: the priority cannot be raised (%s): on a busy host "
                  "guests wait longer for their pages", g_strerror(errno));
    }
}

/* Tell the VMM, and the daemon, why there will be no pager. */
static void pager_give_up(int vmm_fd, int words_fd, const char *why)
{
    g_autofree char *text = g_strdup_printf("its pager cannot start: %s", why);

    if (words_fd >= 0 && write(words_fd, why, strlen(why)) < 0) {
        g_warning("pager: %s", why);    /* the daemon cannot say it */
    }
    if (vmm_fd >= 0) {
        vmm_refuse(vmm_fd, -ENOTSUP, text);
    }
}

/* What the daemon says on the command line, see link.h. */
typedef struct PagerArgs {
    char *link, *host;
    int vmm_fd, words_fd, tls_fd;
    /* Of a VM that has ended, and then no .vmm_fd and no .link. */
    int state_fd;
    char *vm, *incarnation, *name;
    int64_t held_bytes;         /* the VM is held, see link.h; -1: it is not */
    PagerConfig config;
} PagerArgs;

static bool args_name_vmm(const PagerArgs *args)
{
    return args->vmm_fd >= 0 && args->link && args->state_fd < 0;
}

static bool args_name_vm(const PagerArgs *args)
{
    uint8_t uuid[RCACHE_UUID_LEN];

    return args->state_fd >= 0 && args->vmm_fd < 0 && !args->link &&
           args->vm && uuid_parse(args->vm, uuid) && args->incarnation &&
           args->name;
}

static void add_vm_options(GOptionContext *context, PagerArgs *args)
{
    const GOptionEntry options[] = {
        { "state-fd", 0, 0, G_OPTION_ARG_INT, &args->state_fd,
          "instead of --vmm-fd: the state memfd of a VM that has ended", "N" },
        { "vm", 0, 0, G_OPTION_ARG_STRING, &args->vm,
          "with --state-fd: which VM", "UUID" },
        { "incarnation", 0, 0, G_OPTION_ARG_STRING, &args->incarnation,
          "with --state-fd: which start of it", "HEX" },
        { "name", 0, 0, G_OPTION_ARG_STRING, &args->name,
          "with --state-fd: its name", "NAME" },
        { 0 }
    };

    g_option_context_add_main_entries(context, options, NULL);
}

/* A negative number is a huge one here. */
static void add_config_options(GOptionContext *context, PagerConfig *config)
{
    const GOptionEntry options[] = {
        { "poll-us", 0, 0, G_OPTION_ARG_INT, &config->poll_us,
          "microseconds to spin before sleeping", "N" },
        { "keep-unused-ms", 0, 0, G_OPTION_ARG_INT, &config->keep_unused_ms,
          "how long to keep leases that are not used", "N" },
        { "slow-window-ms", 0, 0, G_OPTION_ARG_INT, &config->slow_window_ms,
          "the window over which answer times are compared", "N" },
        { "moves-per-minute", 0, 0, G_OPTION_ARG_INT,
          &config->moves_per_minute,
          "slabs a minute that may leave slow providers", "N" },
        { "repair-kib", 0, 0, G_OPTION_ARG_INT, &config->repair_kib,
          "KiB a second that may be copied for pages with one copy", "N" },
        { "give-up-ms", 0, 0, G_OPTION_ARG_INT, &config->give_up_ms,
          "copy what is at a provider that is away for so long", "N" },
        { "dscp", 0, 0, G_OPTION_ARG_INT, &config->dscp,
          "the mark of packets to providers", "N" },
        { 0 }
    };

    g_option_context_add_main_entries(context, options, NULL);
}

static bool config_makes_sense(const PagerConfig *c)
{
    return c->poll_us <= INT_MAX &&
           c->keep_unused_ms > 0 && c->keep_unused_ms <= INT_MAX &&
           c->slow_window_ms > 0 && c->slow_window_ms <= INT_MAX &&
           c->moves_per_minute <= INT_MAX && c->repair_kib <= INT_MAX &&
           c->give_up_ms > 0 && c->give_up_ms <= INT_MAX &&
           c->dscp <= DSCP_MAX;
}

static bool args_parse(PagerArgs *args, int argc, char **argv)
{
    gboolean is_pager = FALSE, plain = args->config.plain;
    const GOptionEntry options[] = {
        { "pager", 0, 0, G_OPTION_ARG_NONE, &is_pager,
          "run as the pager of one VM", NULL },
        { "vmm-fd", 0, 0, G_OPTION_ARG_INT, &args->vmm_fd,
          "the VMM's socket", "N" },
        { "words-fd", 0, 0, G_OPTION_ARG_INT, &args->words_fd,
          "where to say why the pager cannot start, or that it is ready", "N" },
        { "link", 0, 0, G_OPTION_ARG_STRING, &args->link,
          "rcached's socket", "PATH" },
        { "host", 0, 0, G_OPTION_ARG_STRING, &args->host,
          "this host's name", "NAME" },
        { "held-bytes", 0, 0, G_OPTION_ARG_INT64, &args->held_bytes,
          "the VM is held, and has room for so much on this host", "N" },
        { "tls-fd", 0, 0, G_OPTION_ARG_INT, &args->tls_fd,
          "the certificate to connect to providers with", "N" },
        { "plain", 0, 0, G_OPTION_ARG_NONE, &plain,
          "without one, connect to other hosts too", NULL },
        { 0 }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, options, NULL);
    add_config_options(context, &args->config);
    add_vm_options(context, args);
    if (!g_option_context_parse(context, &argc, &argv, &error) ||
        !args->host || !(args_name_vmm(args) || args_name_vm(args)) ||
        !config_makes_sense(&args->config)) {
        g_printerr("rcached --pager: %s\n", error ? error->message :
                   "--host is needed, and --vmm-fd with --link, or --state-fd "
                   "with --vm, --incarnation and --name");
        return false;
    }
    args->config.plain = plain;
    return true;
}

/* What the VM had is given back, and nothing else. */
static int pager_part(Pager *p, PagerArgs *args)
{
    uint64_t incarnation = g_ascii_strtoull(args->incarnation, NULL, 16);
    uint8_t uuid[RCACHE_UUID_LEN];
    g_autoptr(GError) error = NULL;
    bool done;

    uuid_parse(args->vm, uuid);
    done = pager_end_alone(p, uuid, incarnation, args->name,
                           fd_steal(&args->state_fd), &error);
    if (!done) {
        pager_give_up(-1, args->words_fd, error->message);
    }
    pager_quiesce(p);
    pager_free(p);
    return !done;
}

static int pager_live(PagerArgs *args)
{
    g_autofree char *why = pager_keep_private();
    Pager *p = why ? NULL : pager_new(args->vmm_fd, args->link, args->host,
                                      args->config.poll_us, &why);
    g_autoptr(GError) error = NULL;

    if (p && !providers_set_tls(p, args->tls_fd, args->config.plain,
                                &error)) {
        why = g_strdup(error->message);
    }
    if (why) {
        pager_give_up(args->vmm_fd, args->words_fd, why);
        return 1;
    }
    autofd_close(&args->tls_fd);        /* nobody needs the key in it again */
    if (args->state_fd >= 0) {
        return pager_part(p, args);
    }
    pager_be_prompt();
    p->uplink.words_fd = args->words_fd;
    p->self.dscp = args->config.dscp;
    demand_init(&p->want.demand, args->config.keep_unused_ms * NS_PER_MS);
    p->health.window = args->config.slow_window_ms * NS_PER_MS;
    p->health.moves_per_minute = args->config.moves_per_minute;
    p->copies.rate = args->config.repair_kib * UINT64_C(1024);
    p->copies.give_up_ns = args->config.give_up_ms * NS_PER_MS;
    p->limits.held = args->held_bytes >= 0;
    p->limits.held_max = MAX(args->held_bytes, 0) / RCACHE_PAGE_SIZE;
    while (!p->done) {
        pager_turn(p);
    }
    pager_end(p);
    pager_quiesce(p);
    pager_free(p);
    return 0;
}

int pager_main(int argc, char **argv)
{
    PagerArgs args = {
        .vmm_fd = -1, .words_fd = -1, .tls_fd = -1, .state_fd = -1,
        .held_bytes = -1,
        .config = PAGER_CONFIG_DEFAULT,
    };
    int status;

    /* It was executed as /proc/self/exe, and ps would call it "exe". */
    prctl(PR_SET_NAME, "rcached-pager", 0, 0, 0);
    status = args_parse(&args, argc, argv) ? pager_live(&args) : 2;
    g_free(args.link);
    g_free(args.host);
    g_free(args.vm);
    g_free(args.incarnation);
    g_free(args.name);
    return status;
}
