/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * revoke: slabs that providers want back, or that slow ones lose.
 */
#ifndef PAGER_REVOKE_H
#define PAGER_REVOKE_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/lease-demand.h"
#include "rcached/pager/lease.h"

/**
 * struct Spare - a slab of a lease that the slab table does not name
 * @number: the provider's
 * @was: its index in the table before it moved, plus one; or 0
 */
typedef struct Spare {
    uint32_t number;
    uint32_t was;
} Spare;

/**
 * struct Drop - a spare slab that is being given back; spare again if it fails
 * @serial: of the DROP's tag
 * @number: the provider's
 */
typedef struct Drop {
    uint32_t serial;
    uint32_t number;
} Drop;

/** revoke_claimed() - a CLAIM_ACK has come on the bulk connection */
void revoke_claimed(Pager *p, Lease *l, const WireClaimAck *ack,
                    const void *payload);

/** revoke_received() - REVOKE */
void revoke_received(Pager *p, Remote *remote, const WireHead *head,
                     const void *payload);

/** revoke_dropped() - DROP_ACK */
void revoke_dropped(Pager *p, const Remote *remote, const WireHead *head);

/**
 * revoke_spare() - a slab of @l that the slab table does not name (any more)
 * @number: the provider's
 * @was: its index there plus one, if it had one: GETs may be out on it
 */
void revoke_spare(Lease *l, uint32_t number, uint32_t was);

/** revoke_tick() - leave what is wanted back */
void revoke_tick(Pager *p, uint64_t now);

/** revoke_lacking() - pages of empty slabs that have to be leased for that */
uint64_t revoke_lacking(const Pager *p);

/**
 * revoke_avoids() - providers whose memory would be of no use
 * @what: for that
 * @names: theirs, for as long as the remotes live
 *
 * Return: how many
 */
unsigned revoke_avoids(const Pager *p, WantFor what,
                       const char *names[RCACHE_AVOID_MAX]);

/**
 * revoke_give_back() - give empty slabs back that nobody has asked for
 * @pages: at most so many
 *
 * Return: how many
 */
uint64_t revoke_give_back(Pager *p, uint64_t pages);

/**
 * revoke_take_unused() - take a slab of @l that nothing uses for another
 * @not: of the slab table, but not this one
 * @number: the provider's
 *
 * Return: false: there is none
 */
bool revoke_take_unused(Pager *p, Lease *l, uint32_t not, uint32_t *number);

/**
 * revoke_find_place() - find a slab that nothing uses for another, and take it
 * @slab: the other
 * @leaves: the lease that it would not be at any more, or NULL
 * @from: that its bytes are copied from
 * @number: the provider's
 *
 * This host's own disk comes last.
 *
 * Return: the lease that the slab is at; NULL: there is none
 */
Lease *revoke_find_place(Pager *p, uint32_t slab, const Lease *leaves,
                         const Lease *from, uint64_t now, uint32_t *number);

/** revoke_pending() - is there any slab to leave, or on its way? */
bool revoke_pending(const Pager *p);

/** revoke_keeps() - pages of the slabs that a lease may keep */
uint64_t revoke_keeps(const Pager *p, const Lease *l);

#endif
