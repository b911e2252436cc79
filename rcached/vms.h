/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vms: the VMs of this host and their pagers.
 *
 * A VM is named by its uuid; its incarnation is new for each start of it.
 * There is at most one pager for a uuid: before one is started the one
 * before is proved dead.  See vms.c for how.
 */
#ifndef RCACHED_VMS_H
#define RCACHED_VMS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rcached/link.h"
#include "rcached/pager-config.h"
#include "rcached/pager-process.h"
#include "rcached/rundir.h"
#include "rcached/vm-figures.h"
#include "rcached/vm-retry.h"

typedef struct Vms Vms;
typedef struct VmWaiting VmWaiting;

/* A VM.  Read by everyone; written by vms.c only. */
typedef struct Vm {
    Vms *vms;
    uint8_t uuid[RCACHE_UUID_LEN];
    char uuid_text[37];
    uint64_t incarnation;
    char name[RCACHE_NAME_MAX];
    pid_t vmm_pid;              /* 0: not known */
    int vmm_pidfd;              /* or -1 */
    unsigned starts;            /* pagers started for this incarnation */
    PagerProcess *pager;        /* or NULL */
    int64_t pagerless_since;    /* g_get_monotonic_time() */
    int64_t started_at;         /* the same, of its pager; 0: not by us */
    bool served;                /* that pager has attached */
    VmRetry retry;              /* of pagers that could not serve it */
    VmWaiting *waiting;         /* a connection that waits for its pager */

    struct Link *link;          /* the pager's link, or NULL */
    VmFigures figures;
} Vm;

typedef struct VmsConfig {
    RunDir *dir;
    const char *exe;            /* the pager's program */
    const char *vmm_path;       /* where to listen */
    gid_t vmm_gid;              /* who may connect; (gid_t)-1: our group */
    const char *link_path;
    const char *host;
    PagerConfig pager;
    unsigned hello_ms;          /* a connection may say nothing */
    unsigned pager_exit_ms;     /* a pager that ought to end may take */
    unsigned forget_ms;         /* a VM without pager and known VMM is kept */
    bool (*admit)(GError **errp);       /* may a new VM come? or NULL */
} VmsConfig;

/** vms_config_init() - the defaults of the times */
void vms_config_init(VmsConfig *config);

/**
 * vms_new() - find the pagers that are alive, and listen for VMMs
 *
 * Return: the table, or NULL with @errp set
 */
Vms *vms_new(const VmsConfig *config, GError **errp);

/** vms_free() - stop listening; pagers are left alone */
void vms_free(Vms *vms);

/**
 * vms_link_hello() - a pager has reported itself
 * @pid: of the process that did, by the socket
 *
 * Return: its VM, or NULL with @errp set: this pager is not the VM's
 */
Vm *vms_link_hello(Vms *vms, const struct LinkHello *hello, pid_t pid,
                   GError **errp);

/** vms_linked() - the link of @vm's pager is up; NULL: it has ended */
void vms_linked(Vm *vm, struct Link *link);

/** vms_heard() - the pager has said something, whatever it was */
void vms_heard(Vm *vm);

/** vms_pause() - this daemon has not run for @us: nobody was heard */
void vms_pause(Vms *vms, int64_t us);

/* What came over that link. */
void vms_stats(Vm *vm, const struct LinkStats *msg);
void vms_balloon(Vm *vm, const struct LinkBalloon *msg);
void vms_automatic(Vm *vm, const struct LinkAuto *msg);

/** vms_find() - a VM by its uuid, or else by its name; or NULL */
const Vm *vms_find(Vms *vms, const char *text);

/** vms_list() - all VMs (const Vm *), by name; free the array only */
GPtrArray *vms_list(Vms *vms);

/** vms_kill_pager() - SIGKILL; false if the VM has none */
bool vms_kill_pager(const Vm *vm);

/** vm_restarts() - pagers after the first, of this incarnation */
static inline unsigned vm_restarts(const Vm *vm)
{
    return vm->starts ? vm->starts - 1 : 0;
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vms, vms_free)

#endif
