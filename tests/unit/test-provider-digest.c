/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What arrived: the digests in a provider's PUT_ACKs, wherever pages are put,
 * and frames that a bit was changed of.  What lies there: SUMS.
 */
#include <check.h>
#include <string.h>

#include "spill-fixture.h"

#include "common/boot.h"
#include "common/wire-check.h"
#include "common/wire-control.h"

static Client d;                /* of the session and lease of c, checked */

static Client checked(uint64_t session)
{
    Client client = client_connect(provider_address(provider));

    client.features = RCACHE_FEATURE_DIGEST;
    ck_assert_uint_eq(client_hello(&client, VM_A, session), RCACHE_OK);
    ck_assert_uint_eq(client_claim(&client, 1), RCACHE_OK);
    return client;
}

static void set_up(void)
{
    spill_set_up();
    d = checked(1);
}

static void tear_down(void)
{
    client_close(&d);
    spill_tear_down();
}

static uint64_t digest_of(const RcacheSlot *slots, const uint8_t *pages,
                          unsigned n)
{
    uint64_t sums[RCACHE_BATCH_PAGES];

    for (unsigned i = 0; i < n; i++) {
        sums[i] = wire_page_sum(pages + i * WIRE_PAGE_SIZE);
    }
    return wire_put_digest(slots, sums, n);
}

/* PUT @n pages, neighbours or not, with bit @flip of them changed. */
static void put_and_compare(unsigned n, unsigned apart, uint64_t value,
                            int64_t flip)
{
    g_autofree uint8_t *pages = g_malloc(n * WIRE_PAGE_SIZE);
    g_autofree uint8_t *have = g_malloc(n * WIRE_PAGE_SIZE);
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    uint64_t want;

    for (unsigned i = 0; i < n; i++) {
        slots[i] = client_slot(&d, i * apart);
    }
    client_fill(pages, slots, n, value);
    want = digest_of(slots, pages, n);
    client_put_begin(&d, slots, n);
    if (flip >= 0) {
        pages[flip / 8] ^= 1 << flip % 8;
    }
    client_send(&d, pages, n * WIRE_PAGE_SIZE);
    ck_assert_uint_eq(client_put_answer(&d), RCACHE_OK);
    ck_assert_uint_eq(d.digest == want, flip < 0);
    /* It tells of what is there. */
    ck_assert_uint_eq(d.digest, digest_of(slots, pages, n));
    ck_assert_uint_eq(client_get(&d, slots, n, have), RCACHE_OK);
    ck_assert_mem_eq(have, pages, n * WIRE_PAGE_SIZE);
}

static void put_all_kinds(void)
{
    put_and_compare(1, 1, 1, -1);
    put_and_compare(RCACHE_BATCH_PAGES, 1, 2, -1);
    put_and_compare(RCACHE_BATCH_PAGES, 5, 3, -1);
    put_and_compare(1, 1, 4, 0);
    put_and_compare(RCACHE_BATCH_PAGES, 1, 5,
                    RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE * 8 - 1);
    put_and_compare(7, 3, 6, 3 * WIRE_PAGE_SIZE * 8 + 77);
}

START_TEST(digests_of_pages_in_memory)
{
    put_all_kinds();
    ck_assert_uint_eq(snapshot().in_file, 0);
}
END_TEST

START_TEST(digests_of_pages_in_the_file)
{
    spill_put(0, RCACHE_BATCH_PAGES, 9);
    spill_go_out();
    put_all_kinds();
    ck_assert_uint_gt(snapshot().spill_put_pages, 0);
}
END_TEST

/* One slab is in the file and the others are not. */
START_TEST(digests_of_pages_in_both)
{
    spill_put(0, SLABS * PAGES, 9);
    provider_revoke(provider, 2 * SLAB, 0, NOW);
    WAIT_FOR(snapshot().spilled == SLAB);
    put_and_compare(RCACHE_BATCH_PAGES, SLABS * PAGES / RCACHE_BATCH_PAGES,
                    1, -1);
    put_and_compare(RCACHE_BATCH_PAGES, SLABS * PAGES / RCACHE_BATCH_PAGES,
                    2, 12345);
    ck_assert_uint_gt(snapshot().spill_put_pages, 0);
    ck_assert_uint_lt(snapshot().spill_put_pages, 2 * RCACHE_BATCH_PAGES);
}
END_TEST

/* What a GET's answer says of the time it took, and how long that was. */
static uint32_t service_of(Client *client, RcacheSlot slot, uint64_t *most)
{
    g_autofree uint8_t *payload = NULL;
    uint64_t begun = boottime_ns();
    WireHead head;

    client_send_slots(client, RCACHE_GET, &slot, 1);
    ck_assert(client_try_recv(client, &head, &payload));
    ck_assert_int_eq(head.type, RCACHE_GET_REPLY);
    ck_assert_int_eq(head.status, RCACHE_OK);
    *most = boottime_ns() - begun;
    return head.check;
}

/* Whoever does not know it would end the connection. */
START_TEST(how_long_a_get_has_taken)
{
    Client e = client_connect(provider_address(provider));
    uint64_t most;
    uint32_t ns;

    e.features = RCACHE_FEATURE_SERVICE;
    ck_assert_uint_eq(client_hello(&e, VM_A, 1), RCACHE_OK);
    ck_assert_uint_eq(client_claim(&e, 1), RCACHE_OK);
    spill_put(0, 2, 9);
    ck_assert_uint_eq(service_of(&d, client_slot(&d, 0), &most), 0);
    ns = service_of(&e, client_slot(&e, 0), &most);
    ck_assert_uint_gt(ns, 0);
    ck_assert_uint_le(ns, most);
    spill_go_out();
    ck_assert_uint_eq(service_of(&d, client_slot(&d, 0), &most), 0);
    ns = service_of(&e, client_slot(&e, 0), &most);
    ck_assert_uint_gt(ns, 0);
    ck_assert_uint_le(ns, most);
    client_close(&e);
}
END_TEST

START_TEST(a_requester_without_the_feature)
{
    RcacheSlot slot = client_slot(&c, 0);
    WireHead head = {
        .type = RCACHE_RENEW, .tag = 99, .lease = 1, .epoch = 1, .check = 1,
    };

    ck_assert_uint_eq(client_put(&c, &slot, 1, 1), RCACHE_OK);
    ck_assert_uint_eq(c.digest, 0);
    client_send_head(&c, &head);
    ck_assert(client_ended(&c));
}
END_TEST

/* -------------------------------------------------- frames that are changed */

/* Send a frame for slot @slot that a bit then turned into slot @other. */
static void send_changed(uint8_t type, RcacheSlot slot, RcacheSlot other)
{
    uint8_t frame[WIRE_HEAD_LEN + 8 + WIRE_PAGE_SIZE] = { 0 };
    size_t pages = type == RCACHE_PUT ? WIRE_PAGE_SIZE : 0;
    WireHead head = {
        .type = type, .count = 1, .length = 8 + pages, .tag = 99,
        .lease = 1, .epoch = 1,
    };

    wire_head_encode(frame, &head);
    wire_slots_encode(frame + WIRE_HEAD_LEN, &slot, 1);
    wire_check_set(frame, WIRE_HEAD_LEN + 8);
    wire_slots_encode(frame + WIRE_HEAD_LEN, &other, 1);
    client_send(&d, frame, WIRE_HEAD_LEN + 8 + pages);
}

START_TEST(a_changed_slot_harms_nobody)
{
    static const uint8_t types[] = {
        RCACHE_PUT, RCACHE_FREE, RCACHE_GET, RCACHE_DROP, RCACHE_SUMS,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        spill_put(0, 2, i);
        send_changed(types[i], client_slot(&d, 0), client_slot(&d, 1));
        ck_assert_msg(client_ended(&d), "%s", wire_type_name(types[i]));
        spill_check(0, 2, i);
        client_close(&d);
        d = checked(1);
    }
}
END_TEST

/* A high bit of the session number would fence all sessions that follow. */
START_TEST(a_changed_session_is_none)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    Client bad = client_connect(provider_address(provider));
    WireHello hello = {
        .version_min = 1, .version_max = 1, .role = RCACHE_ROLE_BULK,
        .features = RCACHE_FEATURE_DIGEST, .incarnation = 1, .session = 2,
        .host = "req",
    };

    memset(hello.vm, VM_A, sizeof(hello.vm));
    wire_append_hello(frame, 0, &hello);
    wire_check_set(frame->data, frame->len);
    frame->data[WIRE_HEAD_LEN + offsetof(struct RcacheHello, session) + 7] ^= 1;
    client_send(&bad, frame->data, frame->len);
    ck_assert(client_ended(&bad));
    client_close(&bad);
    spill_put(0, 1, 1);                 /* of session 1, which goes on */
    client_close(&d);
    d = checked(3);
}
END_TEST

/* ---------------------------------------------------------- what lies there */

/* Ask for the sums of @n pages; how many are not of client_fill(). */
static unsigned sums_that_differ(const RcacheSlot *slots, unsigned n,
                                 uint64_t value)
{
    g_autofree uint8_t *pages = g_malloc(n * WIRE_PAGE_SIZE);
    g_autofree uint8_t *payload = NULL;
    unsigned differ = 0;
    uint32_t length;

    client_fill(pages, slots, n, value);
    client_send_slots(&d, RCACHE_SUMS, slots, n);
    ck_assert_uint_eq(client_answer(&d, RCACHE_SUMS_ACK, &payload, &length),
                      RCACHE_OK);
    ck_assert_uint_eq(length, n * sizeof(uint64_t));
    for (unsigned i = 0; i < n; i++) {
        differ += wire_sum(payload, i) !=
                  wire_page_sum(pages + i * WIRE_PAGE_SIZE);
    }
    return differ;
}

START_TEST(sums_of_what_lies_there)
{
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    uint64_t got;

    for (unsigned i = 0; i < RCACHE_BATCH_PAGES; i++) {
        slots[i] = client_slot(&d, i);
    }
    spill_put(0, RCACHE_BATCH_PAGES, 3);
    got = snapshot().get_pages;
    ck_assert_uint_eq(sums_that_differ(slots, RCACHE_BATCH_PAGES, 3), 0);
    ck_assert_uint_eq(sums_that_differ(slots + 5, 1, 3), 0);
    ck_assert(provider_debug_flip(provider));
    ck_assert_uint_eq(sums_that_differ(slots, RCACHE_BATCH_PAGES, 3), 1);
    ck_assert_uint_eq(snapshot().get_pages, got);
    client_send_slots(&d, RCACHE_FREE, &slots[1], 1);
    ck_assert_uint_eq(client_answer(&d, RCACHE_FREE_ACK, NULL, NULL),
                      RCACHE_OK);
    client_send_slots(&d, RCACHE_SUMS, slots, 3);       /* nothing is there */
    ck_assert_uint_eq(client_answer(&d, RCACHE_SUMS_ACK, NULL, NULL),
                      RCACHE_E_SLOT);
}
END_TEST

START_TEST(sums_of_pages_in_the_file)
{
    RcacheSlot slots[2];

    spill_put(0, SLABS * PAGES, 9);
    provider_revoke(provider, 2 * SLAB, 0, NOW);
    WAIT_FOR(snapshot().spilled == SLAB);
    for (unsigned i = 0; i < SLABS; i++) {
        slots[0] = client_slot(&d, i * PAGES);
        slots[1] = client_slot(&d, (i + 1) % SLABS * PAGES + 1);
        ck_assert_uint_eq(sums_that_differ(slots, 2, 9), 0);
    }
    spill_check(0, SLABS * PAGES, 9);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider-digest");
    TCase *tc = tcase_create("provider-digest");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, digests_of_pages_in_memory);
    tcase_add_test(tc, digests_of_pages_in_the_file);
    tcase_add_test(tc, digests_of_pages_in_both);
    tcase_add_test(tc, how_long_a_get_has_taken);
    tcase_add_test(tc, a_requester_without_the_feature);
    tcase_add_test(tc, a_changed_slot_harms_nobody);
    tcase_add_test(tc, a_changed_session_is_none);
    tcase_add_test(tc, sums_of_what_lies_there);
    tcase_add_test(tc, sums_of_pages_in_the_file);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
