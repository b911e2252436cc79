/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hosts: what the arbiter knows of each host, all of it from that host's
 * heartbeats.  Pure: time is an argument, in milliseconds of a clock that
 * also runs while the machine sleeps.
 *
 * A host is a name and a boot: HELLO with another boot id is another host of
 * the same name, and nothing of the old one is kept.  A host is alive, then
 * suspect, then dead, by the beats it has missed; whether it is connected is
 * another matter, since a restarted daemon is away for a moment.  A host that
 * has been dead for long is forgotten.
 *
 * A heartbeat is taken whole or not at all.  What providers say they have
 * lent is also kept by VM and by requester, since every placement asks for
 * it; those sums change only when a heartbeat's leases do, and leave out
 * hosts whose figures no host can have.  A lease is in them only if this
 * arbiter has granted it, or its requester's own heartbeat has it: what a
 * provider says alone of others counts for nobody.
 *
 * Anybody can make up names, so what never reported is not kept, and where
 * there are too many hosts a dead one makes room.
 */
#ifndef ARBITER_HOSTS_H
#define ARBITER_HOSTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "arbiter/refusal.h"
#include "common/told.h"
#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "common/wire.h"

typedef enum HostState {
    HOST_ALIVE,
    HOST_SUSPECT,
    HOST_DEAD,
    HOST_STATE_MAX_
} HostState;

/* Two hosts of one name are told for so long after the last sign of it. */
#define HOSTS_TWIN_MS   60000u
/* So many connections of one boot are remembered, each for a minute. */
#define HOSTS_RECONNECTS        8u

typedef struct Host {
    unsigned index;             /* in Hosts.all; changes when one goes */
    uint32_t domain;            /* the number of its label; 0: it has none */
    unsigned domain_at;         /* its place among the hosts of it */
    char name[RCACHE_NAME_MAX];
    uint8_t boot_id[RCACHE_UUID_LEN];
    char address[RCACHE_NAME_MAX];      /* of its provider, or "" */
    char peer[RCACHE_NAME_MAX];         /* where its heartbeats come from */
    char from[RCACHE_NAME_MAX];         /* the same without the port */
    uint8_t last_boot[RCACHE_UUID_LEN]; /* before .boot_id */
    bool booted;                /* .last_boot is one */
    uint64_t again_ms[HOSTS_RECONNECTS];        /* when the same boot said */
    unsigned again_n;           /* HELLO again; how often it did, in all */
    Refusal refusal;            /* of its last request that was */
    Quiet quiet;                /* what is logged of it */
    Told told;                  /* of that: requests with nothing granted */
    const char *twin;           /* why there seem to be two of it; static */
    uint64_t twin_ms;           /* last seen */
    void *conn;                 /* the owner's; NULL: not connected */
    uint64_t features;          /* of its HELLO */
    uint64_t certificate_ms;    /* when its certificate expires; 0: it has
                                 * none */
    uint16_t version;           /* the highest that it speaks */
    bool reported;              /* a heartbeat has come, of this boot */
    bool cut;                   /* the heartbeat was full: there may be more */
    bool counted;               /* its leases are in the sums, */
    GArray *counts;             /* with so many bytes each: uint64_t; 0: not */
    GHashTable *granted;        /* of .leases: those that this arbiter has */
                                /* granted; id -> HostsGranted, owned */
    GHashTable *held_by_id;     /* of .held; NULL: nobody has asked */
    uint64_t offers;            /* of it in the sum of what is offered */
    bool borrows;               /* it has VMs that are managed */
    bool seq_valid;             /* and on this connection */
    uint64_t heard_ms;
    WireBeatHost beat;          /* zero until .reported */
    GArray *guests;             /* of WireBeatGuest */
    GArray *leases;             /* of WireBeatLease: given by this host */
    GArray *held;               /* of WireBeatLease: its VMs' use */
    GArray *terms;              /* of WireBeatTerm */
    GArray *troubles;           /* of WireBeatTrouble: of its VMs */
    GArray *delays;             /* of WireDelays: of VMs whose pager says it */
    GArray *curves;             /* of WireCurve: of those that have one */
} Host;

typedef struct HostsConfig {
    uint64_t heartbeat_ms;
    unsigned suspect_beats;     /* missed, and so many */
    unsigned dead_beats;
    uint64_t forget_ms;         /* after the last beat */
    unsigned max;               /* hosts */
    uint64_t max_offer;         /* bytes of one host; 0: any number */
    GHashTable *offers;         /* name -> uint64_t: of this one instead; or */
                                /* NULL */
    uint64_t certificate_warn_ms;       /* before one expires status says so */
    unsigned stall_warn;        /* percent of a VM's vCPUs' time; 0: never */
} HostsConfig;

/* To whom this arbiter has granted a lease, and how much. */
typedef struct HostsGranted {
    uint64_t lease;
    uint64_t bytes;
    uint8_t vm[RCACHE_UUID_LEN];
    char requester[RCACHE_NAME_MAX];
} HostsGranted;

/* What a host says it has lent to a VM, in all its leases that count. */
typedef struct HostsLent {
    Host *host;
    uint64_t bytes;
    unsigned leases;
} HostsLent;

typedef struct Hosts {
    HostsConfig config;
    GHashTable *table;          /* name -> Host, owned */
    GPtrArray *all;             /* the same, in no order */
    GHashTable *lent;           /* uuid of a VM -> its GArray of HostsLent */
    GHashTable *taken;          /* name of a requester -> its sum */
    GHashTable *addresses;      /* of providers -> the last Host there */
    GHashTable *domains;        /* label -> its number and hosts */
    uint32_t last_domain;
    uint64_t offered;           /* by all hosts, as far as it is believed */
    unsigned borrowers;         /* hosts that have VMs that are managed */
    uint64_t changes;           /* of what there is to lend, and to whom */
    uint64_t drained_bytes;     /* seen to leave hosts that were drained, */
    uint64_t drained_ms;        /* and in how long */
    Host *scratch;              /* what a heartbeat says, until it is whole */
} Hosts;

typedef enum HostsBeat {
    HOSTS_BEAT_TAKEN,
    HOSTS_BEAT_OLD,             /* older than the last one: dropped */
    HOSTS_BEAT_BAD              /* the connection has to end */
} HostsBeat;

void hosts_init(Hosts *hosts, const HostsConfig *config);
void hosts_deinit(Hosts *hosts);

/** hosts_state_name() - "alive", "suspect", "dead" */
const char *hosts_state_name(HostState state);

/**
 * hosts_hello() - a host has said HELLO
 * @name: of the host
 * @boot_id: of its boot; another than before: what was known is dropped
 * @address: where its provider listens, completed, or ""
 *
 * Where there are too many, the one goes that is dead, not connected, and
 * has been silent for the longest, one that never reported first.
 *
 * Return: the host, or NULL if there are too many all the same
 */
Host *hosts_hello(Hosts *hosts, const char *name, const uint8_t *boot_id,
                  const char *address, uint64_t now);

/**
 * hosts_clash() - is a HELLO that of another host with the same name?
 * @host: the one that is known, and connected
 *
 * @from: the address it connects from
 *
 * A host that connects again has the same boot, comes from where it came
 * from, and its provider is where it was; one that has rebooted was silent
 * meanwhile.
 *
 * Return: why it is another one, or NULL; static
 */
const char *hosts_clash(const Hosts *hosts, const Host *host,
                        const uint8_t *boot_id, const char *address,
                        const char *from, uint64_t now);

/**
 * hosts_twinned() - there is another host of this name
 * @why: how that is known; static
 */
void hosts_twinned(Host *host, const char *why, uint64_t now);

/**
 * hosts_reconnects() - how often it has connected again within a minute
 *
 * Only the same boot counts: that is one host, whatever the reason.
 *
 * Return: a number up to HOSTS_RECONNECTS, which means so many or more
 */
unsigned hosts_reconnects(const Host *host, uint64_t now);

/** hosts_twin() - why there seem to be two of that name, or NULL; for
 * HOSTS_TWIN_MS after the last sign */
const char *hosts_twin(const Host *host, uint64_t now);

/**
 * hosts_renamed() - who was this host, under another name?
 * @name, @boot_id, @address: of its HELLO
 *
 * Return: a host that is no longer there, with this boot and its provider at
 * this address, or NULL
 */
Host *hosts_renamed(const Hosts *hosts, const char *name,
                    const uint8_t *boot_id, const char *address);

/** hosts_gone() - its connection has ended; it may go with it */
void hosts_gone(Hosts *hosts, Host *host);

/** hosts_remove() - forget this one, which has no connection */
void hosts_remove(Hosts *hosts, Host *host);

/**
 * hosts_beat() - take a heartbeat's payload
 * @why: for HOSTS_BEAT_BAD, the reason; static
 */
HostsBeat hosts_beat(Hosts *hosts, Host *host, const void *payload,
                     size_t len, uint64_t now, const char **why);

/**
 * hosts_implausible() - figures that no host can have
 *
 * Return: which, or NULL; static
 */
const char *hosts_implausible(const Host *host);

/** hosts_offered() - bytes it offers, as far as it is believed */
uint64_t hosts_offered(const Hosts *hosts, const Host *host);

/**
 * hosts_slept() - the arbiter itself was away for so long: nobody could be
 * heard meanwhile
 */
void hosts_slept(Hosts *hosts, uint64_t ms, uint64_t now);

/**
 * hosts_lent() - who has lent how much to a VM
 *
 * Return: an array of HostsLent, good until the next heartbeat; NULL: nobody
 */
const GArray *hosts_lent(const Hosts *hosts, const uint8_t *vm);

/**
 * hosts_granted() - a lease that @provider lists is one that was granted so
 */
void hosts_granted(Hosts *hosts, Host *provider, const WireGrant *grant);

/**
 * hosts_quota() - what a requester's VMs may have in all
 * @bytes: as configured; 0: any number
 * @percent: if above 0, hundredths of a percent of all that is offered instead
 *
 * A share holds only where other hosts have VMs that are managed.
 *
 * Return: bytes; 0: any number
 */
uint64_t hosts_quota(const Hosts *hosts, const Host *requester,
                     uint64_t bytes, int percent);

/** hosts_taken() - bytes that all hosts have lent to one host's VMs */
uint64_t hosts_taken(const Hosts *hosts, const char *requester);

/**
 * hosts_domain() - the hosts with the same label as this one
 *
 * Return: an array of Host, itself among them, in no order, good until the
 * next heartbeat; NULL if it has no label
 */
const GPtrArray *hosts_domain(const Hosts *hosts, const Host *host);

/** hosts_drain_rate() - bytes a second that left hosts that were drained,
 * lately; 0: none did */
double hosts_drain_rate(const Hosts *hosts);

/** hosts_age() - ms since its last heartbeat, or its HELLO */
uint64_t hosts_age(const Host *host, uint64_t now);

/** hosts_stale() - are its figures older than two heartbeats? */
bool hosts_stale(const Hosts *hosts, const Host *host, uint64_t now);

/** hosts_state() - by the beats missed at @now */
HostState hosts_state(const Hosts *hosts, const Host *host, uint64_t now);

/**
 * hosts_speaks() - is what is known of it its word of now?
 *
 * It is alive, connected, and has sent a heartbeat on this connection.
 */
bool hosts_speaks(const Hosts *hosts, const Host *host, uint64_t now);

/** hosts_forget() - drop hosts that are not connected and long dead */
unsigned hosts_forget(Hosts *hosts, uint64_t now);

/** hosts_find() - by name, or NULL */
Host *hosts_find(const Hosts *hosts, const char *name);

/** hosts_sorted() - all of them by name; the caller unrefs the array */
GPtrArray *hosts_sorted(const Hosts *hosts);

/** hosts_lease_find() - among the leases that @host has given, or NULL */
const WireBeatLease *hosts_lease_find(const Host *host, uint64_t lease);

#endif
