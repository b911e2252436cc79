/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uffd: the userfaultfd's ioctls, typed, and the only file of the daemons
 * that includes linux/userfaultfd.h.
 *
 * Each returns 0 or -errno.  What the errors mean for a page is decided by
 * the page table, not here; EAGAIN alone is retried a few times, since the
 * kernel asks for that while the VMM changes its mappings.
 */
#ifndef PAGER_UFFD_H
#define PAGER_UFFD_H

#include <stdbool.h>
#include <stdint.h>

#define UFFD_READ_MAX   64u     /* messages uffd_read() takes at once */

/**
 * uffd_read() - addresses of the faults that are waiting to be read
 * @fd: a userfaultfd, O_NONBLOCK, as everywhere here
 * @out: at least UFFD_READ_MAX addresses, page aligned
 * @thread: as many: whose fault it is; 0: the VMM has not asked the kernel
 *
 * Return: how many, 0 if there are none, or -errno
 */
int uffd_read(int fd, uint64_t *out, uint32_t *thread);

/**
 * uffd_register() - missing and minor faults of a range
 * @writes: and tracking of writes, for those that are mapped protected; whether
 *          the kernel does it the VMM's userfaultfd decides (written.h)
 */
int uffd_register(int fd, uint64_t start, uint64_t len, bool writes);

/**
 * uffd_copy() - put a page into a hole and wake who waits for it
 * @src: a page of bytes, at any alignment
 * @protect: write-protected; only in a range in which writes are tracked
 *
 * Return: 0; -EEXIST: there is a page or a mapping; -ESRCH: the VMM is gone
 */
int uffd_copy(int fd, uint64_t addr, const void *src, bool protect);

/** uffd_zeropage() - the same with zeros */
int uffd_zeropage(int fd, uint64_t addr);

/**
 * uffd_continue() - map the page that is in the memfd and wake
 * @protect: as in uffd_copy()
 *
 * Return: 0; -EEXIST: mapped already, nobody woken; -EFAULT: a hole
 */
int uffd_continue(int fd, uint64_t addr, bool protect);

/**
 * uffd_is_dead() - is the address space gone that @fd is about?
 * @addr: of a page in it that is, or was, registered
 */
bool uffd_is_dead(int fd, uint64_t addr);

/** uffd_wake() - let who waits in the range fault again */
int uffd_wake(int fd, uint64_t start, uint64_t len);

#endif
