/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vms: the VMs of this host and their pagers.  See vms.h.
 *
 * What happens to a HELLO that is in order:
 *
 *   the VM is over                        forget it, it is a new one
 *   it belongs to another user, and is
 *     not the same process              refuse
 *   no pager of this uuid is alive        start one
 *   one is, of the same incarnation       the VMM has lost it, so it has lost
 *                                         the VMM and exits by itself: wait,
 *                                         after a while kill it, then start
 *   one is, of another incarnation, and
 *     that VMM is alive                   refuse: two VMs with one uuid
 *     that VMM is dead                    wait, kill, start, as above
 *     nobody knows                        wait; still alive: refuse
 *
 * A pager may stay for a while after its VMM (pager/farewell.h);
 * it ends at once when it is told that somebody waits for its place.
 *
 * A VM is over when it has no pager and its VMM is dead, or when nobody knows
 * its VMM and nothing has come for a while.  Until then its memory may be away,
 * and it is its first user's.  A restarted daemon has that from the folder,
 * with the process.  Nobody knows the VMM of a VM that an older daemon has left
 * without such a note, or whose VMM runs in another pid namespace.
 */
#include "rcached/vms.h"

#include <errno.h>
#include <string.h>

#include "common/log-limit.h"
#include "common/uuid.h"
#include "common/vmm-refuse.h"
#include "rcached/link-server.h"
#include "rcached/vm-state.h"
#include "rcached/vmm-listener.h"

struct Vms {
    VmPagers pagers;
    char *exe, *link_path, *host;
    unsigned forget_ms;
    bool (*admit)(GError **errp);
    VmmListener *listener;
    LogLimit log;               /* of what is refused */
    VmLimits limits;
    GHashTable *vms;            /* uuid (in the Vm) to Vm */
    bool pids_known;            /* rundir_check_pids() */
    guint sweep;
};

void vms_config_init(VmsConfig *config)
{
    *config = (VmsConfig){
        .vmm_rights = { (uid_t)-1, (gid_t)-1, 0660 },
        .pager = PAGER_CONFIG_DEFAULT,
        .tls_fd = -1,
        .hello_ms = 5000,
        .pager_exit_ms = 5000,
        .forget_ms = 30 * 1000,
        .sweep_ms = 1000,
        .most = VM_LIMITS_ALL,
        .most_of_user = VM_LIMITS_EACH,
    };
}

/* ----------------------------------------------------------------- table */

static void free_vm(gpointer vm)
{
    vm_free(vm);
}

static Vm *vms_add(Vms *vms, const uint8_t *uuid, uint64_t incarnation,
                   const char *name)
{
    Vm *vm = vm_new(&vms->pagers, uuid, incarnation, name);

    g_hash_table_insert(vms->vms, vm->uuid, vm);
    return vm;
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    const Vm *x = *(Vm *const *)a, *y = *(Vm *const *)b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->uuid_text, y->uuid_text);
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

bool vms_hold(Vms *vms, const Vm *vm, bool held, GError **errp)
{
    return vm_hold(g_hash_table_lookup(vms->vms, vm->uuid), held, errp);
}

const VmLimits *vms_limits(const Vms *vms)
{
    return &vms->limits;
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

void vms_kill_silent(Vms *vms, int64_t now)
{
    GHashTableIter iter;
    gpointer vm;

    g_hash_table_iter_init(&iter, vms->vms);
    while (g_hash_table_iter_next(&iter, NULL, &vm)) {
        vm_kill_silent(vm, now);
    }
}

/* It is over: whoever has it next is anybody. */
static void vms_forget(Vms *vms, Vm *vm)
{
    vm_tell_over(vm);           /* first: the note is there until it is done */
    rundir_forget_vm(vms->pagers.dir, vm->uuid);
    g_hash_table_remove(vms->vms, vm->uuid);
}

/* --------------------------------------------------------------- arrival */

/*
 * Why this process may not speak for the VM; NULL if it may.  @may_kill: if
 * a pager in its way does not end, it can be killed.
 */
static const char *arrival_judge(const Vm *vm,
                                 const struct RcacheVmmHello *hello,
                                 const VmmProcess *who, bool *may_kill)
{
    VmmAlive vmm = vmm_process_alive(&vm->vmm);
    bool other = vmm == VMM_ALIVE && !vmm_process_is(&vm->vmm, who);

    *may_kill = hello->incarnation == vm->incarnation || vmm == VMM_DEAD;
    if (vm->vmm.uid != VMM_NO_UID && vm->vmm.uid != who->uid &&
        !vmm_process_is(&vm->vmm, who)) {
        return "this VM belongs to another user";
    }
    if (other && hello->incarnation == vm->incarnation) {
        return "this VM belongs to another process";
    }
    return other ? "another VM with this uuid runs on this host: give each its "
                   "own (-uuid)" : NULL;
}

/* May a line be written about what was refused? */
static bool may_log(Vms *vms)
{
    unsigned left_out = log_limit_tick(&vms->log,
                                       g_get_monotonic_time() / 1000);

    if (left_out) {
        g_message("%u more VMs were refused", left_out);
    }
    return log_limit_take(&vms->log);
}

static void refuse_other(Vms *vms, Vm *vm, int fd, const VmmProcess *who,
                         const char *why)
{
    g_autofree char *text = g_strdup_printf(
        "%s: process %d of user %u has this uuid", why, (int)vm->vmm.pid,
        (unsigned)vm->vmm.uid);

    vm->refused.count++;
    vm->refused.at = g_get_monotonic_time();
    vm->refused.pid = who->pid;
    vm->refused.uid = who->uid;
    if (may_log(vms)) {
        g_message("vm %s: process %d (user %u) refused: %s", vm->name,
                  (int)who->pid, (unsigned)who->uid, text);
    }
    vmm_refuse(fd, -EEXIST, text);
}

static void refuse_new(Vms *vms, int fd, const struct RcacheVmmHello *hello,
                       const VmmProcess *who, int status, const char *why)
{
    if (may_log(vms)) {
        g_warning("vm %s: process %d (user %u) refused: %s", hello->name,
                  (int)who->pid, (unsigned)who->uid, why);
    }
    vmm_refuse(fd, status, why);
}

/*
 * How many VMs, with those that are over and have not been swept away yet; of
 * one user, or with VMM_NO_UID of all.  Those that have ended keep no place
 * from who starts again.  But their pagers are processes for a minute: as many
 * as there may be VMs, @most, are not counted.
 */
static unsigned vms_of(const Vms *vms, uid_t uid, unsigned most)
{
    unsigned n = 0, ended = 0;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, vms->vms);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Vm *vm = value;
        bool is_ended = vm_has_ended(vm);

        if (uid == VMM_NO_UID || vm->vmm.uid == uid) {
            n += !is_ended;
            ended += is_ended;
        }
    }
    return n + ended - MIN(ended, most);
}

/* A VM that is not known: its entry, or NULL if it may not come. */
static Vm *arrival_new(Vms *vms, int fd, const struct RcacheVmmHello *hello,
                       const VmmProcess *who)
{
    g_autofree char *many = NULL;
    g_autoptr(GError) error = NULL;

    if (vms->admit && !vms->admit(&error)) {
        refuse_new(vms, fd, hello, who, -ENOTSUP, error->message);
        return NULL;
    }
    many = vm_limits_judge(&vms->limits,
                           vms_of(vms, VMM_NO_UID, vms->limits.all.max),
                           vms_of(vms, who->uid, vms->limits.each.max),
                           who->uid, g_get_monotonic_time());
    if (many) {
        refuse_new(vms, fd, hello, who, -EDQUOT, many);
        return NULL;
    }
    return vms_add(vms, hello->uuid, hello->incarnation, hello->name);
}

static void vms_arrived(int fd, const struct RcacheVmmHello *hello,
                        VmmProcess *who, void *opaque)
{
    Vms *vms = opaque;
    Vm *vm = g_hash_table_lookup(vms->vms, hello->uuid);
    bool may_kill = false;
    const char *why;

    if (vm && vm_is_over(vm, vms->forget_ms)) {
        if (vm->incarnation == hello->incarnation) {
            vm_state_close(&vm->state_fd);      /* somebody still has it */
        }
        vms_forget(vms, vm);
        vm = NULL;
    }
    if (vmm_process_alive(who) == VMM_DEAD) {
        vmm_refuse(fd, -ESRCH, "the process that has connected is gone");
        return;
    }
    if (!vm) {
        vm = arrival_new(vms, fd, hello, who);
    }
    if (!vm) {
        return;
    }
    why = arrival_judge(vm, hello, who, &may_kill);
    if (why) {
        refuse_other(vms, vm, fd, who, why);
    } else {
        vm_wait(vm, fd, hello, who, may_kill);
        if (vm->waiting) {
            link_send_leave(vm->link);
        }
    }
}

/* -------------------------------------------------------------- adopting */

/* Whose it is; a VM without a pager is still away with its memory. */
static void vms_noted(const RunDirVm *note, void *opaque)
{
    Vms *vms = opaque;
    Vm *vm = g_hash_table_lookup(vms->vms, note->uuid);
    VmmProcess who;

    vmm_process_find(&who, note->pid, note->mark, note->uid);
    if (!vm && vmm_process_alive(&who) == VMM_DEAD) {
        if (vms->pagers.over && vms->pids_known) {
            vms->pagers.over(note->uuid, note->incarnation, note->name,
                             vms->pagers.over_opaque);
        }
        rundir_forget_vm(vms->pagers.dir, note->uuid);
        return;
    }
    if (!vm) {
        vm = vms_add(vms, note->uuid, note->incarnation, note->name);
    }
    if (vm->incarnation == note->incarnation) {
        vmm_process_move(&vm->vmm, &who);
        if (vms->pids_known || vmm_process_alive(&vm->vmm) == VMM_ALIVE) {
            vm->vmm_incarnation = note->incarnation;
        }
        vm->bound_ms = note->bound_ms;
    }
    vmm_process_clear(&who);
}

static void vms_seen(const RunDirPager *pager, void *opaque)
{
    g_autoptr(GError) error = NULL;
    Vms *vms = opaque;
    Vm *vm;

    if (!pager->pid) {
        return;         /* its link will tell */
    }
    vm = vms_add(vms, pager->uuid, pager->incarnation, pager->name);
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
        vm = vms_add(vms, hello->uuid, hello->incarnation, hello->name);
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
    vm_figures_hello(&vm->figures, hello);
    return vm;
}

void vms_set_tls(Vms *vms, int fd)
{
    GHashTableIter iter;
    void *vm;

    vms->pagers.tls_fd = fd;
    farewells_set_tls(vms->pagers.farewells, fd);
    g_hash_table_iter_init(&iter, vms->vms);
    while (g_hash_table_iter_next(&iter, NULL, &vm)) {
        link_send_tls(((const Vm *)vm)->link, fd, vms->pagers.config.plain);
    }
}

/* ------------------------------------------------------------------ life */

static gboolean forget_if_over(gpointer key, gpointer value, gpointer opaque)
{
    const Vms *vms = opaque;
    Vm *vm = value;

    vm_tell_over(vm);
    if (!vm_is_over(vm, vms->forget_ms)) {
        return FALSE;
    }
    g_message("vm %s: gone, forgetting it", vm->name);
    rundir_forget_vm(vms->pagers.dir, vm->uuid);
    return TRUE;
}

static gboolean vms_sweep(gpointer opaque)
{
    Vms *vms = opaque;

    g_hash_table_foreach_remove(vms->vms, forget_if_over, vms);
    return G_SOURCE_CONTINUE;
}

Vms *vms_new(const VmsConfig *config, GError **errp)
{
    Vms *vms = g_new0(Vms, 1);

    vms->exe = g_strdup(config->exe);
    vms->link_path = g_strdup(config->link_path);
    vms->host = g_strdup(config->host);
    vms->pagers = (VmPagers) {
        .dir = config->dir, .exe = vms->exe, .link_path = vms->link_path,
        .host = vms->host, .config = config->pager,
        .tls_fd = config->tls_fd,
        .exit_ms = config->pager_exit_ms,
        .over = config->over, .over_opaque = config->over_opaque,
    };
    vms->pagers.farewells = farewells_new(vms->exe, vms->host,
                                          &vms->pagers.config);
    farewells_set_tls(vms->pagers.farewells, config->tls_fd);
    vms->forget_ms = config->forget_ms;
    vms->admit = config->admit;
    vm_limits_init(&vms->limits, config->most, config->most_of_user);
    vms->vms = g_hash_table_new_full(uuid_hash, uuid_equal, NULL,
                                     free_vm);
    vms->pids_known = rundir_check_pids(config->dir, vmm_process_mark(1));
    rundir_scan(config->dir, vms_seen, vms);
    rundir_scan_vms(config->dir, vms_noted, vms);
    vms->listener = vmm_listener_new(config->vmm_path, &config->vmm_rights,
                                     config->hello_ms, vms_arrived, vms, errp);
    if (!vms->listener) {
        vms_free(vms);
        return NULL;
    }
    vms->sweep = g_timeout_add(config->sweep_ms, vms_sweep, vms);
    return vms;
}

void vms_free(Vms *vms)
{
    if (vms) {
        g_clear_handle_id(&vms->sweep, g_source_remove);
        vmm_listener_free(vms->listener);
        g_hash_table_destroy(vms->vms);
        farewells_free(vms->pagers.farewells);
        g_free(vms->exe);
        g_free(vms->link_path);
        g_free(vms->host);
        g_free(vms);
    }
}
