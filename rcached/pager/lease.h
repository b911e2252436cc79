/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease: the life of a lease: granted, claimed, renewed, released.
 */
#ifndef PAGER_LEASE_H
#define PAGER_LEASE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcached/link.h"
#include "rcached/pager/leases.h"

typedef struct Pager Pager;

/** lease_load() - the leases and slabs that the state memfd names */
void lease_load(Pager *p);

/** lease_tick() - claim, renew, give up what cannot be claimed */
void lease_tick(Pager *p, uint64_t now);

/**
 * lease_granted() - an arbiter has granted a lease
 * @label: the provider's failure domain, or ""
 *
 * Return: false: it is known already, there is no room for it in the table, or
 * it is none
 */
bool lease_granted(Pager *p, const struct RcacheLeaseGrant *g,
                   const char *label);

/** lease_remote_up() - a provider's session is there: claim what is there */
void lease_remote_up(Pager *p, const Remote *remote);

/** lease_remote_down() - it has ended; true: a lease of it was in use */
bool lease_remote_down(Pager *p, const Remote *remote);

/** lease_answer() - a provider's answer to CLAIM, RENEW or RELEASE */
void lease_answer(Pager *p, Remote *remote, bool bulk, const WireHead *head,
                  const void *payload);

/** lease_pages() - slots of @l that pages are in; others wait for their FREE */
uint64_t lease_pages(const Pager *p, const Lease *l);

/** lease_lost_pages() - slots that are not empty of leases that are lost */
uint64_t lease_lost_pages(const Pager *p);

/** lease_release() - give a lease back, whose provider is up */
void lease_release(Pager *p, Lease *l);

/* ---- for farewell.c ---- */

/** lease_claim() - claim a lease, whose provider is up, where it is not yet */
void lease_claim(Pager *p, Lease *l);

/** lease_refusal_is_loss() - does a refused CLAIM prove that there is no such
 * lease any more? */
bool lease_refusal_is_loss(const Lease *l, uint16_t status);

/** lease_drop() - it is gone: forget it; @l is freed */
void lease_drop(Pager *p, Lease *l);

#endif
