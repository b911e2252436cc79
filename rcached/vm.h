/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm: one VM of this host: its VMM, its pager, and what the pager reports.
 *
 * There is at most one pager for a VM.  A VMM's connection is held back until
 * the pager before is proved dead, then it goes to a new one.  A pager that
 * ends with a connection waiting is followed by another at once; without one
 * the next pager starts when the VMM connects again.
 *
 * From its first pager on a VM belongs to a process and its user, who alone may
 * have the next pager; that is written down for the next daemon.
 */
#ifndef RCACHED_VM_H
#define RCACHED_VM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rcache/vmm.h"
#include "rcached/farewells.h"
#include "rcached/link.h"
#include "rcached/pager-config.h"
#include "rcached/pager-process.h"
#include "rcached/rundir.h"
#include "rcached/vm-figures.h"
#include "rcached/vm-retry.h"
#include "rcached/vmm-process.h"

typedef struct VmWaiting VmWaiting;

/**
 * VmOver - a start of a VM is over: its process is dead, for certain, and no
 * pager of it moves a page any more.  May be called several times.
 */
typedef void VmOver(const uint8_t *uuid, uint64_t incarnation,
                    const char *name, void *opaque);

/* What pagers are started with; the same for all VMs, and outlives them. */
typedef struct VmPagers {
    RunDir *dir;
    const char *exe;            /* the pager's program */
    const char *link_path;
    const char *host;
    PagerConfig config;
    int tls_fd;                 /* of pagers that are started now; or -1 */
    unsigned exit_ms;           /* a pager that ought to end may take */
    VmOver *over;               /* or NULL */
    void *over_opaque;
    Farewells *farewells;       /* of VMs that are over and have no pager */
} VmPagers;

/* Who else has come forward as a VM, the last time. */
typedef struct VmRefused {
    unsigned count;             /* of all; 0: nobody */
    int64_t at;                 /* g_get_monotonic_time() */
    pid_t pid;
    uid_t uid;
} VmRefused;

/* Whether an operator holds it, see holds.h. */
typedef struct VmHold {
    bool held;
    uint64_t bytes;             /* may be here meanwhile, as last said */
    uint64_t lacking;           /* bytes away that this host has no room for */
} VmHold;

/* A VM.  Read by everyone; written by vm.c, and by vms.c when it finds one. */
typedef struct Vm {
    const VmPagers *pagers;
    uint8_t uuid[RCACHE_UUID_LEN];
    char uuid_text[37];
    uint64_t incarnation;
    char name[RCACHE_NAME_MAX];
    VmmProcess vmm;             /* what has its pages, and whose it is */
    uint64_t vmm_incarnation;   /* that .vmm is of */
    uint64_t bound_ms;          /* boottime_ms(): since when; 0: never */
    VmRefused refused;
    unsigned starts;            /* pagers started for this incarnation */
    PagerProcess *pager;        /* or NULL */
    int64_t pagerless_since;    /* g_get_monotonic_time() */
    int64_t started_at;         /* the same, of its pager; 0: not by us */
    VmRetry retry;              /* of pagers that failed */
    VmWaiting *waiting;         /* a connection that waits for its pager */
    bool wanted;                /* one has waited for this pager to leave */
    bool parting;               /* this pager says farewell; its link may have
                                 * ended, and .figures with it */

    struct Link *link;          /* the pager's link, or NULL */
    int state_fd;               /* of vm-state.h; -1: none, or no lease of it
                                 * is left to be given back */
    VmFigures figures;
    VmHold hold;
} Vm;

/**
 * vm_new() - a VM without a pager
 * @name: "": its uuid stands for it
 */
Vm *vm_new(const VmPagers *pagers, const uint8_t *uuid, uint64_t incarnation,
           const char *name);

/** vm_free() - its pager is left alone; a connection that waits is closed */
void vm_free(Vm *vm);

/** vm_set_incarnation() - if it is another one, counts and figures are new */
void vm_set_incarnation(Vm *vm, uint64_t incarnation);

/**
 * vm_wait() - give a VMM's connection to a new pager, as soon as may be
 * @fd: becomes the VM's; a connection that waited before is closed
 * @may_kill: a pager that does not end in time is killed; else the
 *            connection is refused then
 * @who: moved from
 */
void vm_wait(Vm *vm, int fd, const struct RcacheVmmHello *hello,
             VmmProcess *who, bool may_kill);

/**
 * vm_adopt() - watch a pager that this daemon has not started
 *
 * It is the VM's only if the lock of this uuid is held, and was not by one
 * that died while we looked.
 *
 * Return: false with @errp set; then the VM has no pager
 */
bool vm_adopt(Vm *vm, pid_t pid, GError **errp);

/** vm_linked() - the link of its pager is up; NULL: the link has ended */
void vm_linked(Vm *vm, struct Link *link);

/** vm_keep_state() - the pager has sent the VM's state memfd; taken over
 *
 * Kept is what QEMU seals, and a pager can use. */
void vm_keep_state(Vm *vm, int fd);

/** vm_heard() - the pager has said something, whatever it was */
void vm_heard(Vm *vm);

/* What came over that link. */
void vm_stats(Vm *vm, const struct LinkStats *msg);
void vm_balloon(Vm *vm, const struct LinkBalloon *msg);
void vm_automatic(Vm *vm, const struct LinkAuto *msg);

/**
 * vm_hold() - nothing more of it goes, and all comes home; or no longer
 *
 * Written down for the next daemon; pagers are told by holds.c.  It ends with
 * this start of the VM.
 *
 * Return: false with @errp set: it could not be written down, and is as before
 */
bool vm_hold(Vm *vm, bool held, GError **errp);

/** vm_hold_share() - of a VM that is held: @bytes may be here, and of what is
 * away @lacking have no room */
void vm_hold_share(Vm *vm, uint64_t bytes, uint64_t lacking);

/** vm_kill_pager() - SIGKILL; false if the VM has none */
bool vm_kill_pager(const Vm *vm);

/**
 * vm_kill_silent() - kill a pager that has said nothing for too long
 * @now: g_get_monotonic_time()
 *
 * A pager reports every second.  One that does not is stopped, or spins, and
 * its guest stands still at the next page that is not here; the next one goes
 * on from where it was.  Killed once, it has as long again to end.  Where the
 * VM has ended no guest waits, and it has longer.
 */
void vm_kill_silent(Vm *vm, int64_t now);

/**
 * vm_has_ended() - is its process dead, with a pager that only gives back what
 * the VM had?
 *
 * It is no VM any more, for who counts VMs; its leases still are leases.
 */
bool vm_has_ended(const Vm *vm);

/**
 * vm_tell_over() - call .over, if it is over, whatever its pager still does
 *
 * If it has no pager, what it has at other hosts is given back by .farewells.
 */
void vm_tell_over(Vm *vm);

/**
 * vm_is_over() - may it be forgotten?
 * @forget_ms: how long a VM is kept whose VMM nobody knows
 */
bool vm_is_over(const Vm *vm, unsigned forget_ms);

/** vm_restarts() - pagers after the first, of this incarnation */
static inline unsigned vm_restarts(const Vm *vm)
{
    return vm->starts ? vm->starts - 1 : 0;
}

#endif
