/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host-probe: what cannot be read but only tried, by the process that needs
 * it: another one's limits and rights are others.
 */
#ifndef RCACHE_HOST_PROBE_H
#define RCACHE_HOST_PROBE_H

/* Entries of a pager's ring. */
#define HOST_PAGER_RING 1024u

/**
 * host_probe_ring() - can a ring be made?
 * @entries: how large
 *
 * Return: 0, or an errno
 */
int host_probe_ring(unsigned entries);

/**
 * host_probe_lock() - can HOST_LOCK_BYTES be locked?
 *
 * Nothing is ever put there: it is a reservation.
 *
 * Return: 0, or an errno
 */
int host_probe_lock(void);

#endif
