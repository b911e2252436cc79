/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts-fixture: an arbiter's table of hosts, filled through heartbeats. */
#ifndef TESTS_HOSTS_FIXTURE_H
#define TESTS_HOSTS_FIXTURE_H

#include "common/wire-beat.h"
#include "arbiter/hosts.h"

#define MIB             (UINT64_C(1) << 20)

/* What a host is to say; .host is completed by hosts_fixture_beat(). */
typedef struct HostsSaid {
    WireBeatHost host;
    unsigned nr_guests, nr_leases, nr_held, nr_troubles;
    WireBeatGuest guest[8];
    WireBeatLease lease[8], held[8];
    WireBeatTrouble trouble[8];
    bool alone;                 /* no arbiter has granted those leases */
} HostsSaid;

/** hosts_fixture_init() - beats of 1 s, suspect after 3, dead after 10 */
void hosts_fixture_init(Hosts *hosts);

/** hosts_fixture_add() - a connected host that has not reported yet */
Host *hosts_fixture_add(Hosts *hosts, const char *name);

/** hosts_fixture_said() - a lender: 1 GiB in all, 512 MiB offered */
HostsSaid hosts_fixture_said(void);

/** hosts_fixture_guest() - a VM with a pager and 256 MiB */
WireBeatGuest *hosts_fixture_guest(HostsSaid *said, const char *name,
                                   uint8_t uuid);

/** hosts_fixture_lease() - what this host has lent to a VM of @requester */
WireBeatLease *hosts_fixture_lease(HostsSaid *said, const char *name,
                                   uint8_t uuid, const char *requester,
                                   uint64_t bytes, uint64_t stored);

/** hosts_fixture_beat() - and it says it */
void hosts_fixture_beat(Hosts *hosts, Host *host, HostsSaid *said,
                        uint64_t now);

#endif
