/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address: "host:port" and "[v6]:port" as they stand in configurations and
 * in the protocol.  Numbers only: no name is ever looked up, since that can
 * take any time.
 */
#ifndef RCACHE_ADDRESS_H
#define RCACHE_ADDRESS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/**
 * address_parse() - a text to a socket address
 * @text: "192.0.2.1:9470", "[2001:db8::1]:9470", without a port for the
 *        default one; "localhost" is 127.0.0.1; an empty host or "*" is the
 *        wildcard of IPv6, which takes IPv4 too
 * @port: the default port
 *
 * Return: false with @errp set if it is none of these
 */
bool address_parse(const char *text, uint16_t port,
                   struct sockaddr_storage *out, socklen_t *len,
                   GError **errp);

/** address_format() - the text that address_parse() would take, new */
char *address_format(const struct sockaddr_storage *addr);

/** address_is_loopback() - can it be reached from this host only? */
bool address_is_loopback(const struct sockaddr_storage *addr);

#endif
