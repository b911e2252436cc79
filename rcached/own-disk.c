/* SPDX-License-Identifier: GPL-2.0-or-later */
/* own-disk: leases on this host's own disk.  See own-disk.h. */
#include "rcached/own-disk.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

#include "common/address.h"
#include "common/cleanup.h"

/* A pager is told of it at once. */
#define CLAIM_MS        30000u

struct OwnDisk {
    Granter *granter;
    const HostState *state;
    const char *host;
    char *address;
};

typedef struct Ask {
    OwnDisk *disk;
    WireGrant grant;
    OwnDiskDone *done;
    void *opaque;
} Ask;

/* Where pagers here reach what listens on @listen. */
static char *address_from_here(const char *listen)
{
    struct sockaddr_storage addr;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;
    socklen_t len;

    if (!address_parse(listen, RCACHE_DEFAULT_PORT, &addr, &len, NULL)) {
        return g_strdup(listen);
    }
    if (addr.ss_family == AF_INET && v4->sin_addr.s_addr == INADDR_ANY) {
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (addr.ss_family == AF_INET6 &&
               IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) {
        v6->sin6_addr = in6addr_loopback;
    }
    return address_format(&addr);
}

OwnDisk *own_disk_new(Granter *granter, const HostState *state,
                      const char *host, const char *address)
{
    OwnDisk *disk = g_new0(OwnDisk, 1);

    disk->granter = granter;
    disk->state = state;
    disk->host = host;
    disk->address = address_from_here(address);
    return disk;
}

void own_disk_free(OwnDisk *disk)
{
    if (disk) {
        g_free(disk->address);
        g_free(disk);
    }
}

static void granted(const WireGrantAck *ack, void *opaque)
{
    g_autofree Ask *ask = opaque;
    WireLeaseReply reply = { .status = ack->status };
    WireLeaseGrant *grant = &reply.grant[0];

    if (ack->status == RCACHE_OK) {
        reply.nr_grants = 1;
        reply.bytes = ack->bytes;
        *grant = (WireLeaseGrant) {
            .lease = ack->lease, .epoch = ask->grant.epoch,
            .ttl_ms = ack->ttl_ms, .bytes = ack->bytes,
        };
        memcpy(grant->token, ask->grant.token, sizeof(grant->token));
        wire_text_copy(grant->host, sizeof(grant->host), ask->disk->host);
        wire_text_copy(grant->address, sizeof(grant->address),
                       ask->disk->address);
    }
    wire_text_copy(reply.text, sizeof(reply.text), ack->text);
    ask->done(&reply, ask->opaque);
}

static void random_bytes(void *out, size_t n)
{
    if (getrandom(out, n, 0) != (ssize_t)n) {
        g_error("the kernel gave no random bytes (getrandom)");
    }
}

/* Why there is no lease to be had; NULL: there may be. */
static const char *why_none(const OwnDisk *disk)
{
    if (!disk->granter) {
        return "this host has no spill file (spill-dir)";
    }
    return disk->state->stopping ? "this host's rcached is about to stop, and "
                                   "its disk with it" : NULL;
}

void own_disk_lease(OwnDisk *disk, const Vm *vm, uint64_t bytes,
                    OwnDiskDone *done, void *opaque)
{
    const char *why = why_none(disk);
    WireLeaseReply none = { .status = RCACHE_E_NO_ROOM };
    Ask *ask;

    if (why) {
        wire_text_copy(none.text, sizeof(none.text), why);
        done(&none, opaque);
        return;
    }
    ask = g_new0(Ask, 1);
    ask->disk = disk;
    ask->done = done;
    ask->opaque = opaque;
    ask->grant = (WireGrant) {
        .epoch = 1, .claim_ms = CLAIM_MS, .bytes = bytes,
        .incarnation = vm->incarnation,
    };
    random_bytes(&ask->grant.lease, sizeof(ask->grant.lease));
    ask->grant.lease = MAX(ask->grant.lease & INT64_MAX, 1);
    random_bytes(ask->grant.token, sizeof(ask->grant.token));
    memcpy(ask->grant.vm, vm->uuid, sizeof(ask->grant.vm));
    wire_text_copy(ask->grant.name, sizeof(ask->grant.name), vm->name);
    wire_text_copy(ask->grant.host, sizeof(ask->grant.host), disk->host);
    granter_add_own(disk->granter, &ask->grant, granted, ask);
}
