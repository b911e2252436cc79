/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relay: what an operator wants of a VM, told to the VM's host over the
 * host's connection and answered when the host has answered.
 *
 * Each command is answered exactly once: by the host, or when its connection
 * ends, or when it is late, or when this daemon ends.  An answer that comes
 * after that is to nothing, and is dropped.
 */
#ifndef ARBITER_RELAY_H
#define ARBITER_RELAY_H

#include <glib.h>
#include <stdint.h>

#include "arbiter/control.h"
#include "arbiter/hosts.h"
#include "common/admin.h"

typedef struct Relay {
    uint64_t tags;
    GQueue waiting;             /* of Relayed, the oldest first */
} Relay;

void relay_init(Relay *relay);

/** relay_deinit() - those that wait for an answer fail */
void relay_deinit(Relay *relay);

/**
 * relay_evict() - have cold pages of a VM go
 * @vm: its name, or its uuid where several have that name
 * @now: ms
 */
void relay_evict(Relay *relay, Hosts *hosts, const char *vm, uint64_t bytes,
                 AdminRequest *request, uint64_t now);

/** relay_ack() - a host has answered */
void relay_ack(Relay *relay, const ControlConn *conn, uint64_t tag,
               const WireEvictAck *ack);

/** relay_gone() - a host's connection has ended */
void relay_gone(Relay *relay, const ControlConn *conn);

/** relay_expire() - fail those that are late */
void relay_expire(Relay *relay, uint64_t now);

#endif
