/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * farewells: what VMs had at other hosts is given back also where no pager of
 * theirs is left to do it.
 *
 * A pager says farewell for its VM (pager/farewell.h), unless it dies with the
 * VM, as when somebody kills both, or has left before, since nothing of the VM
 * was away or somebody wanted its place.  Its leases would stay at their
 * providers for the orphan time then, for half a day and for nothing.  So a VM
 * whose process is dead, for certain, and that has no pager is followed by a
 * process that is given the VM's state memfd (vm-state.h) and does nothing but
 * what a pager does in the end: it claims each lease under a new session, and
 * releases it.  It has no link, no lock and nothing of the guest, and is in
 * nobody's way: a VM of the same uuid that is started meanwhile is another
 * owner of leases.
 *
 * Whether the VM is over is the caller's to know: leases that are released take
 * their pages with them.
 */
#ifndef RCACHED_FAREWELLS_H
#define RCACHED_FAREWELLS_H

#include <stdint.h>
#include <sys/types.h>

#include "rcached/pager-config.h"

typedef struct Farewells Farewells;

/** farewells_new() - none; all arguments must outlive it
 * @exe, @host, @config: as for a pager */
Farewells *farewells_new(const char *exe, const char *host,
                         const PagerConfig *config);

/** farewells_free() - processes that run go on, and none is started for who
 * waits; takes NULL */
void farewells_free(Farewells *farewells);

/** farewells_set_tls() - see link.h; for those that begin from now on
 * @fd: the caller's; -1: without TLS */
void farewells_set_tls(Farewells *farewells, int fd);

/**
 * farewells_bid() - a VM has ended, and has no pager
 * @uid: whose it was: no user keeps others from their turn
 * @state_fd: its state memfd; taken over
 */
void farewells_bid(Farewells *farewells, uid_t uid, const uint8_t *uuid,
                   uint64_t incarnation, const char *name, int state_fd);

#endif
