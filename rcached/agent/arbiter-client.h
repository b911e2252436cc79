/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arbiter-client: this host's connections to the arbiters, all of them.
 *
 * Each is kept up on its own: dialled, greeted, given heartbeats at the
 * period it names, probed with PING so that a silent end is noticed, and
 * dialled again, with growing pauses, when it has ended.  No arbiter is
 * needed for anything but new leases.
 *
 * A lease request goes to one arbiter; when that does not answer in time, or
 * says no, the next one is asked (lease-requests.h).  Whether it is there at
 * all is known within half a heartbeat, since a PING goes with the request.
 */
#ifndef RCACHED_AGENT_ARBITER_CLIENT_H
#define RCACHED_AGENT_ARBITER_CLIENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/tls-credentials.h"
#include "common/wire-control.h"
#include "common/wire.h"
#include "rcached/agent/lease-requests.h"
#include "rcached/agent/where-requests.h"

typedef struct ArbiterClients ArbiterClients;

/* A GRANT, an EVICT or an UPGRADE that is to be answered. */
typedef struct ArbiterAsked ArbiterAsked;

typedef struct ArbiterOps {
    /* An arbiter is connected and has had its first heartbeat. */
    void (*greeted)(void *opaque);
    /* Append one whole heartbeat with this number to @out. */
    void (*beat)(GByteArray *out, uint64_t seq, void *opaque);
    /* Give it to arbiter_grant_answer(), now or later. */
    void (*grant)(ArbiterAsked *request, const WireGrant *grant,
                  void *opaque);
    /* An operator wants this host empty, or no longer. */
    void (*drain)(bool draining, void *opaque);
    /* Nobody will claim this lease of this host's provider. */
    void (*withdraw)(uint64_t lease, void *opaque);
    /* Give it to arbiter_evict_answer(), now or later. */
    void (*evict)(ArbiterAsked *request, const WireEvict *evict,
                  void *opaque);
    /* Give it to arbiter_upgrade_answer(), now or later. */
    void (*upgrade)(ArbiterAsked *request, void *opaque);
} ArbiterOps;

typedef struct ArbiterConfig {
    const char *const *addresses;       /* NULL ends them; may be none */
    const char *host;           /* this host's name */
    uint8_t boot_id[RCACHE_UUID_LEN];
    const char *provider;       /* where this host's provider listens */
    TlsCredentials *tls;        /* NULL: without TLS */
    unsigned dial_ms;           /* a connection may take to come about */
    unsigned retry_min_ms;      /* pauses between attempts */
    unsigned retry_max_ms;      /* no more than a heartbeat, unless refused */
    unsigned answer_ms;         /* an arbiter may take to answer a request */
} ArbiterConfig;

typedef struct ArbiterStatus {
    const char *address;        /* as configured */
    const char *host;           /* its name; "" before it has greeted us */
    bool connected;
    const char *error;          /* why not; "" if it is or has not been */
    uint64_t beats;             /* heartbeats sent */
    unsigned version;           /* of the protocol, that it has chosen */
} ArbiterStatus;

/** arbiter_config_init() - the default times */
void arbiter_config_init(ArbiterConfig *config);

/** arbiter_clients_new() - start to connect; @ops must outlive it */
ArbiterClients *arbiter_clients_new(const ArbiterConfig *config,
                                    const ArbiterOps *ops, void *opaque);

/** arbiter_clients_free() - end all; requests that are out are answered
 * BUSY, grants that are not answered yet still can be */
void arbiter_clients_free(ArbiterClients *clients);

/**
 * arbiter_clients_set_tls() - other credentials, if there were some
 *
 * New connections get them; those are ended that they would not take.
 */
void arbiter_clients_set_tls(ArbiterClients *clients, TlsCredentials *creds);

/**
 * arbiter_request() - ask for a lease
 * @reply: called once, never from within this function
 *
 * With nobody to ask the answer is RCACHE_E_BUSY, and its text says why.
 */
void arbiter_request(ArbiterClients *clients, const WireLeaseRequest *request,
                     LeaseRequestReply *reply, void *opaque);

/**
 * arbiter_where() - ask all arbiters where a provider is
 * @what: see where_requests_add()
 * @reply: called once, never from within this function
 */
void arbiter_where(ArbiterClients *clients, const WireWhere *what,
                   WhereReply *reply, void *opaque);

/** arbiter_grant_answer() - answer a GRANT; @request is gone then.  An
 * arbiter that is gone meanwhile gets none: nobody will claim that lease. */
void arbiter_grant_answer(ArbiterAsked *request, const WireGrantAck *ack);

/** arbiter_evict_answer() - the same for an EVICT */
void arbiter_evict_answer(ArbiterAsked *request, const WireEvictAck *ack);

/** arbiter_upgrade_answer() - the same for an UPGRADE */
void arbiter_upgrade_answer(ArbiterAsked *request, const WireUpgradeAck *ack);

/** arbiter_clients_count() - how many arbiters are configured */
unsigned arbiter_clients_count(const ArbiterClients *clients);
/** arbiter_clients_connected() - how many of them are, now */
unsigned arbiter_clients_connected(const ArbiterClients *clients);

/** arbiter_clients_status() - how arbiter @i is; its texts are the clients' */
void arbiter_clients_status(const ArbiterClients *clients, unsigned i,
                            ArbiterStatus *out);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ArbiterClients, arbiter_clients_free)

#endif
