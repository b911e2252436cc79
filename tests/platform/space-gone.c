/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a process dies its address space is gone before its sockets are closed,
 * and whoever holds its userfaultfd can ask: ioctls on it then say ESRCH.  So
 * the pager that sees the end of QEMU's connection knows at once whether QEMU
 * is dead; to ask does nothing to one that lives.
 */
#include "platform.h"

static void *idle(void *opaque)
{
    pause();
    return NULL;
}

static void send_fd(int sock, int fd, char *addr)
{
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec iov = { &addr, sizeof(addr) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    NEED(sendmsg(sock, &msg, 0) == sizeof(addr));
}

static int receive_fd(int sock, char **addr)
{
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec iov = { addr, sizeof(*addr) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    int fd;

    if (recvmsg(sock, &msg, 0) != sizeof(*addr)) {
        SKIP("no userfaultfd for this user");
    }
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
    return fd;
}

/* The VMM: two threads, and pages that are mapped. */
static void vmm(int sock)
{
    pthread_t thread;
    Ram ram;

    ram_init_bare(&ram, 64);
    ram.uffd = uffd_open(UFFD_BASE);
    NEED(uffd_register(ram.uffd, ram.guest, 64, UFFD_MODES) == 0);
    NEED(uffd_copy(ram.uffd, ram.guest, page_of('v')) == 0);
    NEED(pthread_create(&thread, NULL, idle, NULL) == 0);
    send_fd(sock, ram.uffd, ram.guest);
    pause();
    _exit(0);
}

/* 0, or the error */
static int ask(int uffd, char *addr)
{
    struct uffdio_writeprotect none = {
        .range = { .start = (uintptr_t)addr, .len = PAGE },
    };

    return ioctl(uffd, UFFDIO_WRITEPROTECT, &none) < 0 ? errno : 0;
}

int main(void)
{
    int pair[2], uffd;
    char *addr, byte;
    pid_t pid;

    platform_start();
    NEED(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        close(pair[0]);
        vmm(pair[1]);
    }
    close(pair[1]);
    uffd = receive_fd(pair[0], &addr);
    EXPECT(ask(uffd, addr) != ESRCH, "one that lives has its space");
    NEED(kill(pid, SIGKILL) == 0);
    NEED(recv(pair[0], &byte, 1, 0) == 0);
    EXPECT_EQ(ask(uffd, addr), ESRCH, "it is gone when its socket has ended");
    NEED(waitpid(pid, NULL, 0) == pid);
    return 0;
}
