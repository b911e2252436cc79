/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts-fixture: see hosts-fixture.h. */
#include "tests/unit/hosts-fixture.h"

#include <check.h>
#include <string.h>

#include "common/wire-beat.h"

static const uint8_t boot[RCACHE_UUID_LEN] = "boot";

void hosts_fixture_init(Hosts *hosts)
{
    static const HostsConfig config = {
        .heartbeat_ms = 1000, .suspect_beats = 3, .dead_beats = 10,
        .forget_ms = 60000, .max = 1000,
    };

    hosts_init(hosts, &config);
}

Host *hosts_fixture_add(Hosts *hosts, const char *name)
{
    Host *host = hosts_hello(hosts, name, boot, "127.0.0.1:1", 0);

    ck_assert_ptr_nonnull(host);
    host->conn = hosts;         /* anything: nobody sends */
    host->version = 1;
    return host;
}

HostsSaid hosts_fixture_said(void)
{
    return (HostsSaid) {
        .host = { .mem_total = 1024 * MIB, .mem_available = 512 * MIB,
                  .offered = 512 * MIB, .flags = RCACHE_HOST_LENDS,
                  .slab_pages = 256 },
    };
}

WireBeatGuest *hosts_fixture_guest(HostsSaid *said, const char *name,
                                   uint8_t uuid)
{
    WireBeatGuest *g = &said->guest[said->nr_guests++];

    *g = (WireBeatGuest) {
        .vm = { uuid }, .guest = 256 * MIB, .resident = 64 * MIB,
        .local_max = 64 * MIB, .size = 192 * MIB,
        .flags = RCACHE_GUEST_MANAGED | RCACHE_GUEST_PAGER,
    };
    g_strlcpy(g->name, name, sizeof(g->name));
    return g;
}

WireBeatLease *hosts_fixture_lease(HostsSaid *said, const char *name,
                                   uint8_t uuid, const char *requester,
                                   uint64_t bytes, uint64_t stored)
{
    WireBeatLease *l = &said->lease[said->nr_leases++];

    *l = (WireBeatLease) {
        .lease = uuid * 256u + said->nr_leases, .epoch = 1, .vm = { uuid },
        .state = RCACHE_LEASE_CLAIMED, .bytes = bytes, .stored = stored,
        .expires_ms = 30000,
    };
    g_strlcpy(l->name, name, sizeof(l->name));
    g_strlcpy(l->host, requester, sizeof(l->host));
    said->host.leased += bytes;
    said->host.stored += stored;
    return l;
}

static void grant_all(Hosts *hosts, Host *host)
{
    for (guint i = 0; i < host->leases->len; i++) {
        const WireBeatLease *l = &g_array_index(host->leases, WireBeatLease,
                                                i);
        WireGrant grant = { .lease = l->lease, .bytes = l->bytes };

        memcpy(grant.vm, l->vm, sizeof(grant.vm));
        wire_text_copy(grant.host, sizeof(grant.host), l->host);
        hosts_granted(hosts, host, &grant);
    }
}

void hosts_fixture_beat(Hosts *hosts, Host *host, HostsSaid *said,
                        uint64_t now)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    guint start = wire_beat_begin(frame);
    const char *why = "";

    said->host.seq++;
    memcpy(said->host.boot_id, boot, sizeof(boot));
    ck_assert(wire_beat_host(frame, start, &said->host));
    for (unsigned i = 0; i < said->nr_guests; i++) {
        ck_assert(wire_beat_guest(frame, start, &said->guest[i]));
    }
    for (unsigned i = 0; i < said->nr_leases; i++) {
        ck_assert(wire_beat_lease(frame, start, RCACHE_SECTION_LEASE,
                                  &said->lease[i]));
    }
    for (unsigned i = 0; i < said->nr_held; i++) {
        ck_assert(wire_beat_lease(frame, start, RCACHE_SECTION_HELD,
                                  &said->held[i]));
    }
    for (unsigned i = 0; i < said->nr_troubles; i++) {
        ck_assert(wire_beat_trouble(frame, start, &said->trouble[i]));
    }
    for (unsigned i = 0; i < said->nr_guests; i++) {
        if (said->guest[i].delays) {
            ck_assert(wire_beat_delays(frame, start, &said->guest[i]));
        }
        if (said->guest[i].curve) {
            ck_assert(wire_beat_curve(frame, start, &said->guest[i]));
        }
    }
    wire_beat_end(frame, start);
    ck_assert_msg(hosts_beat(hosts, host, frame->data + WIRE_HEAD_LEN,
                             frame->len - WIRE_HEAD_LEN, now, &why) ==
                  HOSTS_BEAT_TAKEN, "%s", why);
    if (!said->alone) {
        grant_all(hosts, host);
    }
}
