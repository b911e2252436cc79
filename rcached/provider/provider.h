/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * provider: lends this host's memory to others.
 *
 * The provider has a thread of its own that answers requesters (server.h).
 * The functions here may be called on any other thread, provider_grant() on
 * one at a time; what they share stands in the store, under one lock that
 * nobody holds while bytes are moved or memory is allocated.
 */
#ifndef RCACHED_PROVIDER_H
#define RCACHED_PROVIDER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/tls-credentials.h"
#include "common/wire-control.h"
#include "common/wire.h"
#include "rcached/provider/provider-limits.h"
#include "rcached/provider/provider-where.h"

typedef struct Provider Provider;

/**
 * ProviderKeep - hand a descriptor to whoever keeps it across a restart
 * @name: unique among those kept
 * @fd: the descriptor, or -1: the one of that name is not to be kept any more
 *
 * Called on either thread, and returns once it is kept.
 */
typedef void ProviderKeep(const char *name, int fd, void *opaque);

/* ProviderStarting - the start goes on: called for each slab taken over */
typedef void ProviderStarting(void *opaque);

/* A descriptor that an earlier daemon left with ProviderKeep. */
typedef struct ProviderKept {
    const char *name;
    int fd;                     /* the provider's once given */
} ProviderKept;

typedef struct ProviderConfig {
    const char *listen;         /* see address_parse() */
    TlsCredentials *tls;        /* NULL: serve without TLS */
    bool tls_none;              /* allowed beyond loopback all the same */
    const char *host;           /* this host's name */
    uint8_t boot_id[RCACHE_UUID_LEN];
    uint64_t slab_size;         /* bytes; pages times a power of two */
    uint64_t limit;             /* as provider_set_limit(), at the start */
    unsigned poll_us;           /* spin for so long before sleeping */
    unsigned dscp;              /* of all that is sent, see dscp.h */
    uint32_t ttl_ms;            /* a lease's life without RENEW */
    uint64_t orphan_ms;         /* from expiry until its bytes are dropped */
    uint32_t claim_max_ms;      /* no grant may wait longer than this */
    unsigned hello_ms;          /* a connection without HELLO may live */
    unsigned stall_ms;          /* one stuck in a frame may live */
    ProviderLimits limits;
    bool lock_memory;           /* mlock even where there is no swap */
    const char *spill_dir;      /* for the spill file, or NULL or "": none */
    uint64_t spill_size;        /* bytes to set aside there */
    uint32_t spill_pause_ms;    /* after a write to it that failed */
    ProviderWhere *where;       /* or NULL: slabs go where requesters say */
    void *where_opaque;
    ProviderKeep *keep;         /* or NULL */
    void *keep_opaque;
    ProviderStarting *starting; /* gets keep_opaque; or NULL */
    unsigned keep_max;          /* descriptors that it takes; 0: any number */
    const ProviderKept *kept;
    unsigned nr_kept;
} ProviderConfig;

typedef struct ProviderSnapshot {
    uint64_t offered;           /* bytes, and so are the next: may be leased */
    uint64_t keepable;          /* the most of that which can be kept for the
                                 * next daemon; UINT64_MAX: any number */
    uint64_t leased;
    uint64_t asked;             /* of leased: that has been asked back */
    uint64_t stored;
    uint64_t spilled;           /* of leased: memory that is given back, since
                                 * the slabs are in the spill file */
    uint64_t in_file;           /* of stored: what that file holds */
    uint64_t own;               /* of that file: VMs here have it, which is
                                 * not in what is above */
    uint64_t own_stored;
    uint64_t spill_size;        /* slabs it has room for in all; 0: none */
    uint32_t slab_pages;
    uint64_t get_pages;         /* counts since the start, and so the next */
    uint64_t put_pages;
    uint64_t freed_slots;
    uint64_t slabs_out;         /* pushed to other providers */
    uint64_t slabs_in;          /* that other providers have filled */
    uint64_t spill_slabs_out;   /* that went to the spill file */
    uint64_t spill_slabs_back;  /* that came back to memory */
    uint64_t spill_get_pages;   /* GETs answered from it */
    uint64_t spill_put_pages;   /* PUTs that went to it */
    uint64_t spill_errors;
    bool spill_failing;         /* nothing can be written to it just now */
    char spill_problem[320];    /* the last, or "" */
    uint64_t conns;             /* now */
    uint64_t conns_accepted;
    ProviderLimits limits;
    LimitHits hits;             /* who has run into one of them */
    GArray *leases;             /* of WireBeatLease, those of VMs here too */
} ProviderSnapshot;

/** provider_config_init() - the defaults; listen, host, boot_id are yours */
void provider_config_init(ProviderConfig *config);

/**
 * provider_new() - listen, and start to serve
 *
 * Raises the process's soft limit of descriptors: a slab needs one.
 *
 * Return: the provider, or NULL with @errp set
 */
Provider *provider_new(const ProviderConfig *config, GError **errp);

/** provider_free() - stop serving; lent memory goes, unless it is kept */
void provider_free(Provider *provider);

/** provider_address() - where it listens, with the port it was given */
const char *provider_address(const Provider *provider);

/** provider_protection() - in words, what keeps lent memory out of swap */
const char *provider_protection(const Provider *provider);

/**
 * provider_set_tls() - other credentials, of one that has been given some
 *
 * New connections get them; those are ended that they would not take.
 */
void provider_set_tls(Provider *provider, TlsCredentials *creds);

/** provider_set_limit() - how many bytes may be leased in all.  What is
 * leased already stays. */
void provider_set_limit(Provider *provider, uint64_t bytes);

/** provider_set_stay() - bytes that may stay in memory though they are asked
 * back, and are not written to the spill file; from the next
 * provider_revoke() on */
void provider_set_stay(Provider *provider, uint64_t bytes);

/**
 * provider_revoke() - ask requesters to leave slabs, or no longer
 * @keep: bytes that may stay leased and in memory; UINT64_MAX: all of them
 * @room: bytes of memory by which slabs may come back from the spill file
 * @deadline_ms: for those that are asked for from now on
 *
 * It is said again as often as one likes: what has been asked for before
 * counts.  Grants are not refused by it, see provider_set_limit().  Slabs in
 * the spill file that there is no room for are asked for as well.  What is
 * still in memory at the deadline beyond @keep, and beyond what may stay all
 * the same, goes to the spill file, if there is one.
 *
 * Return: bytes that have been asked for and are still leased
 */
uint64_t provider_revoke(Provider *provider, uint64_t keep, uint64_t room,
                         uint32_t deadline_ms);

/**
 * provider_grant() - give a lease, if there is room
 * @out: the answer, whole: also when it is no
 *
 * Allocates and maps the memory before it says yes.  That takes tens of
 * milliseconds for each 64 MiB: not for a thread that others wait for.
 */
void provider_grant(Provider *provider, const WireGrant *grant,
                    WireGrantAck *out);

/**
 * provider_revoke_own() - ask VMs here to leave the disk, or no longer
 * @deadline_ms: from now
 */
void provider_revoke_own(Provider *provider, bool leave,
                         uint32_t deadline_ms);

/**
 * provider_end_lease() - drop a lease and the bytes in it, by an operator's
 * order
 *
 * Return: false if there is none of that id
 */
bool provider_end_lease(Provider *provider, uint64_t lease);

/**
 * provider_withdraw() - drop a lease that nobody will claim
 *
 * Return: false if there is none of that id, or it has been claimed
 */
bool provider_withdraw(Provider *provider, uint64_t lease);

/**
 * provider_snapshot() - what is lent now
 * @provider: NULL: this host lends nothing
 * @out: for provider_snapshot_clear()
 */
void provider_snapshot(Provider *provider, ProviderSnapshot *out);
void provider_snapshot_clear(ProviderSnapshot *snapshot);

/**
 * provider_debug_flip() - flip a bit of one stored page, chosen at random
 *
 * Only for a daemon that was started with debug commands: it shows that
 * requesters notice.
 *
 * Return: false if nothing is stored
 */
bool provider_debug_flip(Provider *provider);

#endif
