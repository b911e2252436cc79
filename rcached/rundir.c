/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rundir: the daemon's folder below /run, and its locks.  See rundir.h. */
#include "rcached/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/uuid.h"

#define PREFIX  "pager-"
#define VM_PREFIX "vm-"
#define HOLD_PREFIX "hold-"
/* What it is called until it is whole. */
#define VM_NEW  "new-vm"
#define NAME_FILE "host-name"
#define FIRST_FILE "pid-1"

struct RunDir {
    char *path;
    char *host;                 /* what this host is called, or NULL */
    uint64_t first;             /* rundir_check_pids() */
    bool first_noted;           /* by this daemon */
    bool strange;               /* pids here are of another namespace */
    int fd;
};

RunDir *rundir_new(const char *path, GError **errp)
{
    g_autoptr(RunDir) dir = g_new0(RunDir, 1);

    dir->fd = -1;
    dir->path = g_strdup(path);
    if (g_mkdir_with_parents(path, 0755) ||
        (dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "cannot use the folder %s: %s", path, g_strerror(errno));
        return NULL;
    }
    if (flock(dir->fd, LOCK_EX | LOCK_NB)) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    errno == EWOULDBLOCK ? "another rcached runs in %s"
                                         : "cannot lock the folder %s", path);
        return NULL;
    }
    return g_steal_pointer(&dir);
}

void rundir_free(RunDir *dir)
{
    if (dir) {
        autofd_close(&dir->fd);
        g_free(dir->path);
        g_free(dir->host);
        g_free(dir);
    }
}

char *rundir_path(const RunDir *dir, const char *name)
{
    return g_build_filename(dir->path, name, NULL);
}

/* ---------------------------------------------------------------- marks */

bool rundir_set_mark(const RunDir *dir, const char *name, bool set,
                     GError **errp)
{
    g_autofree char *path = rundir_path(dir, name);

    if (set) {
        return g_file_set_contents(path, "", 0, errp);
    }
    if (unlink(path) && errno != ENOENT) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(errno),
                    "cannot remove %s: %s", path, g_strerror(errno));
        return false;
    }
    return true;
}

bool rundir_has_mark(const RunDir *dir, const char *name)
{
    g_autofree char *path = rundir_path(dir, name);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* --------------------------------------------------------------- pagers */

static char *file_of(const char *prefix, const uint8_t *uuid)
{
    char text[UUID_TEXT_LEN];

    uuid_format(uuid, text);
    return g_strconcat(prefix, text, NULL);
}

static char *pager_file(const uint8_t *uuid)
{
    return file_of(PREFIX, uuid);
}

/* The file itself, or -errno; -EWOULDBLOCK while a pager holds it. */
static int lock_file(RunDir *dir, const char *name, int flags)
{
    autofd fd = openat(dir->fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags,
                       0600);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB)) {
        return -errno;
    }
    return fd_steal(&fd);
}

/* There is a pager: what its leases are under, rundir_keep_name() looks at. */
static void note_name(RunDir *dir)
{
    g_autofree char *path = rundir_path(dir, NAME_FILE);
    g_autoptr(GError) error = NULL;

    if (dir->host && !g_file_test(path, G_FILE_TEST_EXISTS) &&
        !g_file_set_contents(path, dir->host, -1, &error)) {
        g_warning("%s: the next daemon may take another name, which gets no "
                  "memory of VMs back", error->message);
    }
}

int rundir_lock_pager(RunDir *dir, const uint8_t *uuid)
{
    g_autofree char *name = pager_file(uuid);
    int fd = lock_file(dir, name, O_CREAT);

    if (fd >= 0) {
        note_name(dir);
    }
    return fd;
}

void rundir_note_pager(int fd, const RunDirPager *pager)
{
    char text[128 + RCACHE_NAME_MAX];
    int len = g_snprintf(text, sizeof(text), "%d %016" PRIx64 " %u %s\n",
                         pager->pid, pager->incarnation, pager->starts,
                         pager->name);

    if (ftruncate(fd, 0) || pwrite(fd, text, len, 0) != len) {
        /* The lock still says that there is one, only not which. */
        g_warning("vm %s: cannot record its pager (%s): a restarted daemon "
                  "will not know which process it is", pager->name,
                  g_strerror(errno));
    }
}

void rundir_forget_pager(RunDir *dir, const uint8_t *uuid)
{
    g_autofree char *name = pager_file(uuid);

    unlinkat(dir->fd, name, 0);
}

static void read_pager(RunDir *dir, const char *name, RunDirPager *out)
{
    autofd fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char text[128 + RCACHE_NAME_MAX] = "";
    int at = 0;

    if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
        sscanf(text, "%d %" SCNx64 " %u %n", &out->pid, &out->incarnation,
               &out->starts, &at) == 3 && out->pid > 0) {
        g_strlcpy(out->name, g_strchomp(text + at), sizeof(out->name));
    } else {
        out->pid = 0;
    }
}

/* The lock still says that there is one. */
static void forget_pager_pid(RunDir *dir, const char *name, RunDirPager *pager)
{
    autofd fd = openat(dir->fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    pager->pid = 0;
    rundir_note_pager(fd, pager);
}

static void scan_file(RunDir *dir, const char *name, RunDirSeen *seen,
                      void *opaque)
{
    RunDirPager pager = { 0 };
    int fd;

    if (!g_str_has_prefix(name, PREFIX) ||
        !uuid_parse(name + strlen(PREFIX), pager.uuid)) {
        return;
    }
    fd = lock_file(dir, name, 0);
    if (fd == -EWOULDBLOCK) {
        read_pager(dir, name, &pager);
        if (dir->strange) {
            forget_pager_pid(dir, name, &pager);
        }
        seen(&pager, opaque);
    } else if (fd >= 0) {
        unlinkat(dir->fd, name, 0);
        close(fd);
    }
}

void rundir_scan(RunDir *dir, RunDirSeen *seen, void *opaque)
{
    g_autoptr(GDir) files = g_dir_open(dir->path, 0, NULL);
    const char *name;

    while (files && (name = g_dir_read_name(files))) {
        scan_file(dir, name, seen, opaque);
    }
}

/* ----------------------------------------------------------------- name */

static void is_alive(const RunDirPager *pager, void *opaque)
{
    bool *alive = opaque;

    *alive = true;
}

bool rundir_keep_name(RunDir *dir, const char *name, GError **errp)
{
    g_autofree char *path = rundir_path(dir, NAME_FILE);
    g_autofree char *was = NULL;
    bool alive = false;

    g_free(dir->host);
    dir->host = g_strdup(name);
    if (!g_file_get_contents(path, &was, NULL, NULL) || !strcmp(was, name)) {
        return true;
    }
    rundir_scan(dir, is_alive, &alive);
    if (alive) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_BUSY, "VMs run here whose "
                    "leases belong to the host '%s', and '%s' gets none of "
                    "their memory back: write name = %s in the section [host] "
                    "until they have ended", was, name, was);
        return false;
    }
    unlink(path);
    return true;
}

/* ------------------------------------------------------------------ VMs */

static bool write_vm(RunDir *dir, const char *name, const RunDirVm *vm)
{
    char text[128 + RCACHE_NAME_MAX];
    int len = g_snprintf(text, sizeof(text), "%d %" PRIu64 " %u %" PRIu64
                         " %016" PRIx64 " %s\n", (int)vm->pid, vm->mark,
                         (unsigned)vm->uid, vm->bound_ms, vm->incarnation,
                         vm->name);
    autofd fd = openat(dir->fd, VM_NEW, O_WRONLY | O_CREAT | O_TRUNC |
                       O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd >= 0 && write(fd, text, len) == len &&
           !renameat(dir->fd, VM_NEW, dir->fd, name);
}

/* Once is enough: this daemon's namespace does not change. */
static void write_first(RunDir *dir)
{
    g_autofree char *path = rundir_path(dir, FIRST_FILE);
    g_autofree char *text = g_strdup_printf("%" PRIu64 "\n", dir->first);
    g_autoptr(GError) error = NULL;

    if (dir->first_noted) {
        return;
    }
    dir->first_noted = g_file_set_contents(path, text, -1, &error);
    if (!dir->first_noted) {
        g_warning("rcached: %s: a restarted daemon may not know which process "
                  "a VM belongs to", error->message);
    }
}

void rundir_note_vm(RunDir *dir, const RunDirVm *vm)
{
    g_autofree char *name = file_of(VM_PREFIX, vm->uuid);

    write_first(dir);
    if (!write_vm(dir, name, vm)) {
        g_warning("vm %s: cannot record whose it is (%s): a restarted daemon "
                  "may take another process for this VM", vm->name,
                  g_strerror(errno));
    }
}

bool rundir_note_hold(const RunDir *dir, const uint8_t *uuid,
                      uint64_t incarnation, bool held, GError **errp)
{
    g_autofree char *name = file_of(HOLD_PREFIX, uuid);
    g_autofree char *path = rundir_path(dir, name);
    g_autofree char *text = g_strdup_printf("%016" PRIx64 "\n", incarnation);

    return held ? g_file_set_contents(path, text, -1, errp)
                : rundir_set_mark(dir, name, false, errp);
}

bool rundir_has_hold(const RunDir *dir, const uint8_t *uuid,
                     uint64_t incarnation)
{
    g_autofree char *name = file_of(HOLD_PREFIX, uuid);
    g_autofree char *path = rundir_path(dir, name);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) &&
           g_ascii_strtoull(text, NULL, 16) == incarnation;
}

void rundir_forget_vm(RunDir *dir, const uint8_t *uuid)
{
    g_autofree char *name = file_of(VM_PREFIX, uuid);
    g_autofree char *hold = file_of(HOLD_PREFIX, uuid);

    unlinkat(dir->fd, name, 0);
    unlinkat(dir->fd, hold, 0);
}

static bool read_vm(RunDir *dir, const char *name, RunDirVm *vm)
{
    autofd fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char text[128 + RCACHE_NAME_MAX] = "";
    int at = 0, pid;
    unsigned uid;

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 ||
        sscanf(text, "%d %" SCNu64 " %u %" SCNu64 " %" SCNx64 " %n", &pid,
               &vm->mark, &uid, &vm->bound_ms, &vm->incarnation, &at) != 5
        || pid < 0 || !at) {
        return false;
    }
    vm->pid = pid;
    vm->uid = uid;
    g_strlcpy(vm->name, g_strchomp(text + at), sizeof(vm->name));
    return true;
}

void rundir_scan_vms(RunDir *dir, RunDirNoted *noted, void *opaque)
{
    g_autoptr(GDir) files = g_dir_open(dir->path, 0, NULL);
    const char *name;

    while (files && (name = g_dir_read_name(files))) {
        RunDirVm vm = { 0 };

        if (!g_str_has_prefix(name, VM_PREFIX) ||
            !uuid_parse(name + strlen(VM_PREFIX), vm.uuid)) {
            continue;
        }
        if (read_vm(dir, name, &vm)) {
            noted(&vm, opaque);
        } else {
            unlinkat(dir->fd, name, 0);
        }
    }
}

static void forget_pid(const RunDirVm *note, void *opaque)
{
    g_autofree char *name = file_of(VM_PREFIX, note->uuid);
    RunDir *dir = opaque;
    RunDirVm vm = *note;

    vm.pid = 0;
    vm.mark = 0;
    if (!write_vm(dir, name, &vm)) {
        unlinkat(dir->fd, name, 0);
    }
}

bool rundir_check_pids(RunDir *dir, uint64_t first)
{
    g_autofree char *path = rundir_path(dir, FIRST_FILE);
    g_autofree char *was = NULL;

    dir->first = first;
    dir->first_noted = dir->strange = false;
    if (!g_file_get_contents(path, &was, NULL, NULL)) {
        return false;
    }
    if (g_ascii_strtoull(was, NULL, 10) != first) {
        g_message("rcached: the last daemon in %s ran in another pid "
                  "namespace: which process a VM belongs to is not known until "
                  "its VMM connects again", dir->path);
        dir->strange = true;
        rundir_scan_vms(dir, forget_pid, dir);
    }
    return true;
}
