/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * written: which pages of the VMM were written, as PAGEMAP_SCAN says it, and
 * the only file of the daemons that knows that ioctl (Linux 6.7).
 *
 * A page that COPY or CONTINUE has mapped write-protected, in a range that is
 * registered for that with UFFD_FEATURE_WP_ASYNC, loses the protection when it
 * is first written; the kernel does that by itself.  When its entry in the page
 * table is zapped, a page that still had it leaves a marker there, and one that
 * had not leaves nothing.
 *
 * Only what is there is asked for: entries that are markers.  A category that
 * is inverted ("not written") is never used: kernels before the middle of 2026
 * report pages that are swapped out or zapped wrongly then.  So a page counts
 * as clean if, and only if, the scan names it with SWAPPED (an entry without a
 * page: a marker) and WPALLOWED, and neither WRITTEN nor PRESENT.
 */
#ifndef PAGER_WRITTEN_H
#define PAGER_WRITTEN_H

#include <stdint.h>

/**
 * written_is_tracked() - does the kernel track writes to a page?
 * @fd: /proc/PID/pagemap of the VMM, opened by itself
 * @addr: of the page, in the VMM
 *
 * Return: 0, or -errno: -EPERM if it does not, -ENOTTY if it cannot be asked
 */
int written_is_tracked(int fd, uint64_t addr);

/**
 * written_clean() - which pages of a zapped range are proved clean
 * @addr: of the first
 * @n: pages
 * @clean: a byte for each: 1 if it is; 0 if it is not, or nobody knows
 *
 * Return: 0, or -errno, and then none is
 */
int written_clean(int fd, uint64_t addr, unsigned n, uint8_t *clean);

#endif
