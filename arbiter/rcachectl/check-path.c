/* SPDX-License-Identifier: GPL-2.0-or-later */
/* check-path: see check-path.h. */
#include "arbiter/rcachectl/check-path.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "rcache/proto.h"

#define CONNECT_MS      2000
/* A lost datagram is sent again: what has vanished three times vanishes. */
#define TRIES           3u
#define TRIES_SMALLER   2u
/* A kernel sends an ICMP error a second, and a few more at once. */
#define ANSWER_MS       400
#define TCP_HEAD        20u
#define TCP_STAMPS      12u     /* in each segment, if they are in use */
#define UDP_HEAD        8u
#define SMALL           64u     /* of a datagram, with its heads */
#define LARGEST         65535u

/* Sizes that something on the way may have, beside the full one: what tunnels
 * leave of 9000 and of 1500, and what IPv6 always has. */
static const unsigned smaller[] = {
    8950, 8000, 4000, 1500, 1492, 1480, 1450, 1442, 1420, 1400, 1280, 576,
};

typedef struct Peer {
    struct sockaddr_storage addr;
    socklen_t len;
    bool v6;
    unsigned ip_head;           /* bytes */
} Peer;

/* What has come of a datagram. */
typedef enum Fate {
    FATE_SILENCE,
    FATE_ARRIVED,
    FATE_TOO_LARGE
} Fate;

/* ------------------------------------------------------------------- TCP */

/* Return: 0, or an errno */
static int connected(int fd, const Peer *peer)
{
    struct pollfd wait = { .fd = fd, .events = POLLOUT };
    socklen_t len = sizeof(int);
    int err = 0, ready;

    if (!connect(fd, (const struct sockaddr *)&peer->addr, peer->len)) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    do {
        ready = poll(&wait, 1, CONNECT_MS);
    } while (ready < 0 && errno == EINTR);
    if (!ready) {
        return ETIMEDOUT;
    }
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) ? errno : err;
}

/* The largest packet that the other side asks for. */
static unsigned peer_mtu(int fd, const Peer *peer)
{
    struct tcp_info info = { 0 };
    socklen_t len = sizeof(info);
    unsigned stamps;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
        !info.tcpi_snd_mss) {
        return 0;
    }
    stamps = info.tcpi_options & TCPI_OPT_TIMESTAMPS ? TCP_STAMPS : 0;
    return info.tcpi_snd_mss + stamps + TCP_HEAD + peer->ip_head;
}

static int look_at_connection(const Peer *peer, CheckPath *path)
{
    autofd fd = socket(peer->addr.ss_family,
                       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int err = fd < 0 ? errno : connected(fd, peer);

    if (!err) {
        path->peer_mtu = peer_mtu(fd, peer);
    }
    return err;
}

/* ---------------------------------------------------------------- device */

static bool same_address(const struct sockaddr *a,
                         const struct sockaddr_storage *b)
{
    if (!a || a->sa_family != b->ss_family) {
        return false;
    }
    if (a->sa_family == AF_INET) {
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    }
    return a->sa_family == AF_INET6 &&
           !memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                   &((const struct sockaddr_in6 *)b)->sin6_addr,
                   sizeof(struct in6_addr));
}

static void set_device(int fd, const char *name, CheckPath *path)
{
    struct ifreq request = { 0 };

    g_free(path->device);
    path->device = g_strdup(name);
    g_strlcpy(request.ifr_name, name, sizeof(request.ifr_name));
    if (!ioctl(fd, SIOCGIFMTU, &request) && request.ifr_mtu > 0) {
        path->mtu = request.ifr_mtu;
    }
}

/* The device that has the address that datagrams leave from. */
static void look_at_device(int fd, CheckPath *path)
{
    struct sockaddr_storage own = { 0 };
    socklen_t len = sizeof(own);
    struct ifaddrs *list;

    if (getsockname(fd, (struct sockaddr *)&own, &len) || getifaddrs(&list)) {
        return;
    }
    for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (same_address(i->ifa_addr, &own)) {
            set_device(fd, i->ifa_name, path);
            break;
        }
    }
    freeifaddrs(list);
}

/* -------------------------------------------------------------- datagrams */

/* Datagrams go as they are or not at all, and errors are told. */
static bool set_options(int fd, const Peer *peer)
{
    int level = peer->v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    int whole = peer->v6 ? IPV6_PMTUDISC_PROBE : IP_PMTUDISC_PROBE, on = 1;

    return !setsockopt(fd, level, peer->v6 ? IPV6_MTU_DISCOVER
                                           : IP_MTU_DISCOVER,
                       &whole, sizeof(whole)) &&
           !setsockopt(fd, level, peer->v6 ? IPV6_RECVERR : IP_RECVERR, &on,
                       sizeof(on));
}

/* A firewall there that refuses datagrams has got them as well. */
static Fate fate_of(const struct sock_extended_err *err, const Peer *peer)
{
    bool icmp = err->ee_origin == SO_EE_ORIGIN_ICMP ||
                err->ee_origin == SO_EE_ORIGIN_ICMP6;

    if (err->ee_errno == EMSGSIZE) {
        return FATE_TOO_LARGE;
    }
    return icmp && (err->ee_errno == ECONNREFUSED ||
                    same_address(SO_EE_OFFENDER(err), &peer->addr))
               ? FATE_ARRIVED : FATE_SILENCE;
}

/* An error that is waiting, if there is one. */
static Fate take_error(int fd, const Peer *peer)
{
    char control[512], byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1,
        .msg_control = control, .msg_controllen = sizeof(control),
    };

    if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
        return FATE_SILENCE;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            return fate_of((const void *)CMSG_DATA(c), peer);
        }
    }
    return FATE_SILENCE;
}

static Fate wait_for_error(int fd, const Peer *peer)
{
    int64_t until = g_get_monotonic_time() + ANSWER_MS * 1000;
    int64_t left;
    Fate fate = FATE_SILENCE;

    while (fate == FATE_SILENCE &&
           (left = (until - g_get_monotonic_time()) / 1000) > 0) {
        struct pollfd wait = { .fd = fd };

        if (poll(&wait, 1, left) > 0) {
            socklen_t len = sizeof(int);
            int err;

            fate = take_error(fd, peer);
            /* What is pending would fail the next send. */
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
        }
    }
    return fate;
}

/* @size: with its heads */
static Fate send_one(int fd, const Peer *peer, unsigned size, unsigned tries)
{
    size_t len = size - peer->ip_head - UDP_HEAD;
    g_autofree char *zeros = g_malloc0(len);
    Fate fate = FATE_SILENCE;

    for (unsigned i = 0; fate == FATE_SILENCE && i < tries; i++) {
        if (send(fd, zeros, len, MSG_DONTWAIT) < 0 && errno == EMSGSIZE) {
            take_error(fd, peer);
            return FATE_TOO_LARGE;
        }
        fate = wait_for_error(fd, peer);
    }
    return fate;
}

/* The full size did not pass: which one does? */
static void find_what_passes(int fd, const Peer *peer, CheckPath *path)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(smaller); i++) {
        if (smaller[i] < path->full &&
            send_one(fd, peer, smaller[i], TRIES_SMALLER) == FATE_ARRIVED) {
            path->passes = smaller[i];
            return;
        }
    }
}

static void look_at_datagrams(const Peer *peer, CheckPath *path)
{
    autofd fd = socket(peer->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    Fate fate;

    if (fd < 0 || !set_options(fd, peer) ||
        connect(fd, (const struct sockaddr *)&peer->addr, peer->len)) {
        return;
    }
    look_at_device(fd, path);
    path->full = MIN(path->mtu ? path->mtu : path->peer_mtu,
                     path->peer_mtu ? path->peer_mtu : path->mtu);
    path->full = MIN(path->full, LARGEST);
    if (path->full <= SMALL ||
        send_one(fd, peer, SMALL, TRIES) != FATE_ARRIVED) {
        return;
    }
    fate = send_one(fd, peer, path->full, TRIES);
    if (fate == FATE_ARRIVED) {
        path->passage = CHECK_PASS_FULL;
        path->passes = path->full;
        return;
    }
    path->passage = fate == FATE_TOO_LARGE ? CHECK_PASS_TOLD
                                           : CHECK_PASS_VANISH;
    path->passes = SMALL;
    find_what_passes(fd, peer, path);
}

/* -------------------------------------------------------------------- all */

void check_path_look(CheckPath *path)
{
    g_autoptr(GError) error = NULL;
    Peer peer = { 0 };

    if (!address_parse(path->address, RCACHE_DEFAULT_PORT, &peer.addr,
                       &peer.len, &error)) {
        path->wrong = g_strdup(error->message);
        return;
    }
    peer.v6 = peer.addr.ss_family == AF_INET6;
    peer.ip_head = peer.v6 ? 40 : 20;
    path->loopback = address_is_loopback(&peer.addr);
    path->connect_err = look_at_connection(&peer, path);
    if (!path->connect_err) {
        look_at_datagrams(&peer, path);
    }
}
