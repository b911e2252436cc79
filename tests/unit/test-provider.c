/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole provider on loopback: pages there and back, what it refuses, who
 * is fenced, what it gives back, and what no peer can do to it.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "provider-client.h"
#include "rcached/provider/provider.h"

#define PAGES   256u
#define SLAB    (PAGES * (uint64_t)WIRE_PAGE_SIZE)
#define VM_A    0xa1
#define VM_B    0xb2

static Provider *provider;
static ProviderConfig config;

static void config_for_tests(void)
{
    provider_config_init(&config);
    config.listen = "127.0.0.1:0";
    config.host = "lender";
    config.slab_size = SLAB;
    config.limit = 64 * SLAB;
    config.hello_ms = 600;
    config.stall_ms = 600;
}

static void start(void)
{
    g_autoptr(GError) error = NULL;

    provider = provider_new(&config, &error);
    ck_assert_msg(provider != NULL, "%s", error ? error->message : "?");
}

static void set_up(void)
{
    config_for_tests();
    start();
}

static void tear_down(void)
{
    provider_free(provider);
}

static WireGrantAck give(uint64_t id, uint8_t vm, uint64_t slabs)
{
    WireGrant grant = {
        .lease = id, .epoch = 1, .claim_ms = 5000, .bytes = slabs * SLAB,
        .name = "vm", .host = "req",
    };
    WireGrantAck ack;

    memset(grant.vm, vm, sizeof(grant.vm));
    memset(grant.token, id, sizeof(grant.token));
    provider_grant(provider, &grant, &ack);
    return ack;
}

/* A session of VM_A with a lease of @slabs, claimed. */
static Client leased(uint64_t session, uint64_t slabs)
{
    Client c = client_session(provider_address(provider), VM_A, session);

    ck_assert_uint_eq(give(1, VM_A, slabs).bytes, slabs * SLAB);
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    return c;
}

/* Another connection, which finds that all is well. */
static void still_serves(void)
{
    Client c = client_session(provider_address(provider), VM_B, 1);

    ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);
    client_close(&c);
}

static ProviderSnapshot snapshot(void)
{
    ProviderSnapshot snap;

    provider_snapshot(provider, &snap);
    provider_snapshot_clear(&snap);
    return snap;
}

/* Wait for something that another thread does; fail after 5 s. */
#define WAIT_FOR(cond) do { \
        int tries_ = 0; \
        while (!(cond)) { \
            ck_assert_msg(tries_++ < 1000, "never: %s", #cond); \
            g_usleep(5000); \
        } \
    } while (0)

/* ----------------------------------------------------------------- pages */

START_TEST(pages_there_and_back)
{
    Client c = leased(1, 2), fault;
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    uint8_t have[RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE];
    uint8_t want[RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE];
    unsigned round, i;

    fault = client_session(provider_address(provider), VM_A, 1);
    ck_assert_uint_eq(client_claim(&fault, 1), RCACHE_OK);
    for (round = 0; round < 50; round++) {
        unsigned n = round % RCACHE_BATCH_PAGES + 1;

        for (i = 0; i < n; i++) {
            /* Some next to each other, some not, in both slabs. */
            slots[i] = client_slot(&c, (round * 7 + i * (round % 5 + 1)) %
                                       (2 * PAGES));
        }
        ck_assert_uint_eq(client_put(&c, slots, n, round), RCACHE_OK);
        client_fill(want, slots, n, round);
        ck_assert_uint_eq(client_get(&fault, slots, n, have), RCACHE_OK);
        ck_assert_mem_eq(have, want, n * WIRE_PAGE_SIZE);
    }
    client_close(&c);
    client_close(&fault);
}
END_TEST

START_TEST(stored_pages_are_counted)
{
    Client c = leased(1, 1);
    RcacheSlot slots[3] = { client_slot(&c, 1), client_slot(&c, 2),
                            client_slot(&c, 100) };

    client_put(&c, slots, 3, 1);
    client_put(&c, slots, 2, 2);
    ck_assert_uint_eq(snapshot().stored, 3 * WIRE_PAGE_SIZE);
    ck_assert_uint_eq(client_free(&c, slots, 1), RCACHE_OK);
    ck_assert_uint_eq(client_free(&c, slots, 1), RCACHE_OK);
    ck_assert_uint_eq(snapshot().stored, 2 * WIRE_PAGE_SIZE);
    ck_assert_uint_eq(snapshot().leased, SLAB);
    ck_assert_uint_eq(snapshot().put_pages, 5);
    client_close(&c);
}
END_TEST

/* Requests sent at once are all answered, PUTs behind one another too. */
START_TEST(requests_in_a_row)
{
    enum { N = 40 };
    Client c = leased(1, 1);
    g_autofree uint8_t *pages = g_malloc(64 * WIRE_PAGE_SIZE);
    RcacheSlot slots[64];
    WireHead head;
    uint8_t *payload;
    unsigned i, j;
    uint64_t first = c.tag + 1;

    for (i = 0; i < N; i++) {
        for (j = 0; j < 64; j++) {
            slots[j] = client_slot(&c, i % 4 * 64 + j);
        }
        client_fill(pages, slots, 64, i);
        client_put_begin(&c, slots, 64);
        client_send(&c, pages, 64 * WIRE_PAGE_SIZE);
        client_send_slots(&c, RCACHE_FREE, slots, 1);
    }
    for (i = 0; i < 2 * N; i++) {
        ck_assert(client_try_recv(&c, &head, &payload));
        ck_assert_uint_eq(head.tag, first + i);
        ck_assert_uint_eq(head.type, i % 2 ? RCACHE_FREE_ACK
                                           : RCACHE_PUT_ACK);
        ck_assert_uint_eq(head.status, RCACHE_OK);
    }
    for (j = 1; j < 64; j++) {
        ck_assert(client_has(&c, client_slot(&c, j), N - 4));
    }
    client_close(&c);
}
END_TEST

/* Frames may come in pieces of any size. */
START_TEST(requests_in_pieces)
{
    Client c = leased(1, 1);
    RcacheSlot slots[3] = { client_slot(&c, 9), client_slot(&c, 5),
                            client_slot(&c, 6) };
    WireHead head = {
        .type = RCACHE_PUT, .count = 3, .length = 3 * (8 + WIRE_PAGE_SIZE),
        .tag = 99, .lease = 1, .epoch = 1,
    };
    uint8_t frame[WIRE_HEAD_LEN + 3 * (8 + WIRE_PAGE_SIZE)];
    unsigned sizes[] = { 1, 39, 40, 41, 63, 64, 4096, 4159, 4160, 9000 };
    uint8_t *payload;
    size_t i, at;

    wire_head_encode(frame, &head);
    wire_slots_encode(frame + WIRE_HEAD_LEN, slots, 3);
    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        client_fill(frame + WIRE_HEAD_LEN + 24, slots, 3, i);
        for (at = 0; at < sizeof(frame); at += sizes[i]) {
            client_send(&c, frame + at, MIN(sizes[i], sizeof(frame) - at));
            if (sizes[i] > 1 || at < 100 || at % 1000 == 0) {
                g_usleep(2000);
            }
        }
        ck_assert(client_try_recv(&c, &head, &payload));
        ck_assert_uint_eq(head.status, RCACHE_OK);
        ck_assert(client_has(&c, slots[0], i));
        ck_assert(client_has(&c, slots[1], i));
        ck_assert(client_has(&c, slots[2], i));
    }
    client_close(&c);
}
END_TEST

/* ------------------------------------------------------------- refusals */

START_TEST(what_is_not_there_is_an_error)
{
    Client c = leased(1, 1), other;
    uint8_t page[WIRE_PAGE_SIZE];
    RcacheSlot good = client_slot(&c, 1), bad[2] = { good, good + PAGES };
    RcacheSlot strange = wire_slot(77, 0);

    ck_assert_uint_eq(client_put(&c, &good, 1, 1), RCACHE_OK);
    /* Not claimed on this connection, or not this VM's. */
    other = client_session(provider_address(provider), VM_A, 1);
    other.lease = 1;
    ck_assert_uint_eq(client_get(&other, &good, 1, page), RCACHE_E_LEASE);
    client_close(&other);
    other = client_session(provider_address(provider), VM_B, 1);
    ck_assert_uint_eq(client_claim(&other, 1), RCACHE_E_LEASE);
    other.lease = 1;
    ck_assert_uint_eq(client_put(&other, &good, 1, 2), RCACHE_E_LEASE);
    ck_assert_uint_eq(client_free(&other, &good, 1), RCACHE_E_LEASE);
    ck_assert_uint_eq(client_bare(&other, RCACHE_RELEASE), RCACHE_E_LEASE);
    client_close(&other);

    c.lease = 2;
    ck_assert_uint_eq(client_get(&c, &good, 1, page), RCACHE_E_LEASE);
    ck_assert_uint_eq(client_put(&c, &good, 1, 2), RCACHE_E_LEASE);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RENEW), RCACHE_E_LEASE);
    c.lease = 1;
    c.epoch = 2;
    ck_assert_uint_eq(client_get(&c, &good, 1, page), RCACHE_E_EPOCH);
    ck_assert_uint_eq(client_put(&c, &good, 1, 2), RCACHE_E_EPOCH);
    ck_assert_uint_eq(client_free(&c, &good, 1), RCACHE_E_EPOCH);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RENEW), RCACHE_E_EPOCH);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_E_EPOCH);
    c.epoch = 1;
    ck_assert_uint_eq(client_put(&c, bad, 2, 2), RCACHE_E_SLOT);
    ck_assert_uint_eq(client_get(&c, bad, 2, page), RCACHE_E_SLOT);
    ck_assert_uint_eq(client_free(&c, bad, 2), RCACHE_E_SLOT);
    ck_assert_uint_eq(client_get(&c, &strange, 1, page), RCACHE_E_SLOT);
    /* Nothing stored there: an error, never zeros. */
    strange = client_slot(&c, 2);
    ck_assert_uint_eq(client_get(&c, &strange, 1, page), RCACHE_E_SLOT);
    /* And none of it changed anything. */
    ck_assert(client_has(&c, good, 1));
    ck_assert_uint_eq(snapshot().stored, WIRE_PAGE_SIZE);
    client_close(&c);
}
END_TEST

/* A big PUT that is refused is read to its end, and the next one is fine. */
START_TEST(a_refused_put_does_not_end_the_connection)
{
    Client c = leased(1, 1);
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    unsigned i;

    for (i = 0; i < RCACHE_BATCH_PAGES; i++) {
        slots[i] = client_slot(&c, i);
    }
    c.epoch = 5;
    for (i = 0; i < 5; i++) {
        ck_assert_uint_eq(client_put(&c, slots, RCACHE_BATCH_PAGES, 7),
                          RCACHE_E_EPOCH);
    }
    c.epoch = 1;
    ck_assert_uint_eq(client_put(&c, slots, RCACHE_BATCH_PAGES, 8),
                      RCACHE_OK);
    ck_assert(client_has(&c, slots[63], 8));
    client_close(&c);
}
END_TEST

/* Bytes that end the connection they come on, and no other. */
static const struct {
    const char *what;
    bool hello;                 /* after a HELLO */
    WireHead head;
    unsigned at;                /* if not 0: overwrite this byte */
    uint8_t value;
} bad_frames[] = {
    { "not HELLO first", false, { .type = RCACHE_PING } },
    { "GET before HELLO", false, { .type = RCACHE_GET, .count = 1,
                                   .length = 8 } },
    { "two HELLOs", true, { .type = RCACHE_HELLO, .length = 192 } },
    { "magic", true, { .type = RCACHE_PING }, 1, 'X' },
    { "version", true, { .type = RCACHE_PING }, 4, 9 },
    { "unknown type", true, { .type = 200 } },
    { "an answer", true, { .type = RCACHE_PUT_ACK } },
    { "control", true, { .type = RCACHE_HEARTBEAT, .length = 500 } },
    { "flags", true, { .type = RCACHE_PING }, 6, 1 },
    { "oversized PUT", true, { .type = RCACHE_PUT, .count = 65,
                               .length = 65 * 4104 } },
    { "huge PUT", true, { .type = RCACHE_PUT, .count = 64,
                          .length = UINT32_MAX } },
    { "empty PUT", true, { .type = RCACHE_PUT } },
    { "GET of nothing", true, { .type = RCACHE_GET } },
    { "long GET", true, { .type = RCACHE_GET, .count = 1, .length = 9 } },
    { "huge FREE", true, { .type = RCACHE_FREE, .count = 65535,
                           .length = 65535 * 8 } },
    { "long PING", true, { .type = RCACHE_PING, .length = 8 } },
    { "short CLAIM", true, { .type = RCACHE_CLAIM, .length = 15 } },
    { "a status", true, { .type = RCACHE_RENEW, .status = 3 } },
};

START_TEST(bad_frames_end_their_connection)
{
    Client c = client_connect(provider_address(provider));
    uint8_t bytes[WIRE_HEAD_LEN + 192] = { 0 };

    if (bad_frames[_i].hello) {
        ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_OK);
    }
    wire_head_encode(bytes, &bad_frames[_i].head);
    if (bad_frames[_i].at) {
        bytes[bad_frames[_i].at] = bad_frames[_i].value;
    }
    client_send(&c, bytes, WIRE_HEAD_LEN +
                (bad_frames[_i].head.type == RCACHE_HELLO ? 192 : 0));
    ck_assert_msg(client_ended(&c), "%s", bad_frames[_i].what);
    client_close(&c);
    still_serves();
}
END_TEST

START_TEST(garbage_ends_its_connection)
{
    uint8_t bytes[1000];
    unsigned i, seed;

    for (seed = 0; seed < 50; seed++) {
        Client c = client_connect(provider_address(provider));

        if (seed % 2) {
            ck_assert_uint_eq(client_hello(&c, VM_A, 1), RCACHE_OK);
        }
        srandom(seed);
        for (i = 0; i < sizeof(bytes); i++) {
            bytes[i] = random() >> 7;
        }
        client_send(&c, bytes, sizeof(bytes));
        ck_assert(client_ended(&c));
        client_close(&c);
    }
    still_serves();
}
END_TEST

START_TEST(frames_cut_short_harm_nobody)
{
    Client c = leased(1, 1), again;
    RcacheSlot slots[2] = { client_slot(&c, 0), client_slot(&c, 1) };
    uint8_t half[WIRE_PAGE_SIZE + 100];

    client_put(&c, slots, 1, 1);
    memset(half, 0xee, sizeof(half));
    /* In a PUT's second page, in a head. */
    client_put_begin(&c, slots + 1, 1);
    client_send(&c, half, 100);
    client_close(&c);
    again = client_session(provider_address(provider), VM_A, 1);
    client_send(&again, half, 0);
    client_send(&again, "RCA1", 4);
    client_close(&again);

    WAIT_FOR(snapshot().conns == 0);
    again = client_session(provider_address(provider), VM_A, 1);
    ck_assert_uint_eq(client_claim(&again, 1), RCACHE_OK);
    ck_assert(client_has(&again, slots[0], 1));
    ck_assert_uint_eq(client_get(&again, slots + 1, 1, half), RCACHE_E_SLOT);
    client_close(&again);
}
END_TEST

/* The text of a refused HELLO comes, and then the end. */
static void hello_refused(WireHello hello, uint16_t want, const char *text)
{
    Client c = client_connect(provider_address(provider));
    g_autoptr(GByteArray) frame = g_byte_array_new();
    g_autofree uint8_t *payload = NULL;
    WireHelloAck ack;
    WireHead head;

    wire_append_hello(frame, 5, &hello);
    client_send(&c, frame->data, frame->len);
    ck_assert(client_try_recv(&c, &head, &payload));
    ck_assert_uint_eq(head.type, RCACHE_HELLO_ACK);
    ck_assert_uint_eq(head.status, want);
    ck_assert(!wire_hello_ack_decode(payload, head.length, &ack));
    ck_assert_msg(strstr(ack.text, text) != NULL, "%s", ack.text);
    ck_assert(client_ended(&c));
    client_close(&c);
}

START_TEST(refused_hellos_are_told_why)
{
    Client c = client_session(provider_address(provider), VM_A, 5);
    Client old = client_connect(provider_address(provider));
    WireHello hello = {
        .version_min = 1, .version_max = 1, .role = RCACHE_ROLE_FAULT,
        .incarnation = 1, .session = 1, .vm = { 1 }, .host = "req",
    };
    g_autofree uint8_t *payload = NULL;
    uint8_t bytes[WIRE_HEAD_LEN];
    WireHead head = { .type = RCACHE_HELLO, .length = 192 };

    hello.version_min = hello.version_max = 2;
    hello_refused(hello, RCACHE_E_VERSION, "version 1");
    hello.version_min = 1;
    hello.role = RCACHE_ROLE_HOST;
    hello_refused(hello, RCACHE_E_REFUSED, "requesters");
    hello.role = RCACHE_ROLE_FAULT;
    hello.session = 0;
    hello_refused(hello, RCACHE_E_REFUSED, "session");
    hello.session = 4;
    memset(hello.vm, VM_A, sizeof(hello.vm));
    hello_refused(hello, RCACHE_E_FENCED, "newer session");
    /* Another version of the frame itself. */
    wire_head_encode(bytes, &head);
    bytes[4] = 2;
    client_send(&old, bytes, sizeof(bytes));
    ck_assert(client_try_recv(&old, &head, &payload));
    ck_assert_uint_eq(head.status, RCACHE_E_VERSION);
    ck_assert_uint_eq(client_bare(&c, RCACHE_PING), 0);
    client_close(&old);
    client_close(&c);
}
END_TEST

/* -------------------------------------------------------------- fencing */

START_TEST(a_newer_session_closes_the_older)
{
    Client bulk = leased(1, 1), fault, newer, other;

    fault = client_session(provider_address(provider), VM_A, 1);
    other = client_session(provider_address(provider), VM_B, 1);
    newer = client_session(provider_address(provider), VM_A, 2);
    ck_assert(client_ended(&bulk));
    ck_assert(client_ended(&fault));
    ck_assert_uint_eq(client_bare(&other, RCACHE_PING), 0);
    client_close(&fault);
    fault = client_connect(provider_address(provider));
    ck_assert_uint_eq(client_hello(&fault, VM_A, 1), RCACHE_E_FENCED);
    ck_assert_uint_eq(client_claim(&newer, 1), RCACHE_OK);
    client_close(&bulk);
    client_close(&fault);
    client_close(&newer);
    client_close(&other);
}
END_TEST

/* Fill the way back until the provider reads no more of this connection. */
static void stuff(Client *c, const RcacheSlot *slots)
{
    struct pollfd pfd = { .fd = c->fd, .events = POLLOUT };
    unsigned i;

    for (i = 0; i < 2000; i++) {
        client_send_slots(c, RCACHE_GET, slots, RCACHE_BATCH_PAGES);
    }
    g_usleep(100000);
    ck_assert_int_eq(poll(&pfd, 1, 0), 1);
}

/* What an old session had sent, and was not yet read, is never done. */
START_TEST(unread_bytes_of_an_older_session_are_dropped)
{
    Client old = leased(1, 1), newer;
    RcacheSlot slots[RCACHE_BATCH_PAGES], x = client_slot(&old, 200);
    uint8_t page[WIRE_PAGE_SIZE];
    unsigned i;

    for (i = 0; i < RCACHE_BATCH_PAGES; i++) {
        slots[i] = client_slot(&old, i);
    }
    client_put(&old, slots, RCACHE_BATCH_PAGES, 1);
    stuff(&old, slots);
    client_fill(page, &x, 1, 666);
    client_put_begin(&old, &x, 1);
    client_send(&old, page, sizeof(page));

    newer = client_session(provider_address(provider), VM_A, 2);
    ck_assert_uint_eq(client_claim(&newer, 1), RCACHE_OK);
    ck_assert_uint_eq(client_put(&newer, &x, 1, 7), RCACHE_OK);
    /* The old one drains its answers now: were it still read, x would go. */
    while (recv(old.fd, page, sizeof(page), 0) > 0) {
        /* to the end */
    }
    for (i = 0; i < 20; i++) {
        ck_assert(client_has(&newer, x, 7));
        g_usleep(5000);
    }
    client_close(&old);
    client_close(&newer);
}
END_TEST

/* A PUT that is half there when the newer session comes. */
START_TEST(a_transfer_in_progress_is_ended)
{
    Client old = leased(1, 1), newer;
    RcacheSlot slots[2] = { client_slot(&old, 1), client_slot(&old, 2) };
    uint8_t pages[2 * WIRE_PAGE_SIZE];
    unsigned i;

    client_fill(pages, slots, 2, 666);
    client_put_begin(&old, slots, 2);
    client_send(&old, pages, 5000);
    g_usleep(50000);
    newer = client_session(provider_address(provider), VM_A, 2);
    ck_assert_uint_eq(client_claim(&newer, 1), RCACHE_OK);
    ck_assert_uint_eq(client_put(&newer, slots, 2, 7), RCACHE_OK);
    (void)!send(old.fd, pages + 5000, sizeof(pages) - 5000, MSG_NOSIGNAL);
    for (i = 0; i < 20; i++) {
        ck_assert(client_has(&newer, slots[0], 7));
        ck_assert(client_has(&newer, slots[1], 7));
        g_usleep(5000);
    }
    client_close(&old);
    client_close(&newer);
}
END_TEST

/* What a killed process had sent arrives after a new one has connected. */
static pid_t writer(RcacheSlot slot, uint64_t session)
{
    pid_t pid = fork();

    if (pid == 0) {
        Client c = client_session(provider_address(provider), VM_A, session);
        uint8_t page[WIRE_PAGE_SIZE];

        client_claim(&c, 1);
        client_fill(page, &slot, 1, session);
        for (;;) {
            client_put_begin(&c, &slot, 1);
            client_send(&c, page, sizeof(page));
        }
    }
    return pid;
}

START_TEST(late_bytes_of_a_killed_process)
{
    Client c = leased(1, 1);
    RcacheSlot x = client_slot(&c, 3);
    uint64_t session;
    unsigned i;

    client_put(&c, &x, 1, 1);
    client_close(&c);
    for (session = 2; session < 30; session += 2) {
        uint64_t puts = snapshot().put_pages;
        pid_t pid = writer(x, session);

        WAIT_FOR(snapshot().put_pages > puts + 10);
        kill(pid, SIGKILL);
        c = client_session(provider_address(provider), VM_A, session + 1);
        ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
        ck_assert_uint_eq(client_put(&c, &x, 1, session + 1), RCACHE_OK);
        for (i = 0; i < 10; i++) {
            ck_assert(client_has(&c, x, session + 1));
            g_usleep(1000);
        }
        waitpid(pid, NULL, 0);
        client_close(&c);
    }
}
END_TEST

/* --------------------------------------------------------------- leases */

START_TEST(claim_and_renew)
{
    Client c = leased(1, 2), again;
    ProviderSnapshot snap;

    ck_assert_uint_eq(c.slab_pages, PAGES);
    ck_assert_uint_eq(c.nr_slabs, 2);
    again = client_session(provider_address(provider), VM_A, 1);
    ck_assert_uint_eq(client_claim(&again, 1), RCACHE_OK);
    ck_assert_mem_eq(again.slabs, c.slabs, 2 * sizeof(c.slabs[0]));
    ck_assert_uint_eq(client_claim(&again, 1), RCACHE_OK);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RENEW), RCACHE_OK);
    provider_snapshot(provider, &snap);
    ck_assert_uint_eq(snap.leases->len, 1);
    ck_assert_uint_eq(g_array_index(snap.leases, WireBeatLease, 0).state,
                      RCACHE_LEASE_CLAIMED);
    ck_assert_uint_le(g_array_index(snap.leases, WireBeatLease, 0).expires_ms,
                      config.ttl_ms);
    provider_snapshot_clear(&snap);
    client_close(&c);
    client_close(&again);
}
END_TEST

START_TEST(grants_have_limits)
{
    WireGrantAck ack = give(1, VM_A, 60);

    ck_assert_uint_eq(ack.bytes, 60 * SLAB);
    ck_assert_uint_eq(give(2, VM_A, 60).bytes, 4 * SLAB);
    ack = give(3, VM_A, 1);
    ck_assert_uint_eq(ack.status, RCACHE_E_NO_ROOM);
    ck_assert_uint_eq(ack.bytes, 0);
    provider_set_limit(provider, 65 * SLAB);
    ck_assert_uint_eq(give(3, VM_A, 1).bytes, SLAB);
    ck_assert_uint_eq(snapshot().offered, 65 * SLAB);
}
END_TEST

START_TEST(unclaimed_leases_go_and_expired_ones_stay)
{
    Client c;
    RcacheSlot x;
    WireGrant grant = { .lease = 2, .epoch = 1, .claim_ms = 1, .bytes = SLAB };
    WireGrantAck ack;

    provider_free(provider);
    config.ttl_ms = 200;
    start();
    c = leased(1, 1);
    x = client_slot(&c, 0);
    client_put(&c, &x, 1, 1);
    provider_grant(provider, &grant, &ack);
    ck_assert_uint_eq(ack.bytes, SLAB);
    WAIT_FOR(snapshot().leased == SLAB);
    g_usleep(700000);
    ck_assert(client_has(&c, x, 1));
    ck_assert_uint_eq(client_bare(&c, RCACHE_RENEW), RCACHE_OK);
    client_close(&c);
}
END_TEST

/* The memfds of slabs that this process has open, as new descriptors. */
static unsigned slab_fds(int *fds, unsigned max)
{
    unsigned n = 0;
    int fd;

    for (fd = 0; fd < 1000 && n < max; fd++) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
        g_autofree char *target = g_file_read_link(path, NULL);

        if (target && strstr(target, "memfd:rcached-slab")) {
            fds[n++] = fcntl(fd, F_DUPFD_CLOEXEC, 1000);
        }
    }
    return n;
}

START_TEST(release_punches_the_memory)
{
    Client c = leased(1, 2);
    RcacheSlot x = client_slot(&c, 300);
    uint8_t page[WIRE_PAGE_SIZE], byte;
    struct stat st;
    int fds[3];
    unsigned i;

    memset(page, 0x5a, sizeof(page));
    client_put(&c, &x, 1, 1);
    ck_assert_uint_eq(slab_fds(fds, 3), 2);
    ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_OK);
    /* The answer comes when it is done. */
    ck_assert_uint_eq(snapshot().leased, 0);
    for (i = 0; i < 2; i++) {
        ck_assert_int_eq(fstat(fds[i], &st), 0);
        ck_assert_int_eq(st.st_blocks, 0);
        ck_assert_int_eq(pread(fds[i], &byte, 1, 44 * WIRE_PAGE_SIZE), 1);
        ck_assert_uint_eq(byte, 0);
        close(fds[i]);
    }
    ck_assert_uint_eq(client_get(&c, &x, 1, page), RCACHE_E_LEASE);
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_E_LEASE);
    client_close(&c);
}
END_TEST

/* Released while another connection is in the middle of a PUT to it. */
START_TEST(release_waits_for_transfers)
{
    Client bulk = leased(1, 1), other;
    RcacheSlot x = client_slot(&bulk, 3);
    uint8_t page[WIRE_PAGE_SIZE], *payload;
    struct pollfd pfd;
    WireHead head = { .type = RCACHE_RELEASE, .tag = 1, .lease = 1,
                      .epoch = 1 };

    other = client_session(provider_address(provider), VM_A, 1);
    ck_assert_uint_eq(client_claim(&other, 1), RCACHE_OK);
    client_fill(page, &x, 1, 5);
    client_put_begin(&bulk, &x, 1);
    client_send(&bulk, page, 1000);
    g_usleep(50000);
    client_send_head(&other, &head);
    pfd = (struct pollfd) { .fd = other.fd, .events = POLLIN };
    ck_assert_int_eq(poll(&pfd, 1, 100), 0);
    ck_assert_uint_eq(snapshot().leased, SLAB);
    client_send(&bulk, page + 1000, sizeof(page) - 1000);
    /* Its bytes are gone, and that is what it is told. */
    ck_assert(client_try_recv(&bulk, &head, &payload));
    ck_assert_uint_eq(head.status, RCACHE_E_LEASE);
    ck_assert(client_try_recv(&other, &head, &payload));
    ck_assert_uint_eq(head.type, RCACHE_RELEASE_ACK);
    ck_assert_uint_eq(head.status, RCACHE_OK);
    ck_assert_uint_eq(snapshot().leased, 0);
    client_close(&bulk);
    client_close(&other);
}
END_TEST

START_TEST(an_operator_can_end_a_lease)
{
    Client c = leased(1, 1);
    RcacheSlot x = client_slot(&c, 3);
    uint8_t page[WIRE_PAGE_SIZE];

    client_put(&c, &x, 1, 1);
    ck_assert(!provider_end_lease(provider, 2));
    ck_assert(provider_end_lease(provider, 1));
    ck_assert_uint_eq(client_get(&c, &x, 1, page), RCACHE_E_LEASE);
    WAIT_FOR(snapshot().leased == 0);
    client_close(&c);
}
END_TEST

START_TEST(a_spoilt_page_differs)
{
    Client c = leased(1, 1);
    RcacheSlot x = client_slot(&c, 3);

    ck_assert(!provider_debug_flip(provider));
    client_put(&c, &x, 1, 1);
    ck_assert(client_has(&c, x, 1));
    ck_assert(provider_debug_flip(provider));
    ck_assert(!client_has(&c, x, 1));
    client_close(&c);
}
END_TEST

/* ---------------------------------------------------------- many and slow */

START_TEST(silent_connections_do_not_hurt)
{
    enum { N = 2000 };
    g_autofree Client *silent = g_new0(Client, N);
    int64_t before, took;
    Client c = leased(1, 1);
    RcacheSlot x = client_slot(&c, 1);
    unsigned i;

    for (i = 0; i < N; i++) {
        silent[i] = client_connect(provider_address(provider));
    }
    ck_assert(client_put(&c, &x, 1, 1) == RCACHE_OK);
    before = g_get_monotonic_time();
    still_serves();
    took = g_get_monotonic_time() - before;
    ck_assert_msg(took < 2000000, "a HELLO took %d us", (int)took);
    ck_assert_uint_lt(snapshot().conns, 300);
    /* And the rest go when their time is up; the good one stays. */
    WAIT_FOR(snapshot().conns == 1);
    ck_assert(client_has(&c, x, 1));
    for (i = 0; i < N; i++) {
        ck_assert(client_ended(&silent[i]));
        client_close(&silent[i]);
    }
    client_close(&c);
}
END_TEST

START_TEST(connections_are_capped)
{
    Client c[6];
    unsigned i;

    provider_free(provider);
    config.conns_max = 5;
    start();
    for (i = 0; i < 5; i++) {
        c[i] = client_session(provider_address(provider), VM_A, 1);
    }
    c[5] = client_connect(provider_address(provider));
    ck_assert(client_ended(&c[5]));
    client_close(&c[0]);
    client_close(&c[5]);
    WAIT_FOR(snapshot().conns == 4);
    c[0] = client_session(provider_address(provider), VM_A, 1);
    for (i = 0; i < 5; i++) {
        client_close(&c[i]);
    }
}
END_TEST

START_TEST(one_session_has_few_connections)
{
    Client c[17];
    unsigned i;

    for (i = 0; i < 16; i++) {
        c[i] = client_session(provider_address(provider), VM_A, 1);
    }
    c[16] = client_connect(provider_address(provider));
    ck_assert_uint_eq(client_hello(&c[16], VM_A, 1), RCACHE_E_REFUSED);
    for (i = 0; i < 17; i++) {
        client_close(&c[i]);
    }
}
END_TEST

static long resident_kib(void)
{
    g_autofree char *text = NULL;
    long size, pages;

    ck_assert(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    ck_assert_int_eq(sscanf(text, "%ld %ld", &size, &pages), 2);
    return pages * 4;
}

/* It asks for a lot and reads nothing: it is read no more, and costs little;
 * when it reads at last, every answer comes. */
START_TEST(a_slow_reader_is_bounded)
{
    enum { GETS = 4000 };
    Client c = leased(1, 1);
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    long before;
    uint64_t first, done = 0;
    unsigned i, sent = 0;

    for (i = 0; i < RCACHE_BATCH_PAGES; i++) {
        slots[i] = client_slot(&c, i);
    }
    client_put(&c, slots, RCACHE_BATCH_PAGES, 1);
    first = c.tag + 1;
    before = resident_kib();
    for (i = 0; i < GETS; i++, sent++) {
        struct pollfd pfd = { .fd = c.fd, .events = POLLOUT };

        if (poll(&pfd, 1, 20) != 1) {
            break;
        }
        client_send_slots(&c, RCACHE_GET, slots, RCACHE_BATCH_PAGES);
    }
    g_usleep(50000);
    ck_assert_uint_lt(snapshot().get_pages, 1000 * RCACHE_BATCH_PAGES);
    ck_assert_int_lt(resident_kib() - before, 8192);
    while (done < sent) {
        g_autofree uint8_t *payload = NULL;
        WireHead head;

        ck_assert(client_try_recv(&c, &head, &payload));
        ck_assert_uint_eq(head.tag, first + done);
        ck_assert_uint_eq(head.status, RCACHE_OK);
        done++;
    }
    ck_assert_uint_eq(snapshot().get_pages, sent * RCACHE_BATCH_PAGES);
    client_close(&c);
}
END_TEST

START_TEST(stuck_connections_are_closed)
{
    Client half = client_session(provider_address(provider), VM_A, 1);
    Client idle = client_session(provider_address(provider), VM_A, 1);

    client_send(&half, "RCA1", 4);
    ck_assert(client_ended(&half));
    /* Nothing to say is no fault. */
    ck_assert_uint_eq(client_bare(&idle, RCACHE_PING), 0);
    client_close(&half);
    client_close(&idle);
}
END_TEST

/* --------------------------------------------------------------- set-up */

static void refused(const char *listen, const char *why)
{
    g_autoptr(GError) error = NULL;
    ProviderConfig bad = config;

    bad.listen = listen;
    ck_assert_ptr_null(provider_new(&bad, &error));
    ck_assert_msg(strstr(error->message, why) != NULL, "%s", error->message);
}

START_TEST(listening)
{
    ProviderConfig other = config;
    Provider *second;
    g_autoptr(GError) error = NULL;

    refused("0.0.0.0:0", "tls=none");
    refused("[::]:0", "tls=none");
    refused("192.0.2.77:0", "tls=none");
    refused("nonsense", "no address");
    refused(provider_address(provider), "in use");
    other.listen = "[::1]:0";
    second = provider_new(&other, &error);
    ck_assert_msg(second != NULL, "%s", error ? error->message : "");
    ck_assert(g_str_has_prefix(provider_address(second), "[::1]:"));
    {
        Client c = client_session(provider_address(second), VM_A, 1);

        client_close(&c);
    }
    provider_free(second);
    other.slab_size = 3 * 4096;
    ck_assert_ptr_null(provider_new(&other, NULL));
}
END_TEST

/* Lent memory that could be swapped and cannot be locked is not lent. */
START_TEST(unlockable_memory_is_refused)
{
    struct rlimit none = { 0, 0 };
    ProviderConfig bad = config;
    g_autoptr(GError) error = NULL;

    ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &none), 0);
    if (geteuid() == 0) {
        ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
    }
    bad.lock_memory = true;
    ck_assert_ptr_null(provider_new(&bad, &error));
    ck_assert_msg(strstr(error->message, "swap") != NULL, "%s",
                  error->message);
}
END_TEST

/* -------------------------------------------------------------- restart */

static GHashTable *kept;        /* name -> fd */

static void keep(const char *name, int fd, void *opaque)
{
    static GMutex lock;

    g_mutex_lock(&lock);
    if (fd < 0) {
        g_hash_table_remove(kept, name);
    } else {
        g_hash_table_replace(kept, g_strdup(name),
                             GINT_TO_POINTER(fcntl(fd, F_DUPFD_CLOEXEC, 0)));
    }
    g_mutex_unlock(&lock);
}

static void restart(void)
{
    ProviderKept list[64];
    GHashTableIter iter;
    gpointer name, fd;

    provider_free(provider);
    config.nr_kept = 0;
    g_hash_table_iter_init(&iter, kept);
    while (g_hash_table_iter_next(&iter, &name, &fd)) {
        list[config.nr_kept++] = (ProviderKept) {
            name, fcntl(GPOINTER_TO_INT(fd), F_DUPFD_CLOEXEC, 0),
        };
    }
    config.kept = list;
    start();
}

START_TEST(a_restart_keeps_leases_and_sessions)
{
    Client c, old;
    RcacheSlot x, y;

    provider_free(provider);
    kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    config.keep = keep;
    start();
    ck_assert_uint_eq(g_hash_table_size(kept), 1);
    c = leased(7, 3);
    ck_assert_uint_eq(g_hash_table_size(kept), 4);
    x = client_slot(&c, 0);
    y = client_slot(&c, 3 * PAGES - 1);
    client_put(&c, &x, 1, 1);
    client_put(&c, &y, 1, 2);
    give(2, VM_B, 2);
    restart();
    client_close(&c);

    ck_assert_uint_eq(g_hash_table_size(kept), 6);
    ck_assert_uint_eq(snapshot().leased, 5 * SLAB);
    ck_assert_uint_eq(snapshot().stored, 2 * WIRE_PAGE_SIZE);
    old = client_connect(provider_address(provider));
    ck_assert_uint_eq(client_hello(&old, VM_A, 6), RCACHE_E_FENCED);
    client_close(&old);
    c = client_session(provider_address(provider), VM_A, 8);
    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    ck_assert(client_has(&c, x, 1));
    ck_assert(client_has(&c, y, 2));
    /* What is released is not kept either. */
    ck_assert_uint_eq(client_bare(&c, RCACHE_RELEASE), RCACHE_OK);
    ck_assert_uint_eq(g_hash_table_size(kept), 3);
    client_close(&c);
    restart();
    ck_assert_uint_eq(snapshot().leased, 2 * SLAB);
    /* Nothing that was kept is of use to slabs of another size. */
    config.slab_size = 2 * SLAB;
    restart();
    ck_assert_uint_eq(snapshot().leased, 0);
    ck_assert_uint_eq(g_hash_table_size(kept), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("provider");
    TCase *tc = tcase_create("provider");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, pages_there_and_back);
    tcase_add_test(tc, stored_pages_are_counted);
    tcase_add_test(tc, requests_in_a_row);
    tcase_add_test(tc, requests_in_pieces);
    tcase_add_test(tc, what_is_not_there_is_an_error);
    tcase_add_test(tc, a_refused_put_does_not_end_the_connection);
    tcase_add_loop_test(tc, bad_frames_end_their_connection, 0,
                        G_N_ELEMENTS(bad_frames));
    tcase_add_test(tc, garbage_ends_its_connection);
    tcase_add_test(tc, frames_cut_short_harm_nobody);
    tcase_add_test(tc, refused_hellos_are_told_why);
    tcase_add_test(tc, a_newer_session_closes_the_older);
    tcase_add_test(tc, unread_bytes_of_an_older_session_are_dropped);
    tcase_add_test(tc, a_transfer_in_progress_is_ended);
    tcase_add_test(tc, late_bytes_of_a_killed_process);
    tcase_add_test(tc, claim_and_renew);
    tcase_add_test(tc, grants_have_limits);
    tcase_add_test(tc, unclaimed_leases_go_and_expired_ones_stay);
    tcase_add_test(tc, release_punches_the_memory);
    tcase_add_test(tc, release_waits_for_transfers);
    tcase_add_test(tc, an_operator_can_end_a_lease);
    tcase_add_test(tc, a_spoilt_page_differs);
    tcase_add_test(tc, silent_connections_do_not_hurt);
    tcase_add_test(tc, connections_are_capped);
    tcase_add_test(tc, one_session_has_few_connections);
    tcase_add_test(tc, a_slow_reader_is_bounded);
    tcase_add_test(tc, stuck_connections_are_closed);
    tcase_add_test(tc, listening);
    tcase_add_test(tc, unlockable_memory_is_refused);
    tcase_add_test(tc, a_restart_keeps_leases_and_sessions);
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
