/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire: words, heads and data frames.  wire-control.c has the rest.
 *
 * Every rule about a type's size stands in one table, so that a new type
 * cannot forget its limit, and heads are judged against it before anything
 * is read or allocated for their payload.
 */
#include "common/wire.h"

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "common/wire-control.h"
#include "common/wire-internal.h"

_Static_assert(sizeof(struct RcacheHdr) == WIRE_HEAD_LEN, "head");
_Static_assert(sizeof(struct RcacheHello) == 192, "HELLO");
_Static_assert(sizeof(struct RcacheHelloAck) == 224, "HELLO_ACK");
_Static_assert(sizeof(struct RcacheClaimAck) == 8, "CLAIM_ACK");
_Static_assert(sizeof(struct RcacheClaimAck) + 4 * UINT16_MAX <=
               RCACHE_DATA_MAX, "every number of slabs fits a CLAIM_ACK");
_Static_assert(RCACHE_BATCH_FREES * 8 <= RCACHE_DATA_MAX, "FREE");

enum {
    TO_PROVIDER = 1 << WIRE_PROVIDER,
    TO_REQUESTER = 1 << WIRE_REQUESTER,
    TO_ARBITER = 1 << WIRE_ARBITER,
    TO_HOST = 1 << WIRE_HOST,
    TO_ALL = TO_PROVIDER | TO_REQUESTER | TO_ARBITER | TO_HOST,
};

/* What a type is and how big it may be. */
typedef struct TypeRule {
    const char *name;
    uint8_t to;                 /* TO_* */
    bool answer;                /* may carry a status */
    bool bare_if_status;        /* a status comes without payload */
    bool data;                  /* names a lease and an epoch */
    uint16_t count_min;         /* where the status is 0 */
    uint16_t count_max;
    uint32_t fixed;             /* bytes before what is counted */
    uint32_t each;              /* bytes for each that is counted */
    uint32_t more;              /* and so many, or none, by a feature */
    uint32_t tail;              /* bytes at the end, or none, by a feature */
    uint32_t length_max;        /* if not 0: from fixed to this, any length */
} TypeRule;

#define RULE(T, ...) [RCACHE_ ## T] = { .name = #T, __VA_ARGS__ }
#define BARE_ACK .answer = true, .bare_if_status = true

static const TypeRule type_rules[] = {
    RULE(HELLO, .to = TO_PROVIDER | TO_ARBITER,
         .fixed = sizeof(struct RcacheHello)),
    RULE(HELLO_ACK, .to = TO_REQUESTER | TO_HOST, .answer = true,
         .fixed = sizeof(struct RcacheHelloAck)),
    RULE(PING, .to = TO_ALL),
    RULE(PONG, .to = TO_ALL),
    RULE(PUT, .to = TO_PROVIDER, .data = true, .count_min = 1,
         .count_max = RCACHE_BATCH_PAGES, .each = 8 + WIRE_PAGE_SIZE),
    RULE(PUT_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK,
         .count_max = 1, .each = sizeof(struct RcachePutAck)),
    RULE(GET, .to = TO_PROVIDER, .data = true, .count_min = 1,
         .count_max = RCACHE_BATCH_PAGES, .each = 8),
    RULE(GET_REPLY, .to = TO_REQUESTER, .data = true, BARE_ACK,
         .count_min = 1, .count_max = RCACHE_BATCH_PAGES,
         .each = WIRE_PAGE_SIZE),
    RULE(FREE, .to = TO_PROVIDER, .data = true, .count_min = 1,
         .count_max = RCACHE_BATCH_FREES, .each = 8),
    RULE(FREE_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK),
    RULE(CLAIM, .to = TO_PROVIDER, .data = true,
         .fixed = sizeof(struct RcacheClaim)),
    RULE(CLAIM_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK,
         .count_min = 1, .count_max = UINT16_MAX,
         .fixed = sizeof(struct RcacheClaimAck), .each = 4),
    RULE(RENEW, .to = TO_PROVIDER, .data = true),
    RULE(RENEW_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK,
         .fixed = sizeof(struct RcacheRenewAck)),
    RULE(RELEASE, .to = TO_PROVIDER, .data = true),
    RULE(RELEASE_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK),
    RULE(EXPECT, .to = TO_PROVIDER, .data = true,
         .fixed = sizeof(struct RcacheMoveToken)),
    RULE(EXPECT_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK),
    RULE(MOVE, .to = TO_PROVIDER, .data = true,
         .fixed = sizeof(struct RcacheMove),
         .tail = sizeof(struct RcacheMoveTo)),
    RULE(MOVE_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK,
         .fixed = sizeof(struct RcacheMoved)),
    RULE(CONFIRM, .to = TO_PROVIDER, .data = true,
         .fixed = sizeof(struct RcacheMoveToken)),
    RULE(CONFIRM_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK,
         .fixed = sizeof(struct RcacheMoved)),
    RULE(DROP, .to = TO_PROVIDER, .data = true, .count_min = 1,
         .count_max = RCACHE_BATCH_FREES, .each = 8),
    RULE(DROP_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK),
    RULE(REVOKE, .to = TO_REQUESTER, .data = true,
         .fixed = sizeof(struct RcacheRevoke)),
    RULE(PUSH, .to = TO_PROVIDER, .data = true,
         .fixed = sizeof(struct RcacheMoveToken)),
    RULE(PUSH_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK),
    RULE(PUSHED, .to = TO_PROVIDER, .data = true,
         .fixed = sizeof(struct RcacheMoved)),
    RULE(PUSHED_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK),
    RULE(SUMS, .to = TO_PROVIDER, .data = true, .count_min = 1,
         .count_max = RCACHE_BATCH_PAGES, .each = 8),
    RULE(SUMS_ACK, .to = TO_REQUESTER, .data = true, BARE_ACK,
         .count_min = 1, .count_max = RCACHE_BATCH_PAGES, .each = 8),
    RULE(HEARTBEAT, .to = TO_ARBITER,
         .fixed = sizeof(struct RcacheSection) +
                  offsetof(struct RcacheBeatHost, pid),
         .length_max = RCACHE_CONTROL_MAX),
    RULE(LEASE_REQUEST, .to = TO_ARBITER,
         .count_max = RCACHE_AVOID_MAX,
         .fixed = sizeof(struct RcacheLeaseRequest),
         .each = sizeof(struct RcacheAvoid),
         .tail = sizeof(struct RcacheOwner)),
    RULE(LEASE_REPLY, .to = TO_HOST, .answer = true,
         .count_max = WIRE_GRANTS_MAX,
         .fixed = sizeof(struct RcacheLeaseReply),
         .each = sizeof(struct RcacheLeaseGrant),
         .more = sizeof(struct RcacheLabel)),
    RULE(GRANT, .to = TO_HOST, .fixed = sizeof(struct RcacheGrant),
         .tail = sizeof(struct RcacheOwner)),
    RULE(GRANT_ACK, .to = TO_ARBITER, .answer = true,
         .fixed = sizeof(struct RcacheGrantAck)),
    RULE(DRAIN, .to = TO_HOST, .fixed = sizeof(struct RcacheDrain)),
    RULE(EVICT, .to = TO_HOST, .fixed = sizeof(struct RcacheEvict)),
    RULE(EVICT_ACK, .to = TO_ARBITER, .answer = true,
         .fixed = sizeof(struct RcacheEvictAck)),
    RULE(WITHDRAW, .to = TO_HOST, .fixed = sizeof(struct RcacheWithdraw)),
    RULE(UPGRADE, .to = TO_HOST),
    RULE(UPGRADE_ACK, .to = TO_ARBITER, .answer = true,
         .fixed = sizeof(struct RcacheUpgradeAck)),
    RULE(WHERE, .to = TO_ARBITER, .fixed = sizeof(struct RcacheWhere)),
    RULE(WHERE_ACK, .to = TO_HOST, .answer = true,
         .fixed = sizeof(struct RcacheWhere)),
};
_Static_assert(G_N_ELEMENTS(type_rules) == RCACHE_WHERE_ACK + 1,
               "type_rules[] does not match enum RcacheType");

static const char *const status_names[] = {
    [RCACHE_OK] = "ok",
    [RCACHE_E_VERSION] = "no common version",
    [RCACHE_E_BAD] = "malformed",
    [RCACHE_E_LEASE] = "no such lease",
    [RCACHE_E_EPOCH] = "another epoch",
    [RCACHE_E_SLOT] = "no such slot",
    [RCACHE_E_FENCED] = "fenced by a newer session",
    [RCACHE_E_NO_ROOM] = "no room",
    [RCACHE_E_REFUSED] = "refused",
    [RCACHE_E_BUSY] = "busy",
};
_Static_assert(G_N_ELEMENTS(status_names) == RCACHE_E_BUSY + 1,
               "status_names[] does not match enum RcacheStatus");

static const char *const reasons[] = {
    [WIRE_OK] = "ok",
    [WIRE_E_MAGIC] = "not this protocol (magic)",
    [WIRE_E_TLS] = "bytes of TLS, and there is no TLS here (tls=none)",
    [WIRE_E_VERSION] = "unknown protocol version",
    [WIRE_E_TYPE] = "a frame type that is not taken here",
    [WIRE_E_RESERVED] = "flags or reserved fields are set",
    [WIRE_E_STATUS] = "a status where none belongs",
    [WIRE_E_COUNT] = "count out of range",
    [WIRE_E_LENGTH] = "length does not fit the type",
    [WIRE_E_TEXT] = "a text is missing, unterminated or unprintable",
    [WIRE_E_VALUE] = "a field is out of range",
    [WIRE_E_CHECK] = "bits were changed on the way",
    [WIRE_E_SECTION] = "heartbeat sections do not fit together",
};
_Static_assert(G_N_ELEMENTS(reasons) == WIRE_E_MAX_,
               "reasons[] does not match enum WireError");

const char *wire_reason(WireError err)
{
    return (unsigned)err < G_N_ELEMENTS(reasons) ? reasons[err] : "?";
}

static const TypeRule *type_rule(uint8_t type)
{
    if (type >= G_N_ELEMENTS(type_rules) || !type_rules[type].name) {
        return NULL;
    }
    return &type_rules[type];
}

bool wire_type_is_checked(uint8_t type)
{
    const TypeRule *rule = type_rule(type);

    return rule && rule->data && rule->to == TO_PROVIDER;
}

const char *wire_type_name(uint8_t type)
{
    const TypeRule *rule = type_rule(type);

    return rule ? rule->name : "?";
}

const char *wire_status_name(uint16_t status)
{
    return status < G_N_ELEMENTS(status_names) ? status_names[status] : "?";
}

void wire_text_copy(char *to, size_t size, const char *from)
{
    size_t len = from ? strnlen(from, size) : 0;

    if (len == size) {
        /* Back to the start of the character that does not fit. */
        len = size - 1;
        while (len && ((unsigned char)from[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    memset(to, 0, size);
    if (len) {
        memcpy(to, from, len);
    }
}

/* Nearly all names are; a heartbeat has dozens. */
static bool text_is_plain(const char *p, const char *end)
{
    while (p < end && *p >= ' ' && *p <= '~') {
        p++;
    }
    return p == end;
}

static bool text_is_printable(const char *p, const char *end)
{
    if (!g_utf8_validate_len(p, end - p, NULL)) {
        return false;
    }
    for (; p < end; p = g_utf8_next_char(p)) {
        if (!g_unichar_isprint(g_utf8_get_char(p))) {
            return false;
        }
    }
    return true;
}

WireError wire_text_decode(char *to, const char *from, size_t size)
{
    const char *end = memchr(from, '\0', size);

    if (!end || (!text_is_plain(from, end) && !text_is_printable(from, end))) {
        return WIRE_E_TEXT;
    }
    memcpy(to, from, end - from);
    memset(to + (end - from), 0, size - (end - from));
    return WIRE_OK;
}

/* ---------------------------------------------------------------- heads */

/* Do length and count fit the type and each other? */
static WireError head_check_size(const TypeRule *rule, const WireHead *head)
{
    uint32_t length = rule->fixed + rule->each * head->count;

    if (head->status) {
        uint32_t want = rule->bare_if_status ? 0 : rule->fixed;

        if (head->count) {
            return WIRE_E_COUNT;
        }
        return head->length == want ? WIRE_OK : WIRE_E_LENGTH;
    }
    if (head->count < rule->count_min || head->count > rule->count_max) {
        return WIRE_E_COUNT;
    }
    if (rule->length_max) {
        return head->length >= rule->fixed && head->length <= rule->length_max
            ? WIRE_OK : WIRE_E_LENGTH;
    }
    return head->length == length ||
           (rule->more && head->length == length + rule->more * head->count) ||
           (rule->tail && head->length == length + rule->tail)
        ? WIRE_OK : WIRE_E_LENGTH;
}

/* The first bytes of a record: its type, an alert or a handshake, and 3. */
bool wire_is_tls(const void *bytes, size_t len)
{
    const uint8_t *record = bytes;

    return len >= 2 && (record[0] == 21 || record[0] == 22) && record[1] == 3;
}

WireError wire_head_decode(const void *bytes, WireSide side, WireHead *out)
{
    struct RcacheHdr raw;
    const TypeRule *rule;

    memcpy(&raw, bytes, sizeof(raw));
    *out = (WireHead) { 0 };
    if (le32toh(raw.magic) != RCACHE_MAGIC) {
        return wire_is_tls(bytes, sizeof(raw)) ? WIRE_E_TLS : WIRE_E_MAGIC;
    }
    *out = (WireHead) {
        .type = raw.type,
        .status = le16toh(raw.status),
        .count = le16toh(raw.count),
        .length = le32toh(raw.length),
        .epoch = le32toh(raw.epoch),
        .check = le32toh(raw.check),
        .tag = le64toh(raw.tag),
        .lease = le64toh(raw.lease),
    };
    if (raw.version != RCACHE_HEAD_VERSION) {
        return WIRE_E_VERSION;
    }
    rule = type_rule(raw.type);
    if (!rule || (side != WIRE_ANY && !(rule->to & (1 << side)))) {
        return WIRE_E_TYPE;
    }
    if (raw.flags || (raw.check && !wire_type_is_checked(raw.type) &&
                      raw.type != RCACHE_GET_REPLY) ||
        (!rule->data && (raw.lease || raw.epoch))) {
        return WIRE_E_RESERVED;
    }
    if (out->status && (!rule->answer ||
                        out->status >= G_N_ELEMENTS(status_names))) {
        return WIRE_E_STATUS;
    }
    return head_check_size(rule, out);
}

void wire_head_encode(void *out, const WireHead *head)
{
    struct RcacheHdr raw = {
        .magic = htole32(RCACHE_MAGIC),
        .version = RCACHE_HEAD_VERSION,
        .type = head->type,
        .length = htole32(head->length),
        .status = htole16(head->status),
        .count = htole16(head->count),
        .tag = htole64(head->tag),
        .lease = htole64(head->lease),
        .epoch = htole32(head->epoch),
        .check = htole32(head->check),
    };

    memcpy(out, &raw, sizeof(raw));
}

void wire_append_frame(GByteArray *out, const WireHead *head,
                       const void *payload, size_t len)
{
    WireHead whole = *head;
    uint8_t raw[WIRE_HEAD_LEN];

    whole.length = len;
    wire_head_encode(raw, &whole);
    g_byte_array_append(out, raw, sizeof(raw));
    if (len) {
        g_byte_array_append(out, payload, len);
    }
}

void wire_append_bare(GByteArray *out, const WireHead *head)
{
    wire_append_frame(out, head, NULL, 0);
}

/* ----------------------------------------------------------------- data */

void wire_slots_encode(void *out, const RcacheSlot *slots, unsigned n)
{
    uint8_t *to = out;
    unsigned i;

    for (i = 0; i < n; i++) {
        uint64_t raw = htole64(slots[i]);

        memcpy(to + i * sizeof(raw), &raw, sizeof(raw));
    }
}

void wire_slots_decode(const void *bytes, RcacheSlot *slots, unsigned n)
{
    const uint8_t *from = bytes;
    unsigned i;

    for (i = 0; i < n; i++) {
        uint64_t raw;

        memcpy(&raw, from + i * sizeof(raw), sizeof(raw));
        slots[i] = le64toh(raw);
    }
}

void wire_append_slots(GByteArray *out, const WireHead *head,
                       const RcacheSlot *slots)
{
    uint64_t raw[RCACHE_BATCH_FREES];
    unsigned n = MIN(head->count, RCACHE_BATCH_FREES);

    wire_slots_encode(raw, slots, n);
    wire_append_frame(out, head, raw, n * sizeof(raw[0]));
}

void wire_append_claim(GByteArray *out, const WireHead *head,
                       const uint8_t token[RCACHE_TOKEN_LEN])
{
    WireHead claim = *head;

    claim.type = RCACHE_CLAIM;
    wire_append_frame(out, &claim, token, RCACHE_TOKEN_LEN);
}

WireError wire_claim_decode(const void *payload, size_t len,
                            uint8_t token[RCACHE_TOKEN_LEN])
{
    if (len != sizeof(struct RcacheClaim)) {
        return WIRE_E_LENGTH;
    }
    memcpy(token, payload, RCACHE_TOKEN_LEN);
    return WIRE_OK;
}

void wire_append_claim_ack(GByteArray *out, const WireHead *head,
                           const WireClaimAck *ack, const uint32_t *slabs)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    struct RcacheClaimAck raw = {
        .slab_pages = htole32(ack->slab_pages),
        .ttl_ms = htole32(ack->ttl_ms),
    };
    WireHead whole = *head;
    unsigned i;

    whole.type = RCACHE_CLAIM_ACK;
    whole.count = ack->nr_slabs;
    g_byte_array_append(payload, (const guint8 *)&raw, sizeof(raw));
    for (i = 0; i < ack->nr_slabs; i++) {
        uint32_t slab = htole32(slabs[i]);

        g_byte_array_append(payload, (const guint8 *)&slab, sizeof(slab));
    }
    wire_append_frame(out, &whole, payload->data, payload->len);
}

WireError wire_claim_ack_decode(const void *payload, size_t len,
                                WireClaimAck *out)
{
    struct RcacheClaimAck raw;
    size_t slabs;

    if (len <= sizeof(raw) || (len - sizeof(raw)) % 4 ||
        (slabs = (len - sizeof(raw)) / 4) > UINT16_MAX) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *out = (WireClaimAck) {
        .slab_pages = le32toh(raw.slab_pages),
        .ttl_ms = le32toh(raw.ttl_ms),
        .nr_slabs = slabs,
    };
    return out->slab_pages && out->ttl_ms ? WIRE_OK : WIRE_E_VALUE;
}

uint32_t wire_claim_ack_slab(const void *payload, unsigned i)
{
    const uint8_t *at = payload;
    uint32_t slab;

    memcpy(&slab, at + sizeof(struct RcacheClaimAck) + i * sizeof(slab),
           sizeof(slab));
    return le32toh(slab);
}

void wire_append_renew_ack(GByteArray *out, const WireHead *head,
                           uint32_t ttl_ms)
{
    struct RcacheRenewAck raw = { .ttl_ms = htole32(ttl_ms) };
    WireHead whole = *head;

    whole.type = RCACHE_RENEW_ACK;
    wire_append_frame(out, &whole, &raw, sizeof(raw));
}

WireError wire_renew_ack_decode(const void *payload, size_t len,
                                uint32_t *ttl_ms)
{
    struct RcacheRenewAck raw;

    if (len != sizeof(raw)) {
        return WIRE_E_LENGTH;
    }
    memcpy(&raw, payload, sizeof(raw));
    *ttl_ms = le32toh(raw.ttl_ms);
    return *ttl_ms ? WIRE_OK : WIRE_E_VALUE;
}
