/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rcached: the daemon as one object, and all of its parts.
 *
 * Parts do not know each other: they call back here.  Everything runs on
 * GLib's main loop, but for the provider's thread and the granter's.
 */
#ifndef RCACHED_RCACHED_H
#define RCACHED_RCACHED_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/agent/arbiter-client.h"
#include "rcached/agent/memory.h"
#include "rcached/agent/memory-watch.h"
#include "rcached/agent/qmp-folder.h"
#include "rcached/evicts.h"
#include "common/tls-keeper.h"
#include "rcached/granter.h"
#include "rcached/link-server.h"
#include "rcached/options.h"
#include "rcached/pager-upgrade.h"
#include "rcached/policy.h"
#include "rcached/provider/provider.h"
#include "rcached/rundir.h"
#include "rcached/stopping.h"
#include "rcached/vms.h"
#include "rcached/wants.h"
#include "rcached/whereabouts.h"

typedef struct HostAdmin HostAdmin;

typedef struct Rcached {
    const Options *options;
    uint8_t boot_id[RCACHE_UUID_LEN];
    RunDir *dir;
    Vms *vms;
    LinkServer *links;
    TlsKeeper *tls;
    Provider *provider;         /* NULL on a host that lends nothing and has
                                 * no spill file */
    Granter *granter;           /* NULL with it */
    Whereabouts *whereabouts;   /* what it asks */
    int64_t start_extended;     /* us: when the start last asked for time */
    MemorySource *memory;
    MemoryWatch *watch;         /* or NULL */
    Policy *policy;
    QmpFolder *qmp;             /* or NULL */
    ArbiterClients *arbiters;
    OwnDisk *disk;
    Wants *wants;
    Evicts *evicts;
    HostAdmin *admin;
    Stopping *stopping;
    PagerUpgrade upgrade;
    guint tick;
    int64_t ticked_at;          /* g_get_monotonic_time() */
} Rcached;

/**
 * rcached_new() - start everything
 * @options: must outlive it
 * @over: called once, after rcached_stop(): it may be freed now
 *
 * Return: the daemon, or NULL with @errp set
 */
Rcached *rcached_new(const Options *options, StoppingOver *over, void *opaque,
                     GError **errp);

/** rcached_stop() - SIGTERM: have it end, see stopping.h; twice: at once */
void rcached_stop(Rcached *r);

/** rcached_reload() - SIGHUP: read certificates and keys again */
void rcached_reload(Rcached *r);

/** rcached_free() - stop; pagers stay, and socket files go */
void rcached_free(Rcached *r);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rcached, rcached_free)

#endif
