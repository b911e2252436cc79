/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of what arrived: bytes as docs/protocol.rst has them, and every
 * single bit that may flip.
 */
#include <check.h>
#include <string.h>

#include "common/wire-check.h"
#include "common/wire-control.h"

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

static void append_hello(uint64_t features)
{
    WireHello hello = {
        .version_min = 1, .version_max = 1, .role = RCACHE_ROLE_BULK,
        .features = features, .incarnation = 1, .session = 3, .host = "req",
    };

    wire_append_hello(out, 0, &hello);
}

static void append_free(void)
{
    RcacheSlot slots[2] = { wire_slot(1, 2), wire_slot(3, 4) };
    WireHead head = {
        .type = RCACHE_FREE, .count = 2, .tag = 5, .lease = 6, .epoch = 7,
    };

    wire_append_slots(out, &head, slots);
}

/* Is every bit of what is in out covered by its check? */
static void assert_all_bits_count(void)
{
    wire_check_set(out->data, out->len);
    ck_assert_int_eq(wire_check(out->data, out->len), WIRE_OK);
    for (unsigned bit = 0; bit < out->len * 8; bit++) {
        WireHead head;

        out->data[bit / 8] ^= 1 << bit % 8;
        ck_assert_msg(wire_head_decode(out->data, WIRE_PROVIDER, &head) ||
                      head.length + H != out->len ||
                      wire_check(out->data, out->len) == WIRE_E_CHECK,
                      "bit %u", bit);
        out->data[bit / 8] ^= 1 << bit % 8;
    }
    ck_assert_int_eq(wire_check(out->data, out->len), WIRE_OK);
}

START_TEST(every_bit_of_a_request_counts)
{
    append_free();
    assert_all_bits_count();
}
END_TEST

/* A HELLO that loses its feature is one without: it asks for less. */
START_TEST(every_bit_of_a_hello_counts)
{
    unsigned feature_at = H + offsetof(struct RcacheHello, features);

    append_hello(RCACHE_FEATURE_MOVE | RCACHE_FEATURE_DIGEST);
    wire_check_set(out->data, out->len);
    ck_assert_int_eq(wire_check(out->data, out->len), WIRE_OK);
    for (unsigned bit = 0; bit < out->len * 8; bit++) {
        bool feature = bit == feature_at * 8 + 4;
        WireHead head;

        out->data[bit / 8] ^= 1 << bit % 8;
        ck_assert_msg(wire_head_decode(out->data, WIRE_PROVIDER, &head) ||
                      head.length + H != out->len ||
                      head.type != RCACHE_HELLO ||
                      wire_check(out->data, out->len) ==
                      (feature ? WIRE_OK : WIRE_E_CHECK), "bit %u", bit);
        out->data[bit / 8] ^= 1 << bit % 8;
    }
}
END_TEST

START_TEST(some_frames_carry_none)
{
    g_autofree uint8_t *before = NULL;
    WireHead ping = { .type = RCACHE_PING };

    append_hello(RCACHE_FEATURE_MOVE);
    wire_append_bare(out, &ping);
    before = g_memdup2(out->data, out->len);
    wire_check_set(out->data, out->len - H);
    wire_check_set(out->data + out->len - H, H);
    ck_assert_mem_eq(out->data, before, out->len);
    ck_assert_int_eq(wire_check(out->data, out->len - H), WIRE_OK);
    ck_assert_int_eq(wire_check(out->data + out->len - H, H), WIRE_OK);
}
END_TEST

/* Made from the document, without this codec. */
START_TEST(check_golden)
{
    static const uint8_t want_check[4] = { 0x40, 0x3b, 0x28, 0x3f };
    static const uint8_t want_tag[8] = {
        0x56, 0x5b, 0x86, 0x6a, 0xbf, 0xfe, 0xd2, 0x8a,
    };

    append_free();
    wire_check_set(out->data, out->len);
    ck_assert_mem_eq(out->data + 36, want_check, 4);
    g_byte_array_set_size(out, 0);
    append_hello(RCACHE_FEATURE_DIGEST);
    wire_check_set(out->data, out->len);
    ck_assert_mem_eq(out->data + 16, want_tag, 8);
}
END_TEST

START_TEST(put_ack_golden)
{
    static const uint8_t want[H + 8] = {
        'R', 'C', 'A', '1', 1, 17, 0, 0, 8, 0, 0, 0,
        0, 0, 1, 0,                     /* status, count */
        9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0,
        8, 7, 6, 5, 4, 3, 2, 1,         /* digest */
    };
    WireHead head = { .tag = 9, .lease = 7, .epoch = 1 }, back;
    uint64_t digest;

    wire_append_put_ack(out, &head, UINT64_C(0x0102030405060708));
    ck_assert_uint_eq(out->len, sizeof(want));
    ck_assert_mem_eq(out->data, want, sizeof(want));
    ck_assert_int_eq(wire_head_decode(want, WIRE_REQUESTER, &back), WIRE_OK);
    ck_assert_uint_eq(back.count, 1);
    ck_assert_int_eq(wire_put_ack_decode(want + H, 8, &digest), WIRE_OK);
    ck_assert_uint_eq(digest, UINT64_C(0x0102030405060708));
    ck_assert_int_eq(wire_put_ack_decode(want + H, 7, &digest),
                     WIRE_E_LENGTH);
    ck_assert_int_eq(wire_put_ack_decode(NULL, 0, &digest), WIRE_E_LENGTH);
}
END_TEST

START_TEST(sums_golden)
{
    static const uint8_t want[H + 16] = {
        'R', 'C', 'A', '1', 1, 42, 0, 0, 16, 0, 0, 0,
        0, 0, 2, 0,                     /* status, count */
        9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0,
        8, 7, 6, 5, 4, 3, 2, 1, 5, 0, 0, 0, 0, 0, 0, 0,
    };
    static const uint64_t sums[2] = { UINT64_C(0x0102030405060708), 5 };
    WireHead head = { .tag = 9, .lease = 7, .epoch = 1 }, back;

    wire_append_sums(out, &head, sums, 2);
    ck_assert_uint_eq(out->len, sizeof(want));
    ck_assert_mem_eq(out->data, want, sizeof(want));
    ck_assert_int_eq(wire_head_decode(want, WIRE_REQUESTER, &back), WIRE_OK);
    ck_assert_uint_eq(back.count, 2);
    ck_assert_uint_eq(wire_sum(want + H, 0), sums[0]);
    ck_assert_uint_eq(wire_sum(want + H, 1), sums[1]);
}
END_TEST

START_TEST(digest_golden)
{
    RcacheSlot slots[2] = { wire_slot(1, 2), wire_slot(3, 4) };
    uint8_t page[WIRE_PAGE_SIZE] = { 0 };
    uint64_t sums[2] = { wire_page_sum(page) };
    uint64_t digest;

    page[4095] = 1;
    sums[1] = wire_page_sum(page);
    digest = wire_put_digest(slots, sums, 2);
    ck_assert_uint_eq(digest, UINT64_C(0x8756510363b10e1b));
    ck_assert_uint_ne(digest, wire_put_digest(slots, sums, 1));
    slots[1] ^= 1;
    ck_assert_uint_ne(digest, wire_put_digest(slots, sums, 2));
    slots[1] ^= 1;
    sums[0] ^= 1;
    ck_assert_uint_ne(digest, wire_put_digest(slots, sums, 2));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wire-check");
    TCase *tc = tcase_create("wire-check");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, every_bit_of_a_request_counts);
    tcase_add_test(tc, every_bit_of_a_hello_counts);
    tcase_add_test(tc, some_frames_carry_none);
    tcase_add_test(tc, check_golden);
    tcase_add_test(tc, put_ack_golden);
    tcase_add_test(tc, digest_golden);
    tcase_add_test(tc, sums_golden);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
