/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loss: pages whose last location is proved gone.
 *
 * A lease whose CLAIM is refused, as its provider does not know it, is gone
 * with what was stored there (lease.c).  A page that is nowhere else is lost:
 * its word is stepped to LOST and names no slot any more.  A fault on it waits,
 * and is told as what it is; a discard makes it a page of zeros.  A slab that
 * no word names is empty, so that its lease can be dropped, and both entries
 * are used again (lease_tick()).  In any other order another page would be
 * stored under a slot that a word still names.
 *
 * Some pages are left for later, see location_is_lost(); those that are
 * PUNCHING or FILLING have their bytes here, and get on without the slot or
 * become REMOTE.  So the words are looked at again every second, until the lost
 * leases are empty.
 *
 * It is done frame by frame in slices, with a look at the faults in between.
 * A pager that is killed meanwhile leaves some words REMOTE: the next one's
 * CLAIM is refused as well.
 *
 * A word says that its page is lost, and not who lost it: that is remembered
 * for as long as this pager lives.
 */
#ifndef PAGER_LOSS_H
#define PAGER_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "rcache/proto.h"

typedef struct Pager Pager;

#define LOSSES_MAX      16u

/**
 * struct Loss - what one provider has lost
 * @since: ns, when its first page was found lost
 */
typedef struct Loss {
    char host[RCACHE_NAME_MAX];
    uint64_t pages;
    uint64_t since;
} Loss;

/**
 * struct Losses - how far the words have been looked at; private to loss.c
 * @looking: at is not at the end yet
 * @at: the next page
 * @look_at: ns, begin anew
 * @by: who has lost how much, the oldest first, @nr of them
 */
typedef struct Losses {
    bool looking;
    uint64_t at;
    uint64_t look_at;
    Loss by[LOSSES_MAX];
    unsigned nr;
} Losses;

/** loss_tick() - begin to look at the words if a lease is lost */
void loss_tick(Pager *p, uint64_t now);

/** loss_work() - look at the next slice of them; true: there is more */
bool loss_work(Pager *p);

/**
 * loss_by() - what is put down to one provider
 * @i: 0 and on
 * @out: its pages that are LOST now, and not yet given up by the guest; where
 *       several have lost pages it is not known whose those were
 *
 * Return: false: there are no more
 */
bool loss_by(const Pager *p, unsigned i, Loss *out);

#endif
