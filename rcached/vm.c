/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm: see vm.h.
 *
 * "Alive" is the pager's pidfd, and for pagers of an earlier daemon also the
 * lock that each holds (rundir.h): a pager is started with that lock in hand
 * or not at all.
 */
#include "rcached/vm.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/cleanup.h"
#include "common/log-event.h"
#include "common/uuid.h"
#include "common/vmm-refuse.h"
#include "common/wire.h"
#include "rcached/vm-state.h"

/* So long a pager may say nothing: with the ticks it is noticed within 5 s. */
#define SILENT_MS       4000u
/* One that has not begun to report waits for its VMM, too. */
#define BEGINS_MS       30000u
/* Nobody waits for one that leaves; its end waits until its memory is free. */
#define LEAVES_MS       120000u

/* A VMM's connection, held back until the old pager is dead. */
struct VmWaiting {
    int fd;
    struct RcacheVmmHello hello;
    VmmProcess peer;
    bool may_kill;              /* at the deadline: kill, else refuse */
    guint deadline;
    guint hangup;
};

static void vm_pager_ended(PagerProcess *proc, const PagerEnd *end,
                           void *opaque);

/* ------------------------------------------------------------------ life */

/* The fd goes with it, unless it was taken (-1). */
static void vm_end_wait(Vm *vm)
{
    VmWaiting *w = g_steal_pointer(&vm->waiting);

    if (w) {
        g_clear_handle_id(&w->deadline, g_source_remove);
        g_clear_handle_id(&w->hangup, g_source_remove);
        autofd_close(&w->fd);
        vmm_process_clear(&w->peer);
        g_free(w);
    }
}

void vm_free(Vm *vm)
{
    vm_end_wait(vm);
    pager_process_free(vm->pager);
    vmm_process_clear(&vm->vmm);
    vm_state_close(&vm->state_fd);
    vm_figures_deinit(&vm->figures);
    vm_retry_reset(&vm->retry);
    g_free(vm);
}

Vm *vm_new(const VmPagers *pagers, const uint8_t *uuid, uint64_t incarnation,
           const char *name)
{
    Vm *vm = g_new0(Vm, 1);

    vm->pagers = pagers;
    memcpy(vm->uuid, uuid, sizeof(vm->uuid));
    uuid_format(uuid, vm->uuid_text);
    vm->incarnation = incarnation;
    wire_text_copy(vm->name, sizeof(vm->name), *name ? name : vm->uuid_text);
    vmm_process_init(&vm->vmm);
    vm->state_fd = -1;
    vm->pagerless_since = g_get_monotonic_time();
    vm_figures_init(&vm->figures);
    vm->hold.held = rundir_has_hold(pagers->dir, uuid, incarnation);
    return vm;
}

/* Its process may live, and has another remote-cache object by now. */
static void warn_of_leases(const Vm *vm)
{
    unsigned leases = vm_state_leases(vm->state_fd);

    if (leases) {
        g_warning("vm %s: %u lease%s of its remote-cache object of before "
                  "could not be given back: the memory stays lent until the "
                  "provider's orphan time ends (orphan-time)", vm->name,
                  leases, leases == 1 ? "" : "s");
    }
}

void vm_set_incarnation(Vm *vm, uint64_t incarnation)
{
    if (vm->incarnation != incarnation) {
        vm->incarnation = incarnation;
        vm->starts = 0;
        warn_of_leases(vm);
        vm_state_close(&vm->state_fd);
        vm_retry_reset(&vm->retry);
        vm_figures_clear(&vm->figures);
        vm->hold = (VmHold) {
            .held = rundir_has_hold(vm->pagers->dir, vm->uuid, incarnation),
        };
    }
}

bool vm_hold(Vm *vm, bool held, GError **errp)
{
    if (!rundir_note_hold(vm->pagers->dir, vm->uuid, vm->incarnation, held,
                          errp)) {
        return false;
    }
    if (held != vm->hold.held) {
        vm->hold = (VmHold) { .held = held };
    }
    return true;
}

void vm_hold_share(Vm *vm, uint64_t bytes, uint64_t lacking)
{
    vm->hold.bytes = bytes;
    vm->hold.lacking = lacking;
}

/* -------------------------------------------------------------- starting */

/* Who waits is whose VM it is from now on, for the next daemon as well. */
static void vm_bind(Vm *vm)
{
    RunDirVm note = { .incarnation = vm->incarnation };

    if (!vm->bound_ms || !vmm_process_is(&vm->vmm, &vm->waiting->peer)) {
        vm->bound_ms = boottime_ms();
    }
    vmm_process_move(&vm->vmm, &vm->waiting->peer);
    vm->vmm_incarnation = vm->incarnation;
    memcpy(note.uuid, vm->uuid, sizeof(note.uuid));
    note.pid = vm->vmm.pid;
    note.mark = vm->vmm.mark;
    note.uid = vm->vmm.uid;
    note.bound_ms = vm->bound_ms;
    g_strlcpy(note.name, vm->name, sizeof(note.name));
    rundir_note_vm(vm->pagers->dir, &note);
}

static void vm_spawn(Vm *vm, int vmm_fd, int lock_fd, GError **errp)
{
    const VmPagers *pagers = vm->pagers;
    PagerSpawn spawn = {
        .exe = pagers->exe,
        .link = pagers->link_path,
        .host = pagers->host,
        .config = &pagers->config,
        .vmm_fd = vmm_fd,
        .lock_fd = lock_fd,
        .tls_fd = pagers->tls_fd,
        .held = vm->hold.held, .held_bytes = vm->hold.bytes,
    };
    RunDirPager note = { .incarnation = vm->incarnation };

    vm->pager = pager_process_spawn(&spawn, vm_pager_ended, vm, errp);
    if (!vm->pager) {
        return;
    }
    vm->starts++;
    vm->started_at = g_get_monotonic_time();
    vm_figures_owed(&vm->figures, vm->started_at);
    note.pid = pager_process_pid(vm->pager);
    note.starts = vm->starts;
    g_strlcpy(note.name, vm->name, sizeof(note.name));
    rundir_note_pager(lock_fd, &note);
    g_message("vm %s: pager %d started (start %u), for process %d, user %u",
              vm->name, (int)note.pid, vm->starts, (int)vm->vmm.pid,
              (unsigned)vm->vmm.uid);
}

/* Is it too early for the next attempt?  Then who waits is told why. */
static bool vm_backs_off(Vm *vm)
{
    int64_t left = vm_retry_left(&vm->retry, g_get_monotonic_time());
    g_autofree char *why = NULL;

    if (!left || vm->waiting->hello.incarnation != vm->incarnation) {
        return false;
    }
    why = g_strdup_printf("its pager %s: %s (trying again in %.1f s)",
                          vm->retry.failures ? "cannot start" : "has died",
                          vm->retry.problem, left / 1e6);
    vmm_refuse(fd_steal(&vm->waiting->fd), -EAGAIN, why);
    vm_end_wait(vm);
    return true;
}

/* Start the pager for who waits.  There must be none alive. */
static void vm_start(Vm *vm)
{
    g_autoptr(GError) error = NULL;
    VmWaiting *w = vm->waiting;
    autofd lock = -1;

    if (vm_backs_off(vm)) {
        return;
    }
    lock = rundir_lock_pager(vm->pagers->dir, vm->uuid);
    if (w->hello.incarnation != vm->incarnation) {
        vm_tell_over(vm);
    }
    vm_set_incarnation(vm, w->hello.incarnation);
    if (*w->hello.name) {
        wire_text_copy(vm->name, sizeof(vm->name), w->hello.name);
    }
    if (lock >= 0) {
        vm_bind(vm);
        vm_spawn(vm, w->fd, lock, &error);
    } else {
        g_set_error(&error, G_FILE_ERROR, g_file_error_from_errno(-lock),
                    "no lock for a pager: %s", lock == -EWOULDBLOCK
                    ? "an earlier one of this VM still runs"
                    : g_strerror(-lock));
    }
    if (!vm->pager) {
        g_warning("vm %s: %s", vm->name, error->message);
        vmm_refuse(fd_steal(&w->fd), lock == -EWOULDBLOCK ? -EBUSY : -ENOMEM,
                   error->message);
        vm->pagerless_since = g_get_monotonic_time();
    }
    vm_end_wait(vm);
}

/*
 * Did the pager that has ended give back what there was, as far as it could
 * be?  Not one that was told to leave, even if who wanted its place has gone
 * since; nor one that was killed, nor, as far as is known, one that was not
 * started by us.
 */
static bool vm_has_parted(const Vm *vm, const PagerEnd *end)
{
    return vm->parting && !vm->wanted && !end->failed &&
           !pager_process_adopted(vm->pager);
}

static void vm_pager_ended(PagerProcess *proc, const PagerEnd *end,
                           void *opaque)
{
    Vm *vm = opaque;

    if (end->failed) {
        log_event_vm(G_LOG_LEVEL_WARNING, LOG_PAGER_ENDED, vm->name,
                     "vm %s: pager %d ended: %s", vm->name,
                     (int)pager_process_pid(proc), end->how);
    } else {
        g_message("vm %s: pager %d ended: %s", vm->name,
                  (int)pager_process_pid(proc), end->how);
    }
    if (vm_has_parted(vm, end) || !vm_state_leases(vm->state_fd)) {
        vm_state_close(&vm->state_fd);
    }
    pager_process_free(proc);
    vm->pager = NULL;
    vm->wanted = vm->parting = false;
    vm_retry_ended(&vm->retry, end, g_get_monotonic_time());
    vm_figures_end(&vm->figures);
    vm->pagerless_since = g_get_monotonic_time();
    rundir_forget_pager(vm->pagers->dir, vm->uuid);
    if (vm->waiting) {
        vm_start(vm);
    }
}

/* --------------------------------------------------------------- waiting */

static gboolean wait_over(gpointer opaque)
{
    Vm *vm = opaque;
    VmWaiting *w = vm->waiting;

    w->deadline = 0;
    if (w->may_kill) {
        g_warning("vm %s: pager %d does not end: killing it", vm->name,
                  (int)pager_process_pid(vm->pager));
        pager_process_kill(vm->pager);
    } else {
        g_message("vm %s: process %d refused: another VM with this uuid has "
                  "a pager", vm->name, (int)w->peer.pid);
        vmm_refuse(fd_steal(&w->fd), -EBUSY, "another VM with this uuid "
                   "still has a pager on this host");
        vm_end_wait(vm);
    }
    return G_SOURCE_REMOVE;
}

static gboolean wait_hangup(gint fd, GIOCondition condition, gpointer opaque)
{
    Vm *vm = opaque;

    vm->waiting->hangup = 0;
    vm_end_wait(vm);
    return G_SOURCE_REMOVE;
}

void vm_wait(Vm *vm, int fd, const struct RcacheVmmHello *hello,
             VmmProcess *who, bool may_kill)
{
    VmWaiting *w;

    vm_end_wait(vm);            /* a VMM has one connection: the last one */
    w = vm->waiting = g_new0(VmWaiting, 1);
    w->fd = fd;
    w->hello = *hello;
    vmm_process_init(&w->peer);
    vmm_process_move(&w->peer, who);
    w->may_kill = may_kill;
    if (!vm->pager) {
        vm_start(vm);
        return;
    }
    vm->wanted = true;
    w->deadline = g_timeout_add(vm->pagers->exit_ms, wait_over, vm);
    w->hangup = g_unix_fd_add(fd, G_IO_HUP, wait_hangup, vm);
}

/* -------------------------------------------------------------- adopting */

bool vm_adopt(Vm *vm, pid_t pid, GError **errp)
{
    int lock;

    vm->pager = pager_process_adopt(pid, vm_pager_ended, vm, errp);
    if (!vm->pager) {
        return false;
    }
    lock = rundir_lock_pager(vm->pagers->dir, vm->uuid);
    if (lock == -EWOULDBLOCK) {
        g_message("vm %s: pager %d taken over", vm->name, (int)pid);
        vm->starts = MAX(vm->starts, 1);
        vm_figures_owed(&vm->figures, g_get_monotonic_time());
        return true;
    }
    if (lock >= 0) {
        close(lock);
    }
    g_clear_pointer(&vm->pager, pager_process_free);
    g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                "process %d does not hold the lock of VM %s", (int)pid,
                vm->uuid_text);
    return false;
}

/* ------------------------------------------------------------------ link */

void vm_linked(Vm *vm, struct Link *link)
{
    vm->link = link;
    if (!link) {
        vm_figures_detach(&vm->figures);
    }
}

void vm_keep_state(Vm *vm, int fd)
{
    uint32_t version;

    vm_state_close(&vm->state_fd);
    if (!vm_state_is_sealed(fd)) {
        vm_state_close(&fd);
        return;
    }
    version = vm_state_version(fd);
    if (version && version != RCACHE_STATE_VERSION) {
        g_warning("vm %s: its state memfd has layout version %u, this rcached "
                  "knows %u: if it ends without a pager, what it has at other "
                  "hosts stays lent until their orphan time ends "
                  "(orphan-time)", vm->name, version, RCACHE_STATE_VERSION);
        vm_state_close(&fd);
        return;
    }
    vm->state_fd = fd;
}

void vm_stats(Vm *vm, const struct LinkStats *msg)
{
    vm_figures_stats(&vm->figures, msg, g_get_monotonic_time());
    vm->parting |= vm->figures.leaving;
}

void vm_heard(Vm *vm)
{
    vm_figures_heard(&vm->figures, g_get_monotonic_time());
}

void vm_balloon(Vm *vm, const struct LinkBalloon *msg)
{
    vm_figures_balloon(&vm->figures, msg, g_get_monotonic_time());
}

void vm_automatic(Vm *vm, const struct LinkAuto *msg)
{
    vm_figures_automatic(&vm->figures, msg->least);
}

/* ------------------------------------------------------------------- end */

bool vm_kill_pager(const Vm *vm)
{
    if (!vm->pager) {
        return false;
    }
    pager_process_kill(vm->pager);
    return true;
}

void vm_kill_silent(Vm *vm, int64_t now)
{
    uint64_t age = vm_figures_age_ms(&vm->figures, now);
    bool reports = vm->pager &&
                   (vm->link || pager_process_adopted(vm->pager));
    uint64_t most = vm->figures.leaving ? LEAVES_MS
                    : reports ? SILENT_MS : BEGINS_MS;

    if (!vm->pager || age < most) {
        return;
    }
    log_event_vm(G_LOG_LEVEL_WARNING, LOG_PAGER_STUCK, vm->name,
                 "vm %s: pager %d has said nothing for %.1f s: it is killed, "
                 "and the next one takes its place", vm->name,
                 (int)pager_process_pid(vm->pager), age / 1e3);
    pager_process_kill(vm->pager);
    vm_figures_owed(&vm->figures, now);
}

bool vm_has_ended(const Vm *vm)
{
    return vm->pager && vm->figures.leaving &&
           vmm_process_alive(&vm->vmm) == VMM_DEAD;
}

void vm_tell_over(Vm *vm)
{
    const VmPagers *pagers = vm->pagers;

    if ((vm->pager && !vm->figures.leaving) ||
        vm->vmm_incarnation != vm->incarnation ||
        vmm_process_alive(&vm->vmm) != VMM_DEAD) {
        return;
    }
    if (pagers->over) {
        pagers->over(vm->uuid, vm->incarnation, vm->name,
                     pagers->over_opaque);
    }
    if (!vm->pager && vm->state_fd >= 0) {
        farewells_bid(pagers->farewells, vm->vmm.uid, vm->uuid,
                      vm->incarnation, vm->name, fd_steal(&vm->state_fd));
    }
}

bool vm_is_over(const Vm *vm, unsigned forget_ms)
{
    int64_t since = g_get_monotonic_time() - vm->pagerless_since;
    VmmAlive vmm = vmm_process_alive(&vm->vmm);

    return !vm->pager && !vm->waiting && !vm->link && vmm != VMM_ALIVE &&
           (vmm == VMM_DEAD || since >= forget_ms * (int64_t)1000);
}
