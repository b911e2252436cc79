/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * punch: the end of an eviction: the memory of pages that have gone is given
 * back, and their words say where they are.
 *
 * PUNCHING → REMOTE, or ZERO for a page without a slot.  The hole is verified:
 * what another process has put there in between is punched again.  A page that
 * cannot be punched stays PUNCHING, and is tried again later.
 *
 * Pages that are near each other are punched in one piece, with those between
 * them, if these are all REMOTE.  Their bytes are at a provider, so that there
 * is a hole already, and what is in one that should be a hole is nobody's: it
 * is punched wherever it is found.  Nothing can be put there meanwhile but by
 * this thread, as it is the pager's step that takes a page out of REMOTE; a
 * discard by the VMM leaves a hole as well.  No other state will do: a page
 * that is ZERO, say, may have data that counts (the table of an attach).
 */
#ifndef PAGER_PUNCH_H
#define PAGER_PUNCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Pager Pager;

/** punch_joins() - are two pages, @page < @next, of one piece? */
bool punch_joins(Pager *p, uint64_t page, uint64_t next);

/**
 * punch_marked() - punch what is marked in @go of @n ascending pages
 * @page: all that are marked are PUNCHING
 *
 * By pieces of pages that punch_joins(): what a punch costs is mostly the same
 * for one page and for many.
 */
void punch_marked(Pager *p, const uint64_t *page, const bool *go, unsigned n);

/** punch_retry() - punch again what could not be punched */
void punch_retry(Pager *p);

#endif
