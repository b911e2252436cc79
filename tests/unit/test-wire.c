/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec: bytes as docs/protocol.rst has them, limits, and what must not
 * be taken.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire.h"

#define H WIRE_HEAD_LEN

static GByteArray *out;

static void set_up(void)
{
    out = g_byte_array_new();
}

static void tear_down(void)
{
    g_byte_array_unref(out);
}

static void assert_bytes(const void *have, const void *want, size_t n)
{
    g_autofree char *a = g_malloc(2 * n + 1), *b = g_malloc(2 * n + 1);
    size_t i;

    for (i = 0; i < n; i++) {
        g_snprintf(a + 2 * i, 3, "%02x", ((const uint8_t *)have)[i]);
        g_snprintf(b + 2 * i, 3, "%02x", ((const uint8_t *)want)[i]);
    }
    ck_assert_str_eq(a, b);
}

/* Decode the head at the start of out. */
static WireError decode(WireHead *head)
{
    return wire_head_decode(out->data, WIRE_ANY, head);
}

/* ---------------------------------------------------------------- heads */

START_TEST(head_golden)
{
    static const uint8_t want[H] = {
        'R', 'C', 'A', '1',             /* magic */
        1,                              /* version */
        18,                             /* GET */
        0, 0,                           /* flags */
        0x10, 0, 0, 0,                  /* length */
        0, 0,                           /* status */
        2, 0,                           /* count */
        8, 7, 6, 5, 4, 3, 2, 1,         /* tag */
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, /* lease */
        0xdd, 0xcc, 0xbb, 0xaa,         /* epoch */
        0, 0, 0, 0,
    };
    WireHead head = {
        .type = RCACHE_GET, .count = 2, .length = 16,
        .tag = UINT64_C(0x0102030405060708),
        .lease = UINT64_C(0x1122334455667788), .epoch = 0xaabbccdd,
    }, back;
    uint8_t bytes[H];

    wire_head_encode(bytes, &head);
    assert_bytes(bytes, want, H);
    ck_assert_int_eq(wire_head_decode(want, WIRE_PROVIDER, &back), WIRE_OK);
    ck_assert_uint_eq(back.type, RCACHE_GET);
    ck_assert_uint_eq(back.count, 2);
    ck_assert_uint_eq(back.length, 16);
    ck_assert_uint_eq(back.tag, head.tag);
    ck_assert_uint_eq(back.lease, head.lease);
    ck_assert_uint_eq(back.epoch, head.epoch);
    ck_assert_uint_eq(back.status, 0);
}
END_TEST

/* Each line: a change to a good GET's head, and what it must be called. */
static const struct {
    unsigned at;
    uint8_t value;
    WireError want;
} bad_heads[] = {
    { 0, 'X', WIRE_E_MAGIC },
    { 3, '2', WIRE_E_MAGIC },
    { 4, 0, WIRE_E_VERSION },
    { 4, 2, WIRE_E_VERSION },
    { 5, 0, WIRE_E_TYPE },
    { 5, 5, WIRE_E_TYPE },
    { 5, 15, WIRE_E_TYPE },
    { 5, 53, WIRE_E_TYPE },
    { 5, 255, WIRE_E_TYPE },
    { 5, RCACHE_GET_REPLY, WIRE_E_TYPE },
    { 5, RCACHE_HEARTBEAT, WIRE_E_TYPE },
    { 5, RCACHE_GRANT, WIRE_E_TYPE },
    { 6, 1, WIRE_E_RESERVED },
    { 7, 0x80, WIRE_E_RESERVED },
    { 36, 1, WIRE_E_RESERVED },
    { 39, 1, WIRE_E_RESERVED },
    { 8, 0x11, WIRE_E_LENGTH },
    { 8, 0x08, WIRE_E_LENGTH },
    { 11, 0x80, WIRE_E_LENGTH },
    { 12, 3, WIRE_E_STATUS },
    { 14, 0, WIRE_E_COUNT },
    { 14, 65, WIRE_E_COUNT },
    { 14, 1, WIRE_E_LENGTH },
    { 15, 1, WIRE_E_COUNT },
};

START_TEST(head_refused)
{
    WireHead head = { .type = RCACHE_GET, .count = 2, .length = 16 };
    uint8_t bytes[H];

    wire_head_encode(bytes, &head);
    ck_assert_int_eq(wire_head_decode(bytes, WIRE_PROVIDER, &head), WIRE_OK);
    bytes[bad_heads[_i].at] = bad_heads[_i].value;
    ck_assert_int_eq(wire_head_decode(bytes, WIRE_PROVIDER, &head),
                     bad_heads[_i].want);
}
END_TEST

/* The largest and one more of every type with a count. */
START_TEST(head_limits)
{
    static const struct {
        uint8_t type;
        uint32_t fixed, each, max;
    } types[] = {
        { RCACHE_PUT, 0, 8 + 4096, 64 },
        { RCACHE_GET, 0, 8, 64 },
        { RCACHE_GET_REPLY, 0, 4096, 64 },
        { RCACHE_FREE, 0, 8, 1024 },
        { RCACHE_CLAIM_ACK, 8, 4, 65535 },
        { RCACHE_LEASE_REPLY, 200, 168, 16 },
        { RCACHE_PING, 0, 0, 0 },
        { RCACHE_HELLO, 192, 0, 0 },
        { RCACHE_GRANT_ACK, 152, 0, 0 },
    };
    uint8_t bytes[H];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(types); i++) {
        WireHead head = {
            .type = types[i].type, .count = types[i].max,
            .length = types[i].fixed + types[i].each * types[i].max,
        }, back;

        wire_head_encode(bytes, &head);
        ck_assert_msg(wire_head_decode(bytes, WIRE_ANY, &back) == WIRE_OK,
                      "%s", wire_type_name(types[i].type));
        head.length++;
        wire_head_encode(bytes, &head);
        ck_assert_int_eq(wire_head_decode(bytes, WIRE_ANY, &back),
                         WIRE_E_LENGTH);
        if (types[i].max < UINT16_MAX) {
            head.count++;
            head.length += types[i].each - 1;
            wire_head_encode(bytes, &head);
            ck_assert_int_eq(wire_head_decode(bytes, WIRE_ANY, &back),
                             WIRE_E_COUNT);
        }
    }
}
END_TEST

START_TEST(head_length_of_heartbeat)
{
    static const struct {
        uint32_t length;
        WireError want;
    } cases[] = {
        { 0, WIRE_E_LENGTH },
        { 8, WIRE_E_LENGTH },
        { 8 + sizeof(struct RcacheBeatHost), WIRE_OK },
        { RCACHE_CONTROL_MAX, WIRE_OK },
        { RCACHE_CONTROL_MAX + 1, WIRE_E_LENGTH },
        { UINT32_MAX, WIRE_E_LENGTH },
    };
    WireHead head = { .type = RCACHE_HEARTBEAT }, back;
    uint8_t bytes[H];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        head.length = cases[i].length;
        wire_head_encode(bytes, &head);
        ck_assert_int_eq(wire_head_decode(bytes, WIRE_ARBITER, &back),
                         cases[i].want);
    }
}
END_TEST

START_TEST(head_status)
{
    WireHead head = { .type = RCACHE_PUT_ACK, .status = RCACHE_E_SLOT }, back;

    wire_append_bare(out, &head);
    ck_assert_int_eq(decode(&back), WIRE_OK);
    ck_assert_uint_eq(back.status, RCACHE_E_SLOT);
    /* A status comes with no payload and no count, and is a known one. */
    head = (WireHead) {
        .type = RCACHE_GET_REPLY, .status = RCACHE_E_SLOT, .length = 4096,
    };
    wire_head_encode(out->data, &head);
    ck_assert_int_eq(decode(&back), WIRE_E_LENGTH);
    head.count = 1;
    wire_head_encode(out->data, &head);
    ck_assert_int_eq(decode(&back), WIRE_E_COUNT);
    head = (WireHead) { .type = RCACHE_PUT_ACK, .status = RCACHE_E_BUSY + 1 };
    wire_head_encode(out->data, &head);
    ck_assert_int_eq(decode(&back), WIRE_E_STATUS);
    /* PING is no answer. */
    head = (WireHead) { .type = RCACHE_PING, .status = RCACHE_E_BUSY };
    wire_head_encode(out->data, &head);
    ck_assert_int_eq(decode(&back), WIRE_E_STATUS);
    /* Only data frames name a lease. */
    head = (WireHead) { .type = RCACHE_PING, .lease = 1 };
    wire_head_encode(out->data, &head);
    ck_assert_int_eq(decode(&back), WIRE_E_RESERVED);
}
END_TEST

/* Who takes what: a type's bit is set for each side that takes it. */
START_TEST(head_sides)
{
    static const struct {
        uint8_t type;
        unsigned sides;
    } types[] = {
        { RCACHE_HELLO, 1 << WIRE_PROVIDER | 1 << WIRE_ARBITER },
        { RCACHE_HELLO_ACK, 1 << WIRE_REQUESTER | 1 << WIRE_HOST },
        { RCACHE_RENEW, 1 << WIRE_PROVIDER },
        { RCACHE_RELEASE, 1 << WIRE_PROVIDER },
        { RCACHE_RELEASE_ACK, 1 << WIRE_REQUESTER },
        { RCACHE_FREE_ACK, 1 << WIRE_REQUESTER },
        { RCACHE_GRANT, 1 << WIRE_HOST },
        { RCACHE_LEASE_REQUEST, 1 << WIRE_ARBITER },
        { RCACHE_PONG, 0xf },
    };
    uint8_t bytes[H];
    unsigned side;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(types); i++) {
        WireHead head = { .type = types[i].type }, back;

        wire_head_encode(bytes, &head);
        for (side = WIRE_PROVIDER; side < WIRE_ANY; side++) {
            bool taken = wire_head_decode(bytes, side, &back) != WIRE_E_TYPE;

            ck_assert_msg(taken == !!(types[i].sides & 1 << side),
                          "%s at side %u", wire_type_name(types[i].type),
                          side);
        }
    }
}
END_TEST

START_TEST(names)
{
    ck_assert_str_eq(wire_type_name(RCACHE_HELLO), "HELLO");
    ck_assert_str_eq(wire_type_name(RCACHE_GRANT_ACK), "GRANT_ACK");
    ck_assert_str_eq(wire_type_name(5), "?");
    ck_assert_str_eq(wire_type_name(255), "?");
    ck_assert_str_eq(wire_status_name(RCACHE_E_BUSY), "busy");
    ck_assert_str_eq(wire_status_name(999), "?");
    for (int err = 0; err < WIRE_E_MAX_; err++) {
        ck_assert_ptr_nonnull(wire_reason(err));
    }
    ck_assert_str_eq(wire_reason(WIRE_E_MAX_), "?");
}
END_TEST

/* ----------------------------------------------------------------- data */

START_TEST(slots_golden)
{
    static const uint8_t want[] = {
        4, 3, 2, 1, 0x44, 0x33, 0x22, 0x11,
        0xff, 0x3f, 0, 0, 0, 0, 0, 0,
    };
    RcacheSlot slots[2] = { wire_slot(0x11223344, 0x01020304),
                            wire_slot(0, 16383) };
    RcacheSlot back[2];
    WireHead head = { .type = RCACHE_FREE, .count = 2 }, got;

    wire_append_slots(out, &head, slots);
    ck_assert_uint_eq(out->len, H + sizeof(want));
    assert_bytes(out->data + H, want, sizeof(want));
    ck_assert_int_eq(decode(&got), WIRE_OK);
    wire_slots_decode(out->data + H, back, 2);
    ck_assert_uint_eq(wire_slot_slab(back[0]), 0x11223344);
    ck_assert_uint_eq(wire_slot_page(back[0]), 0x01020304);
    ck_assert_uint_eq(back[1], slots[1]);
}
END_TEST

START_TEST(claim_round_trip)
{
    static const uint8_t want[] = {
        0x00, 0x40, 0, 0, 0x30, 0x75, 0, 0,
        3, 0, 0, 0, 0xff, 0, 0, 0x80,
    };
    static const uint8_t token[RCACHE_TOKEN_LEN] = "0123456789abcde";
    uint32_t slabs[2] = { 3, 0x800000ff };
    WireHead head = { .tag = 9, .lease = 7, .epoch = 1 }, got;
    WireClaimAck ack = { 16384, 30000, 2 }, back;
    uint8_t token_back[RCACHE_TOKEN_LEN];

    wire_append_claim(out, &head, token);
    ck_assert_int_eq(decode(&got), WIRE_OK);
    ck_assert_uint_eq(got.type, RCACHE_CLAIM);
    ck_assert_uint_eq(got.lease, 7);
    ck_assert_int_eq(wire_claim_decode(out->data + H, got.length, token_back),
                     WIRE_OK);
    assert_bytes(token_back, token, sizeof(token));
    ck_assert_int_eq(wire_claim_decode(out->data, 15, token_back),
                     WIRE_E_LENGTH);

    g_byte_array_set_size(out, 0);
    wire_append_claim_ack(out, &head, &ack, slabs);
    ck_assert_int_eq(decode(&got), WIRE_OK);
    ck_assert_uint_eq(got.count, 2);
    assert_bytes(out->data + H, want, sizeof(want));
    ck_assert_int_eq(wire_claim_ack_decode(out->data + H, got.length, &back),
                     WIRE_OK);
    ck_assert_uint_eq(back.slab_pages, 16384);
    ck_assert_uint_eq(back.ttl_ms, 30000);
    ck_assert_uint_eq(back.nr_slabs, 2);
    ck_assert_uint_eq(wire_claim_ack_slab(out->data + H, 1), 0x800000ff);
    ck_assert_int_eq(wire_claim_ack_decode(out->data + H, 8, &back),
                     WIRE_E_LENGTH);
    ck_assert_int_eq(wire_claim_ack_decode(out->data + H, 15, &back),
                     WIRE_E_LENGTH);
    memset(out->data + H, 0, 4);
    ck_assert_int_eq(wire_claim_ack_decode(out->data + H, 16, &back),
                     WIRE_E_VALUE);
}
END_TEST

START_TEST(renew_round_trip)
{
    WireHead head = { .tag = 1, .lease = 2, .epoch = 3 }, got;
    uint32_t ttl;

    wire_append_renew_ack(out, &head, 0x01020304);
    ck_assert_int_eq(decode(&got), WIRE_OK);
    ck_assert_int_eq(wire_renew_ack_decode(out->data + H, got.length, &ttl),
                     WIRE_OK);
    ck_assert_uint_eq(ttl, 0x01020304);
    ck_assert_uint_eq(out->data[H], 4);
    ck_assert_int_eq(wire_renew_ack_decode(out->data, 4, &ttl),
                     WIRE_E_LENGTH);
}
END_TEST

/* -------------------------------------------------------------- control */

static WireHello hello_sample(void)
{
    WireHello hello = {
        .version_min = 1, .version_max = 2, .role = RCACHE_ROLE_BULK,
        .features = 0x8000000000000001, .incarnation = 5, .session = 6,
        .host = "node-1", .address = "[::]:9470",
    };

    memset(hello.boot_id, 0xb0, sizeof(hello.boot_id));
    memset(hello.vm, 0x11, sizeof(hello.vm));
    return hello;
}

START_TEST(hello_golden)
{
    static const uint8_t want[] = {
        1, 0, 2, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x80,
    };
    WireHello hello = hello_sample(), back;
    WireHead head;

    wire_append_hello(out, 77, &hello);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_uint_eq(head.tag, 77);
    ck_assert_uint_eq(out->len, H + 192);
    assert_bytes(out->data + H, want, sizeof(want));
    ck_assert_uint_eq(out->data[H + 16], 0xb0);
    ck_assert_uint_eq(out->data[H + 32], 0x11);
    ck_assert_uint_eq(out->data[H + 48], 5);
    ck_assert_uint_eq(out->data[H + 56], 6);
    ck_assert_str_eq((char *)out->data + H + 64, "node-1");
    ck_assert_str_eq((char *)out->data + H + 128, "[::]:9470");
    ck_assert_int_eq(wire_hello_decode(out->data + H, head.length, &back),
                     WIRE_OK);
    ck_assert_mem_eq(&back, &hello, sizeof(hello));
    ck_assert_uint_eq(wire_version_choose(&back), 1);
    back.version_min = 2;
    ck_assert_uint_eq(wire_version_choose(&back), 0);
}
END_TEST

static WireError hello_with(WireHello hello)
{
    WireHello back;

    g_byte_array_set_size(out, 0);
    wire_append_hello(out, 0, &hello);
    return wire_hello_decode(out->data + H, out->len - H, &back);
}

START_TEST(hello_refused)
{
    WireHello hello = hello_sample();

    hello.role = 0;
    ck_assert_int_eq(hello_with(hello), WIRE_E_VALUE);
    hello.role = 4;
    ck_assert_int_eq(hello_with(hello), WIRE_E_VALUE);
    hello = hello_sample();
    hello.version_min = 3;
    ck_assert_int_eq(hello_with(hello), WIRE_E_VALUE);
    hello = hello_sample();
    hello.host[0] = 0;
    ck_assert_int_eq(hello_with(hello), WIRE_E_TEXT);
    hello = hello_sample();
    strcpy(hello.host, "a\nb");
    ck_assert_int_eq(hello_with(hello), WIRE_E_TEXT);
    strcpy(hello.host, "a\x1b[2J");
    ck_assert_int_eq(hello_with(hello), WIRE_E_TEXT);
    strcpy(hello.host, "\xff\xfe");
    ck_assert_int_eq(hello_with(hello), WIRE_E_TEXT);
    strcpy(hello.host, "rechner-\xc3\xa4");
    ck_assert_int_eq(hello_with(hello), WIRE_OK);
    /* No NUL in the field. */
    memset(out->data + H + 64, 'x', RCACHE_NAME_MAX);
    ck_assert_int_eq(wire_hello_decode(out->data + H, 192, &hello),
                     WIRE_E_TEXT);
    ck_assert_int_eq(wire_hello_decode(out->data + H, 191, &hello),
                     WIRE_E_LENGTH);
}
END_TEST

START_TEST(hello_ack_round_trip)
{
    WireHelloAck ack = {
        .version = 1, .heartbeat_ms = 1000, .features = 4, .host = "arb",
        .text = "a newer session of this VM has been here",
    }, back;
    WireHead head;

    wire_append_hello_ack(out, 5, RCACHE_E_FENCED, &ack);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_uint_eq(head.status, RCACHE_E_FENCED);
    ck_assert_int_eq(wire_hello_ack_decode(out->data + H, head.length, &back),
                     WIRE_OK);
    ck_assert_mem_eq(&back, &ack, sizeof(ack));
    out->data[H + 200] = 7;
    ck_assert_int_eq(wire_hello_ack_decode(out->data + H, head.length, &back),
                     WIRE_OK);
    out->data[H + 100] = 7;
    ck_assert_int_eq(wire_hello_ack_decode(out->data + H, head.length, &back),
                     WIRE_E_TEXT);
}
END_TEST

START_TEST(lease_request_round_trip)
{
    WireLeaseRequest req = { .name = "vm 1", .bytes = 1 << 30, .copies = 1 };
    WireLeaseRequest back;
    WireHead head;

    memset(req.vm, 7, sizeof(req.vm));
    wire_append_lease_request(out, 1, &req);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_int_eq(wire_lease_request_decode(out->data + H, head.length,
                                               &back), WIRE_OK);
    ck_assert_mem_eq(&back, &req, sizeof(req));
    req.bytes = 0;
    g_byte_array_set_size(out, 0);
    wire_append_lease_request(out, 1, &req);
    ck_assert_int_eq(wire_lease_request_decode(out->data + H, head.length,
                                               &back), WIRE_E_VALUE);
}
END_TEST

START_TEST(lease_reply_round_trip)
{
    WireLeaseReply reply = {
        .nr_grants = 2, .bytes = 3 << 20, .text = "less than was asked for",
        .grant = {
            { .lease = 1, .epoch = 1, .ttl_ms = 30000, .bytes = 1 << 20,
              .host = "p1", .address = "10.0.0.1:9470" },
            { .lease = INT64_MAX, .epoch = 2, .ttl_ms = 30000,
              .bytes = 2 << 20, .host = "p2", .address = "10.0.0.2:9470" },
        },
    }, back;
    WireHead head;

    memset(reply.grant[1].token, 0x55, RCACHE_TOKEN_LEN);
    wire_append_lease_reply(out, 3, &reply);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_uint_eq(head.count, 2);
    ck_assert_int_eq(wire_lease_reply_decode(&head, out->data + H,
                                             head.length, &back), WIRE_OK);
    ck_assert_mem_eq(&back, &reply, sizeof(reply));
    /* The sum must be that of the grants. */
    out->data[H]++;
    ck_assert_int_eq(wire_lease_reply_decode(&head, out->data + H,
                                             head.length, &back),
                     WIRE_E_VALUE);
    head.count = 1;
    ck_assert_int_eq(wire_lease_reply_decode(&head, out->data + H,
                                             head.length, &back),
                     WIRE_E_LENGTH);
    /* A status comes without grants. */
    reply.status = RCACHE_E_NO_ROOM;
    reply.bytes = 0;
    g_byte_array_set_size(out, 0);
    wire_append_lease_reply(out, 3, &reply);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_uint_eq(head.count, 0);
    ck_assert_int_eq(wire_lease_reply_decode(&head, out->data + H,
                                             head.length, &back), WIRE_OK);
    ck_assert_uint_eq(back.status, RCACHE_E_NO_ROOM);
}
END_TEST

START_TEST(grant_round_trip)
{
    WireGrant grant = {
        .lease = 0x1234, .epoch = 1, .claim_ms = 10000, .bytes = 1 << 26,
        .name = "vm", .host = "req",
    }, back;
    WireGrantAck ack = {
        .lease = 0x1234, .bytes = 1 << 26, .ttl_ms = 30000, .text = "",
    }, ack_back;
    WireHead head;

    wire_append_grant(out, 8, &grant);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_int_eq(wire_grant_decode(out->data + H, head.length, &back),
                     WIRE_OK);
    ck_assert_mem_eq(&back, &grant, sizeof(grant));
    out->data[H + 7] |= 0x80;   /* a lease of 64 bits */
    ck_assert_int_eq(wire_grant_decode(out->data + H, head.length, &back),
                     WIRE_E_VALUE);

    g_byte_array_set_size(out, 0);
    wire_append_grant_ack(out, 8, &ack);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_int_eq(wire_grant_ack_decode(&head, out->data + H, head.length,
                                           &ack_back), WIRE_OK);
    ck_assert_mem_eq(&ack_back, &ack, sizeof(ack));
    /* No with bytes, and yes without. */
    head.status = RCACHE_E_NO_ROOM;
    ck_assert_int_eq(wire_grant_ack_decode(&head, out->data + H, head.length,
                                           &ack_back), WIRE_E_VALUE);
    head.status = 0;
    memset(out->data + H + 8, 0, 8);
    ck_assert_int_eq(wire_grant_ack_decode(&head, out->data + H, head.length,
                                           &ack_back), WIRE_E_VALUE);
}
END_TEST

START_TEST(text_is_cut_between_characters)
{
    char field[8];

    memset(field, 'z', sizeof(field));
    wire_text_copy(field, sizeof(field), "abcdef\xc3\xa4");
    ck_assert_str_eq(field, "abcdef");
    ck_assert_int_eq(field[7], 0);
    wire_text_copy(field, sizeof(field), "abcdefgh");
    ck_assert_str_eq(field, "abcdefg");
    wire_text_copy(field, sizeof(field), NULL);
    ck_assert_str_eq(field, "");
}
END_TEST

/* ----------------------------------------------------------- heartbeats */

static guint beat_sample(void)
{
    WireBeatHost host = { .seq = 3, .stored = 5, .slab_pages = 16384,
                          .flags = RCACHE_HOST_LENDS, .label = "rack 1" };
    WireBeatGuest guest = { .name = "vm", .fault_p99_ns = 9, .stall_ns = 1 };
    WireBeatLease lease = { .lease = 4, .epoch = 1,
                            .state = RCACHE_LEASE_CLAIMED, .bytes = 8,
                            .name = "vm", .host = "h", .expires_ms = 6 };
    WireBeatTerm term = { .name = "reserve", .bytes = -42 };
    guint start = wire_beat_begin(out);

    ck_assert(wire_beat_host(out, start, &host));
    ck_assert(wire_beat_guest(out, start, &guest));
    ck_assert(wire_beat_lease(out, start, RCACHE_SECTION_HELD, &lease));
    ck_assert(wire_beat_term(out, start, &term));
    wire_beat_end(out, start);
    return start;
}

/* Walk it all; the number of sections, or minus the error. */
static int beat_walk(void)
{
    WireBeatIter iter;
    WireSection section;
    WireError err;
    int n = 0;

    wire_beat_iter_init(&iter, out->data + H, out->len - H);
    while (wire_beat_next(&iter, &section, &err)) {
        n++;
    }
    return err ? -(int)err : n;
}

START_TEST(beat_round_trip)
{
    WireSection section;
    WireBeatIter iter;
    WireError err;
    WireHead head;

    beat_sample();
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_uint_eq(head.length, out->len - H);
    wire_beat_iter_init(&iter, out->data + H, head.length);
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_HOST);
    ck_assert_uint_eq(section.host.seq, 3);
    ck_assert_uint_eq(section.host.stored, 5);
    ck_assert_uint_eq(section.host.flags, RCACHE_HOST_LENDS);
    ck_assert_str_eq(section.host.label, "rack 1");
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_GUEST);
    ck_assert_uint_eq(section.guest.fault_p99_ns, 9);
    ck_assert_uint_eq(section.guest.stall_ns, 1);
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_HELD);
    ck_assert_uint_eq(section.lease.lease, 4);
    ck_assert_uint_eq(section.lease.expires_ms, 6);
    ck_assert(wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(section.type, RCACHE_SECTION_TERM);
    ck_assert_int_eq(section.term.bytes, -42);
    ck_assert(!wire_beat_next(&iter, &section, &err));
    ck_assert_int_eq(err, WIRE_OK);
}
END_TEST

static void section_append(uint16_t type, uint32_t length, size_t bytes)
{
    uint8_t head[8] = { type, type >> 8, 0, 0, length, length >> 8,
                        length >> 16, length >> 24 };
    g_autofree uint8_t *zero = g_malloc0(bytes + 1);

    g_byte_array_append(out, head, sizeof(head));
    g_byte_array_append(out, zero, bytes);
}

START_TEST(beat_unknown_and_longer_sections)
{
    beat_sample();
    section_append(99, 5, 5);
    section_append(RCACHE_SECTION_TERM, 60, 60);
    section_append(1000, 0, 0);
    ck_assert_int_eq(beat_walk(), 5);
}
END_TEST

START_TEST(beat_refused)
{
    WireBeatHost host = { .seq = 1 };
    guint start;

    /* Nothing, and no HOST. */
    start = wire_beat_begin(out);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    section_append(RCACHE_SECTION_TERM, 40, 40);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    /* Two of them. */
    g_byte_array_set_size(out, start + H);
    wire_beat_host(out, start, &host);
    ck_assert_int_eq(beat_walk(), 1);
    wire_beat_host(out, start, &host);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    /* Shorter than it must be; longer than the frame; half a head. */
    g_byte_array_set_size(out, 0);
    beat_sample();
    section_append(RCACHE_SECTION_TERM, 39, 39);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    g_byte_array_set_size(out, 0);
    beat_sample();
    section_append(99, 6, 5);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    g_byte_array_set_size(out, 0);
    beat_sample();
    section_append(99, UINT32_MAX, 0);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    g_byte_array_set_size(out, out->len - 1);
    ck_assert_int_eq(beat_walk(), -WIRE_E_SECTION);
    /* A lease in no known state. */
    g_byte_array_set_size(out, 0);
    beat_sample();
    section_append(RCACHE_SECTION_LEASE, sizeof(struct RcacheBeatLease),
                   sizeof(struct RcacheBeatLease));
    ck_assert_int_eq(beat_walk(), -WIRE_E_VALUE);
}
END_TEST

START_TEST(beat_has_an_end)
{
    WireBeatGuest guest = { .name = "vm" };
    WireBeatHost host = { .seq = 1 };
    guint start = wire_beat_begin(out);
    WireHead head;
    int n = 0;

    wire_beat_host(out, start, &host);
    while (wire_beat_guest(out, start, &guest)) {
        ck_assert_int_lt(n++, 100000);
    }
    wire_beat_end(out, start);
    ck_assert_uint_le(out->len - H, RCACHE_CONTROL_MAX);
    ck_assert_uint_gt(out->len - H, RCACHE_CONTROL_MAX - 512);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_int_eq(beat_walk(), n + 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wire");
    TCase *tc = tcase_create("wire");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, head_golden);
    tcase_add_loop_test(tc, head_refused, 0, G_N_ELEMENTS(bad_heads));
    tcase_add_test(tc, head_limits);
    tcase_add_test(tc, head_length_of_heartbeat);
    tcase_add_test(tc, head_status);
    tcase_add_test(tc, head_sides);
    tcase_add_test(tc, names);
    tcase_add_test(tc, slots_golden);
    tcase_add_test(tc, claim_round_trip);
    tcase_add_test(tc, renew_round_trip);
    tcase_add_test(tc, hello_golden);
    tcase_add_test(tc, hello_refused);
    tcase_add_test(tc, hello_ack_round_trip);
    tcase_add_test(tc, lease_request_round_trip);
    tcase_add_test(tc, lease_reply_round_trip);
    tcase_add_test(tc, grant_round_trip);
    tcase_add_test(tc, text_is_cut_between_characters);
    tcase_add_test(tc, beat_round_trip);
    tcase_add_test(tc, beat_unknown_and_longer_sections);
    tcase_add_test(tc, beat_refused);
    tcase_add_test(tc, beat_has_an_end);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
