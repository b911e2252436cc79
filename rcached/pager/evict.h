/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * evict: pages go: zap, seal, PUT, commit, punch.
 */
#ifndef PAGER_EVICT_H
#define PAGER_EVICT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "rcache/proto.h"
#include "rcache/vmm.h"
#include "rcached/pager/clock.h"
#include "rcached/pager/location.h"
#include "rcached/pager/page-errors.h"
#include "rcached/pager/progress.h"
#include "rcached/pager/seal.h"

typedef struct Pager Pager;

#define BATCH_MAX       LOCATION_PUTS
#define ZAP_MAX         4u      /* zaps on their way */
#define ZAP_PAGES       256u    /* pages of one */
#define SLICE_PAGES     16u     /* pages between two looks at the faults */

/**
 * struct Batch - pages on their way to a provider; private to evict.c
 * @used: a PUT of it is out
 * @n: pages in it
 * @page: index of each
 * @word: EVICTING, as each page's word was stepped to
 * @slot: where each goes
 * @mark: what each was sealed as
 * @sum: checksum of each, as it is sealed
 * @bytes: RCACHE_BATCH_PAGES pages, sealed; owned
 */
typedef struct Batch {
    bool used;
    unsigned n;
    uint64_t page[RCACHE_BATCH_PAGES];
    uint64_t word[RCACHE_BATCH_PAGES];
    uint64_t slot[RCACHE_BATCH_PAGES];
    SealMark mark[RCACHE_BATCH_PAGES];
    uint64_t sum[RCACHE_BATCH_PAGES];
    uint8_t *bytes;
} Batch;

/**
 * struct Zap - a zap that the VMM has not answered; private to evict.c
 * @seq: its number; 0: the entry is free
 * @block: the block that all its pages are in
 * @n: pages in it
 * @page: index of each
 * @word: ZAPPING, as each page's word was stepped to
 */
typedef struct Zap {
    uint64_t seq;
    uint32_t block;
    unsigned n;
    uint64_t page[ZAP_PAGES];
    uint64_t word[ZAP_PAGES];
} Zap;

/**
 * struct Evictor - what is on its way out
 * @batch: PUTs
 * @zap: zaps
 * @stuck: of uint64_t, PUNCHING pages whose punch failed; punch.c's
 * @unreadable: pages that pread() refused, each told once, and zapped again
 *              no more than once a second
 * @unsealed_told: that a page could not be sealed
 * @zap_fruitless: words looked at since the last page to zap was found; set to
 *                 0 by pager.c at each tick and by command.c
 * @progress: of evictions; those that make room tell it too, and fault.c reads
 *            it
 * @zap_seq: of the last zap; the state memfd's, as attach.c found it
 */
typedef struct Evictor {
    Batch batch[BATCH_MAX];
    Zap zap[ZAP_MAX];
    GArray *stuck;
    PageErrors unreadable;
    bool unsealed_told;
    uint64_t zap_fruitless;
    Progress progress;
    uint64_t zap_seq;
} Evictor;

void evictor_init(Evictor *evictor);
void evictor_deinit(Evictor *evictor);

/** evict_work() - zap and send a piece; true: there is more at once */
bool evict_work(Pager *p, uint64_t now);

/**
 * evict_pick() - have a back hand pick pages
 * @clock: whose; p->clock, or a copy of it that looks ahead
 * @page: room for @max
 *
 * Return: how many stand in @page, all of one block, ascending
 */
unsigned evict_pick(Pager *p, Clock *clock, uint64_t *page, unsigned max);

/** evict_zap_done() - the VMM's answer to a zap, whose length is checked */
void evict_zap_done(Pager *p, const struct RcacheVmmZapDone *msg);

/** evict_stored() - the answer to a location_put(); see LocationOps */
void evict_stored(Pager *p, unsigned i, bool ok);

/**
 * evict_block_gone() - pages @first..@end are no more
 *
 * Their words start anew when the VMM uses them again, generation and all, so
 * that an answer to come would fit the next eviction of another page.
 */
void evict_block_gone(Pager *p, uint64_t first, uint64_t end);

#endif
