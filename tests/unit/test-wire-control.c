/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec, control: bytes as docs/protocol.rst has them, limits, and
 * what must not be taken.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire-beat.h"
#include "common/wire-control.h"
#include "common/wire-version.h"
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
    back.version_max = 7;
    ck_assert_uint_eq(wire_version_choose(&back), 0);
    wire_version_offer(&back);
    ck_assert_uint_eq(wire_version_choose(&back), wire_version_highest());
    ck_assert(wire_version_spoken(wire_version_highest()));
    ck_assert(!wire_version_spoken(0) && !wire_version_spoken(99));
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
    hello.role = 5;
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
    req.nr_avoid = 2;
    g_strlcpy(req.avoid[0], "slow", sizeof(req.avoid[0]));
    g_strlcpy(req.avoid[1], "far away", sizeof(req.avoid[1]));
    g_byte_array_set_size(out, 0);
    wire_append_lease_request(out, 1, &req);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_uint_eq(head.count, 2);
    ck_assert_uint_eq(head.length, sizeof(struct RcacheLeaseRequest) +
                                   2 * sizeof(struct RcacheAvoid));
    ck_assert_int_eq(wire_lease_request_decode(out->data + H, head.length,
                                               &back), WIRE_OK);
    ck_assert_mem_eq(&back, &req, sizeof(req));
    ck_assert_int_eq(wire_lease_request_decode(out->data + H, head.length - 1,
                                               &back), WIRE_E_LENGTH);
    req.nr_avoid = 0;
    req.bytes = 0;
    g_byte_array_set_size(out, 0);
    wire_append_lease_request(out, 1, &req);
    ck_assert_int_eq(wire_lease_request_decode(out->data + H, head.length,
                                               &back), WIRE_E_VALUE);
}
END_TEST

/* RCACHE_FEATURE_OWNER: the incarnation stands at the end, if it is said. */
START_TEST(the_owner_is_named)
{
    WireLeaseRequest req = { .name = "vm", .bytes = 1, .copies = 1,
                             .incarnation = 0x1122334455667788 }, req_back;
    WireGrant grant = {
        .lease = 1, .epoch = 1, .claim_ms = 1, .bytes = 1, .name = "vm",
        .host = "req", .incarnation = 0x8877665544332211,
    }, grant_back;
    WireHead head;

    for (req.nr_avoid = 0; req.nr_avoid < 2; req.nr_avoid++) {
        g_strlcpy(req.avoid[0], req.nr_avoid ? "slow" : "", 64);
        g_byte_array_set_size(out, 0);
        wire_append_lease_request(out, 1, &req);
        ck_assert_int_eq(decode(&head), WIRE_OK);
        ck_assert_int_eq(out->data[H + head.length - 8], 0x88);
        ck_assert_int_eq(wire_lease_request_decode(out->data + H, head.length,
                                                   &req_back), WIRE_OK);
        ck_assert_mem_eq(&req_back, &req, sizeof(req));
        ck_assert_int_eq(wire_lease_request_decode(
                             out->data + H, head.length - 4, &req_back),
                         WIRE_E_LENGTH);
    }
    memset(out->data + H + head.length - 8, 0, 8);
    ck_assert_int_eq(wire_lease_request_decode(out->data + H, head.length,
                                               &req_back), WIRE_E_VALUE);

    g_byte_array_set_size(out, 0);
    wire_append_grant(out, 8, &grant);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_int_eq(out->data[H + head.length - 8], 0x11);
    ck_assert_int_eq(wire_grant_decode(out->data + H, head.length,
                                       &grant_back), WIRE_OK);
    ck_assert_mem_eq(&grant_back, &grant, sizeof(grant));
    memset(out->data + H + head.length - 8, 0, 8);
    ck_assert_int_eq(wire_grant_decode(out->data + H, head.length,
                                       &grant_back), WIRE_E_VALUE);
}
END_TEST

START_TEST(where_round_trip)
{
    WireWhere where = { .host = "p1" }, back;
    WireHead head;

    wire_append_where(out, RCACHE_WHERE, 8, &where);
    ck_assert_int_eq(wire_head_decode(out->data, WIRE_ARBITER, &head),
                     WIRE_OK);
    ck_assert_int_eq(wire_where_decode(&head, out->data + H, head.length,
                                       &back), WIRE_OK);
    ck_assert_mem_eq(&back, &where, sizeof(where));
    /* No answer has only one of the two, but one that says no. */
    g_byte_array_set_size(out, 0);
    wire_append_where(out, RCACHE_WHERE_ACK, 8, &where);
    ck_assert_int_eq(wire_head_decode(out->data, WIRE_HOST, &head), WIRE_OK);
    ck_assert_int_eq(wire_where_decode(&head, out->data + H, head.length,
                                       &back), WIRE_E_TEXT);
    where.status = RCACHE_E_REFUSED;
    g_byte_array_set_size(out, 0);
    wire_append_where(out, RCACHE_WHERE_ACK, 8, &where);
    ck_assert_int_eq(wire_head_decode(out->data, WIRE_HOST, &head), WIRE_OK);
    ck_assert_int_eq(wire_where_decode(&head, out->data + H, head.length,
                                       &back), WIRE_OK);
    ck_assert_uint_eq(back.status, RCACHE_E_REFUSED);
    memset(out->data + H, 0, head.length);
    ck_assert_int_eq(wire_where_decode(&head, out->data + H, head.length,
                                       &back), WIRE_E_TEXT);
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

/* RCACHE_FEATURE_LABELS: behind the grants, one for each. */
START_TEST(lease_reply_with_labels)
{
    WireLeaseReply reply = {
        .nr_grants = 2, .bytes = 2, .labels = true,
        .grant = {
            { .lease = 1, .epoch = 1, .ttl_ms = 1, .bytes = 1, .host = "p1",
              .address = "10.0.0.1:9470", .label = "rack 1" },
            { .lease = 2, .epoch = 1, .ttl_ms = 1, .bytes = 1, .host = "p2",
              .address = "10.0.0.2:9470" },
        },
    }, back;
    size_t with = sizeof(struct RcacheLeaseReply) +
                  2 * sizeof(struct RcacheLeaseGrant);
    WireHead head;

    wire_append_lease_reply(out, 3, &reply);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_uint_eq(head.length, with + 2 * RCACHE_NAME_MAX);
    ck_assert_str_eq((const char *)out->data + H + with, "rack 1");
    ck_assert_int_eq(wire_lease_reply_decode(&head, out->data + H,
                                             head.length, &back), WIRE_OK);
    ck_assert_mem_eq(&back, &reply, sizeof(reply));
    /* All of them or none. */
    head.length -= RCACHE_NAME_MAX;
    ck_assert_int_eq(wire_lease_reply_decode(&head, out->data + H,
                                             head.length, &back),
                     WIRE_E_LENGTH);
    out->data[8] -= RCACHE_NAME_MAX;
    ck_assert_int_eq(decode(&head), WIRE_E_LENGTH);
    out->data[H + with + 2] = 1;
    ck_assert_int_eq(wire_lease_reply_decode(&head, out->data + H,
                                             with + 2 * RCACHE_NAME_MAX,
                                             &back), WIRE_E_TEXT);
    /* Without the feature there are none, and nothing else changes. */
    reply.labels = false;
    g_byte_array_set_size(out, 0);
    wire_append_lease_reply(out, 3, &reply);
    ck_assert_int_eq(decode(&head), WIRE_OK);
    ck_assert_uint_eq(head.length, with);
    ck_assert_int_eq(wire_lease_reply_decode(&head, out->data + H,
                                             head.length, &back), WIRE_OK);
    ck_assert(!back.labels);
    ck_assert_str_eq(back.grant[0].label, "");
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

START_TEST(drain_golden)
{
    static const uint8_t want[] = { 1, 0, 0, 0, 0, 0, 0, 0 };
    WireHead head;
    bool drain = false;

    wire_append_drain(out, true);
    ck_assert_int_eq(wire_head_decode(out->data, WIRE_HOST, &head), WIRE_OK);
    ck_assert_uint_eq(head.type, RCACHE_DRAIN);
    ck_assert_uint_eq(out->len, H + sizeof(want));
    ck_assert_mem_eq(out->data + H, want, sizeof(want));
    ck_assert_int_eq(wire_drain_decode(out->data + H, 8, &drain), WIRE_OK);
    ck_assert(drain);
    ck_assert_int_eq(wire_drain_decode(out->data + H, 7, &drain),
                     WIRE_E_LENGTH);
    out->data[H] = 2;
    ck_assert_int_eq(wire_drain_decode(out->data + H, 8, &drain),
                     WIRE_E_VALUE);
    out->data[H + 4] = 1;
    ck_assert_int_eq(wire_drain_decode(out->data + H, 8, &drain),
                     WIRE_E_RESERVED);
}
END_TEST

START_TEST(withdraw_golden)
{
    static const uint8_t want[] = { 2, 1, 0, 0, 0, 0, 0, 0x40 };
    WireHead head;
    uint64_t lease;

    wire_append_withdraw(out, UINT64_C(0x4000000000000102));
    ck_assert_int_eq(wire_head_decode(out->data, WIRE_HOST, &head), WIRE_OK);
    ck_assert_uint_eq(head.type, RCACHE_WITHDRAW);
    ck_assert_uint_eq(out->len, H + sizeof(want));
    ck_assert_mem_eq(out->data + H, want, sizeof(want));
    ck_assert_int_eq(wire_withdraw_decode(out->data + H, 8, &lease), WIRE_OK);
    ck_assert_uint_eq(lease, UINT64_C(0x4000000000000102));
    ck_assert_int_eq(wire_withdraw_decode(out->data + H, 7, &lease),
                     WIRE_E_LENGTH);
    out->data[H + 7] = 0x80;
    ck_assert_int_eq(wire_withdraw_decode(out->data + H, 8, &lease),
                     WIRE_E_VALUE);
    memset(out->data + H, 0, 8);
    ck_assert_int_eq(wire_withdraw_decode(out->data + H, 8, &lease),
                     WIRE_E_VALUE);
}
END_TEST

START_TEST(evict_golden)
{
    static const uint8_t want[] = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
        0, 0, 0x10, 0, 0, 0, 0, 0,
    };
    WireEvict in = { .bytes = 1 << 20 }, back;
    WireHead head;

    memcpy(in.vm, want, sizeof(in.vm));
    wire_append_evict(out, 9, &in);
    ck_assert_int_eq(wire_head_decode(out->data, WIRE_HOST, &head), WIRE_OK);
    ck_assert_uint_eq(head.type, RCACHE_EVICT);
    ck_assert_uint_eq(head.tag, 9);
    ck_assert_uint_eq(out->len, H + sizeof(want));
    ck_assert_mem_eq(out->data + H, want, sizeof(want));
    ck_assert_int_eq(wire_evict_decode(out->data + H, 24, &back), WIRE_OK);
    ck_assert_mem_eq(&back, &in, sizeof(in));
    ck_assert_int_eq(wire_evict_decode(out->data + H, 23, &back),
                     WIRE_E_LENGTH);
    out->data[H + 18] = 0;
    ck_assert_int_eq(wire_evict_decode(out->data + H, 24, &back),
                     WIRE_E_VALUE);
}
END_TEST

START_TEST(upgrade_golden)
{
    uint8_t want[136] = { 0x2a, 1, 0, 0, 0, 0, 0, 0, 'n', 'o' };
    WireUpgradeAck in = { .status = RCACHE_E_REFUSED, .pid = 298,
                          .text = "no" }, back;
    WireHead head = { .type = RCACHE_UPGRADE, .tag = 9 };

    wire_append_bare(out, &head);
    ck_assert_int_eq(wire_head_decode(out->data, WIRE_HOST, &head), WIRE_OK);
    ck_assert_uint_eq(out->len, H);
    g_byte_array_set_size(out, 0);
    wire_append_upgrade_ack(out, 9, &in);
    ck_assert_int_eq(wire_head_decode(out->data, WIRE_ARBITER, &head),
                     WIRE_OK);
    ck_assert_uint_eq(head.type, RCACHE_UPGRADE_ACK);
    ck_assert_uint_eq(head.tag, 9);
    ck_assert_uint_eq(out->len, H + sizeof(want));
    ck_assert_mem_eq(out->data + H, want, sizeof(want));
    ck_assert_int_eq(wire_upgrade_ack_decode(&head, out->data + H,
                                             head.length, &back), WIRE_OK);
    ck_assert_uint_eq(back.status, RCACHE_E_REFUSED);
    ck_assert_uint_eq(back.pid, 298);
    ck_assert_str_eq(back.text, "no");
    ck_assert_int_eq(wire_upgrade_ack_decode(&head, out->data + H, 135,
                                             &back), WIRE_E_LENGTH);
}
END_TEST

START_TEST(evict_ack_round_trip)
{
    WireEvictAck in = { .status = RCACHE_E_NO_ROOM, .bytes = 3 << 20,
                        .text = "no more room" }, back;
    WireHead head;

    wire_append_evict_ack(out, 9, &in);
    ck_assert_int_eq(wire_head_decode(out->data, WIRE_ARBITER, &head),
                     WIRE_OK);
    ck_assert_uint_eq(head.type, RCACHE_EVICT_ACK);
    ck_assert_int_eq(wire_evict_ack_decode(&head, out->data + H, head.length,
                                           &back), WIRE_OK);
    ck_assert_uint_eq(back.status, RCACHE_E_NO_ROOM);
    ck_assert_uint_eq(back.bytes, 3 << 20);
    ck_assert_str_eq(back.text, "no more room");
    ck_assert_int_eq(wire_evict_ack_decode(&head, out->data + H,
                                           head.length - 1, &back),
                     WIRE_E_LENGTH);
    memset(out->data + H + 8, 'x', 128);
    ck_assert_int_eq(wire_evict_ack_decode(&head, out->data + H, head.length,
                                           &back), WIRE_E_TEXT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wire-control");
    TCase *tc = tcase_create("wire-control");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, hello_golden);
    tcase_add_test(tc, hello_refused);
    tcase_add_test(tc, hello_ack_round_trip);
    tcase_add_test(tc, lease_request_round_trip);
    tcase_add_test(tc, the_owner_is_named);
    tcase_add_test(tc, where_round_trip);
    tcase_add_test(tc, lease_reply_round_trip);
    tcase_add_test(tc, lease_reply_with_labels);
    tcase_add_test(tc, grant_round_trip);
    tcase_add_test(tc, drain_golden);
    tcase_add_test(tc, withdraw_golden);
    tcase_add_test(tc, evict_golden);
    tcase_add_test(tc, evict_ack_round_trip);
    tcase_add_test(tc, upgrade_golden);
    tcase_add_test(tc, text_is_cut_between_characters);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
