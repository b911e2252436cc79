/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer-socket: see peer-socket.h. */
#include "rcached/provider/peer-socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "rcached/provider/serving.h"

static void peer_set_name(Peer *peer, const struct sockaddr_storage *addr,
                          socklen_t len)
{
    char host[48], port[8];

    if (getnameinfo((const struct sockaddr *)addr, len, host, sizeof(host),
                    port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV)) {
        g_strlcpy(peer->name, "unknown", sizeof(peer->name));
        return;
    }
    g_snprintf(peer->name, sizeof(peer->name),
               addr->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* Who it is from, and who gives way to it if there are too many. */
void peer_set_address(Peer *peer)
{
    struct sockaddr_storage addr = { 0 };
    socklen_t len = sizeof(addr);
    Peer *other;

    if (getpeername(peer->fd, (struct sockaddr *)&addr, &len)) {
        len = 0;                /* it has ended already */
    }
    peer_set_name(peer, &addr, len);
    other = strangers_add(&peer->server->strangers, &peer->stranger, peer,
                          &addr);
    if (other) {
        peer_close_over(other, PEER_LIMIT_HELLOS, PEER_TOO_MANY);
    }
}

/* A peer that has vanished is noticed by the kernel, within a minute. */
void peer_set_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        { IPPROTO_TCP, TCP_NODELAY, 1 },
        { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, 20 },
        { IPPROTO_TCP, TCP_KEEPINTVL, 10 },
        { IPPROTO_TCP, TCP_KEEPCNT, 4 },
        { IPPROTO_TCP, TCP_USER_TIMEOUT, 60000 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(options); i++) {
        /* Without one of them things are slower, no more. */
        (void)setsockopt(fd, options[i].level, options[i].name,
                         &options[i].value, sizeof(options[i].value));
    }
}
