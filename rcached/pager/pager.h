/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager: the process that pages one VM's memory out and in.
 *
 * One thread, one ring.  It waits for faults (userfaultfd), the VMM
 * (unix socket), rcached (the link), providers (two connections each) and a
 * timer; whatever is there is looked at in short steps, with a look at the
 * userfaultfd between them, so that a fault never waits for a batch.
 *
 * This header is the top object: each part keeps its state in a struct of its
 * own, declared in its own header, which says who else may touch it.  The pure
 * parts (page, table, clock, slots, seal, room-queue, fetch-queue, page-errors,
 * demand, judge, avoid, readahead, stalls, delays) and the plumbing
 * (guest-memory, uffd, remote, seqsock) do not see this header.
 *
 * Invariants
 * - A page's bytes are in the memfd in the states of page_has_bytes(); a slot
 *   in its word holds them in REMOTE, PUNCHING, FETCHING and FILLING, and in
 *   HOT, ZAPPING and ZAPPED while nobody has written to the page (kept.h).
 * - A word changes only by table_step(), a slot is taken before its PUT is
 *   sent, and given back only through location_free().
 * - The memfd is written by uffd_copy() and uffd_zeropage() only.
 * - No page leaves but through seal_page(), and none comes back but through
 *   seal_open().
 * - Nothing on a fault's way waits for the VMM or for rcached.
 */
#ifndef PAGER_PAGER_H
#define PAGER_PAGER_H

#include <glib.h>

#include "common/ring.h"
#include "rcached/link.h"
#include "rcached/pager/attach.h"
#include "rcached/pager/clock.h"
#include "rcached/pager/command.h"
#include "rcached/pager/compare.h"
#include "rcached/pager/copies.h"
#include "rcached/pager/delays.h"
#include "rcached/pager/clean.h"
#include "rcached/pager/evict.h"
#include "rcached/pager/farewell.h"
#include "rcached/pager/fault.h"
#include "rcached/pager/fetch.h"
#include "rcached/pager/freeing.h"
#include "rcached/pager/guest-memory.h"
#include "rcached/pager/kept.h"
#include "rcached/pager/lease-demand.h"
#include "rcached/pager/lease.h"
#include "rcached/pager/limit.h"
#include "rcached/pager/location.h"
#include "rcached/pager/loss.h"
#include "rcached/pager/move.h"
#include "rcached/pager/own-disk.h"
#include "rcached/pager/page-errors.h"
#include "rcached/pager/pager-loop.h"
#include "rcached/pager/probe.h"
#include "rcached/pager/provider-health.h"
#include "rcached/pager/provider-messages.h"
#include "rcached/pager/providers.h"
#include "rcached/pager/readahead.h"
#include "rcached/pager/remote.h"
#include "rcached/pager/report-event.h"
#include "rcached/pager/report.h"
#include "rcached/pager/revoke.h"
#include "rcached/pager/seal.h"
#include "rcached/pager/slab-table.h"
#include "rcached/pager/slots.h"
#include "rcached/pager/table.h"
#include "rcached/pager/takeover.h"
#include "rcached/pager/uplink-messages.h"
#include "rcached/pager/uplink.h"
#include "rcached/pager/vmm-messages.h"

/**
 * struct Pager - one VM's pager
 * @ring: all that is waited for
 * @name: the VM's, printable, for the log
 * @pidfd: our own, for HELLO_ACK
 * @faults_op: poll on the userfaultfd
 * @tick_op: the timer of what is done ten times a second
 * @soon_op: a short timer for retries
 * @gone_op: poll on the VMM's pidfd, when its connection has ended
 * @done: leave the loop
 * @attached: READY has been sent: the tables below are there
 * @serial: of the request that was sent last, to whomever
 * @seal: has the VM's key; NULL before STATE; evict.c and fetch.c use it
 */
struct Pager {
    Ring *ring;
    char name[64];
    int pidfd;
    RingOp faults_op;
    RingOp tick_op;
    RingOp soon_op;
    RingOp gone_op;
    bool done;
    bool attached;
    uint32_t serial;

    /* the VM's */
    Vmm vmm;
    Uplink uplink;
    RemoteSelf self;
    Limits limits;
    Commands command;
    Report report;
    Farewell farewell;
    Providers providers;
    Leases leases;
    LeaseWant want;
    OwnDisk disk;
    ProviderHealth health;
    Probe probe;
    Moves moves;
    Compares compares;
    Copies copies;
    Locations locations;
    Losses losses;
    Slots slots;
    KeptSlots kept;
    Cleans cleans;

    /* its memory's */
    Seal *seal;
    Guest guest;
    Table table;
    Attach attach;
    Clock clock;
    Takeover takeover;
    Faults faults;
    Readahead ahead;
    PageErrors errors;
    Fetches fetches;
    Delays delays;
    Evictor evictor;
};

/**
 * pager_new() - a pager that has not heard of its VMM yet
 * @vmm_fd: the VMM's connection; the pager's from now on; -1: the VM has ended
 * @link_path: rcached's socket; kept, not copied; NULL: nothing is told
 * @host: this host's name
 * @poll_us: spin for so long before sleeping
 * @why: set on failure: for the log and the VMM; owned by the caller
 */
Pager *pager_new(int vmm_fd, const char *link_path, const char *host,
                 unsigned poll_us, char **why);

/** pager_turn() - one turn of the loop; the last is the one that sets .done */
void pager_turn(Pager *p);

/** pager_quiesce() - end what is on the ring, in the order it can end in */
void pager_quiesce(Pager *p);

/** pager_free() - after pager_quiesce(), of one that has no connections */
void pager_free(Pager *p);

#endif
