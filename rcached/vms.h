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

#include "rcached/socket-rights.h"
#include "rcached/vm-limits.h"
#include "rcached/vm.h"

typedef struct Vms Vms;

typedef struct VmsConfig {
    RunDir *dir;
    const char *exe;            /* the pager's program */
    const char *vmm_path;       /* where to listen */
    SocketRights vmm_rights;    /* who may connect */
    const char *link_path;
    const char *host;
    PagerConfig pager;
    int tls_fd;                 /* see vms_set_tls() */
    unsigned hello_ms;          /* a connection may say nothing */
    unsigned pager_exit_ms;     /* a pager that ought to end may take */
    unsigned forget_ms;         /* a VM without pager and known VMM is kept */
    unsigned sweep_ms;          /* so often VMs are looked at */
    unsigned most, most_of_user;        /* VMs, see vm-limits.h */
    bool (*admit)(GError **errp);       /* may a new VM come? or NULL */
    VmOver *over;               /* or NULL; from within vms_new(), too */
    void *over_opaque;
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

/**
 * vms_set_tls() - what pagers connect to providers with from now on
 * @fd: see link.h; the caller's, until another is set; -1: without TLS
 *
 * Those that run are told.
 */
void vms_set_tls(Vms *vms, int fd);

/** vms_pause() - this daemon has not run for @us: nobody was heard */
void vms_pause(Vms *vms, int64_t us);

/** vms_kill_silent() - vm_kill_silent() for all of them */
void vms_kill_silent(Vms *vms, int64_t now);

/** vms_limits() - how many there may be, and who has run into that */
const VmLimits *vms_limits(const Vms *vms);

/** vms_hold() - vm_hold() for one of vms_find() or vms_list() */
bool vms_hold(Vms *vms, const Vm *vm, bool held, GError **errp);

/** vms_find() - a VM by its uuid, or else by its name; or NULL */
const Vm *vms_find(Vms *vms, const char *text);

/** vms_list() - all VMs (const Vm *), by name; free the array only */
GPtrArray *vms_list(Vms *vms);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vms, vms_free)

#endif
