/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process had queued on a TCP connection when it was killed still
 * arrives, also after its successor's connection is up and has been read: the
 * reason why a provider closes older sessions and throws away their unread
 * input before it answers HELLO (rule 3).
 */
#include <netinet/in.h>

#include "platform.h"

#define QUEUED 100000

static void sender(const struct sockaddr_in *addr, char what)
{
    static char bytes[QUEUED];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    NEED(fd >= 0);
    NEED(connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0);
    memset(bytes, what, sizeof(bytes));
    NEED(write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
    pause();
    _exit(0);
}

static pid_t start_sender(const struct sockaddr_in *addr, char what)
{
    pid_t pid = fork();

    NEED(pid >= 0);
    if (pid == 0) {
        sender(addr, what);
    }
    return pid;
}

int main(void)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int old_conn, new_conn;
    static char buf[QUEUED];
    pid_t old_pid, new_pid;
    size_t late = 0;
    ssize_t n;

    platform_start();
    NEED(listener >= 0);
    NEED(bind(listener, (struct sockaddr *)&addr, sizeof(addr)) == 0);
    NEED(listen(listener, 4) == 0);
    NEED(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);

    old_pid = start_sender(&addr, 'o');
    old_conn = accept(listener, NULL, NULL);
    NEED(old_conn >= 0);
    sleep_ms(NO_TIME_MS);
    child_kill(old_pid);

    new_pid = start_sender(&addr, 'n');
    new_conn = accept(listener, NULL, NULL);
    NEED(new_conn >= 0);
    NEED(read(new_conn, buf, 1) == 1 && buf[0] == 'n');

    while ((n = read(old_conn, buf, sizeof(buf))) > 0) {
        EXPECT_EQ(buf[0], 'o', "a byte of the killed sender");
        late += n;
    }
    EXPECT(late > 0, "bytes of a killed process arrive after its successor's");
    EXPECT_EQ(n, 0, "then the connection ends cleanly, not with a reset");
    child_kill(new_pid);
    return 0;
}
