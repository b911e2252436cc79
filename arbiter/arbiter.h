/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter: the top object; it owns the parts and connects them.
 *
 * All of its state is soft: a restarted arbiter knows everything again when
 * each host has sent a heartbeat or two.
 */
#ifndef ARBITER_ARBITER_H
#define ARBITER_ARBITER_H

#include <stdint.h>

#include "arbiter/control.h"
#include "arbiter/early.h"
#include "arbiter/hosts.h"
#include "arbiter/grants.h"
#include "arbiter/moves.h"
#include "arbiter/options.h"
#include "arbiter/shunned.h"
#include "arbiter/host-commands.h"
#include "common/boot.h"
#include "common/admin.h"
#include "common/tls-keeper.h"

typedef struct Arbiter {
    const Options *options;
    Hosts hosts;
    Grants grants;
    Early early;
    Moves moves;
    Shunned shunned;
    HostCommands host_commands;
    TlsKeeper *tls;
    Control *control;
    AdminServer *admin;
    guint tick;                 /* timer */
    uint64_t started_ms;
    uint64_t beats;             /* heartbeats taken */
    uint64_t tick_ms;           /* of the last one */
} Arbiter;

/**
 * arbiter_new() - everything up and listening
 * @options: must outlive it
 *
 * Return: the arbiter, or NULL with @errp set
 */
Arbiter *arbiter_new(const Options *options, GError **errp);

/** arbiter_reload() - SIGHUP: read certificates and keys again */
void arbiter_reload(Arbiter *arbiter);

/** arbiter_free() - end everything; no socket file is left */
void arbiter_free(Arbiter *arbiter);

/** arbiter_now() - ms of CLOCK_BOOTTIME, the time of all its parts */
static inline uint64_t arbiter_now(void)
{
    return boottime_ms();
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Arbiter, arbiter_free)

#endif
