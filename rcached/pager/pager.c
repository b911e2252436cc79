/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager: the loop, and the life of a pager.
 *
 * The order in one turn: what has arrived (faults first, they are looked for
 * again inside every longer piece of work), then who waits for room, then
 * eviction and the rest.  The loop sleeps only when a turn found nothing more
 * to do; everything that ends a wait is on the ring.
 */
#include "rcached/pager/pager.h"
#include "rcached/pager/pager-end.h"
#include "rcached/pager/punch.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/cleanup.h"
#include "common/host-probe.h"

#define TICK_NS         (100 * NS_PER_MS)

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
    if (p->done) {
        pager_end_tick(p, now);
        return;
    }
    if (!p->attached) {
        return;
    }
    p->evictor.zap_fruitless = 0;
    takeover_tick(p, now);
    unmanaged_watch(p, now);
    punch_retry(p);
    fault_retry(p, now);
    fetch_retry(p, now);
    location_hedge_tick(p);
    location_retry(p, now);
    providers_tick(p, now);
    loss_tick(p, now);
    lost_wait_tick(p, now);
    lease_tick(p, now);
    kept_tick(p, now);
    freeing_flush(p, true);
    health_tick(p, now);
    revoke_tick(p, now);
    compare_tick(p, now);
    copies_tick(p, now);
    lease_demand_tick(p, now);
    own_disk_tick(p, now);
    command_tick(p, now);
    limit_tick(p);
    delays_tick(&p->delays, now);
    uplink_tick(p, now);
    if (report_tick(p, now)) {
        command_progress(p);
    }
}

/* Whoever waits for it looks itself. */
static void gone_done(RingOp *op, int res, bool more)
{
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
    more |= compare_work(p);
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

void pager_turn(Pager *p)
{
    bool more = pager_work(p);
    int ret = ring_run_once(p->ring, !more);

    if (ret < 0) {
        pager_quit(p, "io_uring: %s", g_strerror(-ret));
    }
}

/* ------------------------------------------------------------------ life */

static int vmm_process(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) {
        return -1;
    }
    return syscall(SYS_pidfd_open, peer.pid, 0);
}

static const LocationOps location_ops = {
    .got = fetch_got,
    .missing = fetch_missing,
    .between = fault_poll,
    .stored = evict_stored,
};

Pager *pager_new(int vmm_fd, const char *link_path, const char *host,
                 unsigned poll_us, char **why)
{
    Pager *p = g_new0(Pager, 1);
    int err = 0;

    p->ring = ring_new(HOST_PAGER_RING, &err);
    if (!p->ring) {
        *why = g_strdup_printf("io_uring: %s (see the sysctl "
                               "kernel.io_uring_disabled)", g_strerror(-err));
        g_free(p);
        return NULL;
    }
    ring_set_busy_poll(p->ring, poll_us);
    p->uplink.path = link_path;
    p->uplink.words_fd = -1;
    p->pidfd = syscall(SYS_pidfd_open, getpid(), 0);
    p->vmm.pidfd = vmm_fd < 0 ? -1 : vmm_process(vmm_fd);
    wire_text_copy(p->self.host, sizeof(p->self.host), host);
    boot_id_read(p->self.boot_id, NULL);
    guest_init(&p->guest);
    ring_op_init(&p->faults_op, faults_done);
    ring_op_init(&p->tick_op, tick_done);
    ring_op_init(&p->soon_op, soon_done);
    ring_op_init(&p->gone_op, gone_done);
    seqsock_init(&p->vmm.sock, p->ring, &vmm_ops, p);
    seqsock_init(&p->uplink.sock, p->ring, &uplink_ops, p);
    providers_init(&p->providers, &provider_ops);
    locations_init(&p->locations, &location_ops);
    moves_init(&p->moves);
    compares_init(&p->compares);
    faults_init(&p->faults);
    fetches_init(&p->fetches);
    readahead_init(&p->ahead);
    page_errors_init(&p->errors);
    evictor_init(&p->evictor);
    if (vmm_fd >= 0) {
        seqsock_start(&p->vmm.sock, vmm_fd);
    }
    ring_timeout(p->ring, &p->tick_op, 0);
    return p;
}

void pager_quiesce(Pager *p)
{
    seqsock_close(&p->vmm.sock, "the pager is stopping");
    seqsock_close(&p->uplink.sock, "the pager is stopping");
    providers_close_all(p);
    ring_cancel(p->ring, &p->faults_op);
    ring_cancel(p->ring, &p->soon_op);
    ring_cancel(p->ring, &p->gone_op);
    while (ring_op_busy(&p->faults_op) || ring_op_busy(&p->soon_op) ||
           ring_op_busy(&p->gone_op) ||
           p->vmm.sock.fd >= 0 || p->uplink.sock.fd >= 0) {
        ring_run_once(p->ring, true);
    }
}

void pager_free(Pager *p)
{
    evictor_deinit(&p->evictor);
    fetches_deinit(&p->fetches);
    faults_deinit(&p->faults);
    page_errors_deinit(&p->errors);
    compares_deinit(&p->compares);
    moves_deinit(&p->moves);
    locations_deinit(&p->locations);
    leases_deinit(&p->leases);
    providers_deinit(&p->providers);
    tls_credentials_unref(p->self.tls);
    attach_deinit(&p->attach);
    slots_deinit(&p->slots);
    table_deinit(&p->table);
    guest_deinit(&p->guest);
    seal_free(p->seal);
    ring_free(p->ring);
    autofd_close(&p->pidfd);
    autofd_close(&p->uplink.words_fd);
    autofd_close(&p->vmm.pidfd);
    g_free(p);
}
