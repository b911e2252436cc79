/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zap-send: what the VMM is told to zap.
 *
 * What a zap costs the VMM is mostly to tell the CPUs that run it, once for
 * each range.  So pages that are near each other are one range, with those
 * between them, if these are all REMOTE: they are not mapped.  As one message
 * names no more than RCACHE_ZAP_PAGES_MAX pages, those between included, the
 * front hand picks its pages from one frame, if there are enough to go.
 *
 * A page between may be back when the VMM gets to it, and is unmapped for
 * nothing then.  That costs a fault, which finds the word HOT and maps the page
 * again; unprotected, so that it counts as written (K2 of docs/design.md).  The
 * answer says nothing of such a page: only those count that the zap is of.
 */
#ifndef PAGER_ZAP_SEND_H
#define PAGER_ZAP_SEND_H

#include "rcached/pager/evict.h"
#include "rcached/pager/guest-memory.h"

typedef struct Pager Pager;

/** zap_send() - send a zap of the pages in @z, all of @b */
void zap_send(Pager *p, Zap *z, const GuestBlock *b);

#endif
