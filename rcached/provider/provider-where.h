/* SPDX-License-Identifier: GPL-2.0-or-later */
/* provider-where: how a provider finds another one that a slab goes to. */
#ifndef RCACHED_PROVIDER_WHERE_H
#define RCACHED_PROVIDER_WHERE_H

#include <stdint.h>

#include "common/wire-control.h"

typedef struct Provider Provider;

/**
 * ProviderWhere - find the provider of a host, or the one at an address
 * @ticket: for provider_found(), which is to be called once, later
 * @host: or "": the one at @address
 *
 * Called on the provider's thread, and must not wait.
 */
typedef void ProviderWhere(uint64_t ticket, const char *host,
                           const char *address, void *opaque);

/**
 * provider_found() - the answer to a ProviderWhere; on any thread
 * @found: .status is RCACHE_OK, RCACHE_E_REFUSED (there is none) or
 *         RCACHE_E_BUSY (nobody can say); .host "": it is not known whose it
 *         is, and anybody will do; .address "": as the requester has it
 */
void provider_found(Provider *provider, uint64_t ticket,
                    const WireWhere *found);

#endif
