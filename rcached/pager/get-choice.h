/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * get-choice: which place of a slab is asked for a page.
 *
 * The better place is one whose provider is up, not in trouble, not slow; of
 * equals the quicker one, and of those that are as quick each has half.  A
 * stale place is asked when no other is left (C2): the sum decides.  One that
 * has as many GETs unanswered as it may have comes behind one that has not.
 */
#ifndef PAGER_GET_CHOICE_H
#define PAGER_GET_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "rcached/pager/remote.h"

typedef struct Pager Pager;

/**
 * get_is_full() - are as many GETs out at a provider as may be?
 * @busy: numbers of GETs that are taken besides
 */
bool get_is_full(const Remote *r, unsigned busy);

/**
 * get_choose() - the better of the places of a valid slot that are ready
 * @not: bits of those that are not meant
 *
 * Return: -1: none is
 */
int get_choose(const Pager *p, uint64_t slot, unsigned not);

/**
 * get_is_there() - is there a place of a slot that can be asked now, and lacks
 * nothing?
 */
bool get_is_there(const Pager *p, uint64_t slot);

/** location_get_place() - the place of a slab that is asked first, or -1 */
int location_get_place(const Pager *p, uint64_t slot);

/** location_remote() - who is asked first for a slot; NULL: it is nowhere */
Remote *location_remote(const Pager *p, uint64_t slot);

#endif
