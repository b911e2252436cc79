/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vms: the VMs of this host and their pagers.  See vms.h.
 *
 * What happens to a HELLO that is in order:
 *
 *   no pager of this uuid is alive        start one
 *   one is, of the same incarnation       the VMM has lost it, so it has lost
 *                                         the VMM and exits by itself: wait,
 *                                         after a while kill it, then start
 *   one is, of another incarnation, and
 *     that VMM is alive                   refuse: two VMs with one uuid
 *     that VMM is dead                    wait, kill, start, as above
 *     nobody knows (daemon restarted)     wait; still alive: refuse
 *
 * "Alive" is the pager's pidfd, and for pagers of an earlier daemon also the
 * lock that each holds (rundir.h): a pager is started with that lock in hand
 * or not at all.
 *
 * A VM is forgotten when it has no pager and its VMM is dead, or when nobody
 * knows its VMM and nothing has come for a while.
 */
#include "rcached/vms.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/uuid.h"
#include "common/vmm-refuse.h"
#include "common/wire.h"
#include "rcached/vmm-listener.h"

#define SWEEP_MS        1000u

struct Vms {
    RunDir *dir;
    char *exe, *link_path, *host;
    PagerConfig pager;
    unsigned pager_exit_ms, forget_ms;
    bool (*admit)(GError **errp);
    VmmListener *listener;
    GHashTable *vms;            /* uuid (in the Vm) to Vm */
    guint sweep;
};

/* A VMM's connection, held back until the old pager is dead. */
struct VmWaiting {
    int fd;
    struct RcacheVmmHello hello;
    struct ucred peer;
    bool may_kill;              /* at the deadline: kill, else refuse */
    guint deadline;
    guint hangup;
};

typedef enum Alive { ALIVE, DEAD, NOT_KNOWN } Alive;

static void vm_pager_ended(PagerProcess *proc, const char *how, bool failed,
                           bool said, void *opaque);

void vms_config_init(VmsConfig *config)
{
    *config = (VmsConfig){
        .vmm_gid = (gid_t)-1,
        .pager = PAGER_CONFIG_DEFAULT,
        .hello_ms = 5000,
        .pager_exit_ms = 5000,
        .forget_ms = 30 * 1000,
    };
}

/* -------------------------------------------------------------- one VM */

static guint uuid_hash(gconstpointer key)
{
    guint hash;

    memcpy(&hash, key, sizeof(hash));
    return hash;
}

static gboolean uuid_equal(gconstpointer a, gconstpointer b)
{
    return !memcmp(a, b, RCACHE_UUID_LEN);
}

/* The fd goes with it, unless it was taken (-1). */
static void vm_end_wait(Vm *vm)
{
    VmWaiting *w = g_steal_pointer(&vm->waiting);

    if (w) {
        g_clear_handle_id(&w->deadline, g_source_remove);
        g_clear_handle_id(&w->hangup, g_source_remove);
        autofd_close(&w->fd);
        g_free(w);
    }
}

static void vm_free(gpointer opaque)
{
    Vm *vm = opaque;

    vm_end_wait(vm);
    pager_process_free(vm->pager);
    autofd_close(&vm->vmm_pidfd);
    vm_figures_deinit(&vm->figures);
    vm_retry_reset(&vm->retry);
    g_free(vm);
}

static Vm *vm_new(Vms *vms, const uint8_t *uuid, uint64_t incarnation,
                  const char *name)
{
    Vm *vm = g_new0(Vm, 1);

    vm->vms = vms;
    memcpy(vm->uuid, uuid, sizeof(vm->uuid));
    uuid_format(uuid, vm->uuid_text);
    vm->incarnation = incarnation;
    wire_text_copy(vm->name, sizeof(vm->name), *name ? name : vm->uuid_text);
    vm->vmm_pidfd = -1;
    vm->pagerless_since = g_get_monotonic_time();
    vm_figures_init(&vm->figures);
    g_hash_table_insert(vms->vms, vm->uuid, vm);
    return vm;
}

static Alive vm_vmm_alive(const Vm *vm)
{
    struct pollfd pfd = { .fd = vm->vmm_pidfd, .events = POLLIN };

    if (vm->vmm_pidfd < 0) {
        return NOT_KNOWN;
    }
    return poll(&pfd, 1, 0) == 1 ? DEAD : ALIVE;
}

static void vm_set_vmm(Vm *vm, pid_t pid)
{
    if (vm->vmm_pid == pid && vm_vmm_alive(vm) == ALIVE) {
        return;
    }
    autofd_close(&vm->vmm_pidfd);
    vm->vmm_pid = pid;
    /* Of another pid namespace it is 0, and cannot be watched. */
    vm->vmm_pidfd = pid > 0 ? syscall(SYS_pidfd_open, pid, 0) : -1;
}

static void vm_set_incarnation(Vm *vm, uint64_t incarnation)
{
    if (vm->incarnation != incarnation) {
        vm->incarnation = incarnation;
        vm->starts = 0;
        vm_retry_reset(&vm->retry);
        vm_figures_clear(&vm->figures);
    }
}

/* -------------------------------------------------------------- starting */

static void vm_spawn(Vm *vm, int vmm_fd, int lock_fd, GError **errp)
{
    Vms *vms = vm->vms;
    PagerSpawn spawn = {
        .exe = vms->exe,
        .link = vms->link_path,
        .host = vms->host,
        .config = &vms->pager,
        .vmm_fd = vmm_fd,
        .lock_fd = lock_fd,
    };
    RunDirPager note = { .incarnation = vm->incarnation };

    vm->pager = pager_process_spawn(&spawn, vm_pager_ended, vm, errp);
    if (!vm->pager) {
        return;
    }
    vm->starts++;
    vm->served = false;
    vm->started_at = g_get_monotonic_time();
    vm_figures_owed(&vm->figures, vm->started_at);
    note.pid = pager_process_pid(vm->pager);
    note.starts = vm->starts;
    g_strlcpy(note.name, vm->name, sizeof(note.name));
    rundir_note_pager(lock_fd, &note);
    g_message("vm %s: pager %d started (start %u), for process %d, user %u",
              vm->name, (int)note.pid, vm->starts, (int)vm->vmm_pid,
              vm->waiting ? (unsigned)vm->waiting->peer.uid : 0);
}

/* Is it too early for the next attempt?  Then who waits is told why. */
static bool vm_backs_off(Vm *vm)
{
    int64_t left = vm_retry_left(&vm->retry, g_get_monotonic_time());
    g_autofree char *why = NULL;

    if (!left || vm->waiting->hello.incarnation != vm->incarnation) {
        return false;
    }
    why = g_strdup_printf("its pager cannot start: %s (trying again in %.1f "
                          "s)", vm->retry.problem, left / 1e6);
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
    lock = rundir_lock_pager(vm->vms->dir, vm->uuid);
    vm_set_incarnation(vm, w->hello.incarnation);
    vm_set_vmm(vm, w->peer.pid);
    if (*w->hello.name) {
        wire_text_copy(vm->name, sizeof(vm->name), w->hello.name);
    }
    if (lock >= 0) {
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

static void vm_pager_ended(PagerProcess *proc, const char *how, bool failed,
                           bool said, void *opaque)
{
    Vm *vm = opaque;

    g_log(G_LOG_DOMAIN, failed ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE,
          "vm %s: pager %d ended: %s", vm->name, (int)pager_process_pid(proc),
          how);
    pager_process_free(proc);
    vm->pager = NULL;
    if (failed && !vm->served) {
        vm_retry_failed(&vm->retry, how, said, g_get_monotonic_time());
    }
    vm_figures_end(&vm->figures);
    vm->pagerless_since = g_get_monotonic_time();
    rundir_forget_pager(vm->vms->dir, vm->uuid);
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

static void vm_wait(Vm *vm, int fd, const struct RcacheVmmHello *hello,
                    const struct ucred *peer, bool may_kill)
{
    VmWaiting *w;

    vm_end_wait(vm);            /* a VMM has one connection: the last one */
    w = vm->waiting = g_new0(VmWaiting, 1);
    w->fd = fd;
    w->hello = *hello;
    w->peer = *peer;
    w->may_kill = may_kill;
    if (!vm->pager) {
        vm_start(vm);
        return;
    }
    w->deadline = g_timeout_add(vm->vms->pager_exit_ms, wait_over, vm);
    w->hangup = g_unix_fd_add(fd, G_IO_HUP, wait_hangup, vm);
}

/* --------------------------------------------------------------- arrival */

/*
 * Why this process may not speak for the VM; NULL if it may.  @may_kill: if
 * a pager in its way does not end, it can be killed.
 */
static const char *arrival_judge(const Vm *vm,
                                 const struct RcacheVmmHello *hello,
                                 const struct ucred *peer, bool *may_kill)
{
    Alive vmm = vm_vmm_alive(vm);

    if (hello->incarnation == vm->incarnation) {
        *may_kill = true;
        return vmm == ALIVE && peer->pid != vm->vmm_pid
                   ? "this VM belongs to another process" : NULL;
    }
    *may_kill = vmm == DEAD;
    if (vmm == ALIVE && peer->pid != vm->vmm_pid) {
        return "another VM with this uuid runs on this host: give each its "
               "own (-uuid)";
    }
    return NULL;
}

static void vms_arrived(int fd, const struct RcacheVmmHello *hello,
                        const struct ucred *peer, void *opaque)
{
    Vms *vms = opaque;
    Vm *vm = g_hash_table_lookup(vms->vms, hello->uuid);
    g_autoptr(GError) error = NULL;
    bool may_kill = false;
    const char *why;

    if (!vm && vms->admit && !vms->admit(&error)) {
        g_warning("vm %s: process %d refused: %s", hello->name,
                  (int)peer->pid, error->message);
        vmm_refuse(fd, -ENOTSUP, error->message);
        return;
    }
    if (!vm) {
        vm = vm_new(vms, hello->uuid, hello->incarnation, hello->name);
    }
    why = arrival_judge(vm, hello, peer, &may_kill);
    if (why) {
        g_message("vm %s: process %d (user %u) refused: %s", hello->name,
                  (int)peer->pid, (unsigned)peer->uid, why);
        vmm_refuse(fd, -EEXIST, why);
        return;
    }
    vm_wait(vm, fd, hello, peer, may_kill);
}

/* -------------------------------------------------------------- adopting */

/*
 * Watch a pager that this daemon has not started.  It is the VM's: the lock
 * of this uuid is held, and was not by one that died while we looked.
 */
static bool vm_adopt(Vm *vm, pid_t pid, GError **errp)
{
    int lock;

    vm->pager = pager_process_adopt(pid, vm_pager_ended, vm, errp);
    if (!vm->pager) {
        return false;
    }
    lock = rundir_lock_pager(vm->vms->dir, vm->uuid);
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

static void vms_seen(const RunDirPager *pager, void *opaque)
{
    g_autoptr(GError) error = NULL;
    Vms *vms = opaque;
    Vm *vm;

    if (!pager->pid) {
        return;         /* its link will tell */
    }
    vm = vm_new(vms, pager->uuid, pager->incarnation, pager->name);
    vm->starts = pager->starts;
    if (!vm_adopt(vm, pager->pid, &error)) {
        g_message("vm %s: %s", vm->name, error->message);
        g_hash_table_remove(vms->vms, vm->uuid);
    }
}

Vm *vms_link_hello(Vms *vms, const struct LinkHello *hello, pid_t pid,
                   GError **errp)
{
    Vm *vm = g_hash_table_lookup(vms->vms, hello->uuid);

    if (!vm) {
        vm = vm_new(vms, hello->uuid, hello->incarnation, hello->name);
    }
    if (!vm->pager) {
        if (!vm_adopt(vm, pid, errp)) {
            return NULL;
        }
        vm_set_incarnation(vm, hello->incarnation);
    }
    if (pager_process_pid(vm->pager) != pid ||
        vm->incarnation != hello->incarnation) {
        g_set_error(errp, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                    "process %d is not the pager of vm %s: process %d is",
                    (int)pid, vm->name, (int)pager_process_pid(vm->pager));
        return NULL;
    }
    return vm;
}

/* ----------------------------------------------------------------- table */

static gboolean vm_is_over(gpointer key, gpointer value, gpointer opaque)
{
    Vm *vm = value;
    int64_t since = g_get_monotonic_time() - vm->pagerless_since;
    Alive vmm = vm_vmm_alive(vm);

    if (vm->pager || vm->waiting || vm->link || vmm == ALIVE ||
        (vmm == NOT_KNOWN && since < vm->vms->forget_ms * (int64_t)1000)) {
        return FALSE;
    }
    g_message("vm %s: gone, forgetting it", vm->name);
    return TRUE;
}

static gboolean vms_sweep(gpointer opaque)
{
    Vms *vms = opaque;

    g_hash_table_foreach_remove(vms->vms, vm_is_over, NULL);
    return G_SOURCE_CONTINUE;
}

Vms *vms_new(const VmsConfig *config, GError **errp)
{
    Vms *vms = g_new0(Vms, 1);

    vms->dir = config->dir;
    vms->exe = g_strdup(config->exe);
    vms->link_path = g_strdup(config->link_path);
    vms->host = g_strdup(config->host);
    vms->pager = config->pager;
    vms->pager_exit_ms = config->pager_exit_ms;
    vms->forget_ms = config->forget_ms;
    vms->admit = config->admit;
    vms->vms = g_hash_table_new_full(uuid_hash, uuid_equal, NULL, vm_free);
    rundir_scan(vms->dir, vms_seen, vms);
    vms->listener = vmm_listener_new(config->vmm_path, config->vmm_gid,
                                     config->hello_ms, vms_arrived, vms, errp);
    if (!vms->listener) {
        vms_free(vms);
        return NULL;
    }
    vms->sweep = g_timeout_add(SWEEP_MS, vms_sweep, vms);
    return vms;
}

void vms_free(Vms *vms)
{
    if (vms) {
        g_clear_handle_id(&vms->sweep, g_source_remove);
        vmm_listener_free(vms->listener);
        g_hash_table_destroy(vms->vms);
        g_free(vms->exe);
        g_free(vms->link_path);
        g_free(vms->host);
        g_free(vms);
    }
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    const Vm *x = *(Vm *const *)a, *y = *(Vm *const *)b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->uuid_text, y->uuid_text);
}

void vms_linked(Vm *vm, struct Link *link)
{
    vm->link = link;
    if (!link) {
        vm_figures_detach(&vm->figures);
    }
}

void vms_stats(Vm *vm, const struct LinkStats *msg)
{
    vm_figures_stats(&vm->figures, msg, g_get_monotonic_time());
    if (msg->attached && !vm->served) {
        vm->served = true;
        vm_retry_reset(&vm->retry);
    }
}

void vms_heard(Vm *vm)
{
    vm_figures_heard(&vm->figures, g_get_monotonic_time());
}

void vms_pause(Vms *vms, int64_t us)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, vms->vms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Vm *vm = value;

        vm_figures_pause(&vm->figures, us);
    }
}

void vms_balloon(Vm *vm, const struct LinkBalloon *msg)
{
    vm_figures_balloon(&vm->figures, msg, g_get_monotonic_time());
}

void vms_automatic(Vm *vm, const struct LinkAuto *msg)
{
    vm_figures_automatic(&vm->figures, msg->least);
}

GPtrArray *vms_list(Vms *vms)
{
    GPtrArray *list = g_ptr_array_new();
    GHashTableIter iter;
    gpointer vm;

    g_hash_table_iter_init(&iter, vms->vms);
    while (g_hash_table_iter_next(&iter, NULL, &vm)) {
        g_ptr_array_add(list, vm);
    }
    g_ptr_array_sort(list, compare_names);
    return list;
}

const Vm *vms_find(Vms *vms, const char *text)
{
    uint8_t uuid[RCACHE_UUID_LEN];
    GHashTableIter iter;
    gpointer value;

    if (uuid_parse(text, uuid)) {
        return g_hash_table_lookup(vms->vms, uuid);
    }
    g_hash_table_iter_init(&iter, vms->vms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Vm *vm = value;

        if (!strcmp(vm->name, text)) {
            return vm;
        }
    }
    return NULL;
}

bool vms_kill_pager(const Vm *vm)
{
    if (!vm->pager) {
        return false;
    }
    pager_process_kill(vm->pager);
    return true;
}
