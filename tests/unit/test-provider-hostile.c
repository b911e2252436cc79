/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole provider on loopback and peers that do what they must not, or do it
 * too late.
 */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "provider-fixture.h"

#include "common/wire-control.h"

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
    static uint8_t pages[RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE];
    Client c = leased(1, 1);
    WireHead head, ping = { .type = RCACHE_PING };
    RcacheSlot slots[RCACHE_BATCH_PAGES];
    uint8_t *payload;
    unsigned i;

    for (i = 0; i < RCACHE_BATCH_PAGES; i++) {
        slots[i] = client_slot(&c, i);
    }
    c.epoch = 5;
    for (i = 0; i < 5; i++) {
        client_put_begin(&c, slots, RCACHE_BATCH_PAGES);
        client_send(&c, pages, sizeof(pages));
        client_send_head(&c, &ping);
    }
    for (i = 0; i < 5; i++) {
        ck_assert(client_try_recv(&c, &head, &payload));
        ck_assert_uint_eq(head.type, RCACHE_PUT_ACK);
        ck_assert_uint_eq(head.status, RCACHE_E_EPOCH);
        ck_assert(client_try_recv(&c, &head, &payload));
        ck_assert_uint_eq(head.type, RCACHE_PONG);
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
    Client c = leased(5, 1);
    Client old = client_connect(provider_address(provider));
    WireHello hello = {
        .version_min = 1, .version_max = 1, .role = RCACHE_ROLE_FAULT,
        .incarnation = 1, .session = 1, .vm = { 1 }, .host = "req",
    };
    g_autofree uint8_t *payload = NULL;
    uint8_t bytes[WIRE_HEAD_LEN];
    WireHead head = { .type = RCACHE_HELLO, .length = 192 };

    hello.version_min = hello.version_max = 2;
    hello_refused(hello, RCACHE_E_VERSION, "speaks 1 to 1");
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
    ck_assert_uint_eq(client_bare(&bulk, RCACHE_PING), 0);
    ck_assert_uint_eq(client_claim(&newer, 1), RCACHE_OK);
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

/*
 * What a killed process had sent arrives after a new one has connected.  The
 * process makes no assertion: each would be written to libcheck's file, and
 * the kill would cut one in two.
 */
static pid_t writer(RcacheSlot slot, uint64_t session)
{
    struct {
        uint8_t head[WIRE_HEAD_LEN];
        uint8_t slot[8];
        uint8_t page[WIRE_PAGE_SIZE];
    } put;
    Client c = client_session(provider_address(provider), VM_A, session);
    WireHead head = {
        .type = RCACHE_PUT, .count = 1, .length = 8 + WIRE_PAGE_SIZE,
        .tag = 77, .lease = 1, .epoch = 1,
    };
    pid_t pid;

    ck_assert_uint_eq(client_claim(&c, 1), RCACHE_OK);
    wire_head_encode(put.head, &head);
    wire_slots_encode(put.slot, &slot, 1);
    client_fill(put.page, &slot, 1, session);
    pid = fork();
    if (pid == 0) {
        for (;;) {
            if (!client_try_send(&c, &put, sizeof(put))) {
                _exit(1);
            }
        }
    }
    client_close(&c);
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

int main(void)
{
    Suite *s = suite_create("provider-hostile");
    TCase *tc = tcase_create("provider-hostile");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, fixture_set_up, fixture_tear_down);
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
    suite_add_tcase(s, tc);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
