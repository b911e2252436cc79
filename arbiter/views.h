/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * views: hosts as placement sees them.
 *
 * They are made anew for each request, from the table of hosts and the grants
 * on their way, so that nothing has to be kept in step.  To look at all of ten
 * thousand hosts takes a millisecond or more; most requests are settled with
 * a few: some at random, those that lend to the VM already, some of the
 * requester's rack.
 */
#ifndef ARBITER_VIEWS_H
#define ARBITER_VIEWS_H

#include "arbiter/grants.h"
#include "arbiter/hosts.h"
#include "arbiter/placement.h"

typedef struct Views {
    unsigned n;
    PlacementHost *host;
    uint64_t *pending;          /* bytes granted and not yet listed */
    Host **of;                  /* whose they are */
    uint32_t *at;               /* by Host.index; VIEWS_NONE: not here */
} Views;

#define VIEWS_NONE      UINT32_MAX

/**
 * views_new() - of all hosts, so that they are at Host.index
 * @vm: for a request of this VM; NULL: of none
 */
Views *views_new(const Hosts *hosts, const Grants *grants, const uint8_t *vm,
                 uint64_t now);

/**
 * views_new_few() - of a few, for this request
 * @sample: how many hosts placement scores
 *
 * Return: NULL if there are so few that all should be looked at
 */
Views *views_new_few(const Hosts *hosts, const Grants *grants,
                     const LeaseAsk *ask, unsigned sample, uint64_t now);

/**
 * views_wanted_back() - of the bytes that a VM has at a host, how many that
 * host wants back
 * @view: of @host, for the VM in question
 */
uint64_t views_wanted_back(const Host *host, const PlacementHost *view);

/**
 * views_leaving() - bytes that the VM has where they are wanted back, or where
 * nobody is any more: what comes in their place is nothing more
 */
uint64_t views_leaving(const Views *views);

void views_free(Views *views);

/** views_find() - where a host is, or VIEWS_NONE; NULL is nowhere */
uint32_t views_find(const Views *views, const Host *host);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Views, views_free)

#endif
