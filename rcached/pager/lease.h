/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease: what this VM may use of other hosts' memory.
 */
#ifndef PAGER_LEASE_H
#define PAGER_LEASE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/link.h"
#include "rcached/pager/leases.h"

typedef struct Pager Pager;

/**
 * struct Providers - the hosts that the leases are at
 * @remotes: of Remote, owned
 */
typedef struct Providers {
    GPtrArray *remotes;
} Providers;

void providers_init(Providers *providers);

/** providers_deinit() - all must be DOWN */
void providers_deinit(Providers *providers);

/** lease_load() - the leases and slabs that the state memfd names */
void lease_load(Pager *p);

/** lease_tick() - claim, renew, give up; and the ticks of what is below */
void lease_tick(Pager *p, uint64_t now);

/** lease_grants() - rcached's answer to a request for leases */
void lease_grants(Pager *p, const struct LinkGrants *msg);

/** lease_answer() - a provider's answer to CLAIM, RENEW or RELEASE */
void lease_answer(Pager *p, Remote *remote, bool bulk, const WireHead *head,
                  const void *payload);

/** lease_for_put() - where to send pages next, or NULL */
Lease *lease_for_put(Pager *p);

/** lease_release() - give a lease back, whose provider is up */
void lease_release(Pager *p, Lease *l);

/** lease_release_all() - give everything back, waiting up to 3 s */
void lease_release_all(Pager *p);

/** lease_close_all() - end all sessions and wait until they are quiet */
void lease_close_all(Pager *p);

/* What a Remote tells its owner, the Pager. */
extern const RemoteOps lease_remote_ops;

#endif
