/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * punch: the end of an eviction: the memory of pages that have gone is given
 * back, and their words say where they are.
 *
 * PUNCHING → REMOTE, or ZERO for a page without a slot.  The hole is verified:
 * what another process has put there in between is punched again.  A page that
 * cannot be punched stays PUNCHING, and is tried again later.
 */
#ifndef PAGER_PUNCH_H
#define PAGER_PUNCH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Pager Pager;

/**
 * punch_marked() - punch what is marked in @go of @n ascending pages
 * @page: all that are marked are PUNCHING
 *
 * By runs of neighbours: much of what a punch costs is the same for one page
 * and for a run.
 */
void punch_marked(Pager *p, const uint64_t *page, const bool *go, unsigned n);

/** punch_retry() - punch again what could not be punched */
void punch_retry(Pager *p);

#endif
