/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A provider with TLS: who is let in, and what changes with its files.  That
 * it serves with TLS as without, other tests show (RCACHED_TEST_TLS).
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/wire-control.h"
#include "common/wire-move.h"
#include "provider-fixture.h"
#include "rcached/provider/peer.h"
#include "tls-fixture.h"

static PkiPair *ca;
static TlsCredentials *req;

static void set_up(void)
{
    fixture_set_up();
    provider_free(provider);
    ca = tls_fixture_authority();
    req = tls_fixture_credentials(ca, "req", NULL);
    config.tls = tls_fixture_credentials(ca, "lender", NULL);
    client_default_tls(NULL);
    fixture_start();
}

static void tear_down(void)
{
    fixture_tear_down();
    tls_credentials_unref(config.tls);
    tls_credentials_unref(req);
    pki_pair_free(ca);
}

static Client connect_tls(TlsCredentials *creds)
{
    Client c = client_connect_plain(provider_address(provider));

    ck_assert_msg(client_try_tls(&c, creds), "%s", tls_stream_reason(c.tls));
    return c;
}

START_TEST(pages_come_back)
{
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    g_autofree uint8_t *pages = g_malloc(sizeof(slots) / 8 * WIRE_PAGE_SIZE);
    Client c = connect_tls(req);

    c.features = RCACHE_FEATURE_DIGEST;
    ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_OK);
    ck_assert_uint_eq(give(1, VM_A, 2).bytes, 2 * SLAB);
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    for (unsigned i = 0; i < RCACHE_BATCH_PAGES; i++) {
        slots[i] = client_slot(&c, i * 2 % 100);
    }
    ck_assert_uint_eq(client_put(&c, slots, 32, 9), RCACHE_OK);
    ck_assert_uint_eq(client_get(&c, slots, 32, pages), RCACHE_OK);
    for (unsigned i = 0; i < 32; i++) {
        ck_assert(client_has(&c, slots[i], 9));
    }
    client_close(&c);
}
END_TEST

START_TEST(the_name_is_the_certificates)
{
    Client c = connect_tls(req);

    c.host = "lender";
    ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_E_REFUSED);
    ck_assert(client_ended(&c));
    client_close(&c);
    c = connect_tls(req);
    ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_OK);
    client_close(&c);
}
END_TEST

/* A certificate with many names is one host's, under the first of them. */
START_TEST(many_names_are_one_account)
{
    enum { IDLE = 2, N = 2 };
    static const char *const names[N] = { "req", "req.example.org" };
    g_autoptr(TlsCredentials) creds = NULL;
    PkiRequest request = tls_fixture_request("req");
    Client c[N], last;

    request.others = (const char *[]) { "req.example.org", NULL };
    creds = tls_fixture_credentials(ca, "req", &request);
    provider_free(provider);
    config.limits.idle_host = IDLE;
    fixture_start();
    for (unsigned i = 0; i < N; i++) {
        c[i] = connect_tls(creds);
        c[i].host = names[i];
        ck_assert_uint_eq(client_hello(&c[i], VM_A, 1), RCACHE_OK);
    }
    last = connect_tls(creds);
    last.host = names[1];
    ck_assert_uint_eq(client_hello(&last, VM_A, 1), RCACHE_OK);
    ck_assert(client_ended(&c[0]));
    ck_assert_str_eq(snapshot().hits.of[PEER_LIMIT_IDLE_HOST].who[0].who,
                     "req");
    for (unsigned i = 0; i < N; i++) {
        client_close(&c[i]);
    }
    client_close(&last);
}
END_TEST

static void assert_not_taken(TlsCredentials *creds)
{
    Client c = client_connect_plain(provider_address(provider));

    /* TLS 1.3: the client may take itself for connected until it hears. */
    if (client_try_tls(&c, creds)) {
        ck_assert(client_ended(&c));
    }
    ck_assert_uint_eq(snapshot().put_pages, 0);
    client_close(&c);
}

START_TEST(strangers_are_not_taken)
{
    g_autoptr(PkiPair) other = tls_fixture_authority();
    g_autoptr(TlsMaterial) m = tls_fixture_material(other, "req", NULL);
    g_autoptr(TlsCredentials) stranger = NULL, arbiter = NULL, old = NULL;
    PkiRequest request = tls_fixture_request("req");

    g_free(m->ca);
    m->ca = g_strconcat(other->cert, ca->cert, NULL);
    stranger = tls_credentials_new(m, NULL);
    ck_assert_ptr_nonnull(stranger);
    assert_not_taken(stranger);
    request.roles = TLS_ROLE_ARBITER;
    arbiter = tls_fixture_credentials(ca, "req", &request);
    assert_not_taken(arbiter);
    request = tls_fixture_request("req");
    request.until = request.from + 60;
    old = tls_fixture_credentials(ca, "req", &request);
    assert_not_taken(old);
}
END_TEST

/* And it is told so in bytes of TLS, which a frame's reader knows. */
START_TEST(a_client_without_tls_is_not_taken)
{
    Client c = client_connect_plain(provider_address(provider));
    WireHead head = { .type = RCACHE_PING };
    uint8_t alert[7];

    client_send_head(&c, &head);
    ck_assert_int_eq(recv(c.fd, alert, sizeof(alert), MSG_WAITALL),
                     sizeof(alert));
    ck_assert(wire_is_tls(alert, sizeof(alert)));
    ck_assert(client_ended(&c));
    client_close(&c);
}
END_TEST

/* kB of this process's memory that are locked. */
static unsigned long locked(void)
{
    g_autofree char *text = NULL;

    ck_assert(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
    return strtoul(strstr(text, "VmLck:") + 6, NULL, 10);
}

/* GnuTLS has buffers of its own: they are no more to be swapped than slabs. */
START_TEST(all_memory_is_locked_where_slabs_are)
{
    unsigned long before;
    uint8_t *more;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return;                     /* their mlockall() does nothing */
#endif
    provider_free(provider);
    config.lock_memory = true;
    fixture_start();
    before = locked();
    more = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_uint_ge(locked(), before + (8 << 10));
    munmap(more, 8 << 20);
}
END_TEST

START_TEST(half_a_handshake_does_not_stay)
{
    Client c = client_connect_plain(provider_address(provider));
    const uint8_t part[] = { 22, 3, 1, 2, 0, 1 };

    client_send(&c, part, sizeof(part));
    WAIT_FOR(snapshot().conns == 1);
    WAIT_FOR(snapshot().conns == 0);
    client_close(&c);
}
END_TEST

/* @n connections whose peer begins a handshake, and hangs up. */
static void flood(unsigned n)
{
    const uint8_t first = 22;

    for (unsigned i = 0; i < n; i++) {
        Client c = client_connect_plain(provider_address(provider));

        client_send(&c, &first, 1);
        client_close(&c);
    }
}

/* One that is taken, or not: then its own log says why, but for those whose
 * address has been refused so often that it is not listened to. */
static bool taken(const char *from)
{
    Client c = client_connect_from(provider_address(provider), from);
    bool up = client_try_tls(&c, req);

    if (!up && *tls_stream_reason(c.tls)) {
        ck_assert_msg(strstr(tls_stream_reason(c.tls), "too many of them"),
                      "%s", tls_stream_reason(c.tls));
    }
    client_close(&c);
    return up;
}

START_TEST(handshakes_of_an_address_are_limited)
{
    Client c = connect_tls(req);

    ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_OK);
    flood(config.limits.handshakes_address *
          PROVIDER_HANDSHAKES_ADDRESS_S);
    for (int i = 0; taken(NULL); i++) {
        ck_assert_int_lt(i, 200);       /* what was slow had time for more */
        flood(100);
    }
    /* Others have not begun any, and who is here goes on. */
    ck_assert(taken("127.0.0.2:0"));
    ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);
    WAIT_FOR(taken(NULL));
    client_close(&c);
}
END_TEST

/*
 * A program that speaks no TLS, and tries again as soon as its connection has
 * ended.  Sixteen a second are refused, so many begin a handshake as an address
 * may, and of the rest each waits for a tick.
 */
START_TEST(who_is_unwelcome_comes_back_slowly)
{
    const uint8_t nonsense[] = "this is no TLS\r\n\r\n";
    unsigned came = 0;
    int64_t end;

    flood(config.limits.handshakes_address *
          PROVIDER_HANDSHAKES_ADDRESS_S);
    for (end = g_get_monotonic_time() + G_USEC_PER_SEC;
         g_get_monotonic_time() < end; came++) {
        Client c = client_connect_plain(provider_address(provider));

        client_send(&c, nonsense, sizeof(nonsense));
        client_ended(&c);
        client_close(&c);
    }
    ck_assert_uint_le(came, 2 * STRANGERS_REFUSED + 8 +
                            config.limits.handshakes_address);
    ck_assert(taken("127.0.0.2:0"));
}
END_TEST

START_TEST(new_files_leave_connections_alone)
{
    g_autoptr(TlsCredentials) new = tls_fixture_credentials(ca, "lender",
                                                            NULL);
    Client c = connect_tls(req), d;

    ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_OK);
    provider_set_tls(provider, new);
    for (int i = 0; i < 50; i++) {
        ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);
        g_usleep(1000);
    }
    d = connect_tls(req);
    ck_assert_uint_eq(client_hello(&d, VM_B, 1), RCACHE_OK);
    client_close(&c);
    client_close(&d);
}
END_TEST

START_TEST(who_is_revoked_has_to_go)
{
    g_autoptr(TlsMaterial) m = tls_fixture_material(ca, "lender", NULL);
    g_autoptr(TlsMaterial) bad = tls_fixture_material(ca, "bad", NULL);
    g_autoptr(TlsCredentials) creds = tls_credentials_new(bad, NULL);
    g_autoptr(TlsCredentials) new = NULL;
    const char *revoked[] = { bad->client_cert };
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    Client c = connect_tls(req), d = connect_tls(creds);

    d.host = "bad";
    ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_OK);
    ck_assert_uint_eq(client_hello(&d, VM_B, 1), RCACHE_OK);
    m->crl = pki_cert_revoke(ca, revoked, 1, 1, now, now + DAY, NULL);
    new = tls_credentials_new(m, NULL);
    ck_assert_ptr_nonnull(new);
    provider_set_tls(provider, new);
    ck_assert(client_ended(&d));
    ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);
    assert_not_taken(creds);
    client_close(&c);
    client_close(&d);
}
END_TEST

static bool has_ended(const Client *c)
{
    char byte;
    ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN);
}

/* Judging all of them takes long, and meanwhile others are answered. */
START_TEST(new_files_hold_nobody_up)
{
    enum { MANY = 200 };
    g_autoptr(TlsMaterial) m = tls_fixture_material(ca, "lender", NULL);
    g_autoptr(TlsMaterial) bad = tls_fixture_material(ca, "bad", NULL);
    g_autoptr(TlsCredentials) creds = tls_credentials_new(bad, NULL);
    g_autoptr(TlsCredentials) new = NULL;
    const char *revoked[] = { bad->client_cert };
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    Client many[MANY], last;
    unsigned answered = 0;

    for (unsigned i = 0; i < MANY; i++) {
        many[i] = connect_tls(req);
        ck_assert_uint_eq(client_hello(&many[i], i + 1, 1), RCACHE_OK);
    }
    last = connect_tls(creds);
    last.host = "bad";
    ck_assert_uint_eq(client_hello(&last, MANY + 1, 1), RCACHE_OK);
    m->crl = pki_cert_revoke(ca, revoked, 1, 1, now, now + DAY, NULL);
    new = tls_credentials_new(m, NULL);
    provider_set_tls(provider, new);
    for (; !has_ended(&last); answered++) {
        ck_assert_uint_eq(client_bare(&many[0], RCACHE_PING), 0);
    }
    ck_assert_uint_gt(answered, 10);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_eq(client_bare(&many[i], RCACHE_PING), 0);
        client_close(&many[i]);
    }
    client_close(&last);
}
END_TEST

/* A provider that says nothing; slabs can be pushed there. */
static int listen_here(char *address, size_t size)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    g_snprintf(address, size, "127.0.0.1:%u", ntohs(addr.sin_port));
    return fd;
}

/* More has come; false: the connection has ended. */
static bool more_came(int fd, TlsStream *s)
{
    size_t room;
    void *in = tls_stream_in(s, &room);
    ssize_t n = recv(fd, in, room, 0);

    ck_assert_int_ge(n, 0);             /* in time */
    tls_stream_received(s, n);
    return n;
}

/* Until it is up and has read what follows. */
static void serve_tls(int fd, TlsStream *s)
{
    const void *out;
    char hello[1024];
    size_t len;

    while (!tls_stream_up(s) ||
           tls_stream_read(s, hello, sizeof(hello)) == 0) {
        ck_assert(more_came(fd, s));
        ck_assert_int_eq(tls_stream_step(s), 0);
        while ((out = tls_stream_out(s, &len))) {
            ck_assert_int_eq(send(fd, out, len, MSG_NOSIGNAL), len);
            tls_stream_sent(s, len);
        }
    }
}

static void send_move(Client *c, const char *address)
{
    g_autoptr(GByteArray) frame = g_byte_array_new();
    WireHead head = { .tag = ++c->tag, .lease = 1, .epoch = 1 };
    WireMove move = { .to_lease = 2, .to_epoch = 1, .to_session = 1,
                      .slab = c->slabs[0] };

    wire_text_copy(move.address, sizeof(move.address), address);
    wire_append_move(frame, &head, &move);
    client_send_frame(c, frame->data, frame->len);
}

START_TEST(no_slab_goes_to_who_is_revoked)
{
    const struct timeval in_time = { .tv_sec = 2 };
    const TlsWanted any = { .role = TLS_ROLE_HOST };
    g_autoptr(TlsMaterial) m = tls_fixture_material(ca, "lender", NULL);
    g_autoptr(TlsMaterial) bad = tls_fixture_material(ca, "bad", NULL);
    g_autoptr(TlsCredentials) creds = tls_credentials_new(bad, NULL);
    g_autoptr(TlsCredentials) new = NULL;
    g_autoptr(TlsStream) s = tls_stream_new(creds, TLS_SERVER, &any);
    const char *revoked[] = { bad->server_cert };
    int64_t now = g_get_real_time() / G_USEC_PER_SEC;
    int listener, fd;
    char address[32];
    Client c;

    provider_free(provider);
    config.stall_ms = 30000;
    fixture_start();
    c = connect_tls(req);
    c.features = RCACHE_FEATURE_MOVE | RCACHE_FEATURE_DIGEST;
    listener = listen_here(address, sizeof(address));
    ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_OK);
    ck_assert_uint_eq(give(1, VM_A, 1).bytes, SLAB);
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    send_move(&c, address);
    fd = accept(listener, NULL, NULL);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &in_time, sizeof(in_time));
    serve_tls(fd, s);
    m->crl = pki_cert_revoke(ca, revoked, 1, 1, now, now + DAY, NULL);
    new = tls_credentials_new(m, NULL);
    provider_set_tls(provider, new);
    while (more_came(fd, s)) {
        /* nothing that counts */
    }
    ck_assert_uint_eq(client_answer(&c, RCACHE_MOVE_ACK, NULL, NULL),
                      RCACHE_E_REFUSED);
    client_close(&c);
    close(fd);
    close(listener);
}
END_TEST

/* Above TLS it looks idle; one that is has whole records only. */
START_TEST(half_a_record_does_not_stay)
{
    static const uint8_t half[] = { 23, 3, 3, 0, 64, 1, 2, 3 };
    Client idle = connect_tls(req), cut[3];

    ck_assert_uint_eq(client_hello(&idle, VM_A, 1), RCACHE_OK);
    for (unsigned i = 0; i < G_N_ELEMENTS(cut); i++) {
        cut[i] = connect_tls(req);
        ck_assert_uint_eq(client_hello(&cut[i], VM_A, 1), RCACHE_OK);
        ck_assert_int_eq(send(cut[i].fd, half, i == 0 ? 1 : i == 1 ? 5 : 8,
                              MSG_NOSIGNAL), i == 0 ? 1 : i == 1 ? 5 : 8);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(cut); i++) {
        ck_assert(client_ended(&cut[i]));
        client_close(&cut[i]);
    }
    g_usleep(2 * 1000 * config.stall_ms);
    ck_assert_uint_eq(client_bare(&idle, RCACHE_PING), 0);
    client_close(&idle);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider-tls");
    TCase *tc = tcase_create("provider-tls");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, pages_come_back);
    tcase_add_test(tc, the_name_is_the_certificates);
    tcase_add_test(tc, many_names_are_one_account);
    tcase_add_test(tc, strangers_are_not_taken);
    tcase_add_test(tc, a_client_without_tls_is_not_taken);
    tcase_add_test(tc, all_memory_is_locked_where_slabs_are);
    tcase_add_test(tc, half_a_handshake_does_not_stay);
    tcase_add_test(tc, handshakes_of_an_address_are_limited);
    tcase_add_test(tc, who_is_unwelcome_comes_back_slowly);
    tcase_add_test(tc, half_a_record_does_not_stay);
    tcase_add_test(tc, new_files_leave_connections_alone);
    tcase_add_test(tc, who_is_revoked_has_to_go);
    tcase_add_test(tc, new_files_hold_nobody_up);
    tcase_add_test(tc, no_slab_goes_to_who_is_revoked);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
