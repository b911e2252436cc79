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

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Pager Pager;

/** pager_end() - say farewell: to be called when the loop has been left */
void pager_end(Pager *p);

/**
 * pager_end_alone() - say farewell for a VM that has ended without a pager
 * @p: has neither a VMM nor a link
 * @vm, @incarnation, @name: the VM, whose process is dead, for certain
 * @state_fd: its state memfd; taken over
 *
 * Return: true when that is done, as far as it can be
 */
bool pager_end_alone(Pager *p, const uint8_t *vm, uint64_t incarnation,
                     const char *name, int state_fd, GError **errp);

/** pager_end_tick() - ten times a second, from then on */
void pager_end_tick(Pager *p, uint64_t now);

#endif
