/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vm-commands: what an operator tells a VM's pager by way of an arbiter. */
#ifndef RCACHED_VM_COMMANDS_H
#define RCACHED_VM_COMMANDS_H

#include "common/wire-control.h"
#include "common/wire.h"
#include "rcached/agent/arbiter-client.h"

/**
 * vm_commands_evict() - an arbiter says so; answered when the pager has done it
 * @opaque: the Rcached
 */
void vm_commands_evict(ArbiterAsked *request, const WireEvict *evict,
                       void *opaque);

#endif
