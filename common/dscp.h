/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dscp: the mark by which a network tells guests' pages from other traffic.
 *
 * Six bits of each packet's header (RFC 2474).  Switches that look at it may
 * give pages a queue of their own, so that they neither wait behind a backup
 * nor push storage aside; one that does not look is not disturbed by it.
 */
#ifndef RCACHE_DSCP_H
#define RCACHE_DSCP_H

#define DSCP_MAX        63u

/**
 * dscp_mark() - all that this socket sends from now on
 * @fd: TCP over IPv4 or IPv6
 * @dscp: 0 (as if nothing had been said) to DSCP_MAX
 *
 * A kernel or a container that forbids it leaves packets as they were: pages
 * come all the same.
 */
void dscp_mark(int fd, unsigned dscp);

#endif
