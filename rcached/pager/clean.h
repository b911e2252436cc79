/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clean: pages whose slot has been kept leave without bytes (kept.h).
 */
#ifndef PAGER_CLEAN_H
#define PAGER_CLEAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/wire.h"
#include "rcached/pager/evict.h"
#include "rcached/pager/remote.h"
#include "rcached/pager/slots.h"

typedef struct Pager Pager;

#define CLEAN_ASKS_MAX  16u     /* batches that are asked about at a time */

/**
 * struct CleanAt - one place of all pages of a batch
 * @remote: that has to answer; NULL: it has, or there is no such place
 * @lease: index of the lease
 */
typedef struct CleanAt {
    Remote *remote;
    uint32_t lease;
} CleanAt;

/**
 * struct CleanAsk - pages that providers are asked about; private to clean.c
 * @n: pages in it; 0: the entry is free
 * @group: of slabs, that the pages are in
 * @serial: of the SUMS' tags
 * @sent: ns; 0: it is being made
 * @at: who has to answer
 * @failed: one could not say, or not in time, or has something else
 * @page: index of each
 * @word: EVICTING with CLEAN, as each page's word was stepped to
 */
typedef struct CleanAsk {
    unsigned n;
    uint32_t group;
    uint32_t serial;
    uint64_t sent;
    CleanAt at[SLOTS_PLACES];
    bool failed;
    uint64_t page[RCACHE_BATCH_PAGES];
    uint64_t word[RCACHE_BATCH_PAGES];
} CleanAsk;

/**
 * struct Cleans - all of them
 * @nr: pages in them
 */
typedef struct Cleans {
    CleanAsk ask[CLEAN_ASKS_MAX];
    uint64_t nr;
} Cleans;

/**
 * clean_scan() - which pages of a zap that has just been answered are clean
 * @clean: a byte for each page of @z: 1 if it is proved
 */
void clean_scan(Pager *p, const Zap *z, uint8_t clean[ZAP_PAGES]);

/**
 * clean_go() - ask about those of @page that may leave without bytes
 * @page: @n pages, ascending; those that have to go with bytes are moved to
 *        the front
 *
 * Return: how many have to go with bytes
 */
unsigned clean_go(Pager *p, uint64_t *page, unsigned n);

/**
 * clean_is_busy() - is asked about as much as may be, and answers come in time?
 *
 * Then it is better to wait for them: what cannot be asked about goes with
 * bytes, clean or not.
 */
bool clean_is_busy(const Pager *p, uint64_t now);

/**
 * clean_leave() - ask about up to @may pages that the back hand has before it
 *
 * They need no slot.  The hand stays before pages that cannot go so.
 *
 * Return: how many are on their way by that
 */
unsigned clean_leave(Pager *p, uint64_t may);

/**
 * clean_answer() - SUMS_ACK: pages go, if it was the last that was waited for
 *
 * Return: false: it is none of these
 */
bool clean_answer(Pager *p, Remote *remote, const WireHead *head,
                  const void *payload);

/** clean_remote_down() - what was asked of @remote is not answered */
void clean_remote_down(Pager *p, const Remote *remote);

/** clean_late() - pages that are waited for too long are to go with bytes */
void clean_late(Pager *p, uint64_t now);

/** clean_block_gone() - as evict_block_gone() */
void clean_block_gone(Pager *p, uint64_t first, uint64_t end);

#endif
