/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Unix SEQPACKET socket keeps message boundaries, and descriptors stay with
 * the message they were sent with.  MSG_PEEK with MSG_TRUNC tells the size of
 * the next message and leaves its descriptors for the real read; a read with
 * too little room for either says so.
 */
#include "platform.h"

static void send_message(int sock, size_t size, const int *fds, int nfds)
{
    char data[8192];
    char control[CMSG_SPACE(3 * sizeof(int))] = { 0 };
    struct iovec iov = { data, size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    memset(data, size & 0xff, size);
    if (nfds) {
        struct cmsghdr *cmsg;

        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
    }
    NEED(sendmsg(sock, &msg, 0) == (ssize_t)size);
}

/* Reads one message; the descriptors it brought in FDS, their number back. */
static int recv_message(int sock, size_t room, ssize_t *size, int *flags,
                        size_t control_room, int *fds)
{
    char data[8192];
    char control[CMSG_SPACE(3 * sizeof(int))];
    struct iovec iov = { data, room };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = control_room,
    };
    struct cmsghdr *cmsg;
    int nfds = 0;

    *size = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    *flags = msg.msg_flags;
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_type == SCM_RIGHTS) {
        nfds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(cmsg), nfds * sizeof(int));
    }
    return nfds;
}

static ssize_t peek_size(int sock)
{
    char byte;

    return recv(sock, &byte, 1, MSG_PEEK | MSG_TRUNC);
}

static bool same_file(int a, int b)
{
    struct stat sa, sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 &&
           sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

int main(void)
{
    const size_t room = CMSG_SPACE(3 * sizeof(int));
    int pair[2], sent[3], got[3];
    ssize_t size;
    int flags;

    platform_start();
    NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    for (int i = 0; i < 3; i++) {
        sent[i] = memfd_create("sent", MFD_CLOEXEC);
        NEED(sent[i] >= 0);
    }
    send_message(pair[0], 100, NULL, 0);
    send_message(pair[0], 200, sent, 3);
    send_message(pair[0], 300, sent, 1);
    send_message(pair[0], 400, NULL, 0);
    send_message(pair[0], 500, sent, 3);

    EXPECT_EQ(recv_message(pair[1], 8192, &size, &flags, room, got), 0,
              "descriptors with the first message");
    EXPECT_EQ(size, 100, "the size of the first message");

    EXPECT_EQ(peek_size(pair[1]), 200, "the size a peek tells");
    EXPECT_EQ(peek_size(pair[1]), 200, "the size a second peek tells");
    EXPECT_EQ(recv_message(pair[1], 8192, &size, &flags, room, got), 3,
              "descriptors with the message peeked at");
    EXPECT_EQ(size, 200, "its size");
    EXPECT_EQ(flags & (MSG_TRUNC | MSG_CTRUNC), 0, "its flags");
    for (int i = 0; i < 3; i++) {
        EXPECT(same_file(got[i], sent[i]), "descriptor %d is the one sent", i);
    }

    EXPECT_EQ(recv_message(pair[1], 100, &size, &flags, room, got), 1,
              "descriptors with a message too long for the buffer");
    EXPECT(flags & MSG_TRUNC, "a cut message says so");
    EXPECT_EQ(recv_message(pair[1], 8192, &size, &flags, room, got), 0,
              "descriptors with the next message");
    EXPECT_EQ(size, 400, "the rest of a cut message is gone");

    EXPECT_EQ(recv_message(pair[1], 8192, &size, &flags,
                           CMSG_SPACE(sizeof(int)), got), 1 + 1,
              "descriptors that fit the room (padding lets in a second)");
    EXPECT(flags & MSG_CTRUNC, "descriptors left out are told");

    close(pair[0]);
    EXPECT_EQ(recv_message(pair[1], 8192, &size, &flags, room, got), 0,
              "descriptors at the end");
    EXPECT_EQ(size, 0, "the end of the peer");
    return 0;
}
