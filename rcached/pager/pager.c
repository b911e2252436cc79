/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager: the loop, and the life of the process.
 *
 * The order in one turn: what has arrived (faults first, they are looked for
 * again inside every longer piece of work), then who waits for room, then
 * eviction and the rest.  The loop sleeps only when a turn found nothing more
 * to do; everything that ends a wait is on the ring.
 */
#include "rcached/pager/pager.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/cleanup.h"
#include "common/secrecy.h"
#include "common/vmm-refuse.h"
#include "rcached/pager-config.h"
#include "rcached/pager/pager-main.h"

#define RING_ENTRIES    1024u
#define TICK_NS         (100 * NS_PER_MS)
/* A VMM that has died shows it within this time of its socket's end. */
#define VMM_DEATH_MS    500

/* --------------------------------------------------------------- timers */

/* Until all is managed, look at the memfds as often as takeover_tick() says. */
static void unmanaged_watch(Pager *p, uint64_t now)
{
    if (!p->takeover.managed && !ring_op_busy(&p->soon_op)) {
        uint64_t at = p->takeover.look_at;
        uint64_t wait = at > now ? at - now : 0;

        ring_timeout(p->ring, &p->soon_op, CLAMP(wait, NS_PER_MS, TICK_NS));
    }
}

static void soon_done(RingOp *op, int res, bool more)
{
    Pager *p = container_of(op, Pager, soon_op);
    uint64_t now = pager_now();

    if (!p->attached || p->done) {
        return;
    }
    fault_retry(p, now);
    fetch_retry(p, now);
    location_retry(p, now);
    if (!p->takeover.managed && now >= p->takeover.look_at) {
        takeover_tick(p, now);
    }
    unmanaged_watch(p, now);
}

static void tick_done(RingOp *op, int res, bool more)
{
    Pager *p = container_of(op, Pager, tick_op);
    uint64_t now = pager_now();

    ring_timeout(p->ring, &p->tick_op, TICK_NS);
    seqsock_flush(&p->vmm.sock);
    if (!p->attached || p->done) {
        return;
    }
    p->evictor.zap_fruitless = 0;
    takeover_tick(p, now);
    unmanaged_watch(p, now);
    evict_retry(p);
    fault_retry(p, now);
    fetch_retry(p, now);
    location_retry(p, now);
    providers_tick(p, now);
    loss_tick(p, now);
    lease_tick(p, now);
    freeing_flush(p, true);
    health_tick(p, now);
    revoke_tick(p, now);
    lease_demand_tick(p, now);
    command_tick(p, now);
    limit_tick(p);
    uplink_tick(p, now);
    if (report_tick(p, now)) {
        command_progress(p);
    }
}

static void faults_done(RingOp *op, int res, bool more)
{
    Pager *p = container_of(op, Pager, faults_op);

    if (p->done) {
        return;
    }
    fault_poll(p);
    if (!more) {
        ring_poll_multishot(p->ring, &p->faults_op, p->guest.uffd, POLLIN);
    }
}

/* ----------------------------------------------------------------- loop */

/* One turn's work; true if there is more at once. */
static bool pager_work(Pager *p)
{
    uint64_t now;
    bool more;

    if (!p->attached) {
        return false;
    }
    now = pager_now();
    more = attach_work(p);
    if (attach_is_done(&p->attach)) {
        takeover_discards(p);
        more |= takeover_work(p);
    }
    fault_work(p, now);
    more |= loss_work(p);
    more |= freeing_sweep(p);
    if (p->takeover.managing && attach_is_done(&p->attach)) {
        more |= evict_work(p, now);
        more |= command_home_work(p, now);
    }
    freeing_flush(p, false);
    if (p->command.active.kind != COMMAND_NONE) {
        command_tick(p, now);
    }
    return more;
}

static void pager_run(Pager *p)
{
    ring_timeout(p->ring, &p->tick_op, 0);
    while (!p->done) {
        bool more = pager_work(p);
        int ret = ring_run_once(p->ring, !more);

        if (ret < 0) {
            pager_quit(p, "io_uring: %s", g_strerror(-ret));
        }
    }
}

/* ------------------------------------------------------------------ life */

/* Page bytes must reach neither swap nor a core dump (rule 10). */
static char *pager_keep_private(void)
{
    secrecy_begin();
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0 &&
        secrecy_host_has_swap()) {
        return g_strdup_printf("memory cannot be locked (%s) and this host has "
                               "swap: raise LimitMEMLOCK, or turn swap off",
                               g_strerror(errno));
    }
    return NULL;
}

/* Tell the VMM, and the daemon, why there will be no pager. */
static void pager_give_up(int vmm_fd, int words_fd, const char *why)
{
    g_autofree char *text = g_strdup_printf("its pager cannot start: %s", why);

    if (words_fd >= 0 && write(words_fd, why, strlen(why)) < 0) {
        g_warning("pager: %s", why);    /* the daemon cannot say it */
    }
    vmm_refuse(vmm_fd, -ENOTSUP, text);
}

static int vmm_process(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
        return -1;
    }
    return syscall(SYS_pidfd_open, peer.pid, 0);
}

/* Is the VMM itself gone, not only its connection? */
static bool vmm_is_dead(Pager *p)
{
    struct pollfd pfd = { .fd = p->vmm.pidfd, .events = POLLIN };

    return p->vmm.gone ||
           (p->vmm.pidfd >= 0 && poll(&pfd, 1, VMM_DEATH_MS) == 1);
}

static const LocationOps location_ops = {
    .got = fetch_got,
    .stored = evict_stored,
};

static Pager *pager_new(int vmm_fd, const char *link_path, const char *host,
                        unsigned poll_us, char **why)
{
    Pager *p = g_new0(Pager, 1);
    int err = 0;

    p->ring = ring_new(RING_ENTRIES, &err);
    if (!p->ring) {
        *why = g_strdup_printf("io_uring: %s (see the sysctl "
                               "kernel.io_uring_disabled)", g_strerror(-err));
        g_free(p);
        return NULL;
    }
    ring_set_busy_poll(p->ring, poll_us);
    p->uplink.path = link_path;
    p->pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    p->vmm.pidfd = vmm_process(vmm_fd);
    wire_text_copy(p->self.host, sizeof(p->self.host), host);
    boot_id_read(p->self.boot_id, NULL);
    guest_init(&p->guest);
    ring_op_init(&p->faults_op, faults_done);
    ring_op_init(&p->tick_op, tick_done);
    ring_op_init(&p->soon_op, soon_done);
    seqsock_init(&p->vmm.sock, p->ring, &vmm_ops, p);
    seqsock_init(&p->uplink.sock, p->ring, &uplink_ops, p);
    providers_init(&p->providers, &provider_ops);
    locations_init(&p->locations, &location_ops);
    moves_init(&p->moves);
    faults_init(&p->faults);
    fetches_init(&p->fetches);
    page_errors_init(&p->errors);
    evictor_init(&p->evictor);
    seqsock_start(&p->vmm.sock, vmm_fd);
    return p;
}

/* End what is on the ring, in the order in which it can end. */
static void pager_quiesce(Pager *p)
{
    seqsock_close(&p->vmm.sock, "the pager is stopping");
    seqsock_close(&p->uplink.sock, "the pager is stopping");
    providers_close_all(p);
    ring_cancel(p->ring, &p->faults_op);
    ring_cancel(p->ring, &p->soon_op);
    while (ring_op_busy(&p->faults_op) || ring_op_busy(&p->soon_op) ||
           p->vmm.sock.fd >= 0 || p->uplink.sock.fd >= 0) {
        ring_run_once(p->ring, true);
    }
}

static void pager_free(Pager *p)
{
    evictor_deinit(&p->evictor);
    fetches_deinit(&p->fetches);
    faults_deinit(&p->faults);
    page_errors_deinit(&p->errors);
    moves_deinit(&p->moves);
    locations_deinit(&p->locations);
    leases_deinit(&p->leases);
    providers_deinit(&p->providers);
    attach_deinit(&p->attach);
    slots_deinit(&p->slots);
    table_deinit(&p->table);
    guest_deinit(&p->guest);
    ring_free(p->ring);
    autofd_close(&p->pidfd);
    autofd_close(&p->uplink.words_fd);
    autofd_close(&p->vmm.pidfd);
    g_free(p);
}

/* What the daemon says on the command line, see link.h. */
typedef struct PagerArgs {
    char *link, *host;
    int vmm_fd, words_fd;
    PagerConfig config;
} PagerArgs;

static bool args_parse(PagerArgs *args, int argc, char **argv)
{
    gboolean is_pager = FALSE;
    int poll_us = args->config.poll_us;
    int keep_ms = args->config.keep_unused_ms;
    int window_ms = args->config.slow_window_ms;
    int moves = args->config.moves_per_minute;
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
        { "poll-us", 0, 0, G_OPTION_ARG_INT, &poll_us,
          "microseconds to spin before sleeping", "N" },
        { "keep-unused-ms", 0, 0, G_OPTION_ARG_INT, &keep_ms,
          "how long to keep leases that are not used", "N" },
        { "slow-window-ms", 0, 0, G_OPTION_ARG_INT, &window_ms,
          "the window over which answer times are compared", "N" },
        { "moves-per-minute", 0, 0, G_OPTION_ARG_INT, &moves,
          "slabs a minute that may leave slow providers", "N" },
        { 0 }
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) ||
        args->vmm_fd < 0 || !args->link || !args->host || poll_us < 0 ||
        keep_ms <= 0 || window_ms <= 0 || moves < 0) {
        g_printerr("rcached --pager: %s\n", error ? error->message :
                   "--vmm-fd, --link and --host are needed");
        return false;
    }
    args->config = (PagerConfig) {
        .poll_us = poll_us, .keep_unused_ms = keep_ms,
        .slow_window_ms = window_ms, .moves_per_minute = moves,
    };
    return true;
}

static int pager_live(const PagerArgs *args)
{
    g_autofree char *why = pager_keep_private();
    Pager *p = why ? NULL : pager_new(args->vmm_fd, args->link, args->host,
                                      args->config.poll_us, &why);

    if (!p) {
        pager_give_up(args->vmm_fd, args->words_fd, why);
        return 1;
    }
    p->uplink.words_fd = args->words_fd;
    demand_init(&p->want.demand, args->config.keep_unused_ms * NS_PER_MS);
    p->health.window = args->config.slow_window_ms * NS_PER_MS;
    p->health.moves_per_minute = args->config.moves_per_minute;
    pager_run(p);
    if (p->attached && (p->vmm.bye || vmm_is_dead(p))) {
        lease_release_all(p);
    }
    pager_quiesce(p);
    pager_free(p);
    return 0;
}

int pager_main(int argc, char **argv)
{
    PagerArgs args = {
        .vmm_fd = -1, .words_fd = -1, .config = PAGER_CONFIG_DEFAULT,
    };
    int status = args_parse(&args, argc, argv) ? pager_live(&args) : 2;

    g_free(args.link);
    g_free(args.host);
    return status;
}
