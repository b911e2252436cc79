/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor-idle: the least that watching an idle guest can cost here: a loop
 * that waits for faults which do not come, and ten times a second sends a
 * message of the size of the figures that a pager sends to its VMM.
 *
 * One line of JSON: how much of a core that was.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define PERIOD_MS       100
#define MESSAGE_BYTES   2048u

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int open_uffd(void)
{
    struct uffdio_api api = { .api = UFFD_API };
    int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), uffd;

    uffd = dev < 0 ? -1 : ioctl(dev, USERFAULTFD_IOC_NEW,
                                O_NONBLOCK | O_CLOEXEC);
    if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) < 0) {
        measure_die("userfaultfd");
    }
    close(dev);
    return uffd;
}

int main(int argc, char **argv)
{
    long seconds = measure_option(argc, argv, "seconds", 5);
    struct pollfd pfd = { .fd = open_uffd(), .events = POLLIN };
    char message[MESSAGE_BYTES] = { 0 };
    uint64_t start, cpu;
    int sock[2], reader;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock) < 0) {
        measure_die("socketpair");
    }
    reader = measure_fork();
    if (!reader) {
        while (recv(sock[1], message, sizeof(message), 0) > 0) {
        }
        _exit(0);
    }
    measure_pin(measure_option(argc, argv, "pager-cpu", -1));
    start = measure_now();
    cpu = cpu_ns();
    while (measure_now() - start < (uint64_t)seconds * 1000000000) {
        poll(&pfd, 1, PERIOD_MS);
        if (send(sock[0], message, sizeof(message), 0) < 0) {
            measure_die("send");
        }
    }
    printf("{\"variant\": \"poll\", \"percent\": %.4f}\n",
           (double)(cpu_ns() - cpu) / (measure_now() - start) * 100);
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    return 0;
}
