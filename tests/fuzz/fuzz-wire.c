/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-wire: the codec on any bytes.
 *
 * The input is a row of frames for one side, which its first byte names.
 * What is decoded must be what it is decoded to again after it has been
 * encoded: a decoder that lets through what the encoder cannot say, or that
 * reads past its bytes, fails.
 */
#include <glib.h>
#include <string.h>

#include "common/wire-beat.h"
#include "common/wire-check.h"
#include "common/wire-control.h"
#include "common/wire-move.h"
#include "common/wire-version.h"
#include "common/wire.h"
#include "fuzz.h"

/* The payload on the heap, so that a byte too far is seen. */
typedef struct Frame {
    WireHead head;
    uint8_t *payload;
} Frame;

/* Is the frame in @out what @head was, and decoded to the same? */
#define SAME(type, decode_call) do { \
        type again_; \
        const uint8_t *bytes_ = out->data + WIRE_HEAD_LEN; \
        size_t len_ = out->len - WIRE_HEAD_LEN; \
        memset(&again_, 0, sizeof(again_)); \
        g_assert(wire_head_decode(out->data, WIRE_ANY, &head) == WIRE_OK); \
        g_assert(head.tag == f->head.tag && head.status == f->head.status); \
        g_assert(!decode_call(bytes_, len_, &again_)); \
        g_assert(!memcmp(&again_, &value, sizeof(value))); \
    } while (0)

static void check_hello(const Frame *f, GByteArray *out)
{
    WireHello value;
    WireHead head;

    memset(&value, 0, sizeof(value));
    if (!wire_hello_decode(f->payload, f->head.length, &value)) {
        wire_append_hello(out, f->head.tag, &value);
        SAME(WireHello, wire_hello_decode);
        g_assert(value.host[0]);
        (void)wire_version_choose(&value);
    }
}

static void check_hello_ack(const Frame *f, GByteArray *out)
{
    WireHelloAck value;
    WireHead head;

    memset(&value, 0, sizeof(value));
    if (!wire_hello_ack_decode(f->payload, f->head.length, &value)) {
        wire_append_hello_ack(out, f->head.tag, f->head.status, &value);
        SAME(WireHelloAck, wire_hello_ack_decode);
    }
}

static void check_lease_request(const Frame *f, GByteArray *out)
{
    WireLeaseRequest value;
    WireHead head;

    memset(&value, 0, sizeof(value));
    if (!wire_lease_request_decode(f->payload, f->head.length, &value)) {
        wire_append_lease_request(out, f->head.tag, &value);
        SAME(WireLeaseRequest, wire_lease_request_decode);
    }
}

#define DECODE_REPLY(p, n, o) wire_lease_reply_decode(&head, p, n, o)
#define DECODE_ACK(p, n, o) wire_grant_ack_decode(&head, p, n, o)

static void check_lease_reply(const Frame *f, GByteArray *out)
{
    WireLeaseReply value;
    WireHead head = f->head;

    memset(&value, 0, sizeof(value));
    if (!DECODE_REPLY(f->payload, f->head.length, &value)) {
        g_assert(value.nr_grants <= WIRE_GRANTS_MAX);
        wire_append_lease_reply(out, f->head.tag, &value);
        SAME(WireLeaseReply, DECODE_REPLY);
    }
}

static void check_grant(const Frame *f, GByteArray *out)
{
    WireGrant value;
    WireHead head;

    memset(&value, 0, sizeof(value));
    if (!wire_grant_decode(f->payload, f->head.length, &value)) {
        wire_append_grant(out, f->head.tag, &value);
        SAME(WireGrant, wire_grant_decode);
    }
}

static void check_grant_ack(const Frame *f, GByteArray *out)
{
    WireGrantAck value;
    WireHead head = f->head;

    memset(&value, 0, sizeof(value));
    if (!DECODE_ACK(f->payload, f->head.length, &value)) {
        wire_append_grant_ack(out, f->head.tag, &value);
        SAME(WireGrantAck, DECODE_ACK);
    }
}

static bool beat_curve(GByteArray *out, guint start, const WireCurve *curve)
{
    WireBeatGuest guest = { .curve = &curve->curve };

    memcpy(guest.vm, curve->vm, sizeof(guest.vm));
    return wire_beat_curve(out, start, &guest);
}

static bool beat_delays(GByteArray *out, guint start, const WireDelays *delays)
{
    WireBeatGuest guest = { .delays = &delays->delays };

    memcpy(guest.vm, delays->vm, sizeof(guest.vm));
    return wire_beat_delays(out, start, &guest);
}

static void check_beat(const Frame *f, GByteArray *out)
{
    WireBeatIter iter;
    WireSection section;
    WireError err;
    guint start = wire_beat_begin(out);
    unsigned n = 0, again = 0;

    wire_beat_iter_init(&iter, f->payload, f->head.length);
    while (wire_beat_next(&iter, &section, &err)) {
        bool room = true;

        g_assert((section.type == RCACHE_SECTION_HOST) == (n == 0));
        switch (section.type) {
        case RCACHE_SECTION_HOST:
            room = wire_beat_host(out, start, &section.host);
            break;
        case RCACHE_SECTION_GUEST:
            room = wire_beat_guest(out, start, &section.guest);
            break;
        case RCACHE_SECTION_LEASE:
        case RCACHE_SECTION_HELD:
            room = wire_beat_lease(out, start, section.type, &section.lease);
            break;
        case RCACHE_SECTION_TERM:
            room = wire_beat_term(out, start, &section.term);
            break;
        case RCACHE_SECTION_TROUBLE:
            room = wire_beat_trouble(out, start, &section.trouble);
            break;
        case RCACHE_SECTION_DELAYS:
            room = beat_delays(out, start, &section.delays);
            break;
        case RCACHE_SECTION_CURVE:
            room = beat_curve(out, start, &section.curve);
            break;
        }
        g_assert(room);
        n++;
    }
    wire_beat_end(out, start);
    if (n) {
        wire_beat_iter_init(&iter, out->data + WIRE_HEAD_LEN,
                            out->len - WIRE_HEAD_LEN);
        while (wire_beat_next(&iter, &section, &err)) {
            again++;
        }
        g_assert(!err && again == n);
    }
}

static void check_move(const Frame *f, GByteArray *out)
{
    WireMove value;
    WireHead head = f->head;

    memset(&value, 0, sizeof(value));
    if (!wire_move_decode(f->payload, f->head.length, &value)) {
        wire_append_move(out, &head, &value);
        SAME(WireMove, wire_move_decode);
        g_assert(value.address[0]);
    }
}

static void check_move_token(const Frame *f, GByteArray *out)
{
    WireMoveToken value;
    WireHead head = f->head;

    memset(&value, 0, sizeof(value));
    if (!wire_move_token_decode(f->payload, f->head.length, &value)) {
        wire_append_move_token(out, &head, &value);
        SAME(WireMoveToken, wire_move_token_decode);
    }
}

static void check_moved(const Frame *f, GByteArray *out)
{
    WireMoved value;
    WireHead head = f->head;

    if (!f->head.status) {
        g_assert(!wire_moved_decode(f->payload, f->head.length, &value));
        wire_append_moved(out, &head, &value);
        SAME(WireMoved, wire_moved_decode);
    }
}

static void check_revoke(const Frame *f, GByteArray *out)
{
    WireRevoke value;
    WireHead head = f->head;

    g_assert(!wire_revoke_decode(f->payload, f->head.length, &value));
    wire_append_revoke(out, &head, &value);
    SAME(WireRevoke, wire_revoke_decode);
}

static void check_drain(const Frame *f, GByteArray *out)
{
    bool drain;

    if (!wire_drain_decode(f->payload, f->head.length, &drain)) {
        wire_append_drain(out, drain);
        g_assert(!memcmp(out->data + WIRE_HEAD_LEN, f->payload,
                         f->head.length));
    }
}

static void check_withdraw(const Frame *f, GByteArray *out)
{
    uint64_t lease;

    if (!wire_withdraw_decode(f->payload, f->head.length, &lease)) {
        wire_append_withdraw(out, lease);
        g_assert(!memcmp(out->data + WIRE_HEAD_LEN, f->payload,
                         f->head.length));
    }
}

#define DECODE_EVICT_ACK(payload, length, value) \
    wire_evict_ack_decode(&head, payload, length, value)

static void check_evict(const Frame *f, GByteArray *out)
{
    WireEvict value;
    WireHead head;

    memset(&value, 0, sizeof(value));
    if (!wire_evict_decode(f->payload, f->head.length, &value)) {
        wire_append_evict(out, f->head.tag, &value);
        SAME(WireEvict, wire_evict_decode);
    }
}

static void check_evict_ack(const Frame *f, GByteArray *out)
{
    WireEvictAck value;
    WireHead head = f->head;

    memset(&value, 0, sizeof(value));
    if (!DECODE_EVICT_ACK(f->payload, f->head.length, &value)) {
        wire_append_evict_ack(out, f->head.tag, &value);
        SAME(WireEvictAck, DECODE_EVICT_ACK);
    }
}

#define DECODE_UPGRADE_ACK(payload, length, value) \
    wire_upgrade_ack_decode(&head, payload, length, value)

static void check_upgrade_ack(const Frame *f, GByteArray *out)
{
    WireUpgradeAck value;
    WireHead head = f->head;

    memset(&value, 0, sizeof(value));
    if (!DECODE_UPGRADE_ACK(f->payload, f->head.length, &value)) {
        wire_append_upgrade_ack(out, f->head.tag, &value);
        SAME(WireUpgradeAck, DECODE_UPGRADE_ACK);
    }
}

#define DECODE_WHERE(payload, length, value) \
    wire_where_decode(&head, payload, length, value)

static void check_where(const Frame *f, GByteArray *out)
{
    WireWhere value;
    WireHead head = f->head;

    memset(&value, 0, sizeof(value));
    if (!DECODE_WHERE(f->payload, f->head.length, &value)) {
        wire_append_where(out, f->head.type, f->head.tag, &value);
        SAME(WireWhere, DECODE_WHERE);
    }
}

static void check_data(const Frame *f, GByteArray *out)
{
    RcacheSlot slots[RCACHE_BATCH_FREES];
    uint8_t bytes[sizeof(slots)];
    uint8_t token[RCACHE_TOKEN_LEN];
    WireClaimAck ack;
    uint32_t sum = 0, ttl;
    unsigned i;

    switch (f->head.type) {
    case RCACHE_PUT:
    case RCACHE_GET:
    case RCACHE_FREE:
    case RCACHE_DROP:
    case RCACHE_SUMS:
        g_assert(f->head.count <= RCACHE_BATCH_FREES);
        wire_slots_decode(f->payload, slots, f->head.count);
        wire_slots_encode(bytes, slots, f->head.count);
        g_assert(!memcmp(bytes, f->payload, 8 * f->head.count));
        break;
    case RCACHE_CLAIM:
        g_assert(!wire_claim_decode(f->payload, f->head.length, token));
        break;
    case RCACHE_CLAIM_ACK:
        if (!f->head.status &&
            !wire_claim_ack_decode(f->payload, f->head.length, &ack)) {
            g_assert(ack.nr_slabs == f->head.count);
            for (i = 0; i < ack.nr_slabs; i++) {
                sum += wire_claim_ack_slab(f->payload, i);
            }
        }
        break;
    case RCACHE_SUMS_ACK:
        for (i = 0; i < f->head.count; i++) {
            sum += wire_sum(f->payload, i);
        }
        break;
    case RCACHE_RENEW_ACK:
        if (!f->head.status) {
            (void)wire_renew_ack_decode(f->payload, f->head.length, &ttl);
        }
        break;
    }
    (void)sum;
}

static void check_frame(const Frame *f)
{
    static void (*const checks[])(const Frame *, GByteArray *) = {
        [RCACHE_HELLO] = check_hello,
        [RCACHE_HELLO_ACK] = check_hello_ack,
        [RCACHE_EXPECT] = check_move_token,
        [RCACHE_MOVE] = check_move,
        [RCACHE_MOVE_ACK] = check_moved,
        [RCACHE_CONFIRM] = check_move_token,
        [RCACHE_CONFIRM_ACK] = check_moved,
        [RCACHE_REVOKE] = check_revoke,
        [RCACHE_PUSH] = check_move_token,
        [RCACHE_PUSHED] = check_moved,
        [RCACHE_HEARTBEAT] = check_beat,
        [RCACHE_LEASE_REQUEST] = check_lease_request,
        [RCACHE_LEASE_REPLY] = check_lease_reply,
        [RCACHE_GRANT] = check_grant,
        [RCACHE_GRANT_ACK] = check_grant_ack,
        [RCACHE_DRAIN] = check_drain,
        [RCACHE_EVICT] = check_evict,
        [RCACHE_EVICT_ACK] = check_evict_ack,
        [RCACHE_UPGRADE_ACK] = check_upgrade_ack,
        [RCACHE_WITHDRAW] = check_withdraw,
        [RCACHE_WHERE] = check_where,
        [RCACHE_WHERE_ACK] = check_where,
    };
    g_autoptr(GByteArray) out = g_byte_array_new();

    g_assert(f->head.type < G_N_ELEMENTS(checks));
    g_assert(strcmp(wire_type_name(f->head.type), "?"));
    if (checks[f->head.type]) {
        checks[f->head.type](f, out);
    } else {
        check_data(f, out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WireSide side;

    if (!size) {
        return 0;
    }
    side = *data++ % (WIRE_ANY + 1);
    size--;
    while (size >= WIRE_HEAD_LEN) {
        uint8_t bytes[WIRE_HEAD_LEN];
        Frame f;
        WireError err = wire_head_decode(data, side, &f.head);

        g_assert(wire_reason(err));
        if (err) {
            return 0;
        }
        g_assert(f.head.length <= MAX(RCACHE_DATA_MAX, RCACHE_CONTROL_MAX));
        wire_head_encode(bytes, &f.head);
        g_assert(!memcmp(bytes, data, sizeof(bytes)));
        data += WIRE_HEAD_LEN;
        size -= WIRE_HEAD_LEN;
        if (size < f.head.length) {
            return 0;
        }
        f.payload = g_memdup2(data, f.head.length);
        check_frame(&f);
        g_free(f.payload);
        data += f.head.length;
        size -= f.head.length;
    }
    return 0;
}
