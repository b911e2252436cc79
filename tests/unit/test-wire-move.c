/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frames by which a slab moves: their bytes, there and back. */
#include <check.h>
#include <string.h>

#include "common/wire-move.h"
#include "common/wire.h"

#define H WIRE_HEAD_LEN

static const uint8_t token[RCACHE_TOKEN_LEN] = "0123456789abcde";
static GByteArray *out;

static void set_up(void)
{
    out = g_byte_array_new();
}

static void tear_down(void)
{
    g_byte_array_unref(out);
}

/* The one frame in @out, as @side reads it. */
static WireHead decode(WireSide side, uint8_t type)
{
    WireHead head;

    ck_assert_int_eq(wire_head_decode(out->data, side, &head), WIRE_OK);
    ck_assert_uint_eq(head.type, type);
    ck_assert_uint_eq(head.tag, 9);
    ck_assert_uint_eq(head.lease, 7);
    ck_assert_uint_eq(head.epoch, 1);
    ck_assert_uint_eq(out->len, H + head.length);
    return head;
}

static void assert_payload(const uint8_t *want, size_t n)
{
    ck_assert_uint_eq(out->len, H + n);
    ck_assert_mem_eq(out->data + H, want, n);
}

START_TEST(revoke_golden)
{
    static const uint8_t want[] = { 2, 1, 0, 0, 0x30, 0x75, 0, 0 };
    WireHead head = { .tag = 9, .lease = 7, .epoch = 1 };
    WireRevoke revoke = { .keep = 0x102, .deadline_ms = 30000 }, back;

    wire_append_revoke(out, &head, &revoke);
    decode(WIRE_REQUESTER, RCACHE_REVOKE);
    assert_payload(want, sizeof(want));
    ck_assert_int_eq(wire_revoke_decode(out->data + H, 8, &back), WIRE_OK);
    ck_assert_uint_eq(back.keep, 0x102);
    ck_assert_uint_eq(back.deadline_ms, 30000);
    ck_assert_int_eq(wire_revoke_decode(out->data + H, 7, &back),
                     WIRE_E_LENGTH);
}
END_TEST

START_TEST(move_token_golden)
{
    static const uint8_t types[] = {
        RCACHE_EXPECT, RCACHE_CONFIRM, RCACHE_PUSH,
    };
    WireMoveToken move = { .slab = 0x01020304 }, back;
    WireHead head = {
        .type = types[_i], .tag = 9, .lease = 7, .epoch = 1,
    };
    uint8_t want[24] = { 0 };

    memcpy(move.token, token, sizeof(token));
    memcpy(want, token, sizeof(token));
    memcpy(want + 16, (const uint8_t[]) { 4, 3, 2, 1 }, 4);
    wire_append_move_token(out, &head, &move);
    decode(WIRE_PROVIDER, types[_i]);
    assert_payload(want, sizeof(want));
    ck_assert_int_eq(wire_move_token_decode(out->data + H, 24, &back),
                     WIRE_OK);
    ck_assert_mem_eq(back.token, token, sizeof(token));
    ck_assert_uint_eq(back.slab, 0x01020304);
    ck_assert_int_eq(wire_move_token_decode(out->data + H, 20, &back),
                     WIRE_E_LENGTH);
    out->data[H + 20] = 1;
    ck_assert_int_eq(wire_move_token_decode(out->data + H, 24, &back),
                     WIRE_E_RESERVED);
}
END_TEST

static const WireMove a_move = {
    .to_lease = 0x0102030405060708, .to_epoch = 2, .to_slab = 3,
    .to_session = 4, .slab = 5, .address = "10.0.0.2:9470",
};

START_TEST(move_golden)
{
    uint8_t want[112] = {
        [16] = 8, 7, 6, 5, 4, 3, 2, 1, 2, 0, 0, 0, 3, 0, 0, 0,
        4, 0, 0, 0, 0, 0, 0, 0, 5,
    };
    WireHead head = { .tag = 9, .lease = 7, .epoch = 1 };
    WireMove move = a_move, back;

    memcpy(move.token, token, sizeof(token));
    memcpy(want, token, sizeof(token));
    memcpy(want + 48, "10.0.0.2:9470", 13);
    wire_append_move(out, &head, &move);
    decode(WIRE_PROVIDER, RCACHE_MOVE);
    assert_payload(want, sizeof(want));
    ck_assert_int_eq(wire_move_decode(out->data + H, 112, &back), WIRE_OK);
    ck_assert_mem_eq(back.token, token, sizeof(token));
    ck_assert_uint_eq(back.to_lease, a_move.to_lease);
    ck_assert_uint_eq(back.to_epoch, 2);
    ck_assert_uint_eq(back.to_slab, 3);
    ck_assert_uint_eq(back.to_session, 4);
    ck_assert_uint_eq(back.slab, 5);
    ck_assert_str_eq(back.address, "10.0.0.2:9470");
    ck_assert_str_eq(back.host, "");
}
END_TEST

/* RCACHE_FEATURE_NAMED: whose provider it is stands at the end. */
START_TEST(move_with_a_name)
{
    WireHead head = { .tag = 9, .lease = 7, .epoch = 1 };
    WireMove move = a_move, back;

    wire_text_copy(move.host, sizeof(move.host), "new one");
    wire_append_move(out, &head, &move);
    head = decode(WIRE_PROVIDER, RCACHE_MOVE);
    ck_assert_uint_eq(head.length, 112 + RCACHE_NAME_MAX);
    ck_assert_str_eq((const char *)out->data + H + 112, "new one");
    ck_assert_int_eq(wire_move_decode(out->data + H, head.length, &back),
                     WIRE_OK);
    ck_assert_mem_eq(&back, &move, sizeof(move));
    ck_assert_int_eq(wire_move_decode(out->data + H, head.length - 1, &back),
                     WIRE_E_LENGTH);
    memset(out->data + H + 112, 0, RCACHE_NAME_MAX);
    ck_assert_int_eq(wire_move_decode(out->data + H, head.length, &back),
                     WIRE_E_TEXT);
}
END_TEST

/* A byte of MOVE set to a value, and what is wrong then. */
static const struct {
    unsigned at, n;
    uint8_t value;
    WireError err;
} bad_moves[] = {
    { 16, 8, 0, WIRE_E_VALUE },         /* no lease */
    { 32, 8, 0, WIRE_E_VALUE },         /* no session */
    { 44, 1, 1, WIRE_E_RESERVED },
    { 48, 1, 0, WIRE_E_TEXT },          /* no address */
    { 50, 1, 7, WIRE_E_TEXT },          /* a bell in it */
    { 48, 64, 'a', WIRE_E_TEXT },       /* no end */
};

START_TEST(move_refused)
{
    WireHead head = { .tag = 9, .lease = 7, .epoch = 1 };
    WireMove back;

    wire_append_move(out, &head, &a_move);
    memset(out->data + H + bad_moves[_i].at, bad_moves[_i].value,
           bad_moves[_i].n);
    ck_assert_int_eq(wire_move_decode(out->data + H, 112, &back),
                     bad_moves[_i].err);
    ck_assert_int_eq(wire_move_decode(out->data + H, 111, &back),
                     WIRE_E_LENGTH);
}
END_TEST

START_TEST(moved_golden)
{
    static const struct {
        uint8_t type;
        WireSide side;
    } types[] = {
        { RCACHE_MOVE_ACK, WIRE_REQUESTER },
        { RCACHE_CONFIRM_ACK, WIRE_REQUESTER },
        { RCACHE_PUSHED, WIRE_PROVIDER },
    };
    static const uint8_t want[] = {
        0, 0x40, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1,
    };
    WireMoved moved = { .pages = 16384, .digest = 0x0102030405060708 }, back;
    WireHead head = {
        .type = types[_i].type, .tag = 9, .lease = 7, .epoch = 1,
    };

    wire_append_moved(out, &head, &moved);
    decode(types[_i].side, types[_i].type);
    assert_payload(want, sizeof(want));
    ck_assert_int_eq(wire_moved_decode(out->data + H, 16, &back), WIRE_OK);
    ck_assert_uint_eq(back.pages, 16384);
    ck_assert_uint_eq(back.digest, moved.digest);
    ck_assert_int_eq(wire_moved_decode(out->data + H, 15, &back),
                     WIRE_E_LENGTH);
}
END_TEST

/* Requests are for providers, answers and REVOKE for requesters. */
START_TEST(move_sides)
{
    static const uint8_t requests[] = {
        RCACHE_EXPECT, RCACHE_MOVE, RCACHE_CONFIRM, RCACHE_DROP,
        RCACHE_PUSH, RCACHE_PUSHED,
    };
    uint8_t bytes[H];
    WireHead back;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(requests); i++) {
        WireHead head = { .type = requests[i] };

        wire_head_encode(bytes, &head);
        ck_assert_int_ne(wire_head_decode(bytes, WIRE_PROVIDER, &back),
                         WIRE_E_TYPE);
        ck_assert_int_eq(wire_head_decode(bytes, WIRE_REQUESTER, &back),
                         WIRE_E_TYPE);
        head.type++;
        wire_head_encode(bytes, &head);
        ck_assert_int_eq(wire_head_decode(bytes, WIRE_PROVIDER, &back),
                         WIRE_E_TYPE);
        ck_assert_int_ne(wire_head_decode(bytes, WIRE_REQUESTER, &back),
                         WIRE_E_TYPE);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wire-move");
    TCase *tc = tcase_create("wire-move");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, revoke_golden);
    tcase_add_loop_test(tc, move_token_golden, 0, 3);
    tcase_add_test(tc, move_golden);
    tcase_add_test(tc, move_with_a_name);
    tcase_add_loop_test(tc, move_refused, 0, G_N_ELEMENTS(bad_moves));
    tcase_add_loop_test(tc, moved_golden, 0, 3);
    tcase_add_test(tc, move_sides);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
