/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may do what with leases and sessions: somebody who knows all of a VM but
 * its tokens, and somebody who has a lease for a VM of the same uuid.
 */
#include <check.h>
#include <string.h>

#include "provider-fixture.h"

#include "common/wire-control.h"

/* A lease for the same VM and incarnation, of another host. */
static void give_mallory(uint64_t id)
{
    WireGrant grant = {
        .lease = id, .epoch = 1, .claim_ms = 5000, .bytes = SLAB,
        .name = "vm", .host = "mallory", .incarnation = 1,
    };
    WireGrantAck ack;

    memset(grant.vm, VM_A, sizeof(grant.vm));
    memset(grant.token, id, sizeof(grant.token));
    provider_grant(provider, &grant, &ack);
    ck_assert_uint_eq(ack.bytes, SLAB);
}

static Client session_of(const char *host, uint64_t session)
{
    Client c = client_connect(provider_address(provider));

    c.host = host;
    ck_assert_uint_eq(client_hello(&c, VM_A, session), RCACHE_OK);
    return c;
}

/* Is @c, which has claimed lease 1, still served? And its next session? */
static void goes_on(Client *c, uint64_t next)
{
    RcacheSlot slot = client_slot(c, 3);

    ck_assert_uint_eq(client_put(c, &slot, 1, 5), RCACHE_OK);
    ck_assert(client_has(c, slot, 5));
    client_close(c);
    *c = client_session(provider_address(provider), VM_A, next);
    ck_assert_uint_eq(client_claim(c, 1), RCACHE_OK);
    ck_assert(client_has(c, slot, 5));
}

/* Whatever number it says, and as long as it stays. */
START_TEST(a_session_without_a_token_fences_nobody)
{
    Client c = leased(1, 1);
    Client other = session_of("req", UINT64_MAX);

    goes_on(&c, 2);
    /* Not for a lease of its own, either, that it does not have. */
    ck_assert_uint_eq(client_claim(&other, 2), RCACHE_E_LEASE);
    other.lease = 1;
    ck_assert_uint_eq(client_bare(&other, RCACHE_RENEW), RCACHE_E_LEASE);
    goes_on(&c, 3);
    client_close(&other);
    goes_on(&c, 4);
    client_close(&c);
}
END_TEST

/* The connection waits with its CLAIM, and what it sends behind that. */
START_TEST(what_is_sent_behind_a_claim_waits)
{
    Client old = leased(1, 1), newer;
    RcacheSlot slot = client_slot(&old, 9);
    g_autofree uint8_t *payload = NULL;
    uint8_t page[WIRE_PAGE_SIZE];
    g_autoptr(GByteArray) both = g_byte_array_new();
    WireHead claim = { .type = RCACHE_CLAIM, .lease = 1, .epoch = 1,
                       .tag = 7 };
    WireHead renew = { .type = RCACHE_RENEW, .lease = 1, .epoch = 1,
                       .tag = 8 };
    uint8_t token[RCACHE_TOKEN_LEN];

    client_fill(page, &slot, 1, 1);
    client_put_begin(&old, &slot, 1);
    client_send(&old, page, 100);
    newer = client_session(provider_address(provider), VM_A, 2);
    memset(token, 1, sizeof(token));
    wire_append_claim(both, &claim, token);
    wire_append_bare(both, &renew);
    client_send(&newer, both->data, both->len);
    newer.tag = 7;
    ck_assert_uint_eq(client_answer(&newer, RCACHE_CLAIM_ACK, &payload, NULL),
                      RCACHE_OK);
    newer.tag = 8;
    g_clear_pointer(&payload, g_free);
    ck_assert_uint_eq(client_answer(&newer, RCACHE_RENEW_ACK, &payload, NULL),
                      RCACHE_OK);
    ck_assert(client_ended(&old));
    client_close(&old);
    client_close(&newer);
}
END_TEST

/* Its VM has the same uuid and incarnation, and it has a lease of its own. */
START_TEST(another_host_is_another_owner)
{
    Client c = leased(1, 1), other;

    give_mallory(2);
    other = session_of("mallory", UINT64_MAX);
    ck_assert_uint_eq(client_claim(&other, 2), RCACHE_OK);
    goes_on(&c, 2);
    /* Its own goes on as well. */
    ck_assert_uint_eq(client_bare(&other, RCACHE_RENEW), RCACHE_OK);
    /* A token alone is not enough, and no answer says that bytes are gone. */
    ck_assert_uint_eq(client_claim(&other, 1), RCACHE_E_REFUSED);
    ck_assert_uint_eq(client_claim(&c, 2), RCACHE_E_REFUSED);
    client_close(&other);
    client_close(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider-owner");
    TCase *tc = tcase_create("provider-owner");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
    tcase_add_test(tc, a_session_without_a_token_fences_nobody);
    tcase_add_test(tc, what_is_sent_behind_a_claim_waits);
    if (!g_getenv("RCACHED_TEST_TLS")) {        /* which has one name here */
        tcase_add_test(tc, another_host_is_another_owner);
    }
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
