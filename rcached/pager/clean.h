/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clean: pages whose slot has been kept leave without bytes (kept.h).
 */
#ifndef PAGER_CLEAN_H
#define PAGER_CLEAN_H

#include <stdint.h>

#include "rcached/pager/evict.h"

typedef struct Pager Pager;

/**
 * clean_scan() - which pages of a zap that has just been answered are clean
 * @clean: a byte for each page of @z: 1 if it is proved
 */
void clean_scan(Pager *p, const Zap *z, uint8_t clean[ZAP_PAGES]);

/**
 * clean_go() - let those of @page go that may
 * @page: @n pages, ascending; those that stay are moved to the front
 * @may: no more than so many
 *
 * Return: how many stay
 */
unsigned clean_go(Pager *p, uint64_t *page, unsigned n, uint64_t may);

/**
 * clean_leave() - let up to @may pages go that the back hand has before it
 *
 * They need no slot.  The hand stays before pages that cannot go so.
 *
 * Return: how many went
 */
unsigned clean_leave(Pager *p, uint64_t may);

#endif
