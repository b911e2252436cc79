/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of tls-stream: bytes, whole and in pieces, and others than TLS 1.3. */
#include "common/tls-stream.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rcache/proto.h"
#include "tests/unit/tls-ends.h"
#include "tests/unit/tls-fixture.h"

START_TEST(bytes_go_both_ways)
{
    static const size_t pieces[] = { WHOLE, 1000, 7, 1 };
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    const TlsWanted wanted = { .role = TLS_ROLE_HOST, .name = "b" };
    char why[300];
    Ends e;

    ends_open(&e, a, b, &wanted);
    e.piece = pieces[_i];
    ck_assert_ptr_null(tls_stream_peer(e.server));
    ends_shake_hands(&e);
    ends_assert_up(&e);
    ck_assert(tls_stream_is(e.server, "a", why, sizeof(why)));
    ck_assert(!tls_stream_is(e.server, "A", why, sizeof(why)));
    ck_assert(!tls_stream_is(e.server, "b", why, sizeof(why)));
    ck_assert_str_eq(why, "it calls itself b, and its certificate is for a");
    ck_assert(tls_stream_is(e.client, "b", why, sizeof(why)));
    ends_write(e.client, "a question", 10);
    ends_assert_arrives(e.client, e.server, e.piece, "a question", 10);
    ends_write(e.server, "an answer", 9);
    ends_assert_arrives(e.server, e.client, e.piece, "an answer", 9);
    ends_close(&e);
}
END_TEST

/* A batch of 64 pages with its head and slots, of many small pieces. */
START_TEST(batches_fill_records)
{
    enum { HEAD = 40 + 8 * 64, PAGE = 4096, PAGES = 64 };
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    size_t len = HEAD + PAGES * PAGE, records;
    uint8_t *bytes = g_malloc(len);
    struct iovec iov[1 + PAGES];
    Ends e;

    for (size_t i = 0; i < len; i++) {
        bytes[i] = i * 31 + i / 4096;
    }
    ends_try(&e, a, a, &tls_any_host);
    ends_assert_up(&e);
    iov[0] = (struct iovec) { bytes, HEAD };
    for (unsigned i = 0; i < PAGES; i++) {
        iov[1 + i] = (struct iovec) { bytes + HEAD + i * PAGE, PAGE };
    }
    ck_assert_int_eq(tls_stream_write(e.client, iov, 1 + PAGES), 0);
    /* 22 bytes for each record: its head, its type and its tag. */
    records = (len + 16383) / 16384;
    ck_assert_uint_eq(tls_stream_waiting(e.client), len + 22 * records);
    ends_assert_arrives(e.client, e.server, 100000, bytes, len);
    /* One large piece goes without being gathered, and is as long. */
    ends_write(e.server, bytes, len);
    ck_assert_uint_eq(tls_stream_waiting(e.server), len + 22 * records);
    ends_assert_arrives(e.server, e.client, 5000, bytes, len);
    g_free(bytes);
    ends_close(&e);
}
END_TEST

/* What the kernel still reads stays where it is while more is written. */
START_TEST(bytes_on_their_way_stand_still)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    uint8_t *more = g_malloc0(WHOLE);
    const uint8_t *at;
    size_t len, again;
    uint8_t *copy;
    Ends e;

    ends_try(&e, a, a, &tls_any_host);
    ends_write(e.client, "first", 5);
    at = tls_stream_out(e.client, &len);
    copy = g_memdup2(at, len);
    ends_write(e.client, more, WHOLE);
    ck_assert_ptr_eq(tls_stream_out(e.client, &again), at);
    ck_assert_uint_eq(again, len);
    ck_assert(!memcmp(at, copy, len));
    tls_stream_sent(e.client, 3);
    ck_assert_ptr_eq(tls_stream_out(e.client, &again), at + 3);
    tls_stream_feed(e.server, copy, 3);
    g_free(copy);
    copy = g_malloc(WHOLE + 5);
    memcpy(copy, "first", 5);
    memset(copy + 5, 0, WHOLE);
    ends_assert_arrives(e.client, e.server, WHOLE, copy, WHOLE + 5);
    tls_stream_trim(e.client);
    tls_stream_trim(e.server);
    ends_write(e.client, "last", 4);
    ends_assert_arrives(e.client, e.server, 1, "last", 4);
    g_free(copy);
    g_free(more);
    ends_close(&e);
}
END_TEST

START_TEST(a_changed_byte_is_found)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    uint8_t buf[64], *bytes;
    size_t len;
    Ends e;

    ends_try(&e, a, a, &tls_any_host);
    ends_write(e.client, "a page", 6);
    bytes = (uint8_t *)tls_stream_out(e.client, &len);
    bytes[len / 2] ^= 1;
    ends_carry(e.client, e.server, WHOLE);
    ck_assert_int_eq(tls_stream_read(e.server, buf, sizeof(buf)), -EPROTO);
    ck_assert(strstr(tls_stream_reason(e.server), "TLS: ") != NULL);
    /* and it tells the other end */
    ends_carry(e.server, e.client, WHOLE);
    ck_assert_int_eq(tls_stream_read(e.client, buf, sizeof(buf)), -EPROTO);
    ends_assert_failed(e.client, "the peer has ended TLS: ");
    ends_close(&e);
}
END_TEST

START_TEST(a_good_bye_is_an_end)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    uint8_t buf[8];
    Ends e;

    ends_try(&e, a, a, &tls_any_host);
    ends_write(e.client, "last", 4);
    tls_stream_bye(e.client);
    ends_carry(e.client, e.server, WHOLE);
    ck_assert_int_eq(tls_stream_read(e.server, buf, sizeof(buf)), 4);
    ck_assert_int_eq(tls_stream_read(e.server, buf, sizeof(buf)), -EPIPE);
    ends_close(&e);
}
END_TEST

/* --------------------------------------------------- a peer of GnuTLS's own */

/* A client that does as GnuTLS does, and has spoken with @s. */
static gnutls_session_t other_client(TlsStream *s, TlsCredentials *creds)
{
    gnutls_session_t client;

    ck_assert_int_eq(tls_credentials_session(creds, TLS_CLIENT, &client), 0);
    ends_join(client, s);
    for (int i = 0; i < 4 && !tls_stream_up(s); i++) {
        gnutls_handshake(client);
        ck_assert_int_eq(tls_stream_step(s), 0);
    }
    ck_assert(tls_stream_up(s));
    return client;
}

/* GnuTLS changes keys by itself, after some hundred gigabytes. */
START_TEST(new_keys_hold_nothing_up)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    TlsStream *s = tls_stream_new(a, TLS_SERVER, &tls_any_host);
    gnutls_session_t client = other_client(s, a);
    char buf[64];

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(gnutls_session_key_update(client, i % 2
                                                   ? GNUTLS_KU_PEER : 0), 0);
    }
    ck_assert_int_eq(gnutls_record_send(client, "a page", 6), 6);
    ck_assert_int_eq(tls_stream_read(s, buf, sizeof(buf)), 6);
    ck_assert_int_eq(tls_stream_read(s, buf, sizeof(buf)), 0);
    ends_write(s, "an answer", 9);
    ck_assert_int_eq(gnutls_record_recv(client, buf, sizeof(buf)),
                     GNUTLS_E_AGAIN);           /* our new key */
    ck_assert_int_eq(gnutls_record_recv(client, buf, sizeof(buf)), 9);
    gnutls_deinit(client);
    tls_stream_free(s);
}
END_TEST

/* ----------------------------------------------------- other than TLS 1.3 */

START_TEST(older_versions_are_refused)
{
    static const char *const versions[] = { "TLS1.2", "TLS1.1", "TLS1.0" };
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    TlsStream *s = tls_stream_new(b, TLS_SERVER, &tls_any_host);
    g_autofree char *priority = g_strdup_printf(
        "NORMAL:-VERS-ALL:+VERS-%s", versions[_i]);
    gnutls_certificate_credentials_t none;
    gnutls_session_t old;

    gnutls_certificate_allocate_credentials(&none);
    gnutls_init(&old, GNUTLS_CLIENT | GNUTLS_NONBLOCK);
    ck_assert_int_eq(gnutls_priority_set_direct(old, priority, NULL), 0);
    gnutls_credentials_set(old, GNUTLS_CRD_CERTIFICATE, none);
    ends_join(old, s);
    ck_assert_int_eq(gnutls_handshake(old), GNUTLS_E_AGAIN);
    ck_assert_int_eq(tls_stream_step(s), -EPROTO);
    ends_assert_failed(s, "the peer speaks no TLS 1.3");
    ck_assert_uint_gt(tls_stream_waiting(s), 0);        /* an alert */
    gnutls_deinit(old);
    gnutls_certificate_free_credentials(none);
    tls_stream_free(s);
}
END_TEST

/* And so they are where the configuration would have them. */
START_TEST(no_priority_brings_them_back)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) m = tls_fixture_material(ca, "a", NULL);
    g_autoptr(TlsCredentials) creds = NULL;
    g_autoptr(GError) error = NULL;
    TlsStream *s;
    size_t len;

    g_free(m->priority);
    m->priority = g_strdup("NORMAL:+VERS-TLS1.2");
    creds = tls_credentials_new(m, NULL);
    s = tls_stream_new(creds, TLS_CLIENT, &tls_any_host);
    tls_stream_step(s);
    ck_assert_ptr_nonnull(strstr(tls_stream_ended(s), "tls=none"));
    /* The extension supported_versions has one entry: 1.3. */
    ck_assert_ptr_nonnull(memmem(tls_stream_out(s, &len), tls_stream_waiting(s),
                                 "\0\x2b\0\x03\x02\x03\x04", 7));
    tls_stream_free(s);
    m->priority[0] = '!';
    ck_assert_ptr_null(tls_credentials_new(m, &error));
    ck_assert(strstr(error->message, "priority") != NULL);
}
END_TEST

START_TEST(a_frame_is_told_from_tls)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    TlsStream *s = tls_stream_new(b, TLS_SERVER, &tls_any_host);
    uint32_t magic = GUINT32_TO_LE(RCACHE_MAGIC);
    const uint8_t *alert;
    size_t len;

    tls_stream_feed(s, &magic, 1);
    ck_assert_int_eq(tls_stream_step(s), -EPROTO);
    ends_assert_failed(s, "the peer speaks without TLS");
    alert = tls_stream_out(s, &len);
    ck_assert_uint_ge(len, 7);
    ck_assert_uint_eq(alert[0], 21);
    ck_assert_uint_eq(alert[1], 3);
    tls_stream_free(s);
}
END_TEST

START_TEST(other_bytes_are_refused)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    TlsStream *s = tls_stream_new(b, TLS_SERVER, &tls_any_host);

    ck_assert_ptr_null(tls_stream_ended(s));
    tls_stream_feed(s, "GET / HTTP/1.0\r\n\r\n", 18);
    ck_assert_int_eq(tls_stream_step(s), -EPROTO);
    ends_assert_failed(s, "the TLS handshake has failed");
    ck_assert_ptr_nonnull(strstr(tls_stream_ended(s), "during"));
    tls_stream_free(s);
}
END_TEST

/* Whom nobody knows yet cannot have us keep much. */
START_TEST(a_long_handshake_is_refused)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    TlsStream *s = tls_stream_new(b, TLS_SERVER, &tls_any_host);
    /* Records with 8 KiB each of a ClientHello of 120000 bytes. */
    uint8_t record[5 + 8192] = { 22, 3, 1, 0x20, 0, 1, 1, 0xd4, 0xc0, 3, 3 };

    for (int i = 0; i < 3; i++) {
        tls_stream_feed(s, record, sizeof(record));
        ck_assert_int_eq(tls_stream_step(s), 0);
        memset(record + 5, 0, 6);
    }
    tls_stream_feed(s, record, sizeof(record));
    ck_assert_int_eq(tls_stream_step(s), -EPROTO);
    ends_assert_failed(s, "too large");
    tls_stream_free(s);
}
END_TEST

static bool may_not(void *opaque)
{
    ++*(unsigned *)opaque;
    return false;
}

/* Both sides say why; and nobody is asked about who only connects. */
START_TEST(who_may_not_begin_is_told)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) a = tls_fixture_credentials(ca, "a", NULL);
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    unsigned asked = 0;
    TlsWanted wanted = tls_any_host;
    Ends e = { .piece = 1 };

    ends_open(&e, a, b, &tls_any_host);
    tls_stream_free(e.server);
    wanted.may_begin = may_not;
    wanted.opaque = &asked;
    e.server = tls_stream_new(b, TLS_SERVER, &wanted);
    ck_assert_int_eq(tls_stream_step(e.server), 0);
    ck_assert_uint_eq(asked, 0);
    ends_shake_hands(&e);
    ck_assert_uint_eq(asked, 1);
    ends_assert_failed(e.server, "too many TLS handshakes");
    ends_assert_failed(e.client, "too many of them from this address");
    ends_close(&e);
}
END_TEST

START_TEST(an_alert_without_a_name_is_told)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsCredentials) b = tls_fixture_credentials(ca, "b", NULL);
    TlsStream *s = tls_stream_new(b, TLS_SERVER, &tls_any_host);
    gnutls_session_t client = other_client(s, b);
    char buf[8];

    gnutls_alert_send(client, GNUTLS_AL_FATAL, 200);
    ck_assert_int_eq(tls_stream_read(s, buf, sizeof(buf)), -EPROTO);
    ends_assert_failed(s, "the peer has ended TLS: an unknown alert");
    gnutls_deinit(client);
    tls_stream_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls-stream");
    TCase *tc = tcase_create("tls-stream");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, bytes_go_both_ways, 0, 4);
    tcase_add_test(tc, batches_fill_records);
    tcase_add_test(tc, bytes_on_their_way_stand_still);
    tcase_add_test(tc, a_changed_byte_is_found);
    tcase_add_test(tc, a_good_bye_is_an_end);
    tcase_add_test(tc, new_keys_hold_nothing_up);
    tcase_add_loop_test(tc, older_versions_are_refused, 0, 3);
    tcase_add_test(tc, no_priority_brings_them_back);
    tcase_add_test(tc, a_frame_is_told_from_tls);
    tcase_add_test(tc, other_bytes_are_refused);
    tcase_add_test(tc, a_long_handshake_is_refused);
    tcase_add_test(tc, who_may_not_begin_is_told);
    tcase_add_test(tc, an_alert_without_a_name_is_told);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
