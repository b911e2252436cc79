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
        g_strlcpy(peer->address, "unknown", sizeof(peer->address));
        return;
    }
    /* Who has one of a site's addresses has them all. */
    if (!strangers_text(addr, peer->address, sizeof(peer->address))) {
        g_strlcpy(peer->address, host, sizeof(peer->address));
    }
    g_snprintf(peer->name, sizeof(peer->name),
               addr->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

Peer *peer_set_address(Peer *peer)
{
    Strangers *strangers = &peer->server->strangers;
    struct sockaddr_storage addr = { 0 };
    socklen_t len = sizeof(addr);

    if (getpeername(peer->fd, (struct sockaddr *)&addr, &len)) {
        len = 0;                /* it has ended already */
    }
    peer_set_name(peer, &addr, len);
    return strangers_add(strangers, &peer->stranger, peer, &addr);
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
