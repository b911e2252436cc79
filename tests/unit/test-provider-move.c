/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slabs that move: a provider on loopback that is both the old one and the
 * new one, and a requester of few words.
 */
#include <check.h>
#include <string.h>

#include "provider-fixture.h"

#include "common/wire-move.h"

#define OLD     1u              /* leases */
#define NEW     2u

static Client c;                /* claimed both, the old one last */
static const char *to_host = "";        /* of a MOVE */
static uint32_t old_slab, new_slab;

static void claim_both(uint64_t session)
{
    c = client_connect(provider_address(provider));
    c.features = RCACHE_FEATURE_MOVE | RCACHE_FEATURE_DIGEST;
    ck_assert_uint_eq(client_hello(&c, VM_A, session), RCACHE_OK);
    ck_assert_uint_eq(client_claim(&c, NEW), RCACHE_OK);
    new_slab = c.slabs[0];
    ck_assert_uint_eq(client_claim(&c, OLD), RCACHE_OK);
    old_slab = c.slabs[0];
}

static void set_up(void)
{
    fixture_set_up();
    ck_assert_uint_eq(give(OLD, VM_A, 2).bytes, 2 * SLAB);
    ck_assert_uint_eq(give(NEW, VM_A, 2).bytes, 2 * SLAB);
    claim_both(1);
}

static void tear_down(void)
{
    client_close(&c);
    fixture_tear_down();
}

/* Pages of the old slab: in two runs, and one alone. */
static void store_some(uint64_t value)
{
    static const uint32_t at[] = { 0, 1, 2, 3, 77, 200, 201, 255 };
    RcacheSlot slots[G_N_ELEMENTS(at)];
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(at); i++) {
        slots[i] = wire_slot(old_slab, at[i]);
    }
    ck_assert_uint_eq(client_put(&c, slots, G_N_ELEMENTS(at), value),
                      RCACHE_OK);
}

static void send_token(Client *to, uint8_t type, uint64_t lease,
                       uint32_t slab, uint8_t token)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = {
        .type = type, .tag = ++to->tag, .lease = lease, .epoch = 1,
    };
    WireMoveToken move = { .slab = slab };

    memset(move.token, token, sizeof(move.token));
    wire_append_move_token(frame, &head, &move);
    client_send_frame(to, frame->data, frame->len);
}

static uint16_t expect(uint32_t slab, uint8_t token)
{
    send_token(&c, RCACHE_EXPECT, NEW, slab, token);
    return client_answer(&c, RCACHE_EXPECT_ACK, NULL, NULL);
}

static void send_move(uint8_t token, uint64_t session)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .tag = ++c.tag, .lease = OLD, .epoch = 1 };
    WireMove move = {
        .to_lease = NEW, .to_epoch = 1, .to_slab = new_slab,
        .to_session = session, .slab = old_slab,
    };

    memset(move.token, token, sizeof(move.token));
    wire_text_copy(move.address, sizeof(move.address),
                   provider_address(provider));
    wire_text_copy(move.host, sizeof(move.host), to_host);
    wire_append_move(frame, &head, &move);
    client_send_frame(&c, frame->data, frame->len);
}

static uint16_t move_answer(uint8_t type, WireMoved *moved)
{
    g_autofree uint8_t *payload = NULL;
    uint32_t length;
    uint16_t status = client_answer(&c, type, &payload, &length);

    if (status == RCACHE_OK) {
        ck_assert(!wire_moved_decode(payload, length, moved));
    }
    return status;
}

static uint16_t confirm(uint8_t token, WireMoved *moved)
{
    send_token(&c, RCACHE_CONFIRM, NEW, new_slab, token);
    return move_answer(RCACHE_CONFIRM_ACK, moved);
}

static bool new_has(uint32_t page, uint64_t value)
{
    RcacheSlot slot = wire_slot(new_slab, page);
    uint8_t want[WIRE_PAGE_SIZE], have[WIRE_PAGE_SIZE];
    uint64_t lease = c.lease;
    uint16_t status;

    client_fill(want, (RcacheSlot[]) { wire_slot(old_slab, page) }, 1, value);
    c.lease = NEW;
    status = client_get(&c, &slot, 1, have);
    c.lease = lease;
    return status == RCACHE_OK && !memcmp(want, have, sizeof(want));
}

START_TEST(a_slab_moves)
{
    WireMoved moved, confirmed;
    RcacheSlot slot = wire_slot(old_slab, 0);

    store_some(1);
    ck_assert_uint_eq(expect(new_slab, 9), RCACHE_OK);
    send_move(9, 1);
    ck_assert_uint_eq(move_answer(RCACHE_MOVE_ACK, &moved), RCACHE_OK);
    ck_assert_uint_eq(moved.pages, 8);
    /* Both have it; until CONFIRM the new one does not show it. */
    ck_assert(client_has(&c, slot, 1));
    ck_assert(!new_has(0, 1));
    ck_assert_uint_eq(confirm(9, &confirmed), RCACHE_OK);
    ck_assert_mem_eq(&moved, &confirmed, sizeof(moved));
    ck_assert(new_has(0, 1));
    ck_assert(new_has(77, 1));
    ck_assert(new_has(255, 1));
    ck_assert(!new_has(4, 1));
    ck_assert_uint_eq(confirm(9, &confirmed), RCACHE_E_SLOT);

    client_send_slots(&c, RCACHE_DROP, &slot, 1);
    ck_assert_uint_eq(client_answer(&c, RCACHE_DROP_ACK, NULL, NULL),
                      RCACHE_OK);
    ck_assert_uint_eq(client_get(&c, &slot, 1, (uint8_t[WIRE_PAGE_SIZE]) {}),
                      RCACHE_E_SLOT);
    WAIT_FOR(snapshot().leased == 3 * SLAB);
    ck_assert_uint_eq(snapshot().stored, 8 * WIRE_PAGE_SIZE);
    ck_assert_uint_eq(snapshot().slabs_in, 1);
    ck_assert_uint_eq(snapshot().slabs_out, 1);
}
END_TEST

/* An empty slab is a move of no pages. */
START_TEST(an_empty_slab_moves)
{
    WireMoved moved, confirmed;

    ck_assert_uint_eq(expect(new_slab, 9), RCACHE_OK);
    send_move(9, 1);
    ck_assert_uint_eq(move_answer(RCACHE_MOVE_ACK, &moved), RCACHE_OK);
    ck_assert_uint_eq(confirm(9, &confirmed), RCACHE_OK);
    ck_assert_uint_eq(moved.pages + confirmed.pages, 0);
}
END_TEST

/* A token is good for one push, of the session that expects it. */
START_TEST(tokens_are_used_once)
{
    WireMoved moved;

    store_some(1);
    send_move(9, 1);
    ck_assert_uint_eq(move_answer(RCACHE_MOVE_ACK, &moved), RCACHE_E_LEASE);
    ck_assert_uint_eq(expect(new_slab, 9), RCACHE_OK);
    send_move(8, 1);
    ck_assert_uint_eq(move_answer(RCACHE_MOVE_ACK, &moved), RCACHE_E_LEASE);
    send_move(9, 2);            /* a push never fences its requester */
    ck_assert_uint_eq(move_answer(RCACHE_MOVE_ACK, &moved), RCACHE_E_LEASE);
    client_close(&c);
    claim_both(2);
    ck_assert_uint_eq(confirm(9, &moved), RCACHE_E_SLOT);
    ck_assert_uint_eq(expect(new_slab, 7), RCACHE_OK);
    send_move(7, 2);
    ck_assert_uint_eq(move_answer(RCACHE_MOVE_ACK, &moved), RCACHE_OK);
    send_move(7, 2);
    ck_assert_uint_eq(move_answer(RCACHE_MOVE_ACK, &moved), RCACHE_E_LEASE);
    ck_assert_uint_eq(confirm(7, &moved), RCACHE_OK);
    ck_assert(new_has(0, 1));
}
END_TEST

static int asked;               /* tickets, atomic */
static char asked_host[RCACHE_NAME_MAX], asked_address[RCACHE_NAME_MAX];

static void where(uint64_t ticket, const char *host, const char *address,
                  void *opaque)
{
    g_strlcpy(asked_host, host, sizeof(asked_host));
    g_strlcpy(asked_address, address, sizeof(asked_address));
    g_atomic_int_set(&asked, ticket);
}

/* MOVE, and what arbiters say then; its answer. */
static uint16_t move_found(uint8_t token, uint16_t status, const char *host,
                           const char *address)
{
    WireWhere found = { .status = status };
    int before = g_atomic_int_get(&asked);
    WireMoved moved;

    wire_text_copy(found.host, sizeof(found.host), host);
    wire_text_copy(found.address, sizeof(found.address), address);
    WAIT_FOR(expect(new_slab, token) == RCACHE_OK);
    send_move(token, 1);
    WAIT_FOR(g_atomic_int_get(&asked) != before);
    provider_found(provider, g_atomic_int_get(&asked), &found);
    return move_answer(RCACHE_MOVE_ACK, &moved);
}

/* Begin again, with arbiters that can be asked. */
static void start_asking(void)
{
    client_close(&c);
    provider_free(provider);
    config.where = where;
    fixture_start();
    give(OLD, VM_A, 2);
    give(NEW, VM_A, 2);
    claim_both(1);
    store_some(1);
}

/* Who begins again and again asks no more than who does not. */
START_TEST(few_questions_are_out)
{
    enum { MOVES = 40, OUT = 16 };
    const WireWhere busy = { .status = RCACHE_E_BUSY };
    const char *address;

    start_asking();
    address = provider_address(provider);
    send_move(9, 1);
    for (unsigned i = 1; i <= MOVES; i++) {
        g_autofree uint8_t *payload = NULL;
        WireHead head;

        /* It ends the one before, or is refused; and then the last one. */
        if (i < MOVES) {
            send_move(9, 1);
        } else {
            ck_assert_int_eq(g_atomic_int_get(&asked), OUT);
            provider_found(provider, OUT, &busy);
        }
        ck_assert(client_try_recv(&c, &head, &payload));
        ck_assert_uint_eq(head.status, RCACHE_E_BUSY);
    }
    for (unsigned i = 1; i < OUT; i++) {
        provider_found(provider, i, &busy);
    }
    ck_assert_uint_eq(move_found(8, RCACHE_OK, "lender", address), RCACHE_OK);
    config.where = NULL;
}
END_TEST

/* Not where the requester does; and whoever is there has to be the one. */
START_TEST(a_push_goes_where_arbiters_say)
{
    const WireWhere late = { .status = RCACHE_OK };
    const char *address;

    start_asking();
    address = provider_address(provider);
    to_host = "lender";
    ck_assert_uint_eq(move_found(9, RCACHE_E_REFUSED, "", ""),
                      RCACHE_E_REFUSED);
    ck_assert_str_eq(asked_host, "lender");
    ck_assert_str_eq(asked_address, "");
    ck_assert_uint_eq(move_found(8, RCACHE_E_BUSY, "", ""), RCACHE_E_BUSY);
    /* TLS ends such a connection before anybody says a name. */
    ck_assert_uint_eq(move_found(7, RCACHE_OK, "other", address),
                      g_getenv("RCACHED_TEST_TLS") ? RCACHE_E_BUSY
                                                   : RCACHE_E_REFUSED);
    ck_assert_uint_eq(move_found(6, RCACHE_OK, "lender", "nowhere"),
                      RCACHE_E_REFUSED);
    ck_assert_uint_eq(move_found(5, RCACHE_OK, "lender", address), RCACHE_OK);
    /* Of an older requester only the address is known. */
    to_host = "";
    ck_assert_uint_eq(move_found(4, RCACHE_OK, "lender", address), RCACHE_OK);
    ck_assert_str_eq(asked_host, "");
    ck_assert_str_eq(asked_address, address);
    /* And older arbiters say nothing. */
    ck_assert_uint_eq(move_found(3, RCACHE_OK, "", ""), RCACHE_OK);
    /* Who has asked has gone before the answer came. */
    send_move(2, 1);
    WAIT_FOR(g_atomic_int_get(&asked) == 8);
    client_close(&c);
    WAIT_FOR(snapshot().conns == 0);
    provider_found(provider, 8, &late);
    provider_found(provider, 99, &late);
    claim_both(2);
    ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);
    config.where = NULL;
}
END_TEST

/* A push by hand, as far as PUSH. */
static Client pusher(uint64_t session, uint8_t token, uint16_t status)
{
    Client push = client_connect(provider_address(provider));

    push.role = RCACHE_ROLE_PUSH;
    push.lease = NEW;
    ck_assert_uint_eq(client_hello(&push, VM_A, session), RCACHE_OK);
    send_token(&push, RCACHE_PUSH, NEW, new_slab, token);
    ck_assert_uint_eq(client_answer(&push, RCACHE_PUSH_ACK, NULL, NULL),
                      status);
    return push;
}

static uint16_t pushed(Client *push, uint64_t pages, uint64_t digest)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = {
        .type = RCACHE_PUSHED, .tag = ++push->tag, .lease = NEW, .epoch = 1,
    };
    WireMoved sent = { pages, digest };

    wire_append_moved(frame, &head, &sent);
    client_send(push, frame->data, frame->len);
    return client_answer(push, RCACHE_PUSHED_ACK, NULL, NULL);
}

/* Who knows all but the token takes no place from the requester. */
START_TEST(a_push_without_a_token_is_no_member)
{
    enum { PUSHERS = 20 };
    Client wrong[PUSHERS], same;

    ck_assert_uint_eq(expect(new_slab, 9), RCACHE_OK);
    for (unsigned i = 0; i < PUSHERS; i++) {
        wrong[i] = pusher(1, 8, RCACHE_E_LEASE);
    }
    same = client_session(provider_address(provider), VM_A, 1);
    ck_assert_uint_eq(client_claim(&same, NEW), RCACHE_OK);
    client_close(&same);
    for (unsigned i = 0; i < PUSHERS; i++) {
        client_close(&wrong[i]);
    }
}
END_TEST

START_TEST(a_wrong_digest_is_not_confirmed)
{
    RcacheSlot slot = wire_slot(new_slab, 5);
    WireMoved moved;
    Client push;

    ck_assert_uint_eq(expect(new_slab, 9), RCACHE_OK);
    push = pusher(1, 9, RCACHE_OK);
    ck_assert_uint_eq(client_put(&push, &slot, 1, 1), RCACHE_OK);
    ck_assert_uint_eq(pushed(&push, 1, 12345), RCACHE_E_REFUSED);
    ck_assert_uint_eq(confirm(9, &moved), RCACHE_E_BUSY);
    ck_assert_uint_eq(pushed(&push, 2, 12345), RCACHE_E_REFUSED);
    client_close(&push);
}
END_TEST

/* A push writes to its slab, and nothing else may meanwhile. */
START_TEST(a_push_keeps_to_its_slab)
{
    RcacheSlot there = wire_slot(new_slab, 5);
    RcacheSlot other = wire_slot(old_slab, 5);
    Client push;

    ck_assert_uint_eq(expect(new_slab, 9), RCACHE_OK);
    c.lease = NEW;
    ck_assert_uint_eq(client_put(&c, &there, 1, 1), RCACHE_E_SLOT);
    push = pusher(1, 9, RCACHE_OK);
    ck_assert_uint_eq(client_put(&push, &other, 1, 1), RCACHE_E_SLOT);
    push.lease = OLD;
    ck_assert_uint_eq(client_put(&push, &other, 1, 1), RCACHE_E_LEASE);
    push.lease = NEW;
    ck_assert_uint_eq(client_put(&push, &there, 1, 1), RCACHE_OK);
    client_send_slots(&push, RCACHE_GET, &there, 1);
    ck_assert(client_ended(&push));
    client_close(&push);
    /* The token is used up. */
    push = pusher(1, 9, RCACHE_E_LEASE);
    client_close(&push);
}
END_TEST

/* What is expected anew, or no longer, ends the push and empties the slab. */
START_TEST(expecting_again_ends_a_push)
{
    RcacheSlot slot = wire_slot(new_slab, 5);
    uint8_t page[WIRE_PAGE_SIZE];
    Client push;

    ck_assert_uint_eq(expect(new_slab, 9), RCACHE_OK);
    push = pusher(1, 9, RCACHE_OK);
    ck_assert_uint_eq(client_put(&push, &slot, 1, 1), RCACHE_OK);
    ck_assert_uint_eq(expect(new_slab, 0), RCACHE_E_BUSY);
    ck_assert(client_ended(&push));
    client_close(&push);
    WAIT_FOR(expect(new_slab, 0) == RCACHE_OK);
    c.lease = NEW;
    ck_assert_uint_eq(client_get(&c, &slot, 1, page), RCACHE_E_SLOT);
    ck_assert_uint_eq(client_put(&c, &slot, 1, 2), RCACHE_OK);
    ck_assert(client_has(&c, slot, 2));
}
END_TEST

/* A newer session of the VM fences the push before its claim is answered. */
START_TEST(a_new_session_ends_a_push)
{
    RcacheSlot slot = wire_slot(new_slab, 5);
    Client push, next;

    ck_assert_uint_eq(expect(new_slab, 9), RCACHE_OK);
    push = pusher(1, 9, RCACHE_OK);
    client_put_begin(&push, &slot, 1);          /* and no page */
    next = client_session(provider_address(provider), VM_A, 2);
    ck_assert_uint_eq(client_claim(&next, NEW), RCACHE_OK);
    ck_assert(client_ended(&push));
    client_close(&push);
    ck_assert_uint_eq(client_put(&next, &slot, 1, 2), RCACHE_OK);
    ck_assert(client_has(&next, slot, 2));
    client_close(&next);
}
END_TEST

START_TEST(drop_is_refused)
{
    RcacheSlot both[2] = { wire_slot(c.slabs[0], 0), wire_slot(c.slabs[1], 0) };
    RcacheSlot page = wire_slot(old_slab, 1), wrong = wire_slot(new_slab, 0);

    client_send_slots(&c, RCACHE_DROP, &page, 1);
    ck_assert_uint_eq(client_answer(&c, RCACHE_DROP_ACK, NULL, NULL),
                      RCACHE_E_SLOT);
    client_send_slots(&c, RCACHE_DROP, &wrong, 1);
    ck_assert_uint_eq(client_answer(&c, RCACHE_DROP_ACK, NULL, NULL),
                      RCACHE_E_SLOT);
    /* The last one goes with RELEASE. */
    client_send_slots(&c, RCACHE_DROP, both, 2);
    ck_assert_uint_eq(client_answer(&c, RCACHE_DROP_ACK, NULL, NULL),
                      RCACHE_E_SLOT);
    WAIT_FOR(snapshot().leased == 3 * SLAB);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_OK);
    WAIT_FOR(snapshot().leased == 2 * SLAB);
}
END_TEST

/* ---------------------------------------------------------------- REVOKE */

static WireRevoke revoked(uint64_t lease)
{
    g_autofree uint8_t *payload = NULL;
    WireRevoke revoke;
    WireHead head;

    ck_assert(client_try_recv(&c, &head, &payload));
    ck_assert_str_eq(wire_type_name(head.type), "REVOKE");
    ck_assert_uint_eq(head.lease, lease);
    ck_assert(!wire_revoke_decode(payload, head.length, &revoke));
    return revoke;
}

/* It asks where most is unused, says it once, and may change its mind. */
START_TEST(revoke_is_told)
{
    WireRevoke revoke;

    store_some(1);
    ck_assert_uint_eq(provider_revoke(provider, 3 * SLAB, 0, 60000), SLAB);
    revoke = revoked(NEW);
    ck_assert_uint_eq(revoke.keep, 1);
    ck_assert_uint_gt(revoke.deadline_ms, 1000);
    ck_assert_uint_le(revoke.deadline_ms, 60000);
    ck_assert_uint_eq(provider_revoke(provider, 3 * SLAB, 0, 60000), SLAB);
    ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);

    ck_assert_uint_eq(provider_revoke(provider, 0, 0, 60000), 4 * SLAB);
    ck_assert_uint_eq(revoked(NEW).keep, 0);
    ck_assert_uint_eq(revoked(OLD).keep, 0);
    ck_assert_uint_eq(provider_revoke(provider, UINT64_MAX, 0, 60000), 0);
    ck_assert_uint_ge(revoked(NEW).keep, 2);
    ck_assert_uint_ge(revoked(OLD).keep, 2);
}
END_TEST

/* A new connection is told behind its CLAIM_ACK, one without MOVE never. */
START_TEST(revoke_is_told_again)
{
    Client plain;

    ck_assert_uint_eq(provider_revoke(provider, 0, 0, 60000), 4 * SLAB);
    revoked(NEW);
    revoked(OLD);
    client_close(&c);
    plain = client_session(provider_address(provider), VM_A, 2);
    ck_assert_uint_eq(client_claim(&plain, NEW), RCACHE_OK);
    ck_assert_uint_eq(client_bare(&plain, RCACHE_PING), 0);
    client_close(&plain);
    c = client_connect(provider_address(provider));
    c.features = RCACHE_FEATURE_MOVE;
    ck_assert_uint_eq(client_hello(&c, VM_A, 3), RCACHE_OK);
    ck_assert_uint_eq(client_claim(&c, NEW), RCACHE_OK);
    ck_assert_uint_eq(revoked(NEW).keep, 0);
}
END_TEST

/* The leases live on, in a session that cannot be asked. */
static bool nobody_is_asked(Client *plain)
{
    for (plain->lease = OLD; plain->lease <= NEW; plain->lease++) {
        ck_assert_uint_eq(client_bare(plain, RCACHE_RENEW), RCACHE_OK);
    }
    return !provider_revoke(provider, 0, 0, 60000);
}

START_TEST(a_connection_that_has_ended_is_not_asked)
{
    Client plain;

    client_close(&c);
    provider_free(provider);
    config.ttl_ms = 3000;       /* and a sixth of it to come back */
    fixture_start();
    give(OLD, VM_A, 2);
    give(NEW, VM_A, 2);
    claim_both(1);
    ck_assert_uint_eq(provider_revoke(provider, 0, 0, 60000), 4 * SLAB);
    plain = client_session(provider_address(provider), VM_A, 1);
    ck_assert_uint_eq(client_claim(&plain, OLD), RCACHE_OK);
    ck_assert_uint_eq(client_claim(&plain, NEW), RCACHE_OK);
    ck_assert(!nobody_is_asked(&plain));
    client_close(&c);
    WAIT_FOR(nobody_is_asked(&plain));
    client_close(&plain);
    c = client_connect(provider_address(provider));
    c.features = RCACHE_FEATURE_MOVE;
    ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_OK);
    ck_assert_uint_eq(client_claim(&c, OLD), RCACHE_OK);
    ck_assert_uint_ge(revoked(OLD).keep, 2);
    ck_assert_uint_eq(provider_revoke(provider, 0, 0, 60000), 2 * SLAB);
    ck_assert_uint_eq(revoked(OLD).keep, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider-move");
    TCase *tc = tcase_create("provider-move");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_slab_moves);
    tcase_add_test(tc, an_empty_slab_moves);
    tcase_add_test(tc, tokens_are_used_once);
    tcase_add_test(tc, a_push_goes_where_arbiters_say);
    tcase_add_test(tc, few_questions_are_out);
    tcase_add_test(tc, a_push_without_a_token_is_no_member);
    tcase_add_test(tc, a_wrong_digest_is_not_confirmed);
    tcase_add_test(tc, a_push_keeps_to_its_slab);
    tcase_add_test(tc, expecting_again_ends_a_push);
    tcase_add_test(tc, a_new_session_ends_a_push);
    tcase_add_test(tc, drop_is_refused);
    tcase_add_test(tc, revoke_is_told);
    tcase_add_test(tc, revoke_is_told_again);
    tcase_add_test(tc, a_connection_that_has_ended_is_not_asked);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
