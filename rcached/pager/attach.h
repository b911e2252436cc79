/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach: a new pager takes over a guest that may have been running for long.
 *
 * READY comes at once, and then the pager answers faults: a page's frame is
 * reconciled (reconcile.h) before its word is looked at for anything else.
 * All other frames follow in slices between the faults.  Until that is over
 *
 * - the hands of the clock, evictions and fetches home, the taking over of
 *   RAM, the VMM's discards and commands wait;
 * - no slot is taken, freed as unused or counted as free (Slots.partial): a
 *   word that has not been looked at may name it;
 * - local_max holds by what the memfds take up, since the counts do not tell:
 *   who would add a page above it waits (room in fault.c).
 *
 * Whoever waits for a page is woken first, whatever the words say: a fault
 * that a dead pager, or the VMM's thread after it, has read is delivered again
 * only then, and a word says UNMANAGED between the registration of a range and
 * the step that follows it.
 */
#ifndef PAGER_ATTACH_H
#define PAGER_ATTACH_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/reconcile.h"

typedef struct Pager Pager;

/**
 * struct Attach - how far it is; private to attach.c
 * @since: ns, when it began
 */
typedef struct Attach {
    Reconcile reconcile;
    uint64_t since;
} Attach;

/**
 * attach_begin() - tables and leases from the state memfd, then WAKE, and
 * connect to the providers
 */
bool attach_begin(Pager *p, GError **error);
void attach_deinit(Attach *attach);

/** attach_is_done() - has every page been reconciled? */
static inline bool attach_is_done(const Attach *attach)
{
    return !attach->reconcile.left;
}

/** attach_block() - a block has come while the pager runs */
void attach_block(Pager *p, unsigned block);

/** attach_block_gone() - call it before the block's words are changed */
void attach_block_gone(Pager *p, unsigned block);

/** attach_page() - a page's word is going to be looked at: reconcile it */
void attach_page(Pager *p, uint64_t page);

/** attach_work() - the next slice; true: there is more */
bool attach_work(Pager *p);

/** attach_finish() - all that is left, in one go */
void attach_finish(Pager *p);

#endif
