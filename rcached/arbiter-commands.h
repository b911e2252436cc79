/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arbiter-commands: what an operator tells this host by way of an arbiter. */
#ifndef RCACHED_ARBITER_COMMANDS_H
#define RCACHED_ARBITER_COMMANDS_H

#include "common/wire-control.h"
#include "common/wire.h"
#include "rcached/agent/arbiter-client.h"

/**
 * arbiter_commands_evict() - an arbiter says so; answered when the pager has
 * done it
 * @opaque: the Rcached
 */
void arbiter_commands_evict(ArbiterAsked *request, const WireEvict *evict,
                            void *opaque);

/** arbiter_commands_upgrade() - the same: start the installed daemon */
void arbiter_commands_upgrade(ArbiterAsked *request, void *opaque);

#endif
