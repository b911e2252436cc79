/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes in by a socket of messages: the descriptors with a message are
 * owned by who gets them or closed, and never more than there is room for.
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rcached/pager/seqsock.h"

static Ring *ring;
static SeqSock sock;
static int peer;
static unsigned messages, fds_seen;
static bool closed;

static void got_message(SeqSock *s, const void *msg, size_t len, int *fds,
                        unsigned nr_fds)
{
    messages++;
    fds_seen = nr_fds;
}

static void got_closed(SeqSock *s, const char *reason)
{
    closed = true;
}

static const SeqSockOps ops = { .message = got_message,
                                .closed = got_closed };

static unsigned open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

static void set_up(void)
{
    int pair[2], err;

    messages = fds_seen = 0;
    closed = false;
    ring = ring_new(8, &err);
    ck_assert_ptr_nonnull(ring);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
                                pair), 0);
    peer = pair[1];
    seqsock_init(&sock, ring, &ops, NULL);
    seqsock_start(&sock, pair[0]);
}

static void tear_down(void)
{
    if (peer >= 0) {
        close(peer);
    }
    while (!closed) {
        ring_run_once(ring, true);
    }
    ring_free(ring);
}

/* A message of 4 bytes with @n descriptors. */
static void send_fds(unsigned n)
{
    char bytes[CMSG_SPACE(8 * sizeof(int))] = { 0 };
    struct iovec iov = { "abcd", 4 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *c = (void *)bytes;
    int fds[8];

    for (unsigned i = 0; i < n; i++) {
        fds[i] = STDERR_FILENO;
    }
    if (n) {
        m.msg_control = bytes;
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    }
    ck_assert_int_eq(sendmsg(peer, &m, 0), 4);
}

START_TEST(as_many_as_there_is_room_for)
{
    unsigned before = open_fds();

    send_fds(_i);
    while (!messages) {
        ring_run_once(ring, true);
    }
    ck_assert_uint_eq(fds_seen, _i);
    ck_assert(!closed);
    ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* However much the peer has said meanwhile that nobody has read. */
START_TEST(the_last_words_arrive)
{
    unsigned before = open_fds();
    char buf[16];

    for (unsigned i = 0; i < 5; i++) {
        send_fds(1);
    }
    seqsock_send(&sock, "because", 8, -1);
    seqsock_close(&sock, "enough");
    while (!closed) {
        ring_run_once(ring, true);
    }
    ck_assert_int_eq(recv(peer, buf, sizeof(buf), 0), 8);
    ck_assert_str_eq(buf, "because");
    ck_assert_int_eq(recv(peer, buf, sizeof(buf), 0), 0);
    ck_assert_uint_eq(open_fds(), before - 1);
}
END_TEST

/* A peer that has gone is seen by what we send first, and its last word by us;
 * with @_i it has not read what was sent to it. */
START_TEST(the_last_words_of_who_has_gone_are_heard)
{
    if (_i) {
        seqsock_send(&sock, "unread", 7, -1);
    }
    send_fds(0);
    close(peer);
    peer = -1;
    for (int i = 0; i < 3; i++) {
        seqsock_send(&sock, "to nobody", 10, -1);
    }
    ck_assert(!closed);
    while (!closed) {
        ring_run_once(ring, true);
    }
    ck_assert_uint_eq(messages, 1);
    ck_assert(sock.by_peer);
}
END_TEST

/* The same where nothing is sent. */
START_TEST(a_reset_hides_no_words)
{
    seqsock_send(&sock, "unread", 7, -1);
    send_fds(0);
    close(peer);
    peer = -1;
    while (!closed) {
        ring_run_once(ring, true);
    }
    ck_assert_uint_eq(messages, 1);
    ck_assert(sock.by_peer);
}
END_TEST

START_TEST(more_end_the_connection)
{
    unsigned before = open_fds();

    send_fds(_i);
    while (!closed && !messages) {
        ring_run_once(ring, true);
    }
    ck_assert_uint_eq(messages, 0);
    ck_assert(closed);
    /* All of them have been closed, and the socket has. */
    ck_assert_uint_eq(open_fds(), before - 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("seqsock");
    TCase *tcase = tcase_create("descriptors");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, as_many_as_there_is_room_for, 0,
                        SEQSOCK_FDS_MAX + 1);
    tcase_add_test(tcase, the_last_words_arrive);
    tcase_add_loop_test(tcase, the_last_words_of_who_has_gone_are_heard, 0, 2);
    tcase_add_test(tcase, a_reset_hides_no_words);
    tcase_add_loop_test(tcase, more_end_the_connection, SEQSOCK_FDS_MAX + 1,
                        SEQSOCK_FDS_MAX + 4);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
