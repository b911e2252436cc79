/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * install: the one place that puts something into guest memory (rule 5).
 *
 * The kernel's answers decide, not what the caller believes: EEXIST says that
 * a page is there already, EFAULT that none is.  What is there already is
 * mapped where zeros were to go, since it is the guest's own; where a page's
 * checked bytes were to go it is somebody else's, and is punched out first.
 *
 * Below fault.c and fetch.c: it knows blocks and the userfaultfd, but no word
 * and no provider.  Whoever waits for the page is awake when 0 is returned.
 *
 * All return 0 or
 *   -ENOENT      the page's block, or its mapping in the VMM, is gone
 *   -ESRCH       the VMM's address space is gone: nobody will ever wait again
 *   -EAGAIN, -ENOMEM   it passes: call again a little later
 *   another -errno     not expected of this kernel; the page is as it was
 */
#ifndef PAGER_INSTALL_H
#define PAGER_INSTALL_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/guest-memory.h"

/** install_zero() - zeros into a page without bytes */
int install_zero(Guest *guest, uint64_t page);

/**
 * install_bytes() - bytes into a page that is away
 * @bytes: RCACHE_PAGE_SIZE, checked by the caller, at any alignment
 * @protect: so that the kernel notes whether it is written (kept_tracks())
 * @intruders: incremented for each foreign page that was found and punched
 */
int install_bytes(Guest *guest, uint64_t page, const void *bytes, bool protect,
                  unsigned *intruders);

/**
 * install_present() - map the bytes that a page has here
 * @protect: as in install_bytes(); only for a page that is known to be clean
 *
 * Return: as above, and -ENODATA: there are none; the page's word tells more
 */
int install_present(Guest *guest, uint64_t page, bool protect);

/** install_wake() - let who waits for the page fault again */
int install_wake(Guest *guest, uint64_t page);

/** install_wake_block() - the same for a block's pages, if it is there */
void install_wake_block(Guest *guest, unsigned block);

/** install_wake_all() - the same for all pages */
void install_wake_all(Guest *guest);

#endif
