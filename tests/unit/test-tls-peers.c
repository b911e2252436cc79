/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of tls-stream: who is taken, as whom, and who is refused. */
#include "common/tls-stream.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tls-ends.h"
#include "tests/unit/tls-fixture.h"

/* ------------------------------------------------------- who is refused */

START_TEST(another_authority_is_refused)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(PkiPair) other = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(other, "b", NULL);
    Ends e;

    ends_try(&e, a, b, &tls_any_host);
    ends_assert_failed(e.client, "the certificate for b is refused");
    ends_assert_failed(e.server, "the peer has refused the TLS handshake");
    ends_close(&e);
}
END_TEST

/* A client whose own authority is ours, and its certificate is not. */
START_TEST(a_client_of_another_authority_is_refused)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(PkiPair) other = tls_fixture_authority();
    g_autoptr(TlsMaterial) m = tls_fixture_material(other, "a", NULL);
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    g_autoptr(TlsCredentials) a = NULL;
    uint8_t buf[8];
    Ends e;

    /* It trusts both. */
    g_free(m->ca);
    m->ca = g_strconcat(ca->cert, other->cert, NULL);
    a = tls_credentials_new(m, NULL);
    ck_assert_ptr_nonnull(a);
    ends_try(&e, a, b, &tls_any_host);
    ends_assert_failed(e.server, "the certificate for a is refused");
    /* TLS 1.3: the client takes itself for connected until it hears. */
    if (tls_stream_up(e.client)) {
        ck_assert_int_eq(tls_stream_read(e.client, buf, sizeof(buf)),
                         -EPROTO);
    }
    ck_assert(strstr(tls_stream_reason(e.client), "the peer has") != NULL);
    ends_close(&e);
}
END_TEST

START_TEST(another_name_is_refused)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    const TlsWanted wanted = { .role = TLS_ROLE_HOST, .name = "c" };
    Ends e;

    ends_try(&e, a, b, &wanted);
    ends_assert_failed(e.client, "the certificate is for b and not for c");
    ck_assert(!tls_stream_up(e.server));
    ends_close(&e);
}
END_TEST

static void assert_expiry(int64_t from, int64_t until, const char *text)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    PkiRequest request = tls_fixture_request("b");
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) b = NULL;
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    Ends e;

    request.from = now + from;
    request.until = now + until;
    b = tls_fixture_credentials(ca, "b", &request);
    ck_assert_int_eq(tls_credentials_expires(b), request.until);
    ends_try(&e, a, b, &tls_any_host);
    ends_assert_failed(e.client, text);
    ends_close(&e);
    /* and the same at the other end */
    ends_try(&e, b, a, &tls_any_host);
    ends_assert_failed(e.server, text);
    ends_close(&e);
}

START_TEST(an_expired_one_is_refused)
{
    assert_expiry(-2 * DAY, -DAY, "expired");
}
END_TEST

START_TEST(a_revoked_one_is_refused)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) ma = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsMaterial) mb = tls_fixture_material(ca, "b", NULL);
    const char *revoked[] = { mb->server_cert };
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(TlsCredentials) old = tls_credentials_new(ma, NULL);
    g_autoptr(TlsCredentials) b = tls_credentials_new(mb, NULL);
    g_autoptr(TlsCredentials) new = NULL;
    char why[300] = "";
    Ends e;

    ma->crl = pki_cert_revoke(ca, revoked, 1, 1, now, now + DAY, NULL);
    ck_assert_ptr_nonnull(ma->crl);
    new = tls_credentials_new(ma, NULL);
    /* A connection that is up is found when the list has been read. */
    ends_try(&e, b, old, &tls_any_host);
    ends_assert_up(&e);
    ck_assert(tls_stream_still_good(e.server, old, why, sizeof(why)));
    ck_assert(!tls_stream_still_good(e.server, new, why, sizeof(why)));
    ck_assert(strstr(why, "revoked") != NULL);
    ends_close(&e);
    /* And no other comes about. */
    ends_try(&e, b, new, &tls_any_host);
    ends_assert_failed(e.server, "revoked");
    ends_close(&e);
    ends_try(&e, new, b, &tls_any_host);
    ends_assert_failed(e.client, "revoked");
    ends_close(&e);
    /* Our own are as good as before. */
    ends_try(&e, new, old, &tls_any_host);
    ends_assert_up(&e);
    ends_close(&e);
}
END_TEST

/* Wherever one has waited in the middle of it, it does not slip through: @cut
 * bytes of what the peer says have come. */
static void assert_new_list(Ends *e, TlsStream *at, TlsStream *from,
                            TlsCredentials *new, size_t cut)
{
    char why[300] = "";

    ends_carry(from, at, cut);
    tls_stream_step(at);
    ck_assert_msg(!tls_stream_up(at), "%zu bytes are all", cut);
    ck_assert(tls_stream_still_good(at, new, why, sizeof(why)));
    ends_shake_hands(e);
    ends_assert_failed(at, "revoked");
    ends_close(e);
}

START_TEST(a_handshake_ends_by_the_new_list)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) ma = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsMaterial) mb = tls_fixture_material(ca, "b", NULL);
    const char *revoked[] = { mb->server_cert };
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(TlsCredentials) old = tls_credentials_new(ma, NULL);
    g_autoptr(TlsCredentials) b = tls_credentials_new(mb, NULL);
    g_autoptr(TlsCredentials) new = NULL;
    size_t len = 100;           /* signatures differ by some bytes */
    Ends e;

    ma->crl = pki_cert_revoke(ca, revoked, 1, 1, now, now + DAY, NULL);
    new = tls_credentials_new(ma, NULL);
    for (size_t cut = 0; cut + 10 < len; cut += 40) {
        ends_open(&e, b, old, &tls_any_host);
        tls_stream_step(e.client);
        ends_carry(e.client, e.server, WHOLE);
        tls_stream_step(e.server);
        ends_carry(e.server, e.client, WHOLE);
        tls_stream_step(e.client);
        len = tls_stream_waiting(e.client);
        assert_new_list(&e, e.server, e.client, new, cut);
        ends_open(&e, old, b, &tls_any_host);
        tls_stream_step(e.client);
        ends_carry(e.client, e.server, WHOLE);
        tls_stream_step(e.server);
        len = MIN(len, tls_stream_waiting(e.server));
        assert_new_list(&e, e.client, e.server, new, cut);
    }
    ck_assert_uint_gt(len, 400);
}
END_TEST

START_TEST(a_purpose_is_looked_at)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    PkiRequest request = tls_fixture_request("b");
    g_autoptr(TlsMaterial) m = tls_fixture_material(ca, "b", NULL);
    g_autoptr(PkiPair) client_only = NULL;
    g_autoptr(GError) error = NULL;

    request.purposes = PKI_FOR_CLIENT;
    client_only = pki_cert_issue(ca, &request, NULL);
    g_free(m->server_cert);
    g_free(m->server_key);
    m->server_cert = g_strdup(client_only->cert);
    m->server_key = g_strdup(client_only->key);
    /* It is found before anybody else sees it. */
    ck_assert_ptr_null(tls_credentials_new(m, &error));
    ck_assert(strstr(error->message, TLS_FILE_SERVER_CERT) != NULL);
}
END_TEST

/* -------------------------------------------------------------- roles */

START_TEST(roles_are_looked_at)
{
    static const TlsWanted arbiter = { .role = TLS_ROLE_ARBITER };
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    PkiRequest request = tls_fixture_request("arb");
    g_autoptr(TlsCredentials) host = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) plain = NULL, arb = NULL, both = NULL;
    Ends e;

    request.roles = TLS_ROLE_ARBITER;
    arb = tls_fixture_credentials(ca, "arb", &request);
    request.roles = TLS_ROLE_ARBITER | TLS_ROLE_HOST;
    both = tls_fixture_credentials(ca, "arb", &request);
    request.roles = 0;
    plain = tls_fixture_credentials(ca, "arb", &request);
    ends_try(&e, host, arb, &arbiter);
    ends_assert_up(&e);
    ends_close(&e);
    ends_try(&e, host, both, &arbiter);
    ends_assert_up(&e);
    ends_close(&e);
    ends_try(&e, host, both, &tls_any_host);
    ends_assert_up(&e);
    ends_close(&e);
    ends_try(&e, host, plain, &tls_any_host);
    ends_assert_up(&e);
    ends_close(&e);
    /* A host is no arbiter, whether it says that it is a host or not. */
    ends_try(&e, host, plain, &arbiter);
    ends_assert_failed(e.client, "is a host's, and only an arbiter's is taken "
                       "here");
    ends_close(&e);
    ends_try(&e, host, host, &arbiter);
    ends_assert_failed(e.client, "only an arbiter's is taken here");
    ends_close(&e);
    /* And who is an arbiter only neither lends nor borrows. */
    ends_try(&e, host, arb, &tls_any_host);
    ends_assert_failed(e.client, "only a host's is taken here");
    ends_close(&e);
    ends_try(&e, arb, host, &tls_any_host);
    ends_assert_failed(e.server, "only a host's is taken here");
    ends_close(&e);
}
END_TEST

START_TEST(an_arbiter_can_be_configured)
{
    static const TlsWanted arbiter = { .role = TLS_ROLE_ARBITER };
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) m = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    g_autoptr(TlsCredentials) c = tls_fixture_credentials(ca, "c", NULL);
    g_autoptr(TlsCredentials) a = NULL;
    Ends e;

    g_strfreev(m->arbiters);
    m->arbiters = g_strsplit("x,b", ",", -1);
    a = tls_credentials_new(m, NULL);
    ends_try(&e, a, b, &arbiter);
    ends_assert_up(&e);
    ends_close(&e);
    ends_try(&e, a, c, &arbiter);
    ends_assert_failed(e.client, "only an arbiter's is taken here");
    ends_close(&e);
}
END_TEST

START_TEST(names_are_those_of_the_certificate)
{
    static const char *const others[] = { "a.example.org", NULL };
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    PkiRequest request = tls_fixture_request("a");
    g_autoptr(TlsCredentials) two = NULL, star = NULL, old = NULL;
    char why[300];
    Ends e;

    request.others = others;
    two = tls_fixture_credentials(ca, "a", &request);
    ends_try(&e, two, two, &tls_any_host);
    ck_assert(tls_stream_is(e.server, "a.example.org", why, sizeof(why)));
    ck_assert(!tls_stream_is(e.server, "b.example.org", why, sizeof(why)));
    ck_assert(strstr(why, "a, a.example.org") != NULL);
    ends_close(&e);
    /* A wildcard is nobody's name. */
    request.others = NULL;
    request.name = "*.example.org";
    star = tls_fixture_credentials(ca, "*.example.org", &request);
    ends_try(&e, star, two, &tls_any_host);
    ck_assert(!tls_stream_is(e.server, "a.example.org", why, sizeof(why)));
    ends_close(&e);
    /* Without alternative names it is the common name. */
    request.name = "old";
    request.roles = 0;
    request.common_name_only = true;
    old = tls_fixture_credentials(ca, "old", &request);
    ends_try(&e, old, two, &tls_any_host);
    ck_assert(tls_stream_is(e.server, "old", why, sizeof(why)));
    ends_close(&e);
}
END_TEST

/* ------------------------------------------------------------------- keys */

#define KEY_A   "a:00112233445566778899aabbccddeeff\n"
#define KEY_B   "# both\n\nb:ffeeddccbbaa99887766554433221100\n"

START_TEST(keys_say_who_connects)
{
    g_autoptr(TlsCredentials) a = tls_fixture_keys("a", KEY_A KEY_B);
    g_autoptr(TlsCredentials) b = tls_fixture_keys("b", KEY_A KEY_B);
    const TlsWanted wanted = { .role = TLS_ROLE_ARBITER, .name = "b" };
    char why[300];
    Ends e;

    ck_assert_int_eq(tls_credentials_expires(a), 0);
    ends_try(&e, a, b, &wanted);
    ends_assert_up(&e);
    ck_assert(tls_stream_is(e.server, "a", why, sizeof(why)));
    ck_assert(!tls_stream_is(e.server, "b", why, sizeof(why)));
    ck_assert_str_eq(why, "it calls itself b, and its key is for a");
    ck_assert(tls_stream_is(e.client, "b", why, sizeof(why)));
    ends_write(e.client, "hello", 5);
    ends_assert_arrives(e.client, e.server, 1, "hello", 5);
    ends_close(&e);
}
END_TEST

START_TEST(other_keys_are_refused)
{
    g_autoptr(TlsCredentials) a = tls_fixture_keys("a", KEY_A);
    g_autoptr(TlsCredentials) b = tls_fixture_keys("b", KEY_B);
    g_autoptr(TlsCredentials) c = tls_fixture_keys("b",
        "a:00112233445566778899aabbccddeef0\n" KEY_B);
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) cert = tls_fixture_credentials(ca, "a", NULL);
    Ends e;

    ends_try(&e, a, b, &tls_any_host);      /* a is not known there */
    ck_assert(!tls_stream_up(e.server) && !tls_stream_up(e.client));
    ends_close(&e);
    ends_try(&e, a, c, &tls_any_host);      /* another key is */
    ck_assert(!tls_stream_up(e.server) && !tls_stream_up(e.client));
    ends_close(&e);
    ends_try(&e, cert, b, &tls_any_host);
    ck_assert(!tls_stream_up(e.server) && !tls_stream_up(e.client));
    ends_close(&e);
    ends_try(&e, a, cert, &tls_any_host);
    ck_assert(!tls_stream_up(e.server) && !tls_stream_up(e.client));
    ends_close(&e);
}
END_TEST

/* A file in which a has no key any more, or another, ends what it has. */
START_TEST(keys_that_are_gone_are_noticed)
{
    static const char *const files[] = {
        KEY_B, "a:00112233445566778899aabbccddeef0\n" KEY_B,
    };
    g_autoptr(TlsCredentials) a = tls_fixture_keys("a", KEY_A KEY_B);
    g_autoptr(TlsCredentials) b = tls_fixture_keys("b", KEY_A KEY_B);
    g_autoptr(TlsCredentials) same = tls_fixture_keys("b", KEY_A KEY_B);
    g_autoptr(TlsCredentials) new = tls_fixture_keys("b", files[_i]);
    char why[300] = "";
    Ends e;

    ends_try(&e, a, b, &tls_any_host);
    ends_assert_up(&e);
    ck_assert(tls_stream_still_good(e.server, same, why, sizeof(why)));
    ck_assert(tls_stream_still_good(e.client, new, why, sizeof(why)));
    ck_assert(!tls_stream_still_good(e.server, new, why, sizeof(why)));
    ck_assert_str_eq(why, "the key of a is not that any more");
    ends_close(&e);
    ends_open(&e, a, b, &tls_any_host);
    tls_stream_step(e.client);
    ends_carry(e.client, e.server, WHOLE);
    tls_stream_step(e.server);
    ck_assert(tls_stream_still_good(e.server, new, why, sizeof(why)));
    ends_shake_hands(&e);
    ends_assert_failed(e.server, "the key of a is not that any more");
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls-peers");
    TCase *tc = tcase_create("tls-peers");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, another_authority_is_refused);
    tcase_add_test(tc, a_client_of_another_authority_is_refused);
    tcase_add_test(tc, another_name_is_refused);
    tcase_add_test(tc, an_expired_one_is_refused);
    tcase_add_test(tc, a_revoked_one_is_refused);
    tcase_add_test(tc, a_handshake_ends_by_the_new_list);
    tcase_add_test(tc, a_purpose_is_looked_at);
    tcase_add_test(tc, roles_are_looked_at);
    tcase_add_test(tc, an_arbiter_can_be_configured);
    tcase_add_test(tc, names_are_those_of_the_certificate);
    tcase_add_test(tc, keys_say_who_connects);
    tcase_add_test(tc, other_keys_are_refused);
    tcase_add_loop_test(tc, keys_that_are_gone_are_noticed, 0, 2);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
