/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rcached: the daemon as one object.  See rcached.h.
 *
 * It is torn down in the reverse of the order in which it was set up, with
 * one exception: the arbiters' connections outlive the granter, whose last
 * answers go through them.
 */
#include "rcached/rcached.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/service.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "rcached/agent/beat.h"
#include "rcached/arbiter-commands.h"
#include "rcached/host-admin.h"
#include "rcached/unmanaged-vms.h"
#include "rcached/pager-upgrade.h"
#include "rcached/provider/provider-own.h"
#include "rcached/probe.h"
#include "rcached/report.h"

/* How often to look at the memory; twice in the second that shares of it
 * last, so that none is left out. */
#define TICK_MS         500u
/* A tick so late was not only late. */
#define PAUSE_US        (2 * G_USEC_PER_SEC)
/* While slabs are taken over: what is asked for, and how often. */
#define START_EXTEND_MS (60 * 1000)
#define START_SAID_US   G_USEC_PER_SEC

/* --------------------------------------------------------------- looking */

/* A daemon that stood still has heard no pager, and that is not their fault. */
static void notice_pause(Rcached *r)
{
    int64_t now = g_get_monotonic_time();

    if (r->ticked_at && now - r->ticked_at > PAUSE_US) {
        vms_pause(r->vms, now - r->ticked_at);
    }
    r->ticked_at = now;
}

/* Kill the next pager of another build; the VM gets one of this. */
static void upgrade_pagers(Rcached *r)
{
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    const Vm *vm = pager_upgrade_next(&r->upgrade, vms,
                                      g_get_monotonic_time());

    if (vm && vm_kill_pager(vm)) {
        g_message("vm %s: pager %d is of another build: replacing it",
                  vm->name, (int)pager_process_pid(vm->pager));
    }
}

static gboolean rcached_tick(gpointer opaque)
{
    Rcached *r = opaque;
    const HostState *s = policy_state(r->policy);
    g_autofree char *offered = NULL, *leased = NULL, *status = NULL;

    notice_pause(r);
    vms_kill_silent(r->vms, r->ticked_at);
    policy_run(r->policy, g_get_monotonic_time());
    status = stopping_tick(r->stopping, g_get_monotonic_time());
    if (status) {
        service_status(status);
        return G_SOURCE_CONTINUE;
    }
    upgrade_pagers(r);
    offered = g_format_size_full(s->prediction.offered,
                                 G_FORMAT_SIZE_IEC_UNITS);
    leased = g_format_size_full(s->leased, G_FORMAT_SIZE_IEC_UNITS);
    status = g_strdup_printf("offers %s, %s leased", offered, leased);
    service_status(status);
    return G_SOURCE_CONTINUE;
}

/* -------------------------------------------------------------- arbiters */

/* No arbiter has to do with what VMs here have on this host's disk. */
static void leave_own_out(const Rcached *r, GArray *leases)
{
    for (guint i = leases->len; i-- > 0;) {
        if (!strcmp(g_array_index(leases, WireBeatLease, i).host,
                    r->options->host)) {
            g_array_remove_index_fast(leases, i);
        }
    }
}

static void rcached_beat(GByteArray *out, uint64_t seq, void *opaque)
{
    Rcached *r = opaque;
    const HostState *s = policy_state(r->policy);
    g_autoptr(GArray) guests = g_array_new(FALSE, FALSE,
                                           sizeof(WireBeatGuest));
    g_autoptr(GArray) held = g_array_new(FALSE, FALSE,
                                         sizeof(WireBeatLease));
    g_autoptr(GArray) troubles = g_array_new(FALSE, FALSE,
                                             sizeof(WireBeatTrouble));
    ProviderSnapshot lent;
    g_autoptr(GPtrArray) vms = vms_list(r->vms);
    BeatInput in;
    unsigned left;

    provider_snapshot(r->provider, &lent);
    report_beat_all(r->vms, guests, held, troubles);
    unmanaged_vms_beat(r->qmp, r->vms, guests);
    in = (BeatInput) {
        .host = {
            .mem_total = s->sample.total,
            .mem_available = s->sample.available,
            .offered = s->prediction.offered,
            .leased = lent.leased,
            .stored = lent.stored,
            .spilled = lent.spilled,
            .reserve = s->reserve,
            .psi_some_avg10 = s->sample.psi_some_avg10,
            .psi_full_avg10 = s->sample.psi_full_avg10,
            .flags = (s->lends ? RCACHE_HOST_LENDS : 0) |
                     (host_state_leaves(s) ? RCACHE_HOST_DRAINING : 0),
            .slab_pages = r->provider
                ? lent.slab_pages
                : r->options->slab_size / RCACHE_PAGE_SIZE,
            .pid = getpid(),
            .pagers_to_replace = pager_upgrade_left(vms),
        },
        .terms = s->prediction.term,
        .nr_terms = s->prediction.nr_terms,
        .guests = guests,
        .troubles = troubles,
        .held = held,
        .leases = lent.leases,
    };
    leave_own_out(r, held);
    leave_own_out(r, lent.leases);
    memcpy(in.host.boot_id, r->boot_id, sizeof(in.host.boot_id));
    wire_text_copy(in.host.label, sizeof(in.host.label), r->options->label);
    left = beat_build(out, seq, &in);
    if (left) {
        g_warning("a heartbeat has no room for %u leases or VMs: the arbiters "
                  "do not see them", left);
    }
    provider_snapshot_clear(&lent);
}

static void rcached_granted(const WireGrantAck *ack, void *opaque)
{
    if (ack->status == RCACHE_OK) {
        g_message("lease %016" G_GINT64_MODIFIER "x: lent %" G_GUINT64_FORMAT
                  " MiB", ack->lease, ack->bytes >> 20);
    } else {
        g_message("lease %016" G_GINT64_MODIFIER "x: refused: %s",
                  ack->lease, ack->text);
    }
    arbiter_grant_answer(opaque, ack);
}

static void rcached_grant(ArbiterAsked *request, const WireGrant *grant,
                          void *opaque)
{
    Rcached *r = opaque;

    if (r->granter) {
        granter_add(r->granter, grant, rcached_granted, request);
    } else {
        WireGrantAck ack = {
            .status = RCACHE_E_REFUSED, .lease = grant->lease,
            .text = "this host lends nothing",
        };

        arbiter_grant_answer(request, &ack);
    }
}

static void rcached_drain(bool draining, void *opaque)
{
    Rcached *r = opaque;

    if (r->provider && draining != policy_state(r->policy)->draining) {
        g_message("an arbiter asks to %s this host",
                  draining ? "drain" : "undrain");
        policy_drain(r->policy, draining);
    }
}

static void rcached_withdraw(uint64_t lease, void *opaque)
{
    Rcached *r = opaque;

    if (r->provider && provider_withdraw(r->provider, lease)) {
        g_message("lease %016" G_GINT64_MODIFIER "x: the VM ended before the "
                  "lease was claimed: dropped", lease);
    }
}

static void rcached_greeted(void *opaque)
{
    Rcached *r = opaque;

    wants_again(r->wants);
}

static const ArbiterOps arbiter_ops = {
    .greeted = rcached_greeted,
    .beat = rcached_beat,
    .grant = rcached_grant,
    .drain = rcached_drain,
    .withdraw = rcached_withdraw,
    .evict = arbiter_commands_evict,
    .upgrade = arbiter_commands_upgrade,
};

/* ----------------------------------------------------------------- pagers */

/* One that we have started knows; another may have been told something else. */
static void tell_tls(const Rcached *r, Link *link, const Vm *vm)
{
    int fd = tls_keeper_fd(r->tls);

    if (fd >= 0 || pager_process_adopted(vm->pager)) {
        link_send_tls(link, fd, r->options->pager.plain);
    }
}

static Vm *rcached_link_hello(Link *link, const struct LinkHello *msg,
                              pid_t pid, void *opaque, GError **errp)
{
    Rcached *r = opaque;
    Vm *vm = vms_link_hello(r->vms, msg, pid, errp);

    if (vm) {
        g_message("vm %s: pager %d has connected", vm->name, (int)pid);
        tell_tls(r, link, vm);
        if (vm->waiting) {
            link_send_leave(link);
        } else if (msg->version == LINK_VERSION) {
            wants_hand_over(r->wants, vm, link, g_get_monotonic_time());
        }
    }
    return vm;
}

static void rcached_link_stats(Vm *vm, const struct LinkStats *msg,
                               void *opaque)
{
    Rcached *r = opaque;

    vm_stats(vm, msg);
    wants_held(r->wants, vm, msg, g_get_monotonic_time());
}

static void rcached_link_balloon(Vm *vm, const struct LinkBalloon *msg,
                                 void *opaque)
{
    vm_balloon(vm, msg);
}

static void rcached_link_want(Vm *vm, const struct LinkWant *msg,
                              void *opaque)
{
    Rcached *r = opaque;

    wants_add(r->wants, vm, msg);
}

static void rcached_link_auto(Vm *vm, const struct LinkAuto *msg,
                              void *opaque)
{
    vm_automatic(vm, msg);
}

static void rcached_link_result(Vm *vm, const struct LinkResult *msg,
                                void *opaque)
{
    Rcached *r = opaque;

    evicts_result(r->evicts, vm, msg);
}

static void rcached_link_closed(Vm *vm, void *opaque)
{
    Rcached *r = opaque;

    evicts_link_closed(r->evicts, vm);
}

static const LinkOps link_ops = {
    .hello = rcached_link_hello,
    .stats = rcached_link_stats,
    .balloon = rcached_link_balloon,
    .want = rcached_link_want,
    .automatic = rcached_link_auto,
    .result = rcached_link_result,
    .closed = rcached_link_closed,
};

/* ----------------------------------------------------------------- set-up */

static void keep_fd(const char *name, int fd, void *opaque)
{
    service_keep(name, fd);
}

/* To be said again before it is over; slabs are many. */
static void extend_start(void *opaque)
{
    Rcached *r = opaque;
    int64_t now = g_get_monotonic_time();

    if (now - r->start_extended >= START_SAID_US) {
        r->start_extended = now;
        service_extend_start(START_EXTEND_MS);
    }
}

/* What was kept is taken over even by a host that lends no more. */
static bool start_provider(Rcached *r, uint64_t total, GError **errp)
{
    const Options *o = r->options;
    ProviderConfig config;
    unsigned n;
    ServiceFd *fds = service_kept(&n);
    MemorySource *memory;
    g_autofree ProviderKept *kept = g_new0(ProviderKept, n + 1);

    for (unsigned i = 0; i < n; i++) {
        kept[i] = (ProviderKept) { fds[i].name, fds[i].fd };
    }
    if (options_lend(o, total) || *o->spill_dir || n) {
        provider_config_init(&config);
        config.listen = o->listen;
        config.tls = tls_keeper_credentials(r->tls);
        config.tls_none = o->tls.mode == TLS_MODE_NONE;
        config.host = o->host;
        memcpy(config.boot_id, r->boot_id, sizeof(config.boot_id));
        config.slab_size = o->slab_size;
        config.poll_us = o->provider_poll_us;
        config.dscp = o->pager.dscp;
        config.ttl_ms = o->ttl_ms;
        config.orphan_ms = o->orphan_ms;
        config.lock_memory = o->lock_memory;
        config.limits = o->limits;
        config.spill_dir = o->spill_dir;
        config.spill_size = options_spill_size(o, total);
        config.keep = service_keeps() ? keep_fd : NULL;
        config.keep_opaque = r;
        config.keep_max = service_keeps_most();
        config.starting = extend_start;
        config.kept = kept;
        config.nr_kept = n;
        config.where = whereabouts_ask;
        config.where_opaque = r->whereabouts;
        r->provider = provider_new(&config, errp);
    }
    service_kept_free(fds, n);
    if (!r->provider) {
        if (o->tls.mode == TLS_MODE_NONE) {
            g_warning("tls=none: anyone on the network between can read and "
                      "change the pages that VMs here send and get");
        }
        return !options_lend(o, total) && !*o->spill_dir && !n;
    }
    memory = memory_source_new(o->memory_source, "/proc", errp);
    if (!memory) {
        return false;
    }
    r->granter = granter_new(r->provider, o, memory);
    g_message("provider: listening on %s; lent memory: %s",
              provider_address(r->provider),
              provider_protection(r->provider));
    return true;
}

static void rcached_pressed(void *opaque)
{
    rcached_tick(opaque);
}

static bool start_memory(Rcached *r, uint64_t *total, GError **errp)
{
    MemorySample sample;

    r->memory = memory_source_new(r->options->memory_source, "/proc", errp);
    if (!r->memory || !memory_source_read(r->memory, &sample, errp)) {
        return false;
    }
    *total = sample.total;
    options_say_capped(r->options, sample.total);
    return true;
}

static void start_policy(Rcached *r)
{
    PolicyConfig config = {
        .options = r->options,
        .memory = r->memory,
        .provider = r->provider,
        .granter = r->granter,
        .vms = r->vms,
        .qmp = r->qmp,
        .dir = r->dir,
    };

    r->policy = policy_new(&config);
}

/* Without it pressure is seen at the next tick. */
static void start_watch(Rcached *r)
{
    g_autoptr(GError) error = NULL;

    r->watch = memory_watch_new(r->memory, rcached_pressed, r, &error);
    if (!r->watch) {
        g_message("the kernel does not report memory pressure (%s): this "
                  "daemon looks twice a second instead", error->message);
    }
}

/* Nobody else has to do with what it had on this host's disk. */
static void rcached_vm_over(const uint8_t *uuid, uint64_t incarnation,
                            const char *name, void *opaque)
{
    Rcached *r = opaque;

    if (r->provider) {
        provider_end_own(r->provider, uuid, incarnation, name);
    }
}

static bool start_vms(Rcached *r, GError **errp)
{
    g_autofree char *vmm = rundir_path(r->dir, "vmm.sock");
    g_autofree char *link = rundir_path(r->dir, "pager.sock");
    g_autoptr(GError) error = NULL;
    VmsConfig config;

    if (!probe_vms(&error)) {
        g_warning("no VMs can be managed here: %s", error->message);
    }
    vms_config_init(&config);
    config.dir = r->dir;
    config.exe = "/proc/self/exe";
    config.vmm_path = vmm;
    config.link_path = link;
    config.host = r->options->host;
    config.pager = r->options->pager;
    config.tls_fd = tls_keeper_fd(r->tls);
    config.admit = probe_vms;
    config.over = rcached_vm_over;
    config.over_opaque = r;
    config.most = r->options->pagers_max;
    config.most_of_user = r->options->pagers_per_user_max;
    if (!socket_rights_init(&config.vmm_rights, r->options->vmm_owner,
                            r->options->vmm_group,
                            r->options->vmm_group_wished,
                            r->options->vmm_mode, errp)) {
        return false;
    }
    r->vms = vms_new(&config, errp);
    if (!r->vms) {
        return false;
    }
    r->links = link_server_new(link, &link_ops, r, errp);
    return r->links != NULL;
}

static bool start_qmp(Rcached *r, GError **errp)
{
    QmpConfig config;

    qmp_config_init(&config, r->options->qmp_period_ms);
    if (*r->options->qmp_directory) {
        r->qmp = qmp_folder_new(&config, r->options->qmp_directory, errp);
    }
    return r->qmp || !*r->options->qmp_directory;
}

static void start_arbiters(Rcached *r)
{
    ArbiterConfig config;

    arbiter_config_init(&config);
    config.addresses = r->options->arbiters;
    config.host = r->options->host;
    memcpy(config.boot_id, r->boot_id, sizeof(config.boot_id));
    config.provider = r->provider ? provider_address(r->provider) : "";
    config.tls = tls_keeper_credentials(r->tls);
    r->arbiters = arbiter_clients_new(&config, &arbiter_ops, r);
    whereabouts_start(r->whereabouts, r->arbiters, r->provider);
    if (!arbiter_clients_count(r->arbiters)) {
        g_message("no arbiter is configured: VMs here get no leases, and "
                  "nobody leases from this host");
    }
}

static void start_stopping(Rcached *r, StoppingOver *over, void *opaque)
{
    StoppingConfig config = {
        .policy = r->policy,
        .provider = r->provider,
        .limit_ms = r->options->stop_ms,
        .over = over,
        .opaque = opaque,
    };

    r->stopping = stopping_new(&config);
}

Rcached *rcached_new(const Options *options, StoppingOver *over, void *opaque,
                     GError **errp)
{
    g_autoptr(Rcached) r = g_new0(Rcached, 1);
    uint64_t total;

    r->options = options;
    r->evicts = evicts_new();
    r->whereabouts = whereabouts_new();
    if (!probe_uring(errp) || !boot_id_read(r->boot_id, errp)) {
        return NULL;
    }
    r->tls = tls_keeper_new(&options->tls, errp);
    r->dir = r->tls ? rundir_new(options->run_dir, errp) : NULL;
    if (!r->dir || !rundir_keep_name(r->dir, options->host, errp) ||
        !start_memory(r, &total, errp) ||
        !start_provider(r, total, errp) || !start_vms(r, errp) ||
        !start_qmp(r, errp)) {
        return NULL;
    }
    start_policy(r);
    start_stopping(r, over, opaque);
    start_arbiters(r);
    r->disk = own_disk_new(r->granter, policy_state(r->policy),
                           r->options->host, r->provider
                           ? provider_address(r->provider) : "");
    r->wants = wants_new(r->vms, r->arbiters, r->disk);
    r->admin = host_admin_new(r, errp);
    if (!r->admin) {
        return NULL;
    }
    start_watch(r);
    r->tick = g_timeout_add(TICK_MS, rcached_tick, r);
    return g_steal_pointer(&r);
}

void rcached_stop(Rcached *r)
{
    stopping_asked(r->stopping);
}

void rcached_reload(Rcached *r)
{
    TlsCredentials *creds;

    if (!tls_keeper_reload(r->tls)) {
        return;
    }
    creds = tls_keeper_credentials(r->tls);
    if (r->provider) {
        provider_set_tls(r->provider, creds);
    }
    arbiter_clients_set_tls(r->arbiters, creds);
    vms_set_tls(r->vms, tls_keeper_fd(r->tls));
}

void rcached_free(Rcached *r)
{
    if (!r) {
        return;
    }
    g_clear_handle_id(&r->tick, g_source_remove);
    memory_watch_free(r->watch);
    host_admin_free(r->admin);
    stopping_free(r->stopping);
    policy_free(r->policy);
    granter_free(r->granter);
    whereabouts_stop(r->whereabouts);
    arbiter_clients_free(r->arbiters);
    wants_free(r->wants);
    own_disk_free(r->disk);
    link_server_free(r->links);
    evicts_free(r->evicts);
    qmp_folder_free(r->qmp);
    vms_free(r->vms);
    provider_free(r->provider);
    whereabouts_free(r->whereabouts);
    memory_source_free(r->memory);
    rundir_free(r->dir);
    tls_keeper_free(r->tls);
    g_free(r);
}
