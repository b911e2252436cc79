/* SPDX-License-Identifier: GPL-2.0-or-later */
/* provider-listen: see provider-listen.h. */
#include "rcached/provider/provider-listen.h"

#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/cleanup.h"
#include "common/host-checks.h"

/*
 * The kernel takes an io_uring apart after its process is gone: the socket of
 * a daemon that was killed listens on until then, which is a moment, and
 * seconds where all cores are busy.
 */
#define LISTEN_PAUSE_US         50000u
#define LISTEN_TRIES_QUIET      20u     /* before the log says so */
#define LISTEN_TRIES            200u

static int listen_socket(const struct sockaddr_storage *addr, socklen_t len)
{
    autofd fd = socket(addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1, off = 0;

    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        (addr->ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off))) ||
        bind(fd, (const struct sockaddr *)addr, len) ||
        listen(fd, HOST_BACKLOG)) {
        return -errno;
    }
    return fd_steal(&fd);
}

bool provider_listen(Provider *provider, const ProviderConfig *config,
                     GError **errp)
{
    struct sockaddr_storage addr;
    socklen_t len;
    unsigned tries = 0;
    int fd;

    if (!address_parse(config->listen, RCACHE_DEFAULT_PORT, &addr, &len,
                       errp)) {
        return false;
    }
    if (!address_is_loopback(&addr) && !config->tls && !config->tls_none) {
        g_set_error(errp, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                    "refusing to listen on %s without encryption: anyone who "
                    "can reach it could take memory and read it; write "
                    "tls=none to allow that", config->listen);
        return false;
    }
    fd = listen_socket(&addr, len);
    while (fd == -EADDRINUSE && tries++ < LISTEN_TRIES) {
        if (tries == LISTEN_TRIES_QUIET) {
            g_message("provider: %s is in use, perhaps still by a daemon that "
                      "was killed; trying again for %u s", config->listen,
                      (LISTEN_TRIES - LISTEN_TRIES_QUIET) * LISTEN_PAUSE_US /
                          1000000);
        }
        g_usleep(LISTEN_PAUSE_US);
        fd = listen_socket(&addr, len);
    }
    if (fd < 0) {
        g_set_error(errp, G_IO_ERROR, g_io_error_from_errno(-fd),
                    "cannot listen on %s: %s", config->listen,
                    g_strerror(-fd));
        return false;
    }
    provider->listen_fd = fd;
    len = sizeof(addr);
    if (!getsockname(fd, (struct sockaddr *)&addr, &len)) {
        provider->address = address_format(&addr);
    }
    return true;
}

/* A slab needs a descriptor and a connection does; both can be thousands. */
void provider_raise_nofile(void)
{
    struct rlimit limit;

    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit)) {
            g_warning("provider: cannot raise the limit of descriptors: %s",
                      g_strerror(errno));
        }
    }
}
