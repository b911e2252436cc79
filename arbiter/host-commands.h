/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-commands: what an operator wants done on a host, told to it over its
 * connection and answered when the host has answered.
 *
 * Each command is answered exactly once: by the host, or when its connection
 * ends, or when it is late, or when this daemon ends.  An answer that comes
 * after that is to nothing, and is dropped.
 */
#ifndef ARBITER_HOST_COMMANDS_H
#define ARBITER_HOST_COMMANDS_H

#include <glib.h>
#include <stdint.h>

#include "arbiter/control.h"
#include "arbiter/hosts.h"
#include "common/admin.h"
#include "common/wire-control.h"

typedef struct HostCommands {
    uint64_t tags;
    GQueue waiting;             /* of HostCommand */
} HostCommands;

void host_commands_init(HostCommands *commands);

/** host_commands_deinit() - those that wait for an answer fail */
void host_commands_deinit(HostCommands *commands);

/**
 * host_commands_evict() - have cold pages of a VM go
 * @vm: its name, or its uuid where several have that name
 * @now: ms
 */
void host_commands_evict(HostCommands *commands, Hosts *hosts, const char *vm,
                         uint64_t bytes, AdminRequest *request, uint64_t now);

/** host_commands_evicted() - a host has answered that */
void host_commands_evicted(HostCommands *commands, const HostConn *conn,
                           uint64_t tag, const WireEvictAck *ack);

/**
 * host_commands_upgrade() - have a host start the daemon that is installed
 * @name: the host's
 * @now: ms
 */
void host_commands_upgrade(HostCommands *commands, Hosts *hosts,
                           const char *name, AdminRequest *request,
                           uint64_t now);

/** host_commands_upgrading() - a host has answered that */
void host_commands_upgrading(HostCommands *commands, const HostConn *conn,
                             uint64_t tag, const WireUpgradeAck *ack);

/** host_commands_gone() - a host's connection has ended */
void host_commands_gone(HostCommands *commands, const HostConn *conn);

/** host_commands_expire() - fail those that are late */
void host_commands_expire(HostCommands *commands, uint64_t now);

#endif
