/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address: texts and socket addresses.  See address.h.
 */
#include "common/address.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <string.h>

/* Cut "host:port", "[v6]:port", "host" or "[v6]" into its parts. */
static bool split(const char *text, char **host, uint64_t *port)
{
    const char *end = NULL, *colon;

    if (*text == '[') {
        end = strchr(text, ']');
        if (!end) {
            return false;
        }
        *host = g_strndup(text + 1, end - text - 1);
        colon = end + 1;
        if (*colon && *colon != ':') {
            return false;
        }
    } else {
        colon = strrchr(text, ':');
        /* Two colons without brackets: an IPv6 address and no port. */
        if (colon && strchr(text, ':') != colon) {
            colon = NULL;
        }
        *host = colon ? g_strndup(text, colon - text) : g_strdup(text);
    }
    return !colon || !*colon ||
           g_ascii_string_to_unsigned(colon + 1, 10, 0, UINT16_MAX, port,
                                      NULL);
}

bool address_parse(const char *text, uint16_t port,
                   struct sockaddr_storage *out, socklen_t *len,
                   GError **errp)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    g_autofree char *host = NULL;
    uint64_t number = port;

    memset(out, 0, sizeof(*out));
    if (!split(text, &host, &number)) {
        goto bad;
    }
    if (inet_pton(AF_INET, !strcmp(host, "localhost") ? "127.0.0.1" : host,
                  &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(number);
        *len = sizeof(*v4);
        return true;
    }
    if (inet_pton(AF_INET6, !*host || !strcmp(host, "*") ? "::" : host,
                  &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(number);
        *len = sizeof(*v6);
        return true;
    }
bad:
    g_set_error(errp, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                "'%s' is not an address: write ADDRESS:PORT or [IPV6]:PORT, "
                "in numbers", text);
    return false;
}

char *address_format(const struct sockaddr_storage *addr)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
    char host[INET6_ADDRSTRLEN];

    if (addr->ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        return g_strdup_printf("%s:%u", host, ntohs(v4->sin_port));
    }
    if (addr->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        return g_strdup_printf("[%s]:%u", host, ntohs(v6->sin6_port));
    }
    return g_strdup("?");
}

bool address_is_loopback(const struct sockaddr_storage *addr)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;

    if (addr->ss_family == AF_INET) {
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        return v6->sin6_addr.s6_addr[12] == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}
