/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pager-loop: what every part of the pager may ask of the loop.  The loop
 * itself, which calls the parts, is pager.c.
 */
#ifndef PAGER_PAGER_LOOP_H
#define PAGER_PAGER_LOOP_H

#include <glib.h>
#include <stdint.h>

#define NS_PER_SEC      1000000000ull
#define NS_PER_MS       1000000ull

typedef struct Pager Pager;

/** pager_now() - CLOCK_BOOTTIME in nanoseconds */
uint64_t pager_now(void);

/** pager_soon() - run the retries in a millisecond */
void pager_soon(Pager *p);

/** pager_quit() - leave the loop, with a reason for the log */
void pager_quit(Pager *p, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/** pager_resident() - pages that take up memory here, unmanaged ones too */
uint64_t pager_resident(const Pager *p);

#endif
