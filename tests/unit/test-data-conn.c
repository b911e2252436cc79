/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes out when, and a peer that answers what it has not received yet.
 *
 * The sender of a request takes its answer for leave to use the buffer again,
 * and there will be other bytes in it then, that are nobody else's.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/data-conn.h"

#define NR      8u
#define BYTES   (RCACHE_BATCH_PAGES * WIRE_PAGE_SIZE)
#define TURNS   100000u

static Ring *ring;
static DataConn conn;
static int listener, peer;
static uint8_t bytes[NR][BYTES];
static bool connected;
static char reason[128];
static uint64_t answered;       /* the tags: bit n is tag n */

static void got_connected(DataConn *c)
{
    connected = true;
}

static void got_frame(DataConn *c, const WireHead *head, const void *payload)
{
    answered |= UINT64_C(1) << head->tag;
}

static void got_closed(DataConn *c, const char *why)
{
    g_strlcpy(reason, why, sizeof(reason));
}

static const DataConnOps ops = {
    .connected = got_connected, .frame = got_frame, .closed = got_closed,
};

static void turn(void)
{
    ck_assert_int_ge(ring_run_once(ring, false), 0);
}

static void set_up_idle(void)
{
    struct sockaddr_storage to = { 0 };
    struct sockaddr_in *in = (struct sockaddr_in *)&to;
    socklen_t len = sizeof(*in);
    int little = 4096, err;

    connected = false;
    answered = 0;
    *reason = '\0';
    ring = ring_new(64, &err);
    ck_assert_ptr_nonnull(ring);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    *in = (struct sockaddr_in) {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    ck_assert_int_eq(bind(listener, (struct sockaddr *)in, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)in, &len);
    data_conn_init(&conn, ring, &ops, NULL);
    ck_assert_int_eq(data_conn_open(&conn, &to, len), 0);
    setsockopt(conn.fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
    while (!connected) {
        turn();
    }
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ck_assert_int_ge(peer, 0);
}

/* The same, and more has been asked for than goes at once. */
static void set_up(void)
{
    set_up_idle();
    for (unsigned i = 0; i < NR; i++) {
        WireHead head = { .type = RCACHE_PUT, .count = RCACHE_BATCH_PAGES,
                          .tag = i };
        RcacheSlot slots[RCACHE_BATCH_PAGES] = { 0 };

        data_conn_send(&conn, &head, slots, bytes[i], BYTES);
    }
}

static void tear_down(void)
{
    data_conn_close(&conn, "the end");
    while (!data_conn_idle(&conn)) {
        turn();
    }
    data_conn_deinit(&conn);
    close(peer);
    close(listener);
    ring_free(ring);
}

static void peer_answers(uint64_t tag)
{
    uint8_t out[WIRE_HEAD_LEN];
    const WireHead head = { .type = RCACHE_PUT_ACK, .tag = tag,
                            .status = RCACHE_E_BUSY };

    wire_head_encode(out, &head);
    ck_assert_int_eq(send(peer, out, sizeof(out), MSG_NOSIGNAL), sizeof(out));
}

/* All of what is out; false: nothing is. */
static bool peer_reads(void)
{
    static uint8_t in[BYTES];

    return recv(peer, in, sizeof(in), 0) > 0;
}

/* It has seen at most the head of that, or can guess what stands there. */
START_TEST(an_answer_before_all_was_sent_ends_it)
{
    peer_answers(_i);
    for (unsigned i = 0; i < TURNS && !*reason && !answered; i++) {
        turn();
    }
    ck_assert_uint_eq(answered, 0);
    ck_assert_str_eq(reason, "it answered a request before it had all of it");
}
END_TEST

START_TEST(answers_to_what_has_been_read_are_taken)
{
    for (unsigned idle = 0; idle < 100; idle++) {
        turn();
        if (peer_reads()) {
            idle = 0;
        } else {
            usleep(1000);
        }
    }
    for (unsigned i = 0; i < NR; i++) {
        peer_answers(i);
    }
    for (unsigned i = 0; i < TURNS && answered != (1u << NR) - 1; i++) {
        turn();
    }
    ck_assert_uint_eq(answered, (1u << NR) - 1);
    ck_assert_str_eq(reason, "");
}
END_TEST

/* Tag 0 is that of requests whose bytes nobody changes. */
START_TEST(tag_0_is_nobodys)
{
    peer_answers(0);
    for (unsigned i = 0; i < TURNS && !*reason && !answered; i++) {
        turn();
    }
    ck_assert_uint_eq(answered, 1);
    ck_assert_str_eq(reason, "");
}
END_TEST

/* A turn's requests are one packet: each is a system call, and wakes a
 * provider, that the next page that somebody waits for pays for. */
START_TEST(what_a_turn_asks_for_goes_at_once)
{
    static uint8_t in[2 * NR * (WIRE_HEAD_LEN + sizeof(RcacheSlot))];
    const ssize_t want = NR * (WIRE_HEAD_LEN + sizeof(RcacheSlot));

    for (unsigned i = 0; i < NR; i++) {
        WireHead head = { .type = RCACHE_GET, .count = 1, .tag = i };
        RcacheSlot slot = { 0 };

        data_conn_send(&conn, &head, &slot, NULL, 0);
    }
    ck_assert_int_lt(recv(peer, in, sizeof(in), 0), 0);
    turn();
    ck_assert_int_eq(recv(peer, in, sizeof(in), 0), want);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("data-conn");
    TCase *tc = tcase_create("answers");
    TCase *turns = tcase_create("turns");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, an_answer_before_all_was_sent_ends_it, 2, NR);
    tcase_add_test(tc, answers_to_what_has_been_read_are_taken);
    tcase_add_test(tc, tag_0_is_nobodys);
    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(turns, set_up_idle, tear_down);
    tcase_add_test(turns, what_a_turn_asks_for_goes_at_once);
    suite_add_tcase(s, turns);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
