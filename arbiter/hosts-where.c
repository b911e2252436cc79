/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts-where: where the providers of hosts are.  See hosts-where.h. */
#include "arbiter/hosts-where.h"

#include <gio/gio.h>
#include <netinet/in.h>
#include <string.h>

#include "common/address.h"

bool hosts_where(const Hosts *hosts, WireWhere *where, uint64_t now)
{
    const Host *host = *where->host
        ? hosts_find(hosts, where->host)
        : g_hash_table_lookup(hosts->addresses, where->address);

    if (!host || !host->conn || !*host->address ||
        hosts_state(hosts, host, now) != HOST_ALIVE) {
        return false;
    }
    wire_text_copy(where->host, sizeof(where->host), host->name);
    wire_text_copy(where->address, sizeof(where->address), host->address);
    return true;
}

bool hosts_complete_address(char *out, const char *address, const char *peer)
{
    const char *colon = strrchr(address, ':');
    size_t host_len = colon ? (size_t)(colon - address) : 0;
    g_autofree char *host = g_strndup(address, host_len);
    int len;

    memset(out, 0, RCACHE_NAME_MAX);
    if (!*address) {
        return true;
    }
    if (!colon || !g_ascii_string_to_unsigned(colon + 1, 10, 1, UINT16_MAX,
                                              NULL, NULL)) {
        return false;           /* where it listens has a port */
    }
    if (*host && strcmp(host, "*") && strcmp(host, "0.0.0.0") &&
        strcmp(host, "[::]")) {
        len = g_snprintf(out, RCACHE_NAME_MAX, "%s", address);
    } else {
        len = g_snprintf(out, RCACHE_NAME_MAX,
                         strchr(peer, ':') ? "[%s]%s" : "%s%s", peer,
                         colon);
    }
    return len < (int)RCACHE_NAME_MAX;
}

static bool is_loopback(const char *peer)
{
    g_autoptr(GInetAddress) ip = g_inet_address_new_from_string(peer);

    return ip && g_inet_address_get_is_loopback(ip);
}

/* Who connects to "any address" comes to itself. */
static bool is_any(const struct sockaddr_storage *addr)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
    const struct in6_addr *v6 =
        &((const struct sockaddr_in6 *)addr)->sin6_addr;
    static const uint8_t zero[4];

    if (addr->ss_family == AF_INET) {
        return !v4->sin_addr.s_addr;
    }
    return IN6_IS_ADDR_UNSPECIFIED(v6) ||
           (IN6_IS_ADDR_V4MAPPED(v6) &&
            !memcmp(v6->s6_addr + 12, zero, sizeof(zero)));
}

bool hosts_can_reach(const char *address, const char *peer)
{
    struct sockaddr_storage addr;
    socklen_t len;

    if (!*address) {
        return true;
    }
    return address_parse(address, RCACHE_DEFAULT_PORT, &addr, &len, NULL) &&
           !is_any(&addr) &&
           (is_loopback(peer) || !address_is_loopback(&addr));
}
