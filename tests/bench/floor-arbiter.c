/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor-arbiter: the least that an arbiter can cost: a loop that reads the
 * frames off the sockets of all hosts and walks over their heads.  It knows
 * nobody; a request goes to the next two connections as grants and is
 * answered when both have said yes, so that its way is as long as it is with
 * an arbiter.
 *
 * Variants: "wake" is woken for each frame, "paced" sleeps a millisecond
 * first, so that several come at once; what is cheaper for the CPU is dearer
 * for who asks.
 *
 * It prints a line when so many sockets have brought a whole frame, and goes
 * on until it is killed.  It shares no code with the daemons, the numbers of
 * the protocol apart.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rcache/proto.h"
#include "tests/bench/measure.h"

#define EVENTS          256
#define BUFFER          65536u
#define KEEP            32768u  /* of a frame that has not come whole */
#define NAP_NS          1000000l

typedef struct Peer {
    int fd;
    uint8_t *part;              /* the start of a frame, or NULL */
    size_t have;
    int spoke;
} Peer;

static Peer *peer;
static int nr_peers, nr_spoke, nr_wanted, epoll;

static void answer(int to, uint8_t type, uint64_t tag, unsigned count,
                   const void *payload, size_t len)
{
    uint8_t bytes[sizeof(struct RcacheHdr) + 1024];
    struct RcacheHdr head = { .magic = RCACHE_MAGIC,
                              .version = RCACHE_VERSION, .type = type,
                              .length = len, .count = count, .tag = tag };

    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), payload, len);
    if (send(peer[to].fd, bytes, sizeof(head) + len, MSG_NOSIGNAL) < 0) {
        measure_die("send");
    }
}

/* The lease of a grant says what was asked, by whom, and which of two. */
static void take_request(int from, uint64_t tag)
{
    struct RcacheGrant grant = { .epoch = 1, .claim_ms = 1000,
                                 .bytes = 1u << 26, .name = "g",
                                 .host = "h" };

    for (int i = 1; i <= 2; i++) {
        grant.lease = (tag << 16 | (uint64_t)from) << 1 | (i & 1);
        answer((from + i) % nr_peers, RCACHE_GRANT, grant.lease, 0, &grant,
               sizeof(grant));
    }
}

static void take_yes(const uint8_t *payload)
{
    static uint8_t yes[UINT16_MAX + 1];
    const struct RcacheLeaseGrant grant = {
        .lease = 1, .epoch = 1, .ttl_ms = 1000, .bytes = 1u << 26,
        .host = "h", .address = "127.0.0.1:9470",
    };
    const struct {
        struct RcacheLeaseReply head;
        struct RcacheLeaseGrant grant[2];
    } reply = { { .bytes = 1u << 27 }, { grant, grant } };
    struct RcacheGrantAck ack;

    memcpy(&ack, payload, sizeof(ack));
    if (++yes[ack.lease >> 17 & UINT16_MAX] == 2) {
        yes[ack.lease >> 17 & UINT16_MAX] = 0;
        answer(ack.lease >> 1 & UINT16_MAX, RCACHE_LEASE_REPLY,
               ack.lease >> 17, 2, &reply, sizeof(reply));
    }
}

static void take_frame(int from, const struct RcacheHdr *head,
                       const uint8_t *payload)
{
    if (head->type == RCACHE_LEASE_REQUEST) {
        take_request(from, head->tag);
    } else if (head->type == RCACHE_GRANT_ACK) {
        take_yes(payload);
    }
    if (!peer[from].spoke) {
        peer[from].spoke = 1;
        if (++nr_spoke == nr_wanted) {
            puts("{\"all\": true}");
            fflush(stdout);
        }
    }
}

static void take_bytes(int from, const uint8_t *bytes, size_t len)
{
    struct RcacheHdr head;
    size_t at = 0;

    while (len - at >= sizeof(head)) {
        memcpy(&head, bytes + at, sizeof(head));
        if (len - at < sizeof(head) + head.length) {
            break;
        }
        take_frame(from, &head, bytes + at + sizeof(head));
        at += sizeof(head) + head.length;
    }
    peer[from].have = len - at;
    if (len - at > KEEP) {
        errno = EMSGSIZE;
        measure_die("a frame");
    }
    if (len - at) {
        if (!peer[from].part) {
            peer[from].part = malloc(KEEP);
        }
        memmove(peer[from].part, bytes + at, len - at);
    }
}

static void receive(int from)
{
    static uint8_t buffer[KEEP + BUFFER];
    size_t have = peer[from].have;
    ssize_t n;

    memcpy(buffer, peer[from].part ? peer[from].part : buffer, have);
    n = recv(peer[from].fd, buffer + have, BUFFER, MSG_DONTWAIT);
    if (n > 0) {
        take_bytes(from, buffer, have + n);
    } else if (!n || errno != EAGAIN) {
        close(peer[from].fd);
    }
}

static void take_peers(int listener)
{
    struct epoll_event event = { .events = EPOLLIN };
    int fd, one = 1;

    while ((fd = accept4(listener, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        peer = realloc(peer, (nr_peers + 1) * sizeof(*peer));
        peer[nr_peers] = (Peer) { .fd = fd };
        event.data.u32 = nr_peers++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
            measure_die("epoll_ctl");
        }
    }
}

static int listen_on(int port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = UINT32_MAX };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(fd, 4096) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        measure_die("listen");
    }
    return fd;
}

int main(int argc, char **argv)
{
    int paced = measure_option(argc, argv, "paced", 0), listener;
    struct timespec nap = { .tv_nsec = NAP_NS };
    struct epoll_event event[EVENTS];
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    nr_wanted = measure_option(argc, argv, "hosts", 10000);
    measure_pin(measure_option(argc, argv, "cpu", -1));
    epoll = epoll_create1(EPOLL_CLOEXEC);
    listener = listen_on(measure_option(argc, argv, "port", 9471));
    for (;;) {
        int n = epoll_wait(epoll, event, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            if (event[i].data.u32 == UINT32_MAX) {
                take_peers(listener);
            } else {
                receive(event[i].data.u32);
            }
        }
        if (paced && n < EVENTS) {
            nanosleep(&nap, NULL);
        }
    }
}
