/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rundir: the daemon's folder below /run: one daemon in it, and a lock for
 * each pager.
 *
 * Both are flock()s.  The daemon's own is on the folder itself, so that it
 * leaves no file.  A pager's is on <folder>/pager-<uuid>: the daemon opens
 * and locks the file and hands the descriptor to the pager, which does
 * nothing with it.  The lock so lives exactly as long as the process, and a
 * daemon that starts anew knows which pagers still run before they have
 * reported themselves.  The file says the pager's pid, its VM's incarnation
 * and name, and how many pagers that incarnation has had.
 *
 * <folder>/vm-<uuid> says which process a VM belongs to, and whose that is:
 * "PID MARK UID BOUND INCARNATION NAME".  It outlives the VM's pagers, and is
 * for the next daemon: nobody else is to come forward as this VM meanwhile.
 *
 * <folder>/hold-<uuid> says that an operator holds that VM (holds.h), and which
 * incarnation of it.  It goes with vm-<uuid>.
 *
 * <folder>/pid-1 is the mark of process 1 as the daemon saw it that wrote those
 * files.  Another one means another pid namespace (a container made anew), in
 * which their pids name nobody.
 *
 * <folder>/host-name is what the daemon called this host when it started the
 * first of those pagers.
 *
 * Beside them lie marks, empty files: what an operator has said and the next
 * daemon has to know.  They last until the host boots.
 */
#ifndef RCACHED_RUNDIR_H
#define RCACHED_RUNDIR_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rcache/proto.h"

typedef struct RunDir RunDir;

/* The pager that holds a lock. */
typedef struct RunDirPager {
    uint8_t uuid[RCACHE_UUID_LEN];
    pid_t pid;                  /* 0: the file does not say */
    uint64_t incarnation;
    unsigned starts;            /* pagers of this incarnation, with this one */
    char name[RCACHE_NAME_MAX];
} RunDirPager;

/* Whose a VM is, see vmm-process.h. */
typedef struct RunDirVm {
    uint8_t uuid[RCACHE_UUID_LEN];
    pid_t pid;
    uint64_t mark;
    uid_t uid;
    uint64_t bound_ms;          /* boottime_ms(): since when */
    uint64_t incarnation;
    char name[RCACHE_NAME_MAX];
} RunDirVm;

/**
 * rundir_check_pids() - forget the pids that are of another namespace
 * @first: the mark of process 1 (vmm-process.h)
 *
 * Before rundir_scan() and rundir_scan_vms().  Whose those VMs are is not known
 * any more, so that none of them is taken for dead; nor is another process
 * taken for a pager, which may be killed.
 *
 * Return: false: it is not known of which one they are, as an older daemon has
 * written them
 */
bool rundir_check_pids(RunDir *dir, uint64_t first);

/** RunDirSeen - one pager that is alive */
typedef void RunDirSeen(const RunDirPager *pager, void *opaque);

/**
 * rundir_new() - make the folder where it is missing, and lock it
 *
 * Return: the folder, or NULL with @errp set: also when another daemon runs
 * in it
 */
RunDir *rundir_new(const char *path, GError **errp);

void rundir_free(RunDir *dir);

/** rundir_path() - the path of @name in the folder, new */
char *rundir_path(const RunDir *dir, const char *name);

/**
 * rundir_lock_pager() - take the lock of a VM's pager
 *
 * Return: a descriptor to hand to the pager; -EWOULDBLOCK: one is alive; or
 * another -errno
 */
int rundir_lock_pager(RunDir *dir, const uint8_t *uuid);

/** rundir_note_pager() - write down who holds the lock @fd */
void rundir_note_pager(int fd, const RunDirPager *pager);

/** rundir_forget_pager() - the pager is dead: its file can go */
void rundir_forget_pager(RunDir *dir, const uint8_t *uuid);

/** rundir_scan() - report pagers that are alive, remove what others left */
void rundir_scan(RunDir *dir, RunDirSeen *seen, void *opaque);

/**
 * rundir_keep_name() - may this host be called @name?
 *
 * Leases belong to a host by its name: while there are pagers it has to be that
 * of the daemon that started them.
 *
 * Return: false with @errp set if it may not
 */
bool rundir_keep_name(RunDir *dir, const char *name, GError **errp);

/** rundir_note_vm() - write down whose a VM is */
void rundir_note_vm(RunDir *dir, const RunDirVm *vm);

/**
 * rundir_note_hold() - write down that a VM is held, or no longer
 *
 * Return: false with @errp set if the next daemon will not know
 */
bool rundir_note_hold(const RunDir *dir, const uint8_t *uuid,
                      uint64_t incarnation, bool held, GError **errp);

/** rundir_has_hold() - is that so, of this incarnation? */
bool rundir_has_hold(const RunDir *dir, const uint8_t *uuid,
                     uint64_t incarnation);

/** rundir_forget_vm() - it is over, and the uuid is anybody's */
void rundir_forget_vm(RunDir *dir, const uint8_t *uuid);

/** RunDirNoted - one VM that an earlier daemon has written down */
typedef void RunDirNoted(const RunDirVm *vm, void *opaque);

/** rundir_scan_vms() - report them all; a file that makes no sense goes */
void rundir_scan_vms(RunDir *dir, RunDirNoted *noted, void *opaque);

/**
 * rundir_set_mark() - make the mark @name, or remove it
 *
 * Return: false with @errp set if the next daemon will not know
 */
bool rundir_set_mark(const RunDir *dir, const char *name, bool set,
                     GError **errp);

/** rundir_has_mark() - has this daemon or an earlier one made it? */
bool rundir_has_mark(const RunDir *dir, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RunDir, rundir_free)

#endif
