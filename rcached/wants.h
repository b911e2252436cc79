/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wants: what pagers ask of the arbiters, and the answers.
 *
 * A pager asks for leases over its link, and is answered over it, under its
 * tag, always and soon: its guest has to do without if there are none.  What
 * is refused because no arbiter is connected is asked for again, once, when
 * one is; the grants then go to the pager under tag 0.  It takes grants
 * whenever they come.  What is asked for on this host's own disk goes to no
 * arbiter.
 */
#ifndef RCACHED_WANTS_H
#define RCACHED_WANTS_H

#include "rcached/agent/arbiter-client.h"
#include "rcached/own-disk.h"
#include "rcached/vms.h"

typedef struct Wants Wants;

/** wants_new() - all must outlive it, but for requests that @arbiters ends */
Wants *wants_new(Vms *vms, ArbiterClients *arbiters, OwnDisk *disk);

/** wants_free() - after the arbiters' connections; takes NULL */
void wants_free(Wants *wants);

/** wants_add() - the pager of @vm asks */
void wants_add(Wants *wants, const Vm *vm, const struct LinkWant *msg);

/** wants_again() - an arbiter is connected: ask for what none was there for */
void wants_again(Wants *wants);

#endif
