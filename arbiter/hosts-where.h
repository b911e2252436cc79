/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts-where: where the providers of hosts are. */
#ifndef ARBITER_HOSTS_WHERE_H
#define ARBITER_HOSTS_WHERE_H

#include "arbiter/hosts.h"
#include "common/wire-control.h"

/**
 * hosts_where() - where is a host's provider?
 * @where: .host, or .address of one whose host is asked for; both are set
 *
 * Return: false if no host is known by that, or it is not there now
 */
bool hosts_where(const Hosts *hosts, WireWhere *where, uint64_t now);

/**
 * hosts_complete_address() - fill in the host part of an address
 * @out: RCACHE_NAME_MAX bytes
 * @address: as HELLO had it: "", or with an empty or wildcard host part
 * @peer: the address the connection comes from, without port or brackets
 *
 * Return: false if the result does not fit or @address is none
 */
bool hosts_complete_address(char *out, const char *address, const char *peer);

/**
 * hosts_can_reach() - is a provider's address of use to other hosts?
 * @address: completed
 * @peer: the address its host connects from, without port or brackets
 *
 * One on the loopback interface is not, unless all are on this machine: others
 * would connect to themselves.  "Any address" in whatever form is the same, and
 * a text that is no address is none.
 */
bool hosts_can_reach(const char *address, const char *peer);

#endif
