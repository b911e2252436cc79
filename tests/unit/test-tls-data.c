/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of tls-data and tls-bulk: what our records are to GnuTLS, and GnuTLS's
 * to us, with each cipher, in any pieces, and across new keys.
 */
#include "common/tls-stream.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/tls-data.h"
#include "common/tls-stream-internal.h"
#include "tests/unit/tls-ends.h"
#include "tests/unit/tls-fixture.h"

#define KEYS    "a:00112233445566778899aabbccddeeff\n"
#define SIZE    100000u

static TlsCredentials *credentials_with(const char *priority)
{
    g_autoptr(PkiPair) ca = tls_fixture_authority();
    g_autoptr(TlsMaterial) m = tls_fixture_material(ca, "a", NULL);
    TlsCredentials *creds;

    g_free(m->priority);
    m->priority = g_strdup(priority);
    creds = tls_credentials_new(m, NULL);
    ck_assert_ptr_nonnull(creds);
    return creds;
}

/* ---------------------------------------------------------------- ciphers */

static const struct {
    const char *priority;       /* NULL: keys */
    gnutls_cipher_algorithm_t cipher;
    bool ours;
} ciphers[] = {
    { "NORMAL", GNUTLS_CIPHER_AES_256_GCM, true },
    { NULL, GNUTLS_CIPHER_AES_128_GCM, true },
    { "NORMAL:-CIPHER-ALL:+AES-128-GCM", GNUTLS_CIPHER_AES_128_GCM, true },
    { "NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305:+AES-128-GCM",
      GNUTLS_CIPHER_CHACHA20_POLY1305, false },
    { "NORMAL:-CIPHER-ALL:+AES-128-CCM", GNUTLS_CIPHER_AES_128_CCM, false },
};

static TlsCredentials *credentials_nr(unsigned i)
{
    return ciphers[i].priority ? credentials_with(ciphers[i].priority)
                               : tls_fixture_keys("a", KEYS);
}

START_TEST(the_cipher_is_a_fast_one)
{
    g_autoptr(TlsCredentials) creds = credentials_nr(_i);
    Ends e;

    ends_try(&e, creds, creds, &tls_any_host);
    ends_assert_up(&e);
    ck_assert_int_eq(gnutls_cipher_get(e.client->session), ciphers[_i].cipher);
    ck_assert_int_eq(e.client->reads.cipher != NULL, ciphers[_i].ours);
    ck_assert_int_eq(e.server->writes.cipher != NULL, ciphers[_i].ours);
    ends_close(&e);
}
END_TEST

/* Whoever has written a priority with ChaCha first gets that, with keys too. */
START_TEST(a_written_order_is_kept)
{
    TlsMaterial m = {
        .host = (char *)"a", .psk = (char *)KEYS,
        .arbiters = (char *[]) { NULL },
        .priority = (char *)"NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305:"
                            "+AES-128-GCM:+AES-256-GCM",
    };
    g_autoptr(TlsCredentials) creds = tls_credentials_new(&m, NULL);
    Ends e;

    ends_try(&e, creds, creds, &tls_any_host);
    ends_assert_up(&e);
    ck_assert_int_eq(gnutls_cipher_get(e.client->session),
                     GNUTLS_CIPHER_CHACHA20_POLY1305);
    ends_close(&e);
}
END_TEST

/* ------------------------------------------------------ with GnuTLS's own */

/* A stream, and a client that does as GnuTLS does. */
typedef struct Pair {
    TlsStream *s;
    gnutls_session_t other;
    GRand *rand;
    uint8_t bytes[SIZE], got[SIZE];
} Pair;

/* @most: bytes of data in a record to the other one; 0: it does not say */
static Pair *pair_new_small(TlsCredentials *creds, unsigned seed, size_t most)
{
    Pair *p = g_new0(Pair, 1);

    p->s = tls_stream_new(creds, TLS_SERVER, &tls_any_host);
    ck_assert_int_eq(tls_credentials_session(creds, TLS_CLIENT, &p->other), 0);
    if (most) {
        ck_assert_int_eq(gnutls_record_set_max_recv_size(p->other, most), 0);
    }
    ends_join(p->other, p->s);
    for (int i = 0; i < 4 && !tls_stream_up(p->s); i++) {
        gnutls_handshake(p->other);
        ck_assert_int_eq(tls_stream_step(p->s), 0);
    }
    ck_assert(tls_stream_up(p->s));
    p->rand = g_rand_new_with_seed(seed);
    for (unsigned i = 0; i < SIZE; i++) {
        p->bytes[i] = g_rand_int(p->rand);
    }
    return p;
}

static Pair *pair_new(TlsCredentials *creds, unsigned seed)
{
    return pair_new_small(creds, seed, 0);
}

static void pair_free(Pair *p)
{
    gnutls_deinit(p->other);
    tls_stream_free(p->s);
    g_rand_free(p->rand);
    g_free(p);
}

static size_t some(Pair *p, size_t most)
{
    return g_rand_int_range(p->rand, 0, most + 1);
}

/* So many, or what is left. */
static size_t at_most(size_t len, size_t at)
{
    return MIN(len, SIZE - at);
}

/* All of .bytes is written by the stream, and read by the other. */
static void we_write(Pair *p)
{
    size_t at = 0, got = 0;

    while (at < SIZE) {
        struct iovec iov[90];
        unsigned n = 1 + some(p, G_N_ELEMENTS(iov) - 1);
        ssize_t ret;

        for (unsigned i = 0; i < n; i++) {
            size_t len = at_most(some(p, some(p, 3) ? 70 : 40000), at);

            iov[i] = (struct iovec) { p->bytes + at, len };
            at += len;
        }
        ck_assert_int_eq(tls_stream_write(p->s, iov, n), 0);
        while ((ret = gnutls_record_recv(p->other, p->got + got,
                                         SIZE - got)) > 0 ||
               (ret == GNUTLS_E_AGAIN && tls_stream_waiting(p->s))) {
            got += MAX(ret, 0);
        }
        ck_assert(ret == GNUTLS_E_AGAIN || got == SIZE);
    }
    ck_assert_uint_eq(got, SIZE);
    ck_assert(!memcmp(p->got, p->bytes, SIZE));
}

/* The other way round; the stream reads to small places, and to large ones. */
static void we_read(Pair *p)
{
    size_t at = 0, got = 0;

    while (at < SIZE) {
        size_t len = at_most(1 + some(p, some(p, 1) ? 100 : 20000),
                             at);
        size_t pad = some(p, 2) || len > 16000 ? 0 : some(p, 300);
        ssize_t ret = gnutls_record_send2(p->other, p->bytes + at, len, pad,
                                          0);

        ck_assert_int_gt(ret, 0);
        at += ret;
        while (got < SIZE &&
               (ret = tls_stream_read(p->s, p->got + got,
                                      at_most(1 + some(p, some(p, 1)
                                                       ? 10 : 30000),
                                              got))) > 0) {
            got += ret;
        }
        ck_assert_int_ge(ret, 0);
    }
    ck_assert_uint_eq(got, SIZE);
    ck_assert(!memcmp(p->got, p->bytes, SIZE));
}

START_TEST(gnutls_reads_what_we_write)
{
    g_autoptr(TlsCredentials) creds = credentials_nr(_i);
    Pair *p = pair_new(creds, 100 + _i);

    we_write(p);
    we_read(p);
    we_write(p);
    /* Each end has counted the records of the other. */
    tls_stream_bye(p->s);
    ck_assert_int_eq(gnutls_record_recv(p->other, p->got, SIZE), 0);
    pair_free(p);
}
END_TEST

/* Keys change on both sides again and again, and hold nothing up. */
START_TEST(keys_change_in_between)
{
    g_autoptr(TlsCredentials) creds = credentials_nr(_i);
    Pair *p = pair_new(creds, 200 + _i);

    for (int i = 0; i < 3; i++) {
        uint8_t old[32];

        memcpy(old, p->s->writes.key, sizeof(old));
        ck_assert_int_eq(gnutls_session_key_update(p->other, 0), 0);
        ck_assert_int_eq(gnutls_session_key_update(p->other, i % 2
                                                   ? GNUTLS_KU_PEER : 0), 0);
        ck_assert_int_eq(gnutls_record_send(p->other, "page", 4), 4);
        ck_assert_int_eq(tls_stream_read(p->s, p->got, SIZE), 4);
        we_read(p);
        we_write(p);
        /* Who asks for it gets a new one from us, too. */
        ck_assert_int_eq(memcmp(old, p->s->writes.key, sizeof(old)) != 0,
                         ciphers[_i].ours && i % 2);
    }
    pair_free(p);
}
END_TEST

/* The most data that is in a record of what we are about to send. */
static size_t largest(TlsStream *s)
{
    const uint8_t *at;
    size_t len, most = 0;

    for (at = tls_stream_out(s, &len); at && len;) {
        size_t record = tls_bulk_length(at);

        ck_assert_uint_le(record, len);
        most = MAX(most, record - TLS_BULK_MORE);
        at += record;
        len -= record;
    }
    return most;
}

/* Who asks for small records gets no larger one, ours or GnuTLS's; and all of
 * those that are no larger than one before are ours. */
START_TEST(a_small_record_was_asked_for)
{
    static const size_t sizes[] = { 512, 1000, 4096, 16383 };
    g_autoptr(TlsCredentials) creds = credentials_nr(_i);

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Pair *p = pair_new_small(creds, 400 + i, sizes[i]);

        ends_write(p->s, p->bytes, 40000);
        ck_assert_uint_eq(largest(p->s), sizes[i]);
        pair_free(p);
        p = pair_new_small(creds, 400 + i, sizes[i]);
        we_write(p);
        we_read(p);
        we_write(p);
        if (ciphers[_i].ours) {
            ends_write(p->s, "x", 1);   /* GnuTLS has read, and goes first */
            p->s->spoilt = true;        /* and would not do anything now */
        }
        ends_write(p->s, p->bytes, 40000);
        ck_assert_uint_eq(largest(p->s), sizes[i]);
        pair_free(p);
    }
}
END_TEST

/* AES-GCM is good for so many records under a key. */
START_TEST(keys_are_not_used_for_ever)
{
    g_autoptr(TlsCredentials) creds = credentials_with("NORMAL");
    Pair *p = pair_new(creds, 300);
    uint8_t first[32];

    ck_assert_uint_eq(p->s->rekey_at, UINT64_C(1) << 24);
    memcpy(first, p->s->writes.key, sizeof(first));
    p->s->rekey_at = 5;
    for (int i = 0; i < 5; i++) {
        ends_write(p->s, "page", 4);
        ck_assert(!memcmp(first, p->s->writes.key, sizeof(first)));
        ck_assert_int_eq(gnutls_record_recv(p->other, p->got, SIZE), 4);
    }
    ends_write(p->s, "page", 4);
    ck_assert(memcmp(first, p->s->writes.key, sizeof(first)));
    ck_assert_uint_eq(p->s->writes.number, 1);
    ck_assert_int_eq(gnutls_record_recv(p->other, p->got, SIZE),
                     GNUTLS_E_AGAIN);           /* the new key */
    ck_assert_int_eq(gnutls_record_recv(p->other, p->got, SIZE), 4);
    p->s->rekey_at = 100;
    we_write(p);
    we_read(p);
    pair_free(p);
}
END_TEST

/* ------------------------------------------------------------ other bytes */

/*
 * Nothing of a record is left where it was opened, whether there was room for
 * all of it or not.  Of its head GnuTLS needs the length only.
 */
START_TEST(any_changed_byte_is_found)
{
    g_autoptr(TlsCredentials) creds = credentials_with("NORMAL");
    static const uint8_t nothing[64];
    size_t len = 6 + TLS_BULK_MORE;

    for (size_t at = 3; at < len; at++) {
        uint8_t buf[64] = { 0 }, *bytes;
        ssize_t n;
        Ends e;

        ends_try(&e, creds, creds, &tls_any_host);
        ends_write(e.client, "a page", 6);
        bytes = (uint8_t *)tls_stream_out(e.client, &len);
        bytes[at] ^= 1 << (at % 8);
        ends_carry(e.client, e.server, WHOLE);
        n = tls_stream_read(e.server, buf, at % 2 ? sizeof(buf) : 3);
        /* One that says it is longer is waited for. */
        ck_assert_int_eq(n, at == 3 ? 0 : -EPROTO);
        ck_assert(!memcmp(buf, nothing, sizeof(buf)));
        ends_close(&e);
    }
    ck_assert_uint_eq(len, 6 + TLS_BULK_MORE);
}
END_TEST

/* The same record twice is one too many. */
START_TEST(a_record_counts_once)
{
    g_autoptr(TlsCredentials) creds = credentials_with("NORMAL");
    g_autofree uint8_t *copy = NULL;
    uint8_t buf[64];
    const void *out;
    size_t len;
    Ends e;

    ends_try(&e, creds, creds, &tls_any_host);
    ends_write(e.client, "a page", 6);
    out = tls_stream_out(e.client, &len);
    copy = g_memdup2(out, len);
    tls_stream_feed(e.server, copy, len);
    ck_assert_int_eq(tls_stream_read(e.server, buf, sizeof(buf)), 6);
    tls_stream_feed(e.server, copy, len);
    ck_assert_int_eq(tls_stream_read(e.server, buf, sizeof(buf)), -EPROTO);
    ends_close(&e);
}
END_TEST

/* Nobody has us wait for more than a record may have. */
START_TEST(a_record_that_is_too_long_is_refused)
{
    static const uint8_t head[] = { 23, 3, 3, 0x41, 0x01 };
    g_autoptr(TlsCredentials) creds = credentials_with("NORMAL");
    uint8_t buf[64];
    Ends e;

    ends_try(&e, creds, creds, &tls_any_host);
    tls_stream_feed(e.server, head, sizeof(head));
    ck_assert_int_eq(tls_stream_read(e.server, buf, sizeof(buf)), -EPROTO);
    ends_assert_failed(e.server, "TLS: A TLS record packet with invalid");
    ends_carry(e.server, e.client, WHOLE);
    ck_assert_int_eq(tls_stream_read(e.client, buf, sizeof(buf)), -EPROTO);
    ends_assert_failed(e.client, "the peer has ended TLS: ");
    ends_close(&e);
}
END_TEST

/* GnuTLS would take a number that one of our records has. */
START_TEST(gnutls_writes_nothing_unasked)
{
    g_autoptr(TlsCredentials) creds = credentials_with("NORMAL");
    Ends e;

    ends_try(&e, creds, creds, &tls_any_host);
    ck_assert_int_lt(gnutls_record_send(e.client->session, "a page", 6), 0);
    ck_assert_uint_eq(tls_stream_waiting(e.client), 0);
    /* It has the record still, and would send it with the next. */
    ck_assert_int_eq(tls_stream_write(e.client, &(struct iovec) { "x", 1 }, 1),
                     -EPROTO);
    tls_stream_bye(e.client);
    tls_data_fail(e.client, GNUTLS_E_DECRYPTION_FAILED);
    ck_assert_uint_eq(tls_stream_waiting(e.client), 0);
    ends_close(&e);
}
END_TEST

START_TEST(nothing_is_read_into_no_room)
{
    g_autoptr(TlsCredentials) creds = credentials_with("NORMAL");
    char text[8];
    Ends e;

    ends_try(&e, creds, creds, &tls_any_host);
    ends_write(e.client, "pages", 5);
    ends_carry(e.client, e.server, WHOLE);
    ck_assert_int_eq(tls_stream_read(e.server, text, 0), 0);
    ck_assert_int_eq(tls_stream_read(e.server, text, sizeof(text)), 5);
    ck_assert_mem_eq(text, "pages", 5);
    ends_close(&e);
}
END_TEST

START_TEST(nothing_follows_a_bye)
{
    g_autoptr(TlsCredentials) creds = credentials_with("NORMAL");
    char text[8];
    Ends e;

    ends_try(&e, creds, creds, &tls_any_host);
    tls_stream_bye(e.client);
    ck_assert_int_eq(tls_stream_write(e.client, &(struct iovec) { "x", 1 }, 1),
                     -EPROTO);
    e.client->said_bye = false;         /* as a peer may that is not ours */
    ends_write(e.client, "x", 1);
    ends_carry(e.client, e.server, WHOLE);
    ck_assert_int_eq(tls_stream_read(e.server, text, sizeof(text)), -EPIPE);
    ck_assert_int_eq(tls_stream_read(e.server, text, sizeof(text)), -EPIPE);
    ends_close(&e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls-data");
    TCase *tc = tcase_create("tls-data");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, the_cipher_is_a_fast_one, 0,
                        G_N_ELEMENTS(ciphers));
    tcase_add_test(tc, a_written_order_is_kept);
    tcase_add_loop_test(tc, gnutls_reads_what_we_write, 0,
                        G_N_ELEMENTS(ciphers));
    tcase_add_loop_test(tc, keys_change_in_between, 0, G_N_ELEMENTS(ciphers));
    tcase_add_loop_test(tc, a_small_record_was_asked_for, 0,
                        G_N_ELEMENTS(ciphers));
    tcase_add_test(tc, keys_are_not_used_for_ever);
    tcase_add_test(tc, any_changed_byte_is_found);
    tcase_add_test(tc, a_record_counts_once);
    tcase_add_test(tc, a_record_that_is_too_long_is_refused);
    tcase_add_test(tc, gnutls_writes_nothing_unasked);
    tcase_add_test(tc, nothing_is_read_into_no_room);
    tcase_add_test(tc, nothing_follows_a_bye);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
