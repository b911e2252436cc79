/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahead: pages that a guest will want are fetched before it does.
 *
 * readahead.h says which.  Here is whether: pages that nobody has asked for
 * take no more than half of the room there is under local_max, none while a
 * guest waits for room, and none while a command is under way, or pages have to
 * come home.  So they push nothing out that would not have gone for as many
 * faults.
 */
#ifndef PAGER_AHEAD_H
#define PAGER_AHEAD_H

#include <stdint.h>

typedef struct Pager Pager;

/** ahead_fault() - a guest waits for @page, which is away, or comes to a marker
 */
void ahead_fault(Pager *p, uint64_t page, uint64_t now);

#endif
