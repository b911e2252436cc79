/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-control: the codec of HELLO and of what hosts and arbiters say to each
 * other, but for heartbeats.  See wire.h.
 */
#ifndef RCACHE_WIRE_CONTROL_H
#define RCACHE_WIRE_CONTROL_H

#include "common/wire.h"

#define WIRE_GRANTS_MAX         16u     /* in one LEASE_REPLY */

typedef struct WireHello {
    uint16_t version_min;
    uint16_t version_max;
    uint32_t role;              /* enum RcacheRole */
    uint64_t features;
    uint8_t boot_id[RCACHE_UUID_LEN];
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t incarnation;
    uint64_t session;
    char host[RCACHE_NAME_MAX];         /* never empty */
    char address[RCACHE_NAME_MAX];
} WireHello;

typedef struct WireHelloAck {
    uint16_t version;
    uint32_t heartbeat_ms;
    uint64_t features;
    uint8_t boot_id[RCACHE_UUID_LEN];
    char host[RCACHE_NAME_MAX];
    char text[128];
} WireHelloAck;

typedef struct WireLeaseRequest {
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    uint64_t bytes;
    uint64_t incarnation;       /* of the VM; 0: is not said */
    uint32_t copies;
    uint32_t nr_avoid;          /* at most RCACHE_AVOID_MAX */
    char avoid[RCACHE_AVOID_MAX][RCACHE_NAME_MAX];
} WireLeaseRequest;

typedef struct WireLeaseGrant {
    uint64_t lease;
    uint32_t epoch;
    uint32_t ttl_ms;
    uint64_t bytes;
    uint8_t token[RCACHE_TOKEN_LEN];
    char host[RCACHE_NAME_MAX];
    char address[RCACHE_NAME_MAX];
    char label[RCACHE_NAME_MAX];        /* of its host; "" without .labels */
} WireLeaseGrant;

typedef struct WireLeaseReply {
    uint16_t status;            /* goes to and comes from the head */
    uint16_t nr_grants;
    uint64_t bytes;
    bool labels;                /* both sides have RCACHE_FEATURE_LABELS */
    char text[192];
    WireLeaseGrant grant[WIRE_GRANTS_MAX];
} WireLeaseReply;

typedef struct WireGrant {
    uint64_t lease;
    uint32_t epoch;
    uint32_t claim_ms;
    uint64_t bytes;
    uint8_t token[RCACHE_TOKEN_LEN];
    uint8_t vm[RCACHE_UUID_LEN];
    char name[RCACHE_NAME_MAX];
    char host[RCACHE_NAME_MAX];
    uint64_t incarnation;       /* of the VM; 0: is not said */
} WireGrant;

typedef struct WireGrantAck {
    uint16_t status;            /* goes to and comes from the head */
    uint64_t lease;
    uint64_t bytes;
    uint32_t ttl_ms;
    char text[128];
} WireGrantAck;

/* Of WHERE and WHERE_ACK. */
typedef struct WireWhere {
    uint16_t status;            /* goes to and comes from the head */
    char host[RCACHE_NAME_MAX];
    char address[RCACHE_NAME_MAX];
} WireWhere;

typedef struct WireEvict {
    uint8_t vm[RCACHE_UUID_LEN];
    uint64_t bytes;
} WireEvict;

typedef struct WireEvictAck {
    uint16_t status;
    uint64_t bytes;             /* that went, whatever the status */
    char text[128];
} WireEvictAck;

typedef struct WireUpgradeAck {
    uint16_t status;
    uint32_t pid;               /* of the daemon that is to end */
    char text[128];
} WireUpgradeAck;

/* Each appends one whole frame.  @tag as in the head. */
void wire_append_hello(GByteArray *out, uint64_t tag, const WireHello *hello);
void wire_append_hello_ack(GByteArray *out, uint64_t tag, uint16_t status,
                           const WireHelloAck *ack);
void wire_append_lease_request(GByteArray *out, uint64_t tag,
                               const WireLeaseRequest *req);
/* A status, or more than WIRE_GRANTS_MAX, leaves the grants out. */
void wire_append_lease_reply(GByteArray *out, uint64_t tag,
                             const WireLeaseReply *reply);
void wire_append_grant(GByteArray *out, uint64_t tag, const WireGrant *grant);
void wire_append_grant_ack(GByteArray *out, uint64_t tag,
                           const WireGrantAck *ack);

/** wire_append_where() - WHERE, or WHERE_ACK, as @type says */
void wire_append_where(GByteArray *out, uint8_t type, uint64_t tag,
                       const WireWhere *where);
void wire_append_drain(GByteArray *out, bool drain);
void wire_append_withdraw(GByteArray *out, uint64_t lease);
void wire_append_evict(GByteArray *out, uint64_t tag, const WireEvict *evict);
void wire_append_evict_ack(GByteArray *out, uint64_t tag,
                           const WireEvictAck *ack);
void wire_append_upgrade_ack(GByteArray *out, uint64_t tag,
                             const WireUpgradeAck *ack);

/* Each reads the @len bytes of payload that belong to a decoded head. */
WireError wire_where_decode(const WireHead *head, const void *payload,
                            size_t len, WireWhere *out);
WireError wire_drain_decode(const void *payload, size_t len, bool *drain);
WireError wire_withdraw_decode(const void *payload, size_t len,
                               uint64_t *lease);
WireError wire_evict_decode(const void *payload, size_t len, WireEvict *out);
WireError wire_evict_ack_decode(const WireHead *head, const void *payload,
                                size_t len, WireEvictAck *out);
WireError wire_upgrade_ack_decode(const WireHead *head, const void *payload,
                                  size_t len, WireUpgradeAck *out);
WireError wire_hello_decode(const void *payload, size_t len, WireHello *out);
WireError wire_hello_ack_decode(const void *payload, size_t len,
                                WireHelloAck *out);
WireError wire_lease_request_decode(const void *payload, size_t len,
                                    WireLeaseRequest *out);
WireError wire_lease_reply_decode(const WireHead *head, const void *payload,
                                  size_t len, WireLeaseReply *out);
WireError wire_grant_decode(const void *payload, size_t len, WireGrant *out);
WireError wire_grant_ack_decode(const WireHead *head, const void *payload,
                                size_t len, WireGrantAck *out);

#endif
