/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec, heads and data: bytes as docs/protocol.rst has them, limits, and
 * what must not be taken.
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
        4, 3, 2, 1,                     /* check */
    };
    WireHead head = {
        .type = RCACHE_GET, .count = 2, .length = 16,
        .tag = UINT64_C(0x0102030405060708),
        .lease = UINT64_C(0x1122334455667788), .epoch = 0xaabbccdd,
        .check = 0x01020304,
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
    ck_assert_uint_eq(back.check, head.check);
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
    { 0, 22, WIRE_E_MAGIC },    /* TLS has a 3 behind it */
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
        { RCACHE_PUT_ACK, 0, 8, 1 },
        { RCACHE_GET, 0, 8, 64 },
        { RCACHE_GET_REPLY, 0, 4096, 64 },
        { RCACHE_FREE, 0, 8, 1024 },
        { RCACHE_SUMS, 0, 8, 64 },
        { RCACHE_SUMS_ACK, 0, 8, 64 },
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
    /* Answers, and what names no lease, have no check. */
    head = (WireHead) { .type = RCACHE_FREE_ACK, .check = 1 };
    wire_head_encode(out->data, &head);
    ck_assert_int_eq(decode(&back), WIRE_E_RESERVED);
    head.type = RCACHE_PING;
    wire_head_encode(out->data, &head);
    ck_assert_int_eq(decode(&back), WIRE_E_RESERVED);
    /* But for pages: how long they took stands there. */
    head = (WireHead) {
        .type = RCACHE_GET_REPLY, .count = 1, .length = 4096, .check = 77,
    };
    wire_head_encode(out->data, &head);
    ck_assert_int_eq(decode(&back), WIRE_OK);
    ck_assert_uint_eq(back.check, 77);
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
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
