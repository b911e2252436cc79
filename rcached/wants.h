/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wants: what pagers ask of the arbiters, and the answers.
 *
 * A pager asks for leases over its link, and is answered over it, under its
 * tag, always and soon: its guest has to do without if there are none.  What
 * is refused because no arbiter is connected is asked for again, once, when
 * one is; the grants then go to the pager under tag 0.  It takes grants
 * whenever they come.
 *
 * A pager may die between the answer and its entry for it in the state memfd.
 * So grants are kept here until a pager says that it holds them, or nobody
 * could claim them any more, and the next pager is given them again: the
 * provider would keep the memory for half a minute, and for nobody.  A pager
 * takes a grant once, however often it comes.
 *
 * What is asked for on this host's own disk goes to no
 * arbiter.
 */
#ifndef RCACHED_WANTS_H
#define RCACHED_WANTS_H

#include "rcached/agent/arbiter-client.h"
#include "rcached/link-server.h"
#include "rcached/own-disk.h"
#include "rcached/vms.h"

typedef struct Wants Wants;

/** wants_new() - all must outlive it, but for requests that @arbiters ends */
Wants *wants_new(Vms *vms, ArbiterClients *arbiters, OwnDisk *disk);

/** wants_free() - after the arbiters' connections; takes NULL */
void wants_free(Wants *wants);

/** wants_add() - the pager of @vm asks */
void wants_add(Wants *wants, const Vm *vm, const struct LinkWant *msg);

/**
 * wants_held() - a pager says which leases it has
 * @now: of g_get_monotonic_time()
 */
void wants_held(Wants *wants, const Vm *vm, const struct LinkStats *msg,
                int64_t now);

/**
 * wants_hand_over() - a pager has connected
 *
 * It is sent what was granted to the one before, and may not have got there.
 */
void wants_hand_over(Wants *wants, const Vm *vm, Link *link, int64_t now);

/** wants_again() - an arbiter is connected: ask for what none was there for */
void wants_again(Wants *wants);

#endif
