/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager-end: from the end of the VMM's connection to that of the pager.
 *
 * farewell.h has the states; here is what is seen, and waited for.
 *
 * A process shows that it is dead by its pidfd, and before that by its address
 * space, which is gone before its sockets are closed.  That it has closed a
 * socket proves nothing: a VMM does that seconds before its end, when it ends
 * in good order, and so does one that is about to connect again.
 */
#ifndef PAGER_PAGER_END_H
#define PAGER_PAGER_END_H

#include <stdint.h>

typedef struct Pager Pager;

/** pager_end() - say farewell: to be called when the loop has been left */
void pager_end(Pager *p);

/** pager_end_tick() - ten times a second, from then on */
void pager_end_tick(Pager *p, uint64_t now);

#endif
