/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-commands: what an operator wants of a VM, told to the VM's host over the
 * host's connection and answered when the host has answered.
 *
 * Each command is answered exactly once: by the host, or when its connection
 * ends, or when it is late, or when this daemon ends.  An answer that comes
 * after that is to nothing, and is dropped.
 */
#ifndef ARBITER_VM_COMMANDS_H
#define ARBITER_VM_COMMANDS_H

#include <glib.h>
#include <stdint.h>

#include "arbiter/control.h"
#include "arbiter/hosts.h"
#include "common/admin.h"
#include "common/wire-control.h"

typedef struct VmCommands {
    uint64_t tags;
    GQueue waiting; /* of VmCommand, the oldest first */
} VmCommands;

void vm_commands_init(VmCommands *commands);

/** vm_commands_deinit() - those that wait for an answer fail */
void vm_commands_deinit(VmCommands *commands);

/**
 * vm_commands_evict() - have cold pages of a VM go
 * @vm: its name, or its uuid where several have that name
 * @now: ms
 */
void vm_commands_evict(VmCommands *commands, Hosts *hosts, const char *vm,
                       uint64_t bytes, AdminRequest *request, uint64_t now);

/** vm_commands_ack() - a host has answered */
void vm_commands_ack(VmCommands *commands, const HostConn *conn, uint64_t tag,
                     const WireEvictAck *ack);

/** vm_commands_gone() - a host's connection has ended */
void vm_commands_gone(VmCommands *commands, const HostConn *conn);

/** vm_commands_expire() - fail those that are late */
void vm_commands_expire(VmCommands *commands, uint64_t now);

#endif
