/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire-control: the payloads of HELLO and of the control frames.  Heartbeats
 * are in wire-beat.c.
 */
#include "common/wire-control.h"

#include <endian.h>
#include <string.h>

#include "common/wire-internal.h"

/* Ids have 63 bits and are never zero, so that 0 can mean "none". */
static bool lease_id_ok(uint64_t lease)
{
    return lease && lease <= INT64_MAX;
}

void wire_append_hello(GByteArray *out, uint64_t tag, const WireHello *hello)
{
    WireHead head = { .type = RCACHE_HELLO, .tag = tag };
    struct RcacheHello raw = {
        .version_min = htole16(hello->version_min),
        .version_max = htole16(hello->version_max),
        .role = htole32(hello->role),
        .features = htole64(hello->features),
        .incarnation = htole64(hello->incarnation),
        .session = htole64(hello->session),
    };

    memcpy(raw.boot_id, hello->boot_id, sizeof(raw.boot_id));
    memcpy(raw.vm, hello->vm, sizeof(raw.vm));
    wire_text_copy(raw.host, sizeof(raw.host), hello->host);
    wire_text_copy(raw.address, sizeof(raw.address), hello->address);
    wire_append_frame(out, &head, &raw, sizeof(raw));
}

WireError wire_hello_decode(const void *payload, size_t len, WireHello *out)
{
    struct RcacheHello raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireHello) {
        .version_min = le16toh(raw.version_min),
        .version_max = le16toh(raw.version_max),
        .role = le32toh(raw.role),
        .features = le64toh(raw.features),
        .incarnation = le64toh(raw.incarnation),
        .session = le64toh(raw.session),
    };
    memcpy(out->boot_id, raw.boot_id, sizeof(raw.boot_id));
    memcpy(out->vm, raw.vm, sizeof(raw.vm));
    if (out->version_min > out->version_max || !out->version_max ||
        out->role < RCACHE_ROLE_FAULT || out->role > RCACHE_ROLE_PUSH) {
        return WIRE_E_VALUE;
    }
    if (wire_text_decode(out->host, raw.host, sizeof(raw.host)) ||
        wire_text_decode(out->address, raw.address, sizeof(raw.address)) ||
        !out->host[0]) {
        return WIRE_E_TEXT;
    }
    return WIRE_OK;
}

void wire_append_hello_ack(GByteArray *out, uint64_t tag, uint16_t status,
                           const WireHelloAck *ack)
{
    WireHead head = {
        .type = RCACHE_HELLO_ACK, .tag = tag, .status = status,
    };
    struct RcacheHelloAck raw = {
        .version = htole16(ack->version),
        .heartbeat_ms = htole32(ack->heartbeat_ms),
        .features = htole64(ack->features),
    };

    memcpy(raw.boot_id, ack->boot_id, sizeof(raw.boot_id));
    wire_text_copy(raw.host, sizeof(raw.host), ack->host);
    wire_text_copy(raw.text, sizeof(raw.text), ack->text);
    wire_append_frame(out, &head, &raw, sizeof(raw));
}

WireError wire_hello_ack_decode(const void *payload, size_t len,
                                WireHelloAck *out)
{
    struct RcacheHelloAck raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireHelloAck) {
        .version = le16toh(raw.version),
        .heartbeat_ms = le32toh(raw.heartbeat_ms),
        .features = le64toh(raw.features),
    };
    memcpy(out->boot_id, raw.boot_id, sizeof(raw.boot_id));
    if (wire_text_decode(out->host, raw.host, sizeof(raw.host)) ||
        wire_text_decode(out->text, raw.text, sizeof(raw.text))) {
        return WIRE_E_TEXT;
    }
    return WIRE_OK;
}

/* RCACHE_FEATURE_OWNER: nothing where the incarnation is not to be said. */
static void owner_append(GByteArray *payload, uint64_t incarnation)
{
    struct RcacheOwner raw = { .incarnation = htole64(incarnation) };

    if (incarnation) {
        g_byte_array_append(payload, (const guint8 *)&raw, sizeof(raw));
    }
}

/* @bytes: the last of a payload, those of RcacheOwner. */
static WireError owner_decode(const uint8_t *bytes, uint64_t *incarnation)
{
    struct RcacheOwner raw;

    memcpy(&raw, bytes, sizeof(raw));
    *incarnation = le64toh(raw.incarnation);
    return *incarnation ? WIRE_OK : WIRE_E_VALUE;
}

void wire_append_lease_request(GByteArray *out, uint64_t tag,
                               const WireLeaseRequest *req)
{
    WireHead head = {
        .type = RCACHE_LEASE_REQUEST, .tag = tag,
        .count = MIN(req->nr_avoid, RCACHE_AVOID_MAX),
    };
    g_autoptr(GByteArray) payload = g_byte_array_new();
    struct RcacheLeaseRequest raw = {
        .bytes = htole64(req->bytes),
        .copies = htole32(req->copies),
    };
    struct RcacheAvoid avoid;

    memcpy(raw.vm, req->vm, sizeof(raw.vm));
    wire_text_copy(raw.name, sizeof(raw.name), req->name);
    g_byte_array_append(payload, (const guint8 *)&raw, sizeof(raw));
    for (unsigned i = 0; i < head.count; i++) {
        wire_text_copy(avoid.host, sizeof(avoid.host), req->avoid[i]);
        g_byte_array_append(payload, (const guint8 *)&avoid, sizeof(avoid));
    }
    owner_append(payload, req->incarnation);
    wire_append_frame(out, &head, payload->data, payload->len);
}

WireError wire_lease_request_decode(const void *payload, size_t len,
                                    WireLeaseRequest *out)
{
    const uint8_t *at = (const uint8_t *)payload;
    struct RcacheLeaseRequest raw;
    struct RcacheAvoid avoid;
    size_t n = len < sizeof(raw) ? 0 : (len - sizeof(raw)) / sizeof(avoid);
    size_t without = sizeof(raw) + n * sizeof(avoid);
    bool owner = len == without + sizeof(struct RcacheOwner);

    G_STATIC_ASSERT(sizeof(struct RcacheOwner) < sizeof(avoid));
    if ((len != without && !owner) || n > RCACHE_AVOID_MAX) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, at, sizeof(raw));
    *out = (WireLeaseRequest) {
        .bytes = le64toh(raw.bytes),
        .copies = le32toh(raw.copies),
        .nr_avoid = n,
    };
    memcpy(out->vm, raw.vm, sizeof(raw.vm));
    if (!out->bytes || !out->copies ||
        (owner && owner_decode(at + without, &out->incarnation))) {
        return WIRE_E_VALUE;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(&avoid, at + sizeof(raw) + i * sizeof(avoid), sizeof(avoid));
        if (wire_text_decode(out->avoid[i], avoid.host, sizeof(avoid.host))) {
            return WIRE_E_TEXT;
        }
    }
    return wire_text_decode(out->name, raw.name, sizeof(raw.name));
}

static void lease_grant_encode(struct RcacheLeaseGrant *raw,
                               const WireLeaseGrant *grant)
{
    *raw = (struct RcacheLeaseGrant) {
        .lease = htole64(grant->lease),
        .epoch = htole32(grant->epoch),
        .ttl_ms = htole32(grant->ttl_ms),
        .bytes = htole64(grant->bytes),
    };
    memcpy(raw->token, grant->token, sizeof(raw->token));
    wire_text_copy(raw->host, sizeof(raw->host), grant->host);
    wire_text_copy(raw->address, sizeof(raw->address), grant->address);
}

static WireError lease_grant_decode(const uint8_t *bytes, WireLeaseGrant *out)
{
    struct RcacheLeaseGrant raw;

    memcpy(&raw, bytes, sizeof(raw));
    *out = (WireLeaseGrant) {
        .lease = le64toh(raw.lease),
        .epoch = le32toh(raw.epoch),
        .ttl_ms = le32toh(raw.ttl_ms),
        .bytes = le64toh(raw.bytes),
    };
    memcpy(out->token, raw.token, sizeof(raw.token));
    if (!lease_id_ok(out->lease) || !out->ttl_ms || !out->bytes) {
        return WIRE_E_VALUE;
    }
    if (wire_text_decode(out->host, raw.host, sizeof(raw.host)) ||
        wire_text_decode(out->address, raw.address, sizeof(raw.address)) ||
        !out->host[0] || !out->address[0]) {
        return WIRE_E_TEXT;
    }
    return WIRE_OK;
}

void wire_append_lease_reply(GByteArray *out, uint64_t tag,
                             const WireLeaseReply *reply)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    struct RcacheLeaseReply raw = { .bytes = htole64(reply->bytes) };
    struct RcacheLeaseGrant grant;
    struct RcacheLabel label;
    unsigned i, n = reply->status ? 0 : MIN(reply->nr_grants, WIRE_GRANTS_MAX);
    WireHead head = {
        .type = RCACHE_LEASE_REPLY,
        .tag = tag,
        .status = reply->status,
        .count = n,
    };

    wire_text_copy(raw.text, sizeof(raw.text), reply->text);
    g_byte_array_append(payload, (const guint8 *)&raw, sizeof(raw));
    for (i = 0; i < n; i++) {
        lease_grant_encode(&grant, &reply->grant[i]);
        g_byte_array_append(payload, (const guint8 *)&grant, sizeof(grant));
    }
    for (i = 0; i < n && reply->labels; i++) {
        wire_text_copy(label.label, sizeof(label.label),
                       reply->grant[i].label);
        g_byte_array_append(payload, (const guint8 *)&label, sizeof(label));
    }
    wire_append_frame(out, &head, payload->data, payload->len);
}

static WireError lease_labels_decode(const uint8_t *bytes,
                                     WireLeaseReply *out)
{
    struct RcacheLabel label;
    WireError err = WIRE_OK;

    for (unsigned i = 0; i < out->nr_grants && !err; i++) {
        memcpy(&label, bytes + i * sizeof(label), sizeof(label));
        err = wire_text_decode(out->grant[i].label, label.label,
                               sizeof(label.label));
    }
    return err;
}

WireError wire_lease_reply_decode(const WireHead *head, const void *payload,
                                  size_t len, WireLeaseReply *out)
{
    struct RcacheLeaseReply raw;
    size_t without = sizeof(raw) +
                     head->count * sizeof(struct RcacheLeaseGrant);
    const uint8_t *at = payload;
    uint64_t sum = 0;
    WireError err;
    unsigned i;

    if (head->count > WIRE_GRANTS_MAX ||
        (len != without &&
         len != without + head->count * sizeof(struct RcacheLabel))) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, at, sizeof(raw));
    at += sizeof(raw);
    *out = (WireLeaseReply) {
        .status = head->status,
        .nr_grants = head->count,
        .bytes = le64toh(raw.bytes),
    };
    for (i = 0; i < head->count; i++, at += sizeof(struct RcacheLeaseGrant)) {
        err = lease_grant_decode(at, &out->grant[i]);
        if (err) {
            return err;
        }
        if (__builtin_add_overflow(sum, out->grant[i].bytes, &sum)) {
            return WIRE_E_VALUE;
        }
    }
    if (sum != out->bytes) {
        return WIRE_E_VALUE;
    }
    out->labels = len > without;
    err = out->labels ? lease_labels_decode(at, out) : WIRE_OK;
    return err ? err
               : wire_text_decode(out->text, raw.text, sizeof(raw.text));
}

void wire_append_grant(GByteArray *out, uint64_t tag, const WireGrant *grant)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    WireHead head = { .type = RCACHE_GRANT, .tag = tag };
    struct RcacheGrant raw = {
        .lease = htole64(grant->lease),
        .epoch = htole32(grant->epoch),
        .claim_ms = htole32(grant->claim_ms),
        .bytes = htole64(grant->bytes),
    };

    memcpy(raw.token, grant->token, sizeof(raw.token));
    memcpy(raw.vm, grant->vm, sizeof(raw.vm));
    wire_text_copy(raw.name, sizeof(raw.name), grant->name);
    wire_text_copy(raw.host, sizeof(raw.host), grant->host);
    g_byte_array_append(payload, (const guint8 *)&raw, sizeof(raw));
    owner_append(payload, grant->incarnation);
    wire_append_frame(out, &head, payload->data, payload->len);
}

WireError wire_grant_decode(const void *payload, size_t len, WireGrant *out)
{
    const uint8_t *at = payload;
    struct RcacheGrant raw;
    bool owner = len == sizeof(raw) + sizeof(struct RcacheOwner);

    if (len != sizeof(raw) && !owner) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireGrant) {
        .lease = le64toh(raw.lease),
        .epoch = le32toh(raw.epoch),
        .claim_ms = le32toh(raw.claim_ms),
        .bytes = le64toh(raw.bytes),
    };
    memcpy(out->token, raw.token, sizeof(raw.token));
    memcpy(out->vm, raw.vm, sizeof(raw.vm));
    if (!lease_id_ok(out->lease) || !out->bytes || !out->claim_ms ||
        (owner && owner_decode(at + sizeof(raw), &out->incarnation))) {
        return WIRE_E_VALUE;
    }
    if (wire_text_decode(out->name, raw.name, sizeof(raw.name)) ||
        wire_text_decode(out->host, raw.host, sizeof(raw.host))) {
        return WIRE_E_TEXT;
    }
    return WIRE_OK;
}

void wire_append_grant_ack(GByteArray *out, uint64_t tag,
                           const WireGrantAck *ack)
{
    WireHead head = {
        .type = RCACHE_GRANT_ACK, .tag = tag, .status = ack->status,
    };
    struct RcacheGrantAck raw = {
        .lease = htole64(ack->lease),
        .bytes = htole64(ack->bytes),
        .ttl_ms = htole32(ack->ttl_ms),
    };

    wire_text_copy(raw.text, sizeof(raw.text), ack->text);
    wire_append_frame(out, &head, &raw, sizeof(raw));
}

WireError wire_grant_ack_decode(const WireHead *head, const void *payload,
                                size_t len, WireGrantAck *out)
{
    struct RcacheGrantAck raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireGrantAck) {
        .status = head->status,
        .lease = le64toh(raw.lease),
        .bytes = le64toh(raw.bytes),
        .ttl_ms = le32toh(raw.ttl_ms),
    };
    /* Yes means some bytes for some time, no means none. */
    if (!lease_id_ok(out->lease) || !out->bytes != !!out->status ||
        (!out->status && !out->ttl_ms)) {
        return WIRE_E_VALUE;
    }
    return wire_text_decode(out->text, raw.text, sizeof(raw.text));
}

void wire_append_where(GByteArray *out, uint8_t type, uint64_t tag,
                       const WireWhere *where)
{
    WireHead head = { .type = type, .tag = tag, .status = where->status };
    struct RcacheWhere raw;

    wire_text_copy(raw.host, sizeof(raw.host), where->host);
    wire_text_copy(raw.address, sizeof(raw.address), where->address);
    wire_append_frame(out, &head, &raw, sizeof(raw));
}

WireError wire_where_decode(const WireHead *head, const void *payload,
                            size_t len, WireWhere *out)
{
    struct RcacheWhere raw;
    bool answer = head->type == RCACHE_WHERE_ACK && !head->status;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireWhere) { .status = head->status };
    if (wire_text_decode(out->host, raw.host, sizeof(raw.host)) ||
        wire_text_decode(out->address, raw.address, sizeof(raw.address))) {
        return WIRE_E_TEXT;
    }
    /* One is asked for by the other, and both are the answer. */
    if (answer ? !out->host[0] || !out->address[0]
               : !out->host[0] && !out->address[0]) {
        return WIRE_E_TEXT;
    }
    return WIRE_OK;
}

void wire_append_drain(GByteArray *out, bool drain)
{
    struct RcacheDrain raw = { .drain = htole32(drain) };
    WireHead head = { .type = RCACHE_DRAIN };

    wire_append_frame(out, &head, &raw, sizeof(raw));
}

WireError wire_drain_decode(const void *payload, size_t len, bool *drain)
{
    struct RcacheDrain raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    if (raw.reserved) {
        return WIRE_E_RESERVED;
    }
    *drain = raw.drain;
    return le32toh(raw.drain) <= 1 ? WIRE_OK : WIRE_E_VALUE;
}

void wire_append_withdraw(GByteArray *out, uint64_t lease)
{
    struct RcacheWithdraw raw = { .lease = htole64(lease) };
    WireHead head = { .type = RCACHE_WITHDRAW };

    wire_append_frame(out, &head, &raw, sizeof(raw));
}

WireError wire_withdraw_decode(const void *payload, size_t len,
                               uint64_t *lease)
{
    struct RcacheWithdraw raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *lease = le64toh(raw.lease);
    return *lease && *lease <= INT64_MAX ? WIRE_OK : WIRE_E_VALUE;
}

void wire_append_evict(GByteArray *out, uint64_t tag, const WireEvict *evict)
{
    struct RcacheEvict raw = { .bytes = htole64(evict->bytes) };
    WireHead head = { .type = RCACHE_EVICT, .tag = tag };

    memcpy(raw.vm, evict->vm, sizeof(raw.vm));
    wire_append_frame(out, &head, &raw, sizeof(raw));
}

WireError wire_evict_decode(const void *payload, size_t len, WireEvict *out)
{
    struct RcacheEvict raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireEvict) { .bytes = le64toh(raw.bytes) };
    memcpy(out->vm, raw.vm, sizeof(out->vm));
    return out->bytes ? WIRE_OK : WIRE_E_VALUE;
}

void wire_append_evict_ack(GByteArray *out, uint64_t tag,
                           const WireEvictAck *ack)
{
    struct RcacheEvictAck raw = { .bytes = htole64(ack->bytes) };
    WireHead head = { .type = RCACHE_EVICT_ACK, .tag = tag,
                      .status = ack->status };

    wire_text_copy(raw.text, sizeof(raw.text), ack->text);
    wire_append_frame(out, &head, &raw, sizeof(raw));
}

WireError wire_evict_ack_decode(const WireHead *head, const void *payload,
                                size_t len, WireEvictAck *out)
{
    struct RcacheEvictAck raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireEvictAck) {
        .status = head->status,
        .bytes = le64toh(raw.bytes),
    };
    return wire_text_decode(out->text, raw.text, sizeof(raw.text));
}

void wire_append_upgrade_ack(GByteArray *out, uint64_t tag,
                             const WireUpgradeAck *ack)
{
    struct RcacheUpgradeAck raw = { .pid = htole32(ack->pid) };
    WireHead head = { .type = RCACHE_UPGRADE_ACK, .tag = tag,
                      .status = ack->status };

    wire_text_copy(raw.text, sizeof(raw.text), ack->text);
    wire_append_frame(out, &head, &raw, sizeof(raw));
}

WireError wire_upgrade_ack_decode(const WireHead *head, const void *payload,
                                  size_t len, WireUpgradeAck *out)
{
    struct RcacheUpgradeAck raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireUpgradeAck) {
        .status = head->status,
        .pid = le32toh(raw.pid),
    };
    return wire_text_decode(out->text, raw.text, sizeof(raw.text));
}
