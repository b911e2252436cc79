/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts-lent: the sums that hosts.c has kept.  See hosts-lent.c. */
#ifndef ARBITER_HOSTS_LENT_H
#define ARBITER_HOSTS_LENT_H

#include "arbiter/hosts.h"

/* What the VMs of one requester have leased, all together. */
/* More than 64 bits: what many hosts make up must not wrap to nothing. */
__extension__ typedef unsigned __int128 HostsSum;

typedef struct HostsTaken {
    HostsSum bytes;
    unsigned leases;
} HostsTaken;

void hosts_lent_init(Hosts *hosts);
void hosts_lent_deinit(Hosts *hosts);

/** hosts_lent_add() - count the leases that @host now has */
void hosts_lent_add(Hosts *hosts, Host *host);

/** hosts_lent_remove() - the opposite; before they change or it goes */
void hosts_lent_remove(Hosts *hosts, Host *host);

/** hosts_lent_clear() - nothing that was granted there holds any more */
void hosts_lent_clear(Host *host);

/**
 * hosts_held_changed() - other hosts' leases may count otherwise now
 * @held: what @host holds, and what it held before, one after the other
 */
void hosts_held_changed(Hosts *hosts, Host *host, const GArray *held);

/** hosts_lent_same() - are these leases the same to the sums? */
bool hosts_lent_same(const GArray *a, const GArray *b);

/** hosts_domain_join() - @host now has the label of its heartbeat */
void hosts_domain_join(Hosts *hosts, Host *host);

/** hosts_domain_leave() - before that changes or the host goes */
void hosts_domain_leave(Hosts *hosts, Host *host);

#endif
